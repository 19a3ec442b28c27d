// Verdicts and what they stand on, in words.
#pragma once

#include <cstdint>
#include <string>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// The mark of a row: the verdict with the reasons that it stands on, the worst first and with its
// numbers where other work or the device disturbed the run: `suspect: drift, noise`, `contaminated:
// foreign-cpu 34 % by stress-ng (pid 812, ann), steps 3-7`; `clean` too: nothing said is no
// verdict. Empty for a run that did not end OK, and one without verdict.
std::string VerdictWords(const v1::Run& run);

// One piece in full: `foreign-cpu 34 % (threshold 5 %) by stress-ng (pid 812, ann), steps 3-7`.
std::string EvidenceWords(const v1::Evidence& evidence);

// `stress-ng (pid 812, ann)`; empty where nobody was caught.
std::string WhoWords(const v1::Evidence& evidence);

// `steps 3-7`, `step 3`; empty for the whole run.
std::string StepWords(const v1::Evidence& evidence);

}  // namespace torchlap::client::format
