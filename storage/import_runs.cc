#include "storage/import_runs.h"

#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Savepoint.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/visible_text.h"
#include "storage/copied_row.h"
#include "storage/database_check.h"
#include "storage/id_list.h"
#include "storage/rollup.h"
#include "storage/schema.h"
#include "storage/sqlite_connection.h"
#include "storage/untouched_database.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

// ---- whether the file is what it says ----

absl::Status NotOurs(const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the file has ", what, ", must be a database as torchlapd makes it"));
}

// By name: the SQL of what the program makes, of tables or of triggers.
using SqlByName = std::map<std::string, std::string>;

SqlByName OwnSchema(SQLite::Database& database, const char* type) {
  SqlByName own;
  Query query(database, "SELECT lower(name), sql FROM sqlite_schema WHERE type = ?", type);
  while (query.Step()) own[query.Text(0)] = query.Text(1);
  return own;
}

absl::Status CheckEntry(SQLite::Database& from, const Query& entry, const SqlByName& tables,
                        const SqlByName& triggers) {
  const std::string type = entry.Text(0);
  const std::string name = entry.Text(1);
  const std::string quoted = absl::StrCat("'", Visible(name), "'");
  if (type == "trigger") {
    const auto own = triggers.find(name);
    const bool is_own = own != triggers.end() && own->second == entry.Text(2);
    return is_own ? absl::OkStatus() : NotOurs(absl::StrCat("the trigger ", quoted));
  }
  // Would be read in the place of SQLite's own.
  if (type != "index" && (name.starts_with("pragma_") || name.starts_with("json_"))) {
    return NotOurs(quoted);
  }
  if (type == "index" || !tables.contains(name)) return absl::OkStatus();
  const bool is_virtual = absl::StartsWithIgnoreCase(entry.Text(2), "CREATE VIRTUAL");
  if (type != "table" || is_virtual) return NotOurs(absl::StrCat(quoted, ", which is no table"));
  constexpr int kHidden = 6;
  Query column(from, Once{absl::StrCat("PRAGMA table_xinfo(\"", name, "\")")});
  while (column.Step()) {
    if (column.Int(kHidden) != 0) return NotOurs(absl::StrCat(quoted, " with computed columns"));
  }
  return absl::OkStatus();
}

// A view or a trigger in place of what is read or migrated would be run with this program's rights,
// and need not end. Nothing but the schema is read.
absl::Status CheckSchema(const fs::path& file, const SqlByName& tables, const SqlByName& triggers) {
  std::error_code missing;
  const bool has_wal = fs::file_size(file.string() + "-wal", missing) > 0 && !missing;
  try {
    SqliteConnection from(UriOf(file, has_wal ? "mode=ro" : "mode=ro&immutable=1"),
                          SQLite::OPEN_READONLY | SQLite::OPEN_URI);
    Query application(from, "PRAGMA application_id");
    const bool is_ours = application.Step() && application.Int(0) == kApplicationId;
    Query entry(from, "SELECT type, lower(name), sql FROM sqlite_schema");
    while (entry.Step()) {
      if (!is_ours) {
        return absl::InvalidArgumentError(
            "the file is a database of another program, must be one that torchlap backup wrote");
      }
      if (absl::Status ours = CheckEntry(from, entry, tables, triggers); !ours.ok()) return ours;
    }
  } catch (const SQLite::Exception&) {
    // Who looks whether it is whole says what is wrong.
  }
  return absl::OkStatus();
}

absl::Status CheckSchemaOf(const Database& own, const fs::path& file) {
  SqlByName tables;
  SqlByName triggers;
  absl::Status read = own.Read([&](SQLite::Database& database) {
    tables = OwnSchema(database, "table");
    triggers = OwnSchema(database, "trigger");
    return absl::OkStatus();
  });
  return read.ok() ? CheckSchema(file, tables, triggers) : read;
}

// SQLite tells many places in one text, below a line that names the database.
std::vector<std::string> PlacesOf(const std::vector<std::string>& unreadable) {
  std::vector<std::string> places;
  for (const std::string& text : unreadable) {
    const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
    for (const std::string& line : lines) {
      if (!absl::StartsWith(line, "***")) places.push_back(line);
    }
  }
  return places;
}

