#include "storage/suite_store.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <set>
#include <utility>

#include "storage/id_list.h"
#include "storage/row_damage.h"
#include "storage/sqlite_connection.h"
#include "storage/stored_once.h"

namespace torchlap::storage {
namespace {

constexpr char kColumns[] =
    "SELECT suite.id, principal.principal, principal.name, suite.account, suite.name, "
    "minute_of_day, idle_ns, at_most_every_ns, sweeps, jobs, added_at_ns, last_at_ns, problem "
    "FROM suite JOIN principal ON principal.id = suite.owner_id";

std::set<std::string> DevicesOf(const v1::AddSuiteRequest& asked) {
  std::set<std::string> devices;
  for (const v1::SuiteSweep& sweep : asked.sweeps()) {
    for (const v1::JobSpec& job : sweep.jobs()) devices.insert(job.device());
  }
  return devices;
}

uint32_t JobsOf(const v1::AddSuiteRequest& asked) {
  uint32_t jobs = 0;
  for (const v1::SuiteSweep& sweep : asked.sweeps()) {
    jobs += static_cast<uint32_t>(sweep.jobs_size());
  }
  return jobs;
}

// SQLite writes the list: texts need escapes.
std::string TextList(SQLite::Database& database, const std::set<std::string>& texts) {
  std::string list = "[]";
  for (const std::string& text : texts) {
    Query more(database, "SELECT json_insert(?, '$[#]', ?)", list, text);
    more.Step();
    list = more.Text(0);
  }
  return list;
}

std::vector<std::string> ReadDevices(SQLite::Database& database, int64_t suite) {
  std::vector<std::string> devices;
  Query device(database, "SELECT value FROM suite, json_each(suite.devices) WHERE suite.id = ?",
               suite);
  while (device.Step()) devices.push_back(device.Text(0));
  return devices;
}

std::vector<uint64_t> ReadSweeps(SQLite::Database& database, int64_t suite) {
  std::vector<uint64_t> sweeps;
  Query sweep(database,
              "SELECT value FROM suite, json_each(ifnull(suite.last_sweeps, '[]')) WHERE "
              "suite.id = ?",
              suite);
  while (sweep.Step()) sweeps.push_back(sweep.Uint(0));
  return sweeps;
}

StoredSuite ReadSuite(SQLite::Database& database, const Query& row) {
  StoredSuite suite;
  suite.principal = row.Text(1);
  suite.user = row.Text(2);
  suite.account = row.Text(3);
  suite.name = row.Text(4);
  if (row.IsNull(5)) {
    suite.time.set_idle_ns(row.Int(6));
  } else {
    suite.time.set_minute_of_day(static_cast<uint32_t>(row.Uint(5)));
  }
  suite.time.set_at_most_every_ns(row.Int(7));
  suite.sweeps = static_cast<uint32_t>(row.Uint(8));
  suite.jobs = static_cast<uint32_t>(row.Uint(9));
  suite.added_at_ns = row.Int(10);
  suite.last_at_ns = row.Int(11);
  suite.problem = row.Text(12);
  suite.devices = ReadDevices(database, row.Int(0));
  suite.last_sweep_ids = ReadSweeps(database, row.Int(0));
  return suite;
}

std::optional<int64_t> Find(SQLite::Database& database, int64_t owner, const std::string& name) {
  return SelectInt(database, "SELECT id FROM suite WHERE owner_id = ? AND name = ?", owner, name);
}

absl::Status CheckRoom(SQLite::Database& database, int64_t owner, const Caller& caller) {
  const int64_t count = SelectOne(database, "SELECT count(*) FROM suite WHERE owner_id = ?", owner);
  if (count < kMostSuites) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      caller.name, " has ", count, " suites, must be at most ", kMostSuites, ": remove one first"));
}

std::optional<int64_t> MinuteOf(const v1::SuiteTime& time) {
  if (!time.has_minute_of_day()) return std::nullopt;
  return time.minute_of_day();
}

std::optional<int64_t> IdleOf(const v1::SuiteTime& time) {
  if (!time.has_idle_ns()) return std::nullopt;
  return time.idle_ns();
}

void Store(SQLite::Database& database, int64_t owner, const Caller& caller,
           const v1::AddSuiteRequest& asked, int64_t now_ns) {
  Execute(database,
          "INSERT INTO suite (owner_id, name, account, minute_of_day, idle_ns, at_most_every_ns, "
          "devices, sweeps, jobs, added_at_ns, asked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (owner_id, name) DO UPDATE SET account = excluded.account, "
          "minute_of_day = excluded.minute_of_day, idle_ns = excluded.idle_ns, "
          "at_most_every_ns = excluded.at_most_every_ns, devices = excluded.devices, "
          "sweeps = excluded.sweeps, jobs = excluded.jobs, added_at_ns = excluded.added_at_ns, "
          "problem = NULL, asked = excluded.asked",
          owner, asked.name(), caller.name, MinuteOf(asked.time()), IdleOf(asked.time()),
          asked.time().at_most_every_ns(), TextList(database, DevicesOf(asked)),
          asked.sweeps_size(), JobsOf(asked), now_ns, Blob{asked.SerializeAsString()});
}

