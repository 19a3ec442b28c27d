#include "storage/run_words.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "proto/base/visible_text.h"
#include "storage/filter_limits.h"
#include "storage/finding_store.h"
#include "storage/id_list.h"
#include "storage/rollup.h"
#include "storage/row_damage.h"
#include "storage/run_query.h"
#include "storage/shown_label.h"
#include "storage/sqlite_connection.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::storage {
namespace {

constexpr uint32_t kPlacesAtOnce = 10'000;

absl::Status TooMany(const char* what) {
  return absl::InvalidArgumentError(
      absl::StrCat("more than ", kMostIds, " ", what, " are chosen, must be at most ", kMostIds));
}

// Of a filter that includes invalid runs: who says something of them means them, too.
absl::StatusOr<std::vector<RunPlace>> PlacesOf(SQLite::Database& database,
                                               const v1::RunFilter& filter,
                                               const JobFilter& selected, bool with_unfinished) {
  auto labels = StoredLabels(database, filter, selected.only_owner);
  if (!labels.ok()) return labels.status();
  v1::RunFilter with_invalid = filter;
  with_invalid.set_include_invalid(true);
  const RunQuery query(database, with_invalid, selected, *std::move(labels));
  std::vector<RunPlace> all;
  RunPlace last;
  for (;;) {
    const std::vector<RunPlace> places = query.ByJob(last, kPlacesAtOnce, with_unfinished);
    all.insert(all.end(), places.begin(), places.end());
    if (places.size() < kPlacesAtOnce) return all;
    if (all.size() > static_cast<size_t>(kMostIds)) return TooMany("runs");
    last = places.back();
  }
}

absl::StatusOr<std::vector<int64_t>> RunsOf(SQLite::Database& database, const v1::RunFilter& filter,
                                            const JobFilter& selected) {
  const auto places = PlacesOf(database, filter, selected, false);
  if (!places.ok()) return places.status();
  std::vector<int64_t> ids;
  for (const RunPlace& place : *places) ids.push_back(place.id);
  if (ids.empty()) return absl::NotFoundError("no finished run is chosen, must be one at least");
  if (ids.size() > static_cast<size_t>(kMostIds)) return TooMany("runs");
  return ids;
}

absl::Status AppendJobs(SQLite::Database& database, const v1::RunFilter& filter,
                        const JobFilter& selected, std::vector<uint64_t>* jobs) {
  const auto places = PlacesOf(database, filter, selected, true);
  if (!places.ok()) return places.status();
  for (const RunPlace& place : *places) jobs->push_back(place.job_id);
  return absl::OkStatus();
}

// Runs that are named one by one are asked for apart: beside them, jobs without a run would be no
// places.
absl::StatusOr<std::vector<uint64_t>> JobsOf(SQLite::Database& database,
                                             const v1::RunFilter& filter, const JobFilter& selected,
                                             size_t most) {
  const bool names_runs = filter.selector().run_ids_size() > 0 && !filter.selector().all();
  const bool names_jobs = !selected.job_ids.empty() || !selected.sweep_ids.empty();
  const bool names_baseline = !selected.baseline_of.empty();
  std::vector<uint64_t> jobs;
  if (names_runs || names_baseline) {
    JobFilter none;
    none.only_owner = selected.only_owner;
    none.baseline_of = selected.baseline_of;
    absl::Status status = AppendJobs(database, filter, none, &jobs);
    if (!status.ok()) return status;
  }
  if (names_jobs || !(names_runs || names_baseline)) {
    v1::RunFilter of_jobs = filter;
    of_jobs.mutable_selector()->clear_run_ids();
    JobFilter named = selected;
    named.baseline_of.clear();
    absl::Status status = AppendJobs(database, of_jobs, named, &jobs);
    if (!status.ok()) return status;
  }
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  if (jobs.empty()) return absl::NotFoundError("no job is chosen, must be one at least");
  if (jobs.size() <= most) return jobs;
  return absl::InvalidArgumentError(absl::StrCat(jobs.size(), " jobs are chosen, must be at most ",
                                                 most, " at a time: narrow the filter"));
}

// `row`: the first of the chosen that is another's, and its owner.
absl::Status CheckNone(Query* row, const char* what, const char* verb) {
  if (!row->Step()) return absl::OkStatus();
  const std::string owner = row->IsNull(1) ? "another user" : row->Text(1);
  return absl::PermissionDeniedError(absl::StrCat(what, " ", row->Text(0), " belongs to ", owner,
                                                  "; only its owner or an admin may ", verb,
                                                  " it"));
}

absl::Status CheckOwnsRuns(SQLite::Database& database, const std::vector<int64_t>& ids,
                           const char* verb, const Caller& caller) {
  if (caller.is_admin) return absl::OkStatus();
  static const std::string select = absl::StrCat(
      "SELECT run.job_id || '.' || run.number, principal.name FROM run "
      "LEFT JOIN principal ON principal.id = run.owner_id WHERE run.id IN (",
      kListed, ") AND principal.principal IS NOT ? ORDER BY run.id LIMIT 1");
  Query others(database, select, IdList(ids), caller.principal);
  return CheckNone(&others, "run", verb);
}

absl::Status CheckOwnsJobs(SQLite::Database& database, const std::vector<uint64_t>& ids,
                           const Caller& caller) {
  if (caller.is_admin) return absl::OkStatus();
  static const std::string select = absl::StrCat(
      "SELECT job.id, principal.name FROM job "
      "LEFT JOIN principal ON principal.id = job.owner_id WHERE job.id IN (",
      kListed, ") AND principal.principal IS NOT ? ORDER BY job.id LIMIT 1");
  Query others(database, select, IdList(ids), caller.principal);
  return CheckNone(&others, "job", "label");
}

using Labels = google::protobuf::Map<std::string, std::string>;

// As it is stored, or as lists show it. False: it is not there.
bool Remove(const std::string& key, Labels* labels) {
  if (labels->erase(key) > 0) return true;
  for (auto entry = labels->begin(); entry != labels->end(); ++entry) {
    if (Visible(entry->first) != key) continue;
    labels->erase(entry);
    return true;
  }
  return false;
}

// False: it has this value.
bool Set(const std::string& key, const std::string& value, Labels* labels) {
  const auto [entry, is_new] = labels->insert({key, value});
  if (!is_new && entry->second == value) return false;
  entry->second = value;
  return true;
}

// False: they are so.
bool Apply(const LabelChange& change, Labels* labels) {
  bool is_changed = false;
  for (const std::string& key : change.remove) is_changed |= Remove(key, labels);
  for (const auto& [key, value] : change.set) is_changed |= Set(key, value, labels);
  return is_changed;
}

// They stand in the job's spec, which is shown, and in a table, by which they are found.
absl::Status ChangeLabels(SQLite::Database& database, uint64_t job_id, const LabelChange& change) {
  v1::JobSpec spec;
  {
    Query row(database, "SELECT spec FROM job WHERE id = ?", job_id);
    const bool is_read = row.Step() && spec.ParseFromString(row.Text(0));
    if (!is_read) {
      return RowDamaged(
          absl::StrCat("job ", job_id, " cannot be read: job.spec is not a torchlap.v1.JobSpec"));
    }
  }
  Labels* labels = spec.mutable_labels();
  if (!Apply(change, labels)) return absl::OkStatus();
  if (labels->size() > static_cast<size_t>(kMostLabels)) {
    return absl::InvalidArgumentError(absl::StrCat("job ", job_id, " would have ", labels->size(),
                                                   " labels, must be at most ", kMostLabels));
  }
  Execute(database, "UPDATE job SET spec = ? WHERE id = ?", Blob{spec.SerializeAsString()}, job_id);
  Execute(database, "DELETE FROM label WHERE job_id = ?", job_id);
  for (const auto& [key, value] : *labels) {
    Execute(database, "INSERT INTO label (job_id, k, v) VALUES (?, ?, ?)", job_id, key, value);
  }
  return absl::OkStatus();
}

// As an IdList, each once.
std::string JobsOfRuns(SQLite::Database& database, const std::string& runs) {
  static const std::string select =
      absl::StrCat("SELECT DISTINCT job_id FROM run WHERE id IN (", kListed, ")");
  std::vector<int64_t> jobs;
  Query query(database, select, runs);
  while (query.Step()) jobs.push_back(query.Int(0));
  return IdList(jobs);
}

std::optional<std::string> OrNull(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

}  // namespace

absl::StatusOr<uint32_t> RunWords::Label(const v1::RunFilter& filter, const JobFilter& selected,
                                         const LabelChange& change, const Caller& caller) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  uint32_t labelled = 0;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const auto jobs = JobsOf(database, filter, selected, most_labelled_jobs_);
    if (!jobs.ok()) return jobs.status();
    if (absl::Status may = CheckOwnsJobs(database, *jobs, caller); !may.ok()) return may;
    for (const uint64_t job : *jobs) {
      if (absl::Status changed = ChangeLabels(database, job, change); !changed.ok()) return changed;
    }
    labelled = static_cast<uint32_t>(jobs->size());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return labelled;
}

