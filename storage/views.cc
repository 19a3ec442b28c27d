#include "storage/views.h"

#include <SQLiteCpp/Transaction.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <utility>

#include "proto/columns.h"
#include "proto/words.h"
#include "storage/rollup.h"

namespace torchlap::storage {
namespace {

// Columns of a run that lie in another table, or under another name, than their own.
const std::map<std::string, std::string>& Elsewhere() {
  static const std::map<std::string, std::string> places = {
      {"run_id", "run.job_id || '.' || run.number"},
      {"sweep_name", "sweep.name"},
      {"user", "principal.name"},
      {"device", "device.name"},
      {"device_uuid", "device.uuid"},
      {"device_model", "device.model"},
      {"requested_batch_size", "asked.batch_size"},
      {"requested_context_length", "asked.context_length"},
      // Of what was computed.
      {"workload_hash", "(SELECT workload_hash FROM workload WHERE id = run.workload_id)"},
      {"series_key", "(SELECT series_key FROM series WHERE id = run.series)"},
      {"environment_hash", "(SELECT environment_hash FROM environment WHERE id = run.environment)"},
      {"job_state", "job.state"},
      {"labels", "(SELECT json_group_object(k, v) FROM label WHERE label.job_id = run.job_id)"},
  };
  return places;
}

// What the program reads beside the contract's columns. What may be missing is asked for by itself,
// here and above, as a query that does not name it then does not pay for it: SQLite leaves out a
// LEFT JOIN of which nothing is used, but not where it counts or sums.
constexpr char kAlsoInRunRow[] =
    "(SELECT boot_id FROM boot WHERE id = run.boot) AS boot_id, job.spec, "
    "asked.kind AS workload_kind, "
    "(SELECT message FROM assessment WHERE run_id = run.id) AS assessment, "
    "(SELECT message FROM calibration WHERE run_id = run.id) AS calibration";

constexpr char kTablesOfRunRow[] =
    "run JOIN job ON job.id = run.job_id JOIN sweep ON sweep.id = job.sweep_id "
    "JOIN principal ON principal.id = run.owner_id JOIN device ON device.id = run.device_id "
    "JOIN workload AS asked ON asked.id = run.asked_workload_id";

bool Has(SqliteConnection& database, const std::string& table, const std::string& column) {
  const std::vector<std::string>& names = database.ColumnNames(table);
  return std::find(names.begin(), names.end(), column) != names.end();
}

// `job.seed`; empty for a column of `run`, which run_row has anyway.
std::string PlaceOf(SqliteConnection& database, const std::string& column) {
  if (Has(database, "run", column)) return "";
  if (const auto place = Elsewhere().find(column); place != Elsewhere().end()) {
    return absl::StrCat(place->second, " AS ", column);
  }
  if (Has(database, "job", column)) return absl::StrCat("job.", column);
  if (Has(database, "workload", column)) return absl::StrCat("asked.", column);
  throw SQLite::Exception(
      absl::StrCat("column ", column, " of the contract is in no table; a migration must add it"));
}

View RunRow(SqliteConnection& database) {
  std::vector<std::string> columns = {"run.*"};
  for (const RunColumn& column : RunColumns()) {
    if (std::string place = PlaceOf(database, column.stored_name); !place.empty()) {
      columns.push_back(std::move(place));
    }
  }
  return {"run_row", absl::StrCat("CREATE VIEW run_row AS SELECT ", absl::StrJoin(columns, ", "),
                                  ", ", kAlsoInRunRow, " FROM ", kTablesOfRunRow)};
}

// The column, of what lies at `place`, with its numbers as words if it is an enum.
std::string Shown(const RunColumn& column, const std::string& place) {
  const std::string& name = column.stored_name;
  const google::protobuf::EnumDescriptor* type = column.path.back()->enum_type();
  if (type == nullptr) return place == name ? name : absl::StrCat(place, " AS ", name);
  std::string words = absl::StrCat("CASE ", place);
  for (int i = 0; i < type->value_count(); ++i) {
    const int number = type->value(i)->number();
    const std::string word(WordOf(*type, number));
    if (!word.empty()) absl::StrAppend(&words, " WHEN ", number, " THEN '", word, "'");
  }
  return absl::StrCat(words, " END AS ", name);
}

View Runs() {
  std::vector<std::string> columns;
  for (const RunColumn& column : RunColumns()) columns.push_back(Shown(column, column.stored_name));
  return {"runs", absl::StrCat("CREATE VIEW runs AS SELECT ", absl::StrJoin(columns, ", "),
                               " FROM run_row WHERE outcome IS NOT NULL")};
}

constexpr std::array<const char*, 5> kPhases = {"forward", "loss", "backward", "optimizer", "step"};

std::string RowsOfPhase(const std::string& phase) {
  std::vector<std::string> columns = {"run_id", absl::StrCat("'", phase, "' AS phase")};
  for (const char* what : {"mean_ns", "std_ns", "median_ns", "min_ns", "max_ns", "p95_ns", "cv"}) {
    columns.push_back(absl::StrCat(phase, "_", what, " AS ", what));
  }
  // The step's are those of the run.
  const std::string of_phase = phase == "step" ? "" : phase + "_";
  for (const char* peak : {"peak_allocated_bytes", "peak_reserved_bytes"}) {
    columns.push_back(absl::StrCat(of_phase, peak, " AS ", peak));
  }
  columns.emplace_back("invalid_reason");
  return absl::StrCat("SELECT ", absl::StrJoin(columns, ", "), " FROM runs WHERE ", phase,
                      "_mean_ns IS NOT NULL");
}

View Phases() {
  std::vector<std::string> parts;
  for (const char* phase : kPhases) parts.push_back(RowsOfPhase(phase));
  return {"phases", absl::StrCat("CREATE VIEW phases AS ", absl::StrJoin(parts, " UNION ALL "))};
}

const RunColumn& ColumnNamed(const std::string& name) {
  const std::vector<RunColumn>& columns = RunColumns();
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const auto& column) { return column.stored_name == name; });
  if (found == columns.end()) {
    throw SQLite::Exception(absl::StrCat("column ", name, " is none of the contract"));
  }
  return *found;
}

