// `doctor`: what the daemon found, in words, and what to do about it.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/device.pb.h"

namespace torchlap::client::format {

// `cuda:0`'s driver is too old: what was found, in a sentence.
std::string FindingWords(const v1::Finding& finding);
// One line; empty where nothing is to be done.
std::string RemedyWords(const v1::Finding& finding);

// For people a checklist with a last line that counts those that are not in order; for programs a
// row a finding: severity, code (`driver-too-old`), device, detail, expected, finding and remedy in
// words.
Document ShowFindings(const std::vector<v1::Finding>& findings);

}  // namespace torchlap::client::format