// The row of exactly what was read: whoever replaced it since has another time.
std::optional<int64_t> RowOf(SQLite::Database& database, const StoredSuite& suite) {
  return SelectInt(database,
                   "SELECT suite.id FROM suite JOIN principal ON principal.id = suite.owner_id "
                   "WHERE principal.principal = ? AND suite.name = ? AND added_at_ns = ?",
                   suite.principal, suite.name, suite.added_at_ns);
}

absl::Status NoSuite(const std::string& name, const std::string& user) {
  return absl::NotFoundError(absl::StrCat("there is no suite '", name, "' of ", user));
}

// An account name may have had several principals: the one that has the suite, else any.
std::optional<std::string> PrincipalOf(SQLite::Database& database, const std::string& user,
                                       const std::string& name) {
  Query row(database,
            "SELECT principal FROM principal WHERE principal = ?1 OR name = ?1 ORDER BY EXISTS "
            "(SELECT 1 FROM suite WHERE owner_id = principal.id AND name = ?2) DESC LIMIT 1",
            user, name);
  if (!row.Step()) return std::nullopt;
  return row.Text(0);
}

absl::Status RemoveFrom(SQLite::Database& database, const Caller& caller, const std::string& user,
                        const std::string& name) {
  const auto principal = PrincipalOf(database, user, name);
  if (!principal) return NoSuite(name, user);
  const auto owner =
      SelectInt(database, "SELECT id FROM principal WHERE principal = ?", *principal);
  const auto suite = Find(database, *owner, name);
  if (!suite) return NoSuite(name, user);
  if (*principal != caller.principal && !caller.is_admin) {
    return absl::PermissionDeniedError(absl::StrCat("suite '", name, "' belongs to ", user,
                                                    "; only its owner or an admin may remove it"));
  }
  Execute(database, "DELETE FROM suite WHERE id = ?", *suite);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> SuiteStore::Put(const Caller& caller, const v1::AddSuiteRequest& asked,
                                     int64_t now_ns) {
  bool replaced = false;
  absl::Status status = database_->Write([&](SQLite::Database& database) -> absl::Status {
    const int64_t owner = StorePrincipal(database, caller);
    replaced = Find(database, owner, asked.name()).has_value();
    absl::Status room = replaced ? absl::OkStatus() : CheckRoom(database, owner, caller);
    if (room.ok()) Store(database, owner, caller, asked, now_ns);
    return room;
  });
  if (!status.ok()) return status;
  return replaced;
}

absl::StatusOr<std::vector<StoredSuite>> SuiteStore::List(const std::string& user,
                                                          const std::string& only_owner) const {
  std::vector<StoredSuite> suites;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query row(database,
              absl::StrCat(kColumns,
                           " WHERE (?1 = '' OR principal.principal = ?1 OR principal.name = ?1) "
                           "AND (?2 = '' OR principal.principal = ?2) "
                           "ORDER BY principal.name, suite.name, suite.id"),
              user, only_owner);
    while (row.Step()) suites.push_back(ReadSuite(database, row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return suites;
}

absl::StatusOr<v1::AddSuiteRequest> SuiteStore::Asked(const StoredSuite& suite) const {
  v1::AddSuiteRequest asked;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const auto id = RowOf(database, suite);
    if (!id) return NoSuite(suite.name, suite.user);
    Query row(database, "SELECT asked FROM suite WHERE id = ?", *id);
    const std::string bytes = row.Step() ? row.Text(0) : "";
    if (asked.ParseFromString(bytes)) return absl::OkStatus();
    return RowDamaged(absl::StrCat("suite '", suite.name, "' of ", suite.user, " cannot be read"));
  });
  if (!status.ok()) return status;
  return asked;
}

absl::Status SuiteStore::Note(const StoredSuite& suite, int64_t last_at_ns,
                              const std::vector<uint64_t>& sweep_ids, const std::string& problem) {
  return database_->Write([&](SQLite::Database& database) {
    const auto id = RowOf(database, suite);
    if (!id) return absl::OkStatus();
    std::optional<std::string> sweeps;
    if (!sweep_ids.empty()) sweeps = IdList(sweep_ids);
    std::optional<std::string> why;
    if (!problem.empty()) why = problem;
    Execute(database,
            "UPDATE suite SET last_at_ns = ?, last_sweeps = ifnull(?, last_sweeps), problem = ? "
            "WHERE id = ?",
            last_at_ns, sweeps, why, *id);
    return absl::OkStatus();
  });
}

absl::Status SuiteStore::Remove(const Caller& caller, const std::string& user,
                                const std::string& name) {
  return database_->Write(
      [&](SQLite::Database& database) { return RemoveFrom(database, caller, user, name); });
}

absl::StatusOr<std::vector<uint64_t>> SuiteStore::Unfinished(
    const std::vector<uint64_t>& sweep_ids) const {
  std::vector<uint64_t> unfinished;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query sweep(database,
                absl::StrCat("SELECT DISTINCT sweep_id FROM job INDEXED BY job_by_sweep WHERE "
                             "state < 3 AND sweep_id IN (",
                             kListed, ") ORDER BY sweep_id"),
                IdList(sweep_ids));
    while (sweep.Step()) unfinished.push_back(sweep.Uint(0));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return unfinished;
}

}  // namespace torchlap::storage
