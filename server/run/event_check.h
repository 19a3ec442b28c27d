// What a worker says is not believed as it comes: it may be broken, or hostile. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/worker.pb.h"

namespace torchlap::run {

// Texts of a worker are cut to this many bytes.
constexpr size_t kMostTextBytes = 4096;

// Makes an event fit to be stored and shown, in place: of texts, cut, what cannot be seen becomes
// an escape (proto/base/visible_text.h), of a failure's the first line is kept, a loss that is no
// number is left out, and so is what only the daemon may say (exit status, signal) and what this
// program does not know. Returns, in one line with field, value and what would be right, what
// cannot be mended: a number that is none, is negative or larger than the database holds, an enum
// that is not known, too many entries.
std::optional<std::string> MakeFit(v1::WorkerEvent* event);

// Whether `part`, which came after `before` (the steps so far), can be what a run of `run`'s plan
// did: no more steps than the plan can have, times up to the time limit, sums that stay numbers,
// phases within their step, steps one after the other. Nothing: it can; else one line. Lengths of
// columns are not looked at (proto/samples.h).
std::optional<std::string> CheckTimes(const v1::Run& run, const v1::SampleBlock& before,
                                      const v1::SampleBlock& part);

// The most steps, warm-up included, that a run of this plan can have; 0 for a calibration.
uint64_t MostSteps(const v1::Run& run);

}  // namespace torchlap::run
