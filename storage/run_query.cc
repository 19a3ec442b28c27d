#include "storage/run_query.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "storage/id_list.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// Up to so many workloads each gives its own newest runs, which are then merged; above, enough runs
// match for a walk through all of them by start to end soon.
constexpr size_t kMostMerged = 24;

std::string In(const std::string& column) { return absl::StrCat(column, " IN (", kListed, ")"); }

// The ids that `sql` finds for any of the names; each name is bound twice.
template <typename Names>
std::vector<int64_t> IdsOf(SQLite::Database& database, const std::string& sql, const Names& names) {
  std::vector<int64_t> ids;
  for (const std::string& name : names) {
    Query query(database, sql, name, name);
    while (query.Step()) ids.push_back(query.Int(0));
  }
  return ids;
}

std::vector<RunPlace> RunsNamed(SQLite::Database& database, const v1::Selector& selector) {
  std::vector<RunPlace> places;
  for (const std::string& run_id : selector.run_ids()) {
    const std::optional<RunKey> key = ParseRunId(run_id);
    if (!key) continue;
    const auto id = SelectInt(database, "SELECT id FROM run WHERE job_id = ? AND number = ?",
                              key->job_id, key->number);
    if (id) places.push_back({.id = *id, .job_id = key->job_id});
  }
  return places;
}

// The numbers of jobs that are listed, or are of a sweep that is listed: two parameters.
std::string SelectedJobs() {
  return absl::StrCat(kListed, " UNION SELECT id FROM job WHERE ", In("sweep_id"));
}

}  // namespace

// Nothing besides, so that the index covers it.
RunQuery::Way RunQuery::InOrderOfStart(const std::string& index, bool ascending) {
  const char* direction = ascending ? "ASC" : "DESC";
  return {index, absl::StrCat("started_at_ns ", direction, ", id ", direction), "0, 0"};
}

void RunQuery::Conditions::Add(std::string text, std::initializer_list<Value> parameters) {
  texts.push_back(std::move(text));
  values.insert(values.end(), parameters);
}

RunQuery::RunQuery(SQLite::Database& database, const v1::RunFilter& filter,
                   const JobFilter& selected)
    : database_(database) {
  conditions_.Add("outcome IS NOT NULL");
  AddSelection(filter, selected);
  AddWorkloads(filter);
  AddNames(filter);
  AddValues(filter);
}

// Any of the jobs, sweeps and runs; all of the labels.
void RunQuery::AddSelection(const v1::RunFilter& filter, const JobFilter& selected) {
  const bool names_runs = filter.selector().run_ids_size() > 0 && !filter.selector().all();
  const std::string jobs = IdList(selected.job_ids);
  const std::string sweeps = IdList(selected.sweep_ids);
  if (names_runs) {
    std::vector<uint64_t> jobs_of_runs;
    std::vector<int64_t> ids;
    for (const RunPlace& run : RunsNamed(database_, filter.selector())) {
      jobs_of_runs.push_back(run.job_id);
      ids.push_back(run.id);
    }
    // The first condition alone leads through the index.
    conditions_.Add(absl::StrCat("job_id IN (", SelectedJobs(), " UNION ", kListed, ") AND (",
                                 In("id"), " OR job_id IN (", SelectedJobs(), "))"),
                    {jobs, sweeps, IdList(jobs_of_runs), IdList(ids), jobs, sweeps});
  } else if (!selected.job_ids.empty() || !selected.sweep_ids.empty()) {
    conditions_.Add(absl::StrCat("job_id IN (", SelectedJobs(), ")"), {jobs, sweeps});
  }
  for (const auto& [key, value] : filter.labels()) {
    conditions_.Add("job_id IN (SELECT job_id FROM label WHERE k = ? AND v = ?)", {key, value});
  }
  by_job_ = conditions_.texts.size() > 1;
}

void RunQuery::AddWorkloads(const v1::RunFilter& filter) {
  std::vector<std::string> of_workload = {"1"};
  std::vector<std::string> lists;
  const auto require = [&](const char* column, const auto& numbers) {
    if (numbers.empty()) return;
    of_workload.push_back(In(column));
    lists.push_back(IdList(numbers));
  };
  if (filter.model_sizes_size() > 0) {
    // Also where no size of the name is there.
    of_workload.push_back(In("id"));
    lists.push_back(IdList(
        IdsOf(database_,
              "SELECT id FROM workload WHERE model_size = ? OR edition || '/' || model_size = ?",
              filter.model_sizes())));
  }
  require("pass_type", filter.pass_types());
  require("precision", filter.precisions());
  require("attention", filter.attentions());
  if (lists.empty()) return;
  workloads_.emplace();
  Query query(database_, Once{absl::StrCat("SELECT id FROM workload WHERE ",
                                           absl::StrJoin(of_workload, " AND "))});
  for (const std::string& list : lists) query.Bind(list);
  while (query.Step()) workloads_->push_back(query.Int(0));
  nothing_ = nothing_ || workloads_->empty();
}