absl::StatusOr<uint32_t> RunWords::Note(const v1::RunFilter& filter, const JobFilter& selected,
                                        const std::string& note, const Caller& caller) {
  static const std::string update =
      absl::StrCat("UPDATE run SET note = ? WHERE id IN (", kListed, ")");
  return Change("note", filter, selected, caller,
                [&](SQLite::Database& database, const std::string& runs) {
                  return Execute(database, update, OrNull(note), runs);
                });
}

// An invalid run does not stand for its launch; another of its tries may do so then.
absl::StatusOr<uint32_t> RunWords::Invalidate(const v1::RunFilter& filter,
                                              const JobFilter& selected, const std::string& reason,
                                              const Caller& caller) {
  static const std::string declare =
      absl::StrCat("UPDATE run SET invalid_reason = ? WHERE id IN (", kListed, ")");
  static const std::string undo = absl::StrCat(declare, " AND invalid_reason IS NOT NULL");
  return Change("invalidate", filter, selected, caller,
                [&](SQLite::Database& database, const std::string& runs) {
                  const std::string jobs = JobsOfRuns(database, runs);
                  TakeJobsFromRollup(database, jobs);
                  const int changed =
                      Execute(database, reason.empty() ? undo : declare, OrNull(reason), runs);
                  PutJobsIntoRollup(database, jobs);
                  Execute(database, JudgeAgainSql(), runs);
                  return changed;
                });
}

absl::StatusOr<uint32_t> RunWords::Change(
    const char* verb, const v1::RunFilter& filter, const JobFilter& selected, const Caller& caller,
    const std::function<int(SQLite::Database&, const std::string& runs)>& change) {
  if (absl::Status limits = CheckLimits(filter); !limits.ok()) return limits;
  uint32_t changed = 0;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const auto runs = RunsOf(database, filter, selected);
    if (!runs.ok()) return runs.status();
    if (absl::Status may = CheckOwnsRuns(database, *runs, verb, caller); !may.ok()) return may;
    changed = static_cast<uint32_t>(change(database, IdList(*runs)));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return changed;
}

}  // namespace torchlap::storage