// Named like those of `runs`, of what lies in `table` under these names.
void AddWords(const std::string& table, std::initializer_list<const char*> names,
              std::vector<std::string>* columns) {
  for (const char* name : names) {
    columns->push_back(Shown(ColumnNamed(name), absl::StrCat(table, ".", name)));
  }
}

// What is computed, `workload`; how, for what and what became of it, `group`; then `times`.
std::vector<std::string> MeanColumns(const std::string& group,
                                     const std::vector<std::string>& times) {
  std::vector<std::string> columns;
  AddWords("workload", {"edition", "model_size", "parameters", "pass_type"}, &columns);
  AddWords(group, {"timing"}, &columns);
  AddWords("workload", {"precision", "attention", "optimizer", "batch_size", "context_length"},
           &columns);
  AddWords(group, {"purpose", "outcome", "validity"}, &columns);
  columns.insert(columns.end(), times.begin(), times.end());
  AddWords("workload", {"workload_hash", "vocab_size", "d_model", "d_ff", "layers", "heads"},
           &columns);
  return columns;
}

View Means() {
  std::vector<std::string> times = {"run_rollup.runs AS runs"};
  for (const char* phase : kPhases) {
    const std::string runs = absl::StrCat("run_rollup.", phase, "_runs");
    times.push_back(absl::StrCat(runs, " AS ", phase, "_runs"));
    times.push_back(absl::StrCat("run_rollup.", phase, "_mean_ns_sum / nullif(", runs, ", 0) AS ",
                                 phase, "_mean_ns"));
  }
  return {"means", absl::StrCat("CREATE VIEW means AS SELECT ",
                                absl::StrJoin(MeanColumns("run_rollup", times), ", "),
                                " FROM run_rollup LEFT JOIN workload ON workload.id = "
                                "run_rollup.workload_id")};
}

// ---- means by day ----

constexpr char kDay[] = "started_at_ns / 86400000000000";
// As the index has it, or the index could not be named.
constexpr char kCounted[] = "outcome IS NOT NULL AND invalid_reason IS NULL";

// Narrow and in the order of the groups: a million runs are summed up as they are read, and none of
// their rows is.
std::string DayIndex() {
  std::vector<std::string> columns = {"kind_id", "workload_id", kDay};
  for (const char* phase : kPhases) columns.push_back(absl::StrCat(phase, "_mean_ns"));
  return absl::StrCat("CREATE INDEX run_by_day ON run (", absl::StrJoin(columns, ", "), ") WHERE ",
                      kCounted);
}

