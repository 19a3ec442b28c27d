// What to do next about runs, in words: each clause from the numbers of the run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// Further tries that are advised after a contaminated one.
inline constexpr uint32_t kTriesAgainstNeighbours = 3;

struct AdviceWords {
  // What was found, with its numbers; empty for a code that this program does not know.
  std::string finding;
  // Complete, to be copied.
  std::string command;
};

// What changes the plan has the command that makes all such changes of the run.
AdviceWords WordAdvice(const v1::Run& run, const v1::Advice& advice);

// `small: CV 14 %, times drift (+6 % from the first half to the second): torchlap run ...`, a line
// for each piece of advice of the rows, what disturbed a run first. A row is named by its size and
// by what tells it from the other rows. Pieces about one row that end in one command are one line,
// and what holds of a size is said once, whatever its batch and context. What is about the device
// comes last and once, for the first row that has it; behind it, `fp16 is emulated on this CPU
// (cpu0)`.
std::vector<std::string> AdviceLines(const std::vector<v1::Run>& rows);

// `weights 2.36 GiB + gradients 2.36 GiB + activations at least 9.10 GiB = 13.8 GiB`. Empty where
// nothing is known.
std::string MemoryWords(const v1::Run& run);

}  // namespace torchlap::client::format