// `page 29` of `Tree 29 page 29 cell 3: ...`; empty: the line has none.
std::string PageIn(const std::string& line) {
  const std::string before = "page ";
  const size_t at = absl::AsciiStrToLower(line).find(before);
  if (at == std::string::npos) return "";
  const size_t begin = at + before.size();
  const size_t end = std::min(line.find_first_not_of("0123456789", begin), line.size());
  return end == begin ? "" : absl::StrCat(before, line.substr(begin, end - begin));
}

// The first page; where none is named the first line, as far as it is short.
std::string FirstPlace(const std::vector<std::string>& places) {
  constexpr size_t kMostChars = 80;
  for (const std::string& place : places) {
    if (std::string page = PageIn(place); !page.empty()) return page;
  }
  return Visible(places.front().substr(0, kMostChars));
}

std::string DamageWords(const std::vector<std::string>& unreadable) {
  const std::vector<std::string> places = PlacesOf(unreadable);
  if (places.empty()) return "unreadable";
  const std::string first = FirstPlace(places);
  const size_t more = places.size() - 1;
  if (more == 0) return first;
  return absl::StrCat(first, " and ", more, more == 1 ? " more place" : " more places");
}

absl::Status CheckWhole(const fs::path& file) {
  // SQLite opens it as a new database.
  std::error_code missing;
  if (fs::file_size(file, missing) == 0 && !missing) {
    return absl::InvalidArgumentError("the file is empty, must be a torchlap database");
  }
  const auto findings = CheckInPlace(file);
  if (!findings.ok()) return absl::InvalidArgumentError(findings.status().message());
  if (findings->unreadable.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the file is damaged (", DamageWords(findings->unreadable),
                   "), must be a whole database: make it again there with torchlap backup"));
}

// ---- what is taken ----

// Empty: it is none that somebody could have given.
std::string AsHost(std::string text) {
  constexpr size_t kMostChars = 100;
  return text.size() <= kMostChars && Visible(text) == text ? std::move(text) : "";
}

std::string HostOf(SQLite::Database& from) {
  Query query(from, "SELECT host FROM machine");
  const std::string host = query.Step() ? query.Text(0) : "";
  return IsHostName(host) ? host : "";
}

// A job of the file that was imported there, or none.
struct Job {
  int64_t id = 0;
  int64_t sweep = 0;
  int64_t owner = 0;
  uint64_t runs = 0;
  std::string host;  // empty: the file's own
};

// The next finished jobs with runs behind `after`.
std::vector<Job> NextJobs(SQLite::Database& from, int64_t after, uint32_t limit) {
  std::vector<Job> jobs;
  Query query(from,
              "SELECT job.id, job.sweep_id, job.owner_id, count(*), job.host FROM job "
              "JOIN run ON run.job_id = job.id WHERE job.id > ? AND job.state >= 3 "
              "GROUP BY job.id ORDER BY job.id LIMIT ?",
              after, limit);
  while (query.Step()) {
    jobs.push_back(
        {query.Int(0), query.Int(1), query.Int(2), query.Uint(3), AsHost(query.Text(4))});
  }
  return jobs;
}

std::vector<int64_t> RunsOf(SQLite::Database& from, int64_t job) {
  std::vector<int64_t> runs;
  Query query(from, "SELECT id FROM run WHERE job_id = ? AND outcome IS NOT NULL ORDER BY number",
              job);
  while (query.Step()) runs.push_back(query.Int(0));
  return runs;
}

// Copies jobs from the one database to the other, whose numbers of shared rows it remembers. Within
// a transaction of each.
class Copier {
 public:
  Copier(SQLite::Database& from, std::string host, const ImportSetting& setting)
      : from_(from), host_(std::move(host)), setting_(setting) {}

  // The job's number here, if it is here. A job without boot or start is never known.
  std::optional<int64_t> Known(SQLite::Database& to, int64_t job);
  // The job's number here. Its runs are in no sums yet (PutJobsIntoRollup). Throws RowMissing, with
  // nothing of the job left undone by itself: the caller rolls back.
  int64_t CopyJob(SQLite::Database& to, const Job& job);
  void Remember(int64_t job, int64_t here) { jobs_[job] = here; }
  // What the job had made was rolled back: what is shared is looked for again.
  void Forget(int64_t job);

