#include "server/rpc/run_words.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

#include "server/rpc/job_choice.h"
#include "server/rpc/label_check.h"
#include "server/rpc/text_check.h"
#include "storage/filter_limits.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMostNoteChars = 2000;
constexpr size_t kMostReasonChars = 500;

// What these calls change is named: a filter alone would mean everybody's.
absl::StatusOr<storage::JobFilter> Chosen(const storage::JobStore& jobs,
                                          const storage::Caller& caller,
                                          const v1::RunFilter& filter) {
  if (absl::Status texts = CheckTexts(filter); !texts.ok()) return texts;
  if (!NamesSomething(filter.selector()) && filter.labels().empty()) {
    return absl::InvalidArgumentError(
        "filter names nothing, must name jobs, runs, sweeps or a label");
  }
  return ChosenOrAll(jobs, caller, filter.selector());
}

// Each of its lines.
absl::Status CheckNote(std::string_view note) {
  if (absl::Status length = CheckLength("note", note, kMostNoteChars); !length.ok()) return length;
  for (;;) {
    const size_t end = note.find('\n');
    if (absl::Status line = CheckText("note", note.substr(0, end)); !line.ok()) return line;
    if (end == std::string_view::npos) return absl::OkStatus();
    note.remove_prefix(end + 1);
  }
}

absl::Status CheckReason(const std::string& reason) {
  absl::Status length = CheckLength("reason", reason, kMostReasonChars);
  return length.ok() ? CheckText("reason", reason) : length;
}

// A label that is taken away may be older than what a label may be.
absl::Status CheckChange(const v1::LabelRunsRequest& request) {
  if (request.set().empty() && request.remove().empty()) {
    return absl::InvalidArgumentError(
        "set and remove are empty, must give a label (k=v) or one to be taken away");
  }
  for (const std::string& key : request.remove()) {
    if (absl::Status text = CheckText("remove", key); !text.ok()) return text;
    if (request.set().count(key) == 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("remove has {}, which set gives a value, must be in one of them", Named(key)));
  }
  absl::Status count = storage::CheckLimit("remove", request.remove_size(), storage::kMostLabels);
  return count.ok() ? CheckLabels(request.set()) : count;
}

}  // namespace

absl::Status LabelRuns::Answer(const storage::Caller& caller, const v1::LabelRunsRequest& request,
                               v1::LabelRunsResponse* response) {
  if (absl::Status change = CheckChange(request); !change.ok()) return change;
  const auto selected = Chosen(*jobs_, caller, request.filter());
  if (!selected.ok()) return selected.status();
  storage::LabelChange change;
  change.set.insert(request.set().begin(), request.set().end());
  change.remove.assign(request.remove().begin(), request.remove().end());
  const auto labelled = words_.Label(request.filter(), *selected, change, caller);
  if (!labelled.ok()) return labelled.status();
  response->set_jobs(*labelled);
  return absl::OkStatus();
}

absl::Status NoteRuns::Answer(const storage::Caller& caller, const v1::NoteRunsRequest& request,
                              v1::NoteRunsResponse* response) {
  if (absl::Status note = CheckNote(request.note()); !note.ok()) return note;
  const auto selected = Chosen(*jobs_, caller, request.filter());
  if (!selected.ok()) return selected.status();
  const auto noted = words_.Note(request.filter(), *selected, request.note(), caller);
  if (!noted.ok()) return noted.status();
  response->set_runs(*noted);
  return absl::OkStatus();
}

absl::Status InvalidateRuns::Answer(const storage::Caller& caller,
                                    const v1::InvalidateRunsRequest& request,
                                    v1::InvalidateRunsResponse* response) {
  if (absl::Status reason = CheckReason(request.reason()); !reason.ok()) return reason;
  const auto selected = Chosen(*jobs_, caller, request.filter());
  if (!selected.ok()) return selected.status();
  const auto runs = words_.Invalidate(request.filter(), *selected, request.reason(), caller);
  if (!runs.ok()) return runs.status();
  if (request.reason().empty()) {
    spdlog::info("{} declared {} runs valid again", caller.name, *runs);
  } else {
    spdlog::info("{} declared {} runs invalid: {}", caller.name, *runs, request.reason());
  }
  response->set_runs(*runs);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
