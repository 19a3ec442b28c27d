// `warmup`: a row for each number of warm-up steps, and what they show.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "client/format/format.h"
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

// Table and Markdown: the rows, then the sentences; csv: the runs; json: `{"runs": [...],
// "findings": [...]}`, each finding with its sentence as `text`.
void WriteWarmups(Format format, const v1::CompareWarmupsResponse& comparison, std::ostream& out);
void WriteWarmupsJson(const v1::CompareWarmupsResponse& comparison, std::ostream& out);

// `settles at step 3` or `does not settle`.
std::string SettlingWords(const v1::Run& run);

}  // namespace torchlap::client::format