 private:
  using Ids = std::map<int64_t, int64_t>;

  const std::string& HostOfJob(const Job& job) const { return job.host.empty() ? host_ : job.host; }
  // The row of a table whose rows are stored once, found by its `key` columns.
  std::optional<int64_t> Shared(SQLite::Database& to, const char* table, const char* key,
                                std::optional<int64_t> id);
  int64_t Owner(SQLite::Database& to, const Job& job, int64_t owner);
  int64_t Sweep(SQLite::Database& to, const Job& job, int64_t owner);
  std::optional<int64_t> SweepOfJobsBefore(SQLite::Database& to, const Job& job) const;
  std::optional<int64_t> Series(SQLite::Database& to, const Job& job, std::optional<int64_t> id);
  std::optional<int64_t> Device(SQLite::Database& to, const Job& job, std::optional<int64_t> id);
  // `17.2` here; nothing where its job is not.
  std::optional<std::string> RunIdHere(const std::string& run_id) const;
  int64_t CopyRun(SQLite::Database& to, const Job& job, int64_t job_here, int64_t owner,
                  int64_t run);
  void CopyAssessment(SQLite::Database& to, int64_t run, int64_t run_here);

  SQLite::Database& from_;
  const std::string host_;
  const ImportSetting& setting_;
  std::map<std::string, Ids> shared_;
  std::map<std::pair<std::string, int64_t>, int64_t> owners_;
  Ids sweeps_;
  std::map<std::pair<std::string, int64_t>, int64_t> series_;
  std::map<std::pair<std::string, int64_t>, int64_t> devices_;
  Ids jobs_;
};

// By any of its runs: others of them may have been deleted, here or there.
std::optional<int64_t> Copier::Known(SQLite::Database& to, int64_t job) {
  Query run(from_,
            "SELECT run.started_at_ns, boot.boot_id FROM run JOIN boot ON boot.id = run.boot "
            "WHERE run.job_id = ? ORDER BY run.number",
            job);
  std::optional<int64_t> here;
  while (!here && run.Step()) {
    here = SelectInt(to,
                     "SELECT run.job_id FROM run INDEXED BY run_by_start "
                     "JOIN boot ON boot.id = run.boot WHERE run.outcome IS NOT NULL "
                     "AND run.started_at_ns = ? AND boot.boot_id = ?",
                     run.Int(0), run.Text(1));
  }
  return here;
}

std::optional<int64_t> Copier::Shared(SQLite::Database& to, const char* table, const char* key,
                                      std::optional<int64_t> id) {
  if (!id) return std::nullopt;
  Ids& ids = shared_[table];
  if (const auto known = ids.find(*id); known != ids.end()) return known->second;
  std::optional<int64_t> here = RowAlike(from_, to, table, key, *id);
  if (!here) here = CopyRow(from_, to, table, "id", *id, {{"id", std::monostate()}});
  ids[*id] = *here;
  return here;
}

int64_t Copier::Owner(SQLite::Database& to, const Job& job, int64_t owner) {
  const std::string& host = HostOfJob(job);
  const auto key = std::make_pair(host, owner);
  if (const auto known = owners_.find(key); known != owners_.end()) return known->second;
  Query query(from_, "SELECT principal, name FROM principal WHERE id = ?", owner);
  if (!query.Step()) throw RowMissing("principal", owner);
  // What was imported there has its name already. Whatever the file says, nobody of it is somebody
  // here.
  const bool is_named = !job.host.empty() && absl::StartsWith(query.Text(0), "host:");
  const std::string principal =
      is_named ? query.Text(0) : absl::StrCat("host:", host, "/", query.Text(0));
  const std::string name = is_named ? query.Text(1) : absl::StrCat(query.Text(1), "@", host);
  const int64_t here = SelectOne(to,
                                 "INSERT INTO principal (principal, name) VALUES (?, ?) "
                                 "ON CONFLICT (principal) DO UPDATE SET name = excluded.name "
                                 "RETURNING id",
                                 principal, name);
  owners_[key] = here;
  return here;
}

void Copier::Forget(int64_t job) {
  shared_.clear();
  owners_.clear();
  sweeps_.clear();
  series_.clear();
  devices_.clear();
  jobs_.erase(job);
}