// A row a kind, workload and day with a run that timed the phase.
std::string PhaseByDay(const std::string& phase) {
  const std::string mean = absl::StrCat(phase, "_mean_ns");
  return absl::StrCat("SELECT kind_id, workload_id, ", kDay, " AS day, '", phase,
                      "' AS phase, count(", mean, ") AS runs, avg(", mean,
                      ") AS mean_ns FROM run INDEXED BY run_by_day WHERE ", kCounted,
                      " GROUP BY kind_id, workload_id, ", kDay, " HAVING count(", mean, ") > 0");
}

// A part for each phase: one that is named is summed up alone, in half the time of all side by
// side.
View DailyMeans() {
  std::vector<std::string> parts;
  for (const char* phase : kPhases) parts.push_back(PhaseByDay(phase));
  const std::vector<std::string> columns = MeanColumns(
      "run_kind", {"sums.phase AS phase", "sums.runs AS runs", "sums.mean_ns AS mean_ns"});
  return {
      "daily_means",
      absl::StrCat("CREATE VIEW daily_means AS SELECT date(sums.day * 86400, 'unixepoch') AS day, "
                   "principal.name AS user, device.name AS device, ",
                   absl::StrJoin(columns, ", "), " FROM (", absl::StrJoin(parts, " UNION ALL "),
                   ") AS sums LEFT JOIN run_kind ON run_kind.id = sums.kind_id "
                   "LEFT JOIN principal ON principal.id = run_kind.owner_id "
                   "LEFT JOIN device ON device.id = run_kind.device_id "
                   "LEFT JOIN workload ON workload.id = sums.workload_id")};
}

// One whose owner is lost is shown all the same.
constexpr char kSweeps[] =
    "CREATE VIEW sweeps AS SELECT sweep.id AS sweep_id, sweep.name AS name, "
    "ifnull(principal.name, 'unknown (lost)') AS user, sweep.submitted_at_ns AS submitted_at_ns, "
    "(SELECT count(*) FROM job WHERE job.sweep_id = sweep.id) AS jobs, "
    "(SELECT count(*) FROM job WHERE job.sweep_id = sweep.id AND job.state = 3) AS succeeded, "
    "(SELECT count(*) FROM job WHERE job.sweep_id = sweep.id AND job.state = 4) AS failed "
    "FROM sweep LEFT JOIN principal ON principal.id = sweep.owner_id";

View Sweeps() { return {"sweeps", kSweeps}; }

// Empty: it is not there.
std::string SqlOf(SQLite::Database& database, const std::string& name) {
  Query query(database,
              "SELECT sql FROM sqlite_schema WHERE type IN ('view', 'index') AND name = ?", name);
  return query.Step() ? query.Text(0) : "";
}

// A file without the view has sums in which runs that were declared invalid still are.
void MendRollup(SQLite::Database& database) {
  if (!SqlOf(database, "means").empty()) return;
  const auto invalid =
      SelectInt(database,
                "SELECT 1 FROM run INDEXED BY run_invalid WHERE invalid_reason IS NOT "
                "NULL LIMIT 1");
  if (invalid) CountRollupAnew(database);
}

void RenewIndex(SQLite::Database& database) {
  const std::string sql = DayIndex();
  if (SqlOf(database, "run_by_day") == sql) return;
  database.exec("DROP INDEX IF EXISTS run_by_day");
  database.exec(sql);
}

}  // namespace

std::vector<View> MakeViews(SqliteConnection& database) {
  return {RunRow(database), Runs(), Phases(), Sweeps(), Means(), DailyMeans()};
}

void RenewViews(SqliteConnection& database) {
  const std::vector<View> views = MakeViews(database);
  const bool same = SqlOf(database, "run_by_day") == DayIndex() &&
                    std::all_of(views.begin(), views.end(), [&](const View& view) {
                      return SqlOf(database, view.name) == view.sql;
                    });
  if (same) return;
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  MendRollup(database);
  for (auto view = views.rbegin(); view != views.rend(); ++view) {
    database.exec("DROP VIEW IF EXISTS " + view->name);
  }
  RenewIndex(database);
  for (const View& view : views) database.exec(view.sql);
  transaction.commit();
}

}  // namespace torchlap::storage
