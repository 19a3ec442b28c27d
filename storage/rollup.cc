#include "storage/rollup.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "storage/id_list.h"
#include "storage/sqlite_connection.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::storage {
namespace {

constexpr std::array<const char*, 5> kPhases = {"forward", "loss", "backward", "optimizer", "step"};

// ---- one run ----

std::string AddRunSql() {
  std::string names;
  std::string values;
  std::string sums;
  for (const char* phase : kPhases) {
    absl::StrAppend(&names, ", ", phase, "_runs, ", phase, "_mean_ns_sum");
    absl::StrAppend(&values, ", ", phase, "_mean_ns IS NOT NULL, ifnull(", phase, "_mean_ns, 0.0)");
    for (const char* what : {"_runs", "_mean_ns_sum"}) {
      absl::StrAppend(&sums, ", ", phase, what, " = ", phase, what, " + excluded.", phase, what);
    }
  }
  return absl::StrCat(
      "INSERT INTO run_rollup (workload_id, timing, purpose, outcome, validity, runs", names,
      ") SELECT ifnull(workload_id, 0), ifnull(timing, 0), ifnull(purpose, 0), outcome, "
      "ifnull(validity, 0), 1",
      values, " FROM run WHERE id = ? ON CONFLICT DO UPDATE SET runs = runs + 1", sums);
}

// `runs` stays: it finished. Sums of nothing are 0, without what rounding left.
std::string TakePhasesOfRunSql() {
  std::vector<std::string> sets;
  for (const char* phase : kPhases) {
    const std::string mean = absl::StrCat("try.", phase, "_mean_ns");
    const std::string runs = absl::StrCat(phase, "_runs");
    const std::string sum = absl::StrCat(phase, "_mean_ns_sum");
    sets.push_back(absl::StrCat(runs, " = ", runs, " - (", mean, " IS NOT NULL)"));
    sets.push_back(absl::StrCat(sum, " = iif(", runs, " > (", mean, " IS NOT NULL), ", sum,
                                " - ifnull(", mean, ", 0.0), 0.0)"));
  }
  return absl::StrCat("UPDATE run_rollup SET ", absl::StrJoin(sets, ", "),
                      " FROM run AS try WHERE try.id = ? "
                      "AND run_rollup.workload_id = ifnull(try.workload_id, 0) "
                      "AND run_rollup.timing = ifnull(try.timing, 0) "
                      "AND run_rollup.purpose = ifnull(try.purpose, 0) "
                      "AND run_rollup.outcome = try.outcome "
                      "AND run_rollup.validity = ifnull(try.validity, 0)");
}

// The OK run that stood for the launch until this one ended OK, too: it was contaminated and run
// again. One that was declared invalid meanwhile stands for nothing. In other purposes (fit) every
// run is a finding of its own.
std::optional<int64_t> TryBefore(SQLite::Database& database, int64_t run) {
  return SelectInt(
      database,
      "SELECT max(try.id) FROM run AS this JOIN run AS try ON try.job_id = this.job_id "
      "AND try.launch = this.launch AND try.id < this.id AND try.outcome = ? "
      "AND try.invalid_reason IS NULL "
      "WHERE this.id = ? AND this.outcome = ? AND this.purpose IN (?, ?)",
      v1::OUTCOME_OK, run, v1::OUTCOME_OK, v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP);
}

// ---- all runs of some jobs ----

// A row a group with the columns of run_rollup. A window, as a look for each run's later ones reads
// all runs of a job for each: 20 s for 10,000. `runs`: a table, and which of its rows.
std::string Shares(const std::string& runs, bool has_invalid) {
  const std::string is_valid = has_invalid ? "invalid_reason IS NULL" : "true";
  std::vector<std::string> means;
  std::vector<std::string> sums;
  for (const char* phase : kPhases) {
    means.push_back(absl::StrCat(phase, "_mean_ns"));
    sums.push_back(absl::StrCat("sum(stands AND ", phase, "_mean_ns IS NOT NULL) AS ", phase,
                                "_runs, sum(iif(stands, ifnull(", phase,
                                "_mean_ns, 0.0), 0.0)) AS ", phase, "_mean_ns_sum"));
  }
  return absl::StrCat(
      "SELECT ifnull(workload_id, 0) AS workload_id, ifnull(timing, 0) AS timing, "
      "ifnull(purpose, 0) AS purpose, outcome, ifnull(validity, 0) AS validity, count(*) AS runs, ",
      absl::StrJoin(sums, ", "), " FROM (SELECT workload_id, timing, purpose, outcome, validity, ",
      absl::StrJoin(means, ", "), ", ", is_valid,
      " AND NOT (outcome = 1 AND ifnull(purpose, 0) IN (1, 2) AND id < max(iif(outcome = 1 AND ",
      is_valid, ", id, 0)) OVER (PARTITION BY job_id, launch)) AS stands FROM ", runs,
      " AND outcome IS NOT NULL) GROUP BY 1, 2, 3, 4, 5");
}

std::string SharesOfJobs() {
  return Shares(absl::StrCat("run INDEXED BY run_by_job WHERE job_id IN (", kListed, ")"), true);
}

// Sums of nothing are 0, without what rounding left.
std::string TakeSharesSql() {
  std::vector<std::string> sets = {"runs = run_rollup.runs - share.runs"};
  for (const char* phase : kPhases) {
    const std::string runs = absl::StrCat(phase, "_runs");
    const std::string sum = absl::StrCat(phase, "_mean_ns_sum");
    sets.push_back(absl::StrCat(runs, " = run_rollup.", runs, " - share.", runs));
    sets.push_back(absl::StrCat(sum, " = iif(run_rollup.", runs, " > share.", runs, ", run_rollup.",
                                sum, " - share.", sum, ", 0.0)"));
  }
  return absl::StrCat("UPDATE run_rollup SET ", absl::StrJoin(sets, ", "), " FROM (",
                      SharesOfJobs(),
                      ") AS share WHERE run_rollup.workload_id = share.workload_id "
                      "AND run_rollup.timing = share.timing "
                      "AND run_rollup.purpose = share.purpose "
                      "AND run_rollup.outcome = share.outcome "
                      "AND run_rollup.validity = share.validity");
}

std::vector<std::string> SumNames() {
  std::vector<std::string> names = {"runs"};
  for (const char* phase : kPhases) {
    names.push_back(absl::StrCat(phase, "_runs"));
    names.push_back(absl::StrCat(phase, "_mean_ns_sum"));
  }
  return names;
}

std::string InsertSharesSql(const std::string& shares) {
  const std::string list = absl::StrCat("workload_id, timing, purpose, outcome, validity, ",
                                        absl::StrJoin(SumNames(), ", "));
  return absl::StrCat("INSERT INTO run_rollup (", list, ") SELECT ", list, " FROM (", shares, ")");
}

std::string PutSharesSql() {
  std::vector<std::string> sums;
  for (const std::string& name : SumNames()) {
    sums.push_back(absl::StrCat(name, " = ", name, " + excluded.", name));
  }
  // WHERE: else SQLite takes ON for a join's.
  return absl::StrCat(InsertSharesSql(SharesOfJobs()), " WHERE true ON CONFLICT DO UPDATE SET ",
                      absl::StrJoin(sums, ", "));
}

bool KnowsInvalidRuns(SQLite::Database& database) {
  const auto& columns = static_cast<SqliteConnection&>(database).ColumnNames("run");
  return std::find(columns.begin(), columns.end(), "invalid_reason") != columns.end();
}

}  // namespace

void AddRunToRollup(SQLite::Database& database, int64_t run) {
  static const std::string add = AddRunSql();
  static const std::string take = TakePhasesOfRunSql();
  Execute(database, add, run);
  if (const std::optional<int64_t> earlier = TryBefore(database, run)) {
    Execute(database, take, *earlier);
  }
}

void TakeJobsFromRollup(SQLite::Database& database, const std::string& jobs) {
  static const std::string take = TakeSharesSql();
  Execute(database, take, jobs);
}

void PutJobsIntoRollup(SQLite::Database& database, const std::string& jobs) {
  static const std::string put = PutSharesSql();
  Execute(database, put, jobs);
  Execute(database, "DELETE FROM run_rollup WHERE runs <= 0");
}

void CountRollupAnew(SQLite::Database& database) {
  Execute(database, "DELETE FROM run_rollup");
  Execute(database, InsertSharesSql(Shares("run WHERE true", KnowsInvalidRuns(database))));
}

}  // namespace torchlap::storage