// Where its other jobs are here already: of an import before, or before one that was left out.
std::optional<int64_t> Copier::SweepOfJobsBefore(SQLite::Database& to, const Job& job) const {
  Query other(from_,
              "SELECT id FROM job INDEXED BY job_by_sweep WHERE sweep_id = ? AND id < ? "
              "ORDER BY id",
              job.sweep, job.id);
  while (other.Step()) {
    const auto here = jobs_.find(other.Int(0));
    if (here == jobs_.end()) continue;
    return SelectInt(to, "SELECT sweep_id FROM job WHERE id = ?", here->second);
  }
  return std::nullopt;
}

int64_t Copier::Sweep(SQLite::Database& to, const Job& job, int64_t owner) {
  if (const auto known = sweeps_.find(job.sweep); known != sweeps_.end()) return known->second;
  if (const auto before = SweepOfJobsBefore(to, job)) {
    sweeps_[job.sweep] = *before;
    return *before;
  }
  RowValues values = {
      {"id", std::monostate()}, {"owner_id", owner}, {"request_id", std::monostate()}};
  Query query(from_, "SELECT name FROM sweep WHERE id = ?", job.sweep);
  if (query.Step() && !query.IsNull(0) && job.host.empty()) {
    values["name"] = absl::StrCat(query.Text(0), "@", host_);
  }
  const int64_t here = CopyRow(from_, to, "sweep", "id", job.sweep, values);
  sweeps_[job.sweep] = here;
  return here;
}

std::optional<int64_t> Copier::Series(SQLite::Database& to, const Job& job,
                                      std::optional<int64_t> id) {
  if (!id) return std::nullopt;
  const auto key = std::make_pair(job.host, *id);
  if (const auto known = series_.find(key); known != series_.end()) return known->second;
  Query query(from_, "SELECT series_key FROM series WHERE id = ?", *id);
  if (!query.Step()) throw RowMissing("series", *id);
  const std::string here_key =
      job.host.empty() ? setting_.series_key(query.Text(0), host_) : query.Text(0);
  const int64_t here = SelectOne(to,
                                 "INSERT INTO series (series_key) VALUES (?) ON CONFLICT "
                                 "(series_key) DO UPDATE SET series_key = excluded.series_key "
                                 "RETURNING id",
                                 here_key);
  series_[key] = here;
  return here;
}

// `CPU-0-3` is a device of almost every machine: its calibrations, limits and rates are this
// machine's alone.
std::optional<int64_t> Copier::Device(SQLite::Database& to, const Job& job,
                                      std::optional<int64_t> id) {
  if (!id) return std::nullopt;
  const auto key = std::make_pair(job.host, *id);
  if (const auto known = devices_.find(key); known != devices_.end()) return known->second;
  Query query(from_, "SELECT uuid, name, model FROM device WHERE id = ?", *id);
  if (!query.Step()) throw RowMissing("device", *id);
  std::string uuid = query.Text(0);
  const std::string of_host = absl::StrCat("@", HostOfJob(job));
  // What was imported there has it already.
  if (!absl::EndsWith(uuid, of_host)) uuid += of_host;
  const int64_t here = SelectOne(to,
                                 "INSERT INTO device (uuid, name, model) VALUES (?, ?, ?) "
                                 "ON CONFLICT (uuid, name, model) DO UPDATE SET name = "
                                 "excluded.name RETURNING id",
                                 uuid, query.Text(1), query.Text(2));
  devices_[key] = here;
  return here;
}

std::optional<std::string> Copier::RunIdHere(const std::string& run_id) const {
  const size_t dot = run_id.find('.');
  int64_t job = 0;
  if (dot == std::string::npos || !absl::SimpleAtoi(run_id.substr(0, dot), &job)) {
    return std::nullopt;
  }
  const auto here = jobs_.find(job);
  if (here == jobs_.end()) return std::nullopt;
  return absl::StrCat(here->second, run_id.substr(dot));
}

std::optional<int64_t> IntOrNull(const Query& query, int column) {
  if (query.IsNull(column)) return std::nullopt;
  return query.Int(column);
}

RowValue ValueOf(std::optional<int64_t> number) {
  if (number) return *number;
  return std::monostate();
}

