// Verdicts and what they stand on, in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// The mark of a row: the verdict with the reasons that it stands on, the worst first and with its
// numbers where other work or the device disturbed the run: `suspect: drift, short-window`,
// `contaminated: foreign-cpu 34 % by stress-ng (pid 812, ann), steps 3-7`; `clean` too: nothing
// said is no verdict. Empty for a run that did not end OK, and one without verdict.
std::string VerdictWords(const v1::Run& run);

// The verdict alone: `invalid` of a run that was declared so, whatever was found; else `clean` and
// the like. Empty: there is none.
std::string VerdictWord(const v1::Run& run);

// How its device was when the run began, where that is not as the configuration wants it:
// `not-settled: waited 300 s, 71 C, gave up; settings-missing`. No verdict stands on it, so that a
// clean run may have it; empty where nothing is amiss, and for a run without its assessment.
std::string ConditionWords(const v1::Run& run);

// Both: `clean; settings-missing`. Empty where both are.
std::string VerdictAndCondition(const v1::Run& run);

// The same, but nothing of a clean run that was declared invalid: what was found there does not
// count, and no reason is left to be told.
std::string VerdictMark(const v1::Run& run);

// The words of all reasons, those that the verdict stands on first: a row of several launches has
// them in the order of its launches.
std::vector<std::string> Reasons(const v1::Run& run);

// One piece in full: `foreign-cpu 34 % (threshold 5 %) by stress-ng (pid 812, ann), steps 3-7`.
std::string EvidenceWords(const v1::Evidence& evidence);

// `stress-ng (pid 812, ann)`; empty where nobody was caught.
std::string WhoWords(const v1::Evidence& evidence);

// Whether the process had at least half of what the evidence tells of.
bool IsMostlyOfProcess(const v1::Evidence& evidence);

// Who had it: ` by stress-ng (pid 812, ann)` for at least half of it, else `, the largest: as (pid
// 31945, root) 3 %` or `, mostly by processes that have ended`. The part of a process that an older
// daemon saw is not known. Empty where nobody was caught.
std::string PartWords(const v1::Evidence& evidence);

// `steps 3-7`, `step 3`; empty for the whole run.
std::string StepWords(const v1::Evidence& evidence);

}  // namespace torchlap::client::format
