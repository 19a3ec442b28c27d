// What of a suite both the client, which reads its file, and the daemon check.
#pragma once

#include <cstddef>

namespace torchlap {

// Of every job that a suite submits; its value is the suite's name. A sweep with such a job is to
// be judged when it has ended.
inline constexpr char kSuiteLabel[] = "suite";

// Of its name and its sweeps' names: of a label's value, which the name becomes.
inline constexpr size_t kMostSuiteNameChars = 100;
inline constexpr int kMostSweepsOfSuite = 100;
inline constexpr int kMostJobsOfSuite = 10'000;

}  // namespace torchlap