int64_t Copier::CopyRun(SQLite::Database& to, const Job& job, int64_t job_here, int64_t owner,
                        int64_t run) {
  Query query(from_,
              "SELECT device_id, asked_workload_id, workload_id, series, environment, boot, "
              "calibration_run_id, outcome FROM run WHERE id = ?",
              run);
  if (!query.Step()) throw RowMissing("run", run);
  const auto shared = [&](const char* table, const char* key, int column) {
    return ValueOf(Shared(to, table, key, IntOrNull(query, column)));
  };
  RowValues values = {
      {"id", std::monostate()},      {"job_id", job_here},
      {"owner_id", owner},           {"kind_id", std::monostate()},
      {"outcome", std::monostate()}, {"series", ValueOf(Series(to, job, IntOrNull(query, 3)))}};
  values["device_id"] = ValueOf(Device(to, job, IntOrNull(query, 0)));
  values["asked_workload_id"] = shared("workload", "workload_hash,edition,model_size", 1);
  values["workload_id"] = shared("workload", "workload_hash,edition,model_size", 2);
  values["environment"] = shared("environment", "environment_hash", 4);
  values["boot"] = shared("boot", "boot_id", 5);
  if (!query.IsNull(6)) {
    const std::optional<std::string> here = RunIdHere(query.Text(6));
    values["calibration_run_id"] = here ? RowValue(*here) : RowValue(std::monostate());
  }
  const int64_t outcome = query.Int(7);
  const int64_t here = CopyRow(from_, to, "run", "id", run, values);
  // As a run ends: what lists narrow by is made from it.
  Execute(to, "UPDATE run SET outcome = ? WHERE id = ?", outcome, here);
  return here;
}

void Copier::CopyAssessment(SQLite::Database& to, int64_t run, int64_t run_here) {
  Query query(from_, "SELECT message FROM assessment WHERE run_id = ?", run);
  if (!query.Step()) return;
  v1::Assessment assessment;
  if (!assessment.ParseFromString(query.Text(0))) throw RowMissing("assessment", run);
  for (v1::Evidence& evidence : *assessment.mutable_evidence()) {
    if (!evidence.run_id().empty()) {
      evidence.set_run_id(RunIdHere(evidence.run_id()).value_or(""));
    }
  }
  Execute(to, "INSERT INTO assessment (run_id, message) VALUES (?, ?)", run_here,
          Blob{assessment.SerializeAsString()});
}

int64_t Copier::CopyJob(SQLite::Database& to, const Job& job) {
  const int64_t owner = Owner(to, job, job.owner);
  Query query(from_, "SELECT workload_id, device_id FROM job WHERE id = ?", job.id);
  if (!query.Step()) throw RowMissing("job", job.id);
  RowValues values = {{"id", std::monostate()},
                      {"sweep_id", Sweep(to, job, owner)},
                      {"owner_id", owner},
                      {"traces", int64_t{0}},
                      {"host", HostOfJob(job)}};
  values["workload_id"] =
      ValueOf(Shared(to, "workload", "workload_hash,edition,model_size", IntOrNull(query, 0)));
  values["device_id"] = ValueOf(Device(to, job, IntOrNull(query, 1)));
  const int64_t here = CopyRow(from_, to, "job", "id", job.id, values);
  Remember(job.id, here);
  Query labels(from_, "SELECT k, v FROM label WHERE job_id = ?", job.id);
  while (labels.Step()) {
    Execute(to, "INSERT INTO label (job_id, k, v) VALUES (?, ?, ?)", here, labels.Text(0),
            labels.Text(1));
  }
  for (const int64_t run : RunsOf(from_, job.id)) {
    const int64_t run_here = CopyRun(to, job, here, owner, run);
    for (const char* table : {"sample", "reading"}) {
      CopyRowIfThere(from_, to, table, "run_id", run, {{"run_id", run_here}});
    }
    CopyAssessment(to, run, run_here);
    const RowValue device =
        SelectInt(to, "SELECT device_id FROM run WHERE id = ?", run_here).value();
    CopyRowIfThere(from_, to, "calibration", "run_id", run,
                   {{"run_id", run_here}, {"device_id", device}});
  }
  return here;
}