void RunQuery::AddNames(const v1::RunFilter& filter) {
  if (filter.devices_size() > 0) {
    Require("device_id",
            IdsOf(database_, "SELECT id FROM device WHERE name = ? OR uuid = ?", filter.devices()));
  }
  if (filter.users_size() > 0) {
    Require("owner_id", IdsOf(database_, "SELECT id FROM principal WHERE name = ? OR principal = ?",
                              filter.users()));
  }
}

void RunQuery::Require(const std::string& column, const std::vector<int64_t>& ids) {
  nothing_ = nothing_ || ids.empty();
  conditions_.Add(In(column), {IdList(ids)});
}

void RunQuery::AddValues(const v1::RunFilter& filter) {
  if (filter.timings_size() > 0) conditions_.Add(In("timing"), {IdList(filter.timings())});
  if (filter.outcomes_size() > 0) conditions_.Add(In("outcome"), {IdList(filter.outcomes())});
  if (filter.purposes_size() > 0) conditions_.Add(In("purpose"), {IdList(filter.purposes())});
  if (filter.exclude_contaminated()) {
    conditions_.Add("validity IS NOT ?", {int64_t{v1::VALIDITY_CONTAMINATED}});
  }
  if (filter.since_ns() != 0) conditions_.Add("started_at_ns >= ?", {filter.since_ns()});
  if (filter.until_ns() != 0) conditions_.Add("started_at_ns < ?", {filter.until_ns()});
}

std::vector<RunPlace> RunQuery::ByStart(bool ascending, const std::optional<RunPlace>& after,
                                        uint32_t limit) const {
  Conditions conditions = conditions_;
  if (after) {
    conditions.Add(absl::StrCat("(started_at_ns, id) ", ascending ? ">" : "<", " (?, ?)"),
                   {after->started_at_ns, after->id});
  }
  if (workloads_ && !by_job_ && workloads_->size() <= kMostMerged) {
    return OfEachWorkload(conditions, ascending, limit);
  }
  if (workloads_) conditions.Add(In("asked_workload_id"), {IdList(*workloads_)});
  return Select(InOrderOfStart(by_job_ ? "run_by_job" : "run_by_start", ascending), conditions,
                limit);
}

// Each workload's first runs, merged.
std::vector<RunPlace> RunQuery::OfEachWorkload(const Conditions& conditions, bool ascending,
                                               uint32_t limit) const {
  std::vector<RunPlace> all;
  for (const int64_t workload : *workloads_) {
    Conditions of_one = conditions;
    of_one.Add("asked_workload_id = ?", {workload});
    const auto places = Select(InOrderOfStart("run_by_workload", ascending), of_one, limit);
    all.insert(all.end(), places.begin(), places.end());
  }
  std::sort(all.begin(), all.end(), [ascending](const RunPlace& a, const RunPlace& b) {
    const auto of_a = std::tie(a.started_at_ns, a.id);
    const auto of_b = std::tie(b.started_at_ns, b.id);
    return ascending ? of_a < of_b : of_b < of_a;
  });
  if (all.size() > limit) all.resize(limit);
  return all;
}

std::vector<RunPlace> RunQuery::ByJob(const RunPlace& after, uint32_t limit) const {
  Conditions conditions = conditions_;
  conditions.Add("(job_id, number) > (?, ?)",
                 {static_cast<int64_t>(after.job_id), int64_t{after.number}});
  if (workloads_) conditions.Add(In("asked_workload_id"), {IdList(*workloads_)});
  return Select({"run_by_job", "job_id, number", "job_id, number"}, conditions, limit);
}

std::vector<RunPlace> RunQuery::Select(const Way& how, const Conditions& conditions,
                                       uint32_t limit) const {
  if (nothing_) return {};
  Query query(database_,
              Once{absl::StrCat("SELECT id, started_at_ns, ", how.also, " FROM run ", "INDEXED BY ",
                                how.index, " WHERE ", absl::StrJoin(conditions.texts, " AND "),
                                " ORDER BY ", how.order, " LIMIT ?")});
  for (const Value& value : conditions.values) {
    std::visit([&query](const auto& bound) { query.Bind(bound); }, value);
  }
  query.Bind(limit);
  std::vector<RunPlace> places;
  while (query.Step()) {
    places.push_back(
        {query.Int(0), query.Int(1), query.Uint(2), static_cast<uint32_t>(query.Int(3))});
  }
  return places;
}

}  // namespace torchlap::storage
