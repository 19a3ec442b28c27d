// Runs, jobs and waiting in words, shared by the formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "torchlap/v1/history.pb.h"
#include "torchlap/v1/job.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `1 run`, `3 runs`; of words whose plural ends in s.
std::string Counted(uint64_t count, std::string_view word);

// `torch unknown -> 2.9.1`.
std::string ChangeText(const v1::EnvironmentChange& change);

// `driver 580.1 -> 580.9, torch unknown -> 2.9.1`; empty: nothing.
std::string ChangesText(const google::protobuf::RepeatedPtrField<v1::EnvironmentChange>& changes);

// `OK`, `OUT_OF_MEMORY`; `unfinished` for a run without outcome.
std::string OutcomeName(v1::Outcome outcome);

// Where a row is: its outcome, else the state of its job (`QUEUED`), else `unfinished`.
std::string StateName(const v1::Run& run);

// How the sizes that were used differ from those asked for: `batch 4 -> 2 (OOM)`; empty if they do
// not.
std::string ShrinkWords(const v1::Run& run);

// Why the run has no numbers, without its outcome: the bytes where memory is the reason, else what
// the daemon says.
std::string ReasonWords(const v1::Run& run);

// Why the run has no numbers: `OUT_OF_MEMORY in backward: asked 2.31 GiB, free 410 MiB`,
// `SKIPPED: needs 25.4 GiB, device has 15.6 GiB`, `TIMED_OUT: ...`. Empty for a run that ended OK.
std::string FailureWords(const v1::Run& run);

// `invalid: the fan had failed`; empty for a run that nobody declared invalid.
std::string InvalidWords(const v1::Run& run);

// What a row says beside its numbers: that it was declared invalid, sizes that shrank, the failure,
// the verdict, and a device that was not as it is wanted when the run began (VerdictMark).
std::string NoteWords(const v1::Run& run);

// What a user wrote on the run, without empty lines.
std::vector<std::string> NoteLines(const v1::Run& run);

// Why a job waits: `behind 3 jobs`. Empty for a job that does not.
std::string WaitWords(const v1::WaitReason& wait);

// `finished, not stored yet: the disk is full`; empty for a job of which that is not so.
std::string NotStoredWords(const v1::Job& job);

// Length in columns of a terminal: code points, as everything that torchlap prints is one column
// wide.
size_t DisplayWidth(const std::string& text);

}  // namespace torchlap::client::format