// A value that this program never stores: the job that has it is to blame, and no other.
bool IsOfRow(int code) {
  return code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
}

void CopyBatch(SQLite::Database& from, SQLite::Database& to, const std::vector<Job>& jobs,
               Copier* copier, ImportedRuns* imported) {
  std::vector<int64_t> copied;
  for (const Job& job : jobs) {
    if (const std::optional<int64_t> here = copier->Known(to, job.id)) {
      copier->Remember(job.id, *here);
      imported->known_runs += job.runs;
      continue;
    }
    SQLite::Savepoint job_alone(to, "imported_job");
    const auto leave_out = [&] {
      job_alone.rollback();
      copier->Forget(job.id);
      imported->unreadable_runs += job.runs;
    };
    try {
      copied.push_back(copier->CopyJob(to, job));
      job_alone.release();
      ++imported->jobs;
      imported->runs += RunsOf(from, job.id).size();
    } catch (const RowMissing&) {
      leave_out();
    } catch (const SQLite::Exception& error) {
      if (!IsOfRow(error.getErrorCode())) throw;
      leave_out();
    }
  }
  // Of whole jobs: of the tries of a launch one stands for it, and none that is declared invalid.
  PutJobsIntoRollup(to, IdList(copied));
}

absl::Status Import(Database* database, SQLite::Database& from, const ImportSetting& setting,
                    uint32_t jobs_at_once, ImportedRuns* imported) {
  Copier copier(from, imported->host, setting);
  int64_t after = 0;
  while (true) {
    const std::vector<Job> jobs = NextJobs(from, after, jobs_at_once);
    if (jobs.empty()) return absl::OkStatus();
    if (setting.stops && setting.stops()) {
      return absl::UnavailableError(
          "the daemon stops: what was imported stays; import the file again for the rest");
    }
    ImportedRuns so_far = *imported;
    const absl::Status status = database->Write([&](SQLite::Database& to) {
      CopyBatch(from, to, jobs, &copier, &so_far);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    *imported = so_far;
    after = jobs.back().id;
  }
}

// Whoever sent it knows it by another name.
absl::Status WithoutPath(const absl::Status& status, const fs::path& file) {
  return {
      status.code(),
      absl::StrReplaceAll(status.message(), {{absl::StrCat("database ", file.string()), "the file"},
                                             {file.string(), "the file"}})};
}

}  // namespace

bool IsHostName(const std::string& host) {
  const auto is_word = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  const auto is_fit = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  };
  return host.size() <= kMostHostCharacters && host != "here" &&
         std::any_of(host.begin(), host.end(), is_word) &&
         std::all_of(host.begin(), host.end(), is_fit);
}

absl::StatusOr<ImportedRuns> ImportRuns(Database* database, const fs::path& file,
                                        const ImportSetting& setting, uint32_t jobs_at_once) {
  if (absl::Status ours = CheckSchemaOf(*database, file); !ours.ok()) return ours;
  if (absl::Status whole = CheckWhole(file); !whole.ok()) return WithoutPath(whole, file);
  const auto source = Database::Open(file);
  if (!source.ok()) {
    return WithoutPath(absl::InvalidArgumentError(source.status().message()), file);
  }
  ImportedRuns imported;
  imported.host = setting.host;
  const absl::Status status = (*source)->Read([&](SQLite::Database& from) {
    sqlite3_limit(from.getHandle(), SQLITE_LIMIT_LENGTH, setting.most_value_bytes);
    if (imported.host.empty()) imported.host = HostOf(from);
    if (imported.host.empty()) {
      return absl::InvalidArgumentError(
          "host is empty and the file does not say its own, must be a name: --host lab2");
    }
    return Import(database, from, setting, jobs_at_once, &imported);
  });
  if (!status.ok()) return WithoutPath(status, file);
  return imported;
}

absl::Status StoreHost(Database* database, const std::string& host) {
  return database->Write([&](SQLite::Database& to) {
    Execute(to,
            "INSERT INTO machine (id, host) VALUES (1, ?) "
            "ON CONFLICT (id) DO UPDATE SET host = excluded.host WHERE host <> excluded.host",
            host);
    return absl::OkStatus();
  });
}

}  // namespace torchlap::storage
