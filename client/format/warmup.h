// `warmup`: a row for each number of warm-up steps, and what they show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// The finding with its numbers, in a sentence. `longest`: the most warm-up steps that were
// compared.
std::string WarmupSentence(const v1::WarmupFinding& finding, uint32_t longest);

// The most warm-up steps among the runs that ended OK.
uint32_t LongestWarmup(const v1::CompareWarmupsResponse& comparison);

// All of them. Where no finding says so (too few steps), the last
// one tells from the runs whether times settle.
std::vector<std::string> WarmupSentences(const v1::CompareWarmupsResponse& comparison);

// `small: all rows contaminated, try them again: torchlap warmup ... --retry-contaminated 3`; empty
// unless they all are.
std::vector<std::string> WarmupHints(const v1::CompareWarmupsResponse& comparison);

// The rows, then the sentences; for programs the runs, or `{"runs": [...], "findings": [...]}`,
// each finding with its sentence as `text`.
Document ShowWarmups(const v1::CompareWarmupsResponse& comparison,
                     FindDevices find_devices = nullptr);
MakeObject WarmupsObject(const v1::CompareWarmupsResponse& comparison);

// `settles at step 3` or `does not settle`.
std::string SettlingWords(const v1::Run& run);

}  // namespace torchlap::client::format
