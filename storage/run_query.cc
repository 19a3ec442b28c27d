#include "storage/run_query.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// Up to so many workloads each gives its own newest runs, which are then merged; above, enough runs
// match for a walk through all of them by start to end soon.
constexpr size_t kMostMerged = 24;

template <typename Numbers>
std::string In(const std::string& column, const Numbers& numbers) {
  const auto append = [](std::string* out, auto number) {
    absl::StrAppend(out, static_cast<int64_t>(number));
  };
  return absl::StrCat(column, " IN (", absl::StrJoin(numbers, ", ", append), ")");
}

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

// Any of the jobs, sweeps and runs.
std::string Selection(const JobFilter& selected, const std::vector<RunPlace>& runs) {
  std::vector<uint64_t> jobs_of_runs;
  std::vector<int64_t> ids;
  for (const RunPlace& run : runs) {
    jobs_of_runs.push_back(run.job_id);
    ids.push_back(run.id);
  }
  const std::string jobs = absl::StrCat("SELECT id FROM job WHERE ", In("id", selected.job_ids),
                                        " OR ", In("sweep_id", selected.sweep_ids));
  if (runs.empty()) return absl::StrCat("job_id IN (", jobs, ")");
  // The first condition alone leads through the index.
  return absl::StrCat("job_id IN (", jobs, " OR ", In("id", jobs_of_runs), ") AND (", In("id", ids),
                      " OR job_id IN (", jobs, "))");
}

}  // namespace

RunQuery::RunQuery(SQLite::Database& database, const v1::RunFilter& filter,
                   const JobFilter& selected)
    : database_(database), conditions_({"outcome IS NOT NULL"}) {
  AddSelection(filter, selected);
  AddWorkloads(filter);
  AddNames(filter);
  AddValues(filter);
}

void RunQuery::AddSelection(const v1::RunFilter& filter, const JobFilter& selected) {
  const bool names_runs = filter.selector().run_ids_size() > 0 && !filter.selector().all();
  if (names_runs || !selected.job_ids.empty() || !selected.sweep_ids.empty()) {
    by_job_ = true;
    conditions_.push_back(Selection(
        selected, names_runs ? RunsNamed(database_, filter.selector()) : std::vector<RunPlace>()));
  }
  for (const auto& [key, value] : filter.labels()) {
    by_job_ = true;
    conditions_.push_back("job_id IN (SELECT job_id FROM label WHERE k = ? AND v = ?)");
    texts_.push_back(key);
    texts_.push_back(value);
  }
}

void RunQuery::AddWorkloads(const v1::RunFilter& filter) {
  std::vector<std::string> of_workload;
  if (filter.model_sizes_size() > 0) {
    const std::string sql =
        "SELECT id FROM workload WHERE model_size = ? OR edition || '/' || model_size = ?";
    of_workload.push_back(In("id", IdsOf(database_, sql, filter.model_sizes())));
  }
  if (filter.pass_types_size() > 0) of_workload.push_back(In("pass_type", filter.pass_types()));
  if (filter.precisions_size() > 0) of_workload.push_back(In("precision", filter.precisions()));
  if (filter.attentions_size() > 0) of_workload.push_back(In("attention", filter.attentions()));
  if (of_workload.empty()) return;
  workloads_.emplace();
  Query query(database_,
              absl::StrCat("SELECT id FROM workload WHERE ", absl::StrJoin(of_workload, " AND ")));
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
  conditions_.push_back(In(column, ids));
}

void RunQuery::AddValues(const v1::RunFilter& filter) {
  if (filter.timings_size() > 0) conditions_.push_back(In("timing", filter.timings()));
  if (filter.outcomes_size() > 0) conditions_.push_back(In("outcome", filter.outcomes()));
  if (filter.purposes_size() > 0) conditions_.push_back(In("purpose", filter.purposes()));
  if (filter.exclude_contaminated()) {
    conditions_.push_back(absl::StrCat("validity IS NOT ", int{v1::VALIDITY_CONTAMINATED}));
  }
  if (filter.since_ns() != 0) {
    conditions_.push_back(absl::StrCat("started_at_ns >= ", filter.since_ns()));
  }
  if (filter.until_ns() != 0) {
    conditions_.push_back(absl::StrCat("started_at_ns < ", filter.until_ns()));
  }
}

std::string RunQuery::Conditions(const std::string& also) const {
  const std::string all = absl::StrJoin(conditions_, " AND ");
  return also.empty() ? all : absl::StrCat(all, " AND ", also);
}

// The planner is told the index: it has no statistics, and each way is right for its case only.
std::vector<RunPlace> RunQuery::ByStart(bool ascending, const std::optional<RunPlace>& after,
                                        uint32_t limit) const {
  const std::string direction = ascending ? " ASC" : " DESC";
  const std::string order =
      absl::StrCat(" ORDER BY started_at_ns", direction, ", id", direction, " LIMIT ", limit);
  std::string behind;
  if (after) {
    behind = absl::StrCat("(started_at_ns, id) ", ascending ? ">" : "<", " (", after->started_at_ns,
                          ", ", after->id, ")");
  }
  const std::string select = "SELECT id, started_at_ns, 0, 0 FROM run INDEXED BY ";
  if (workloads_ && !by_job_ && workloads_->size() <= kMostMerged) {
    std::vector<std::string> parts;
    for (const int64_t workload : *workloads_) {
      parts.push_back(absl::StrCat("SELECT * FROM (", select, "run_by_workload WHERE ",
                                   Conditions(behind), " AND asked_workload_id = ", workload, order,
                                   ")"));
    }
    return Select(absl::StrCat("SELECT * FROM (", absl::StrJoin(parts, " UNION ALL "), ")", order));
  }
  const std::string index = by_job_ ? "run_by_job" : "run_by_start";
  std::string where = Conditions(behind);
  if (workloads_) absl::StrAppend(&where, " AND ", In("asked_workload_id", *workloads_));
  return Select(absl::StrCat(select, index, " WHERE ", where, order));
}

std::vector<RunPlace> RunQuery::ByJob(const RunPlace& after, uint32_t limit) const {
  std::string where =
      Conditions(absl::StrCat("(job_id, number) > (", after.job_id, ", ", after.number, ")"));
  if (workloads_) absl::StrAppend(&where, " AND ", In("asked_workload_id", *workloads_));
  return Select(absl::StrCat("SELECT id, started_at_ns, job_id, number FROM run INDEXED BY ",
                             "run_by_job WHERE ", where, " ORDER BY job_id, number LIMIT ", limit));
}

std::vector<RunPlace> RunQuery::Select(const std::string& sql) const {
  // SQLite finds no plan for `IN ()` with the index that it is told to use.
  if (nothing_) return {};
  Query query(database_, sql);
  for (const std::string& text : texts_) query.Bind(text);
  std::vector<RunPlace> places;
  while (query.Step()) {
    places.push_back(
        {query.Int(0), query.Int(1), query.Uint(2), static_cast<uint32_t>(query.Int(3))});
  }
  return places;
}

}  // namespace torchlap::storage
