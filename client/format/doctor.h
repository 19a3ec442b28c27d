// `doctor`: what the daemon found, in words, and what to do about it.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/format/format.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::client::format {

// `cuda:0`'s driver is too old: what was found, in a sentence.
std::string FindingWords(const v1::Finding& finding);
// One line; empty where nothing is to be done.
std::string RemedyWords(const v1::Finding& finding);

// For people a line a finding, with `do: ...` below those that are not in order, and a last line
// that counts them; for programs (any other format but writeup) a row a finding: severity, code
// (`driver-too-old`), device, detail, expected, finding and remedy in words.
void WriteFindings(Format format, const std::vector<v1::Finding>& findings, std::ostream& out);

}  // namespace torchlap::client::format
