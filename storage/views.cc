#include "storage/views.h"

#include <SQLiteCpp/Transaction.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <map>

#include "proto/columns.h"
#include "proto/words.h"

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
      {"workload_hash", "workload.workload_hash"},  // of what was computed
      {"series_key", "series.series_key"},
      {"environment_hash", "environment.environment_hash"},
      {"job_state", "job.state"},
      {"labels", "(SELECT json_group_object(k, v) FROM label WHERE label.job_id = run.job_id)"},
  };
  return places;
}

// What the program reads beside the contract's columns.
constexpr char kAlsoInRunRow[] =
    "boot.boot_id, job.spec, asked.kind AS workload_kind, assessment.message AS assessment, "
    "calibration.message AS calibration";

constexpr char kTablesOfRunRow[] =
    "run JOIN job ON job.id = run.job_id JOIN sweep ON sweep.id = job.sweep_id "
    "JOIN principal ON principal.id = run.owner_id JOIN device ON device.id = run.device_id "
    "JOIN workload AS asked ON asked.id = run.asked_workload_id "
    "LEFT JOIN workload ON workload.id = run.workload_id "
    "LEFT JOIN series ON series.id = run.series "
    "LEFT JOIN environment ON environment.id = run.environment "
    "LEFT JOIN boot ON boot.id = run.boot LEFT JOIN assessment ON assessment.run_id = run.id "
    "LEFT JOIN calibration ON calibration.run_id = run.id";

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

// The column, with its numbers as words if it is an enum.
std::string Shown(const RunColumn& column) {
  const std::string& name = column.stored_name;
  const google::protobuf::EnumDescriptor* type = column.path.back()->enum_type();
  if (type == nullptr) return name;
  std::string words = absl::StrCat("CASE ", name);
  for (int i = 0; i < type->value_count(); ++i) {
    const int number = type->value(i)->number();
    const std::string word(WordOf(*type, number));
    if (!word.empty()) absl::StrAppend(&words, " WHEN ", number, " THEN '", word, "'");
  }
  return absl::StrCat(words, " END AS ", name);
}

View Runs() {
  std::vector<std::string> columns;
  for (const RunColumn& column : RunColumns()) columns.push_back(Shown(column));
  return {"runs", absl::StrCat("CREATE VIEW runs AS SELECT ", absl::StrJoin(columns, ", "),
                               " FROM run_row WHERE outcome IS NOT NULL")};
}

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
  return absl::StrCat("SELECT ", absl::StrJoin(columns, ", "), " FROM runs WHERE ", phase,
                      "_mean_ns IS NOT NULL");
}

View Phases() {
  std::vector<std::string> parts;
  for (const char* phase : {"forward", "loss", "backward", "optimizer", "step"}) {
    parts.push_back(RowsOfPhase(phase));
  }
  return {"phases", absl::StrCat("CREATE VIEW phases AS ", absl::StrJoin(parts, " UNION ALL "))};
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

std::string SqlOf(SQLite::Database& database, const std::string& view) {
  Query query(database, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", view);
  return query.Step() ? query.Text(0) : "";
}

}  // namespace

std::vector<View> MakeViews(SqliteConnection& database) {
  return {RunRow(database), Runs(), Phases(), Sweeps()};
}

void RenewViews(SqliteConnection& database) {
  const std::vector<View> views = MakeViews(database);
  const bool same = std::all_of(views.begin(), views.end(), [&](const View& view) {
    return SqlOf(database, view.name) == view.sql;
  });
  if (same) return;
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  for (auto view = views.rbegin(); view != views.rend(); ++view) {
    database.exec("DROP VIEW IF EXISTS " + view->name);
  }
  for (const View& view : views) database.exec(view.sql);
  transaction.commit();
}

}  // namespace torchlap::storage
