#include "storage/digest.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "storage/records.h"
#include "storage/sqlite_connection.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {
namespace {

constexpr int kMostRunsBefore = 5'000;

// ?2: only_owner, ?3: user. What the daemon ran of its own accord (6: canary) counts where its user
// is named.
constexpr char kOwners[] =
    "(?3 <> '' OR run.purpose IS NOT 6) AND "
    "(?2 = '' OR run.owner_id IN (SELECT id FROM principal WHERE principal = ?2)) "
    "AND (?3 = '' OR run.owner_id IN (SELECT id FROM principal WHERE principal = ?3 OR name = ?3))";

// Of the columns that are neither grouped nor summed those of the newest run: what SQLite promises
// where there is one max().
std::string GroupsSql() {
  return absl::StrCat(
      "SELECT owner_id, device_id, outcome, ifnull(validity, 0), count(*), "
      "sum(ifnull(duration_ns, 0)), environment, max(started_at_ns) "
      "FROM run INDEXED BY run_by_start WHERE outcome IS NOT NULL AND started_at_ns >= ?1 AND ",
      kOwners, " GROUP BY 1, 2, 3, 4");
}

struct Newest {
  int64_t environment = 0;  // environment.id; 0: none
  int64_t started_at_ns = 0;
};

struct Sums {
  std::map<int64_t, v1::DigestUser> users;      // by principal.id
  std::map<int64_t, v1::DigestDevice> devices;  // by device.id
  std::map<int, uint64_t> outcomes;
  std::map<int64_t, Newest> newest;  // by device.id
};

void AddGroup(const Query& row, Sums* sums) {
  const int outcome = static_cast<int>(row.Int(2));
  const uint64_t runs = row.Uint(4);
  sums->outcomes[outcome] += runs;
  v1::DigestUser& user = sums->users[row.Int(0)];
  user.set_runs(user.runs() + runs);
  if (outcome != v1::OUTCOME_OK) user.set_failed_runs(user.failed_runs() + runs);
  if (row.Int(3) == v1::VALIDITY_CONTAMINATED) {
    user.set_contaminated_runs(user.contaminated_runs() + runs);
  }
  user.set_device_ns(user.device_ns() + row.Int(5));
  v1::DigestDevice& device = sums->devices[row.Int(1)];
  device.set_runs(device.runs() + runs);
  device.set_busy_ns(device.busy_ns() + row.Int(5));
  Newest& newest = sums->newest[row.Int(1)];
  if (row.IsNull(6) || row.Int(7) < newest.started_at_ns) return;
  newest = {row.Int(6), row.Int(7)};
}

Sums ReadSums(SQLite::Database& database, const DigestQuestion& question) {
  static const std::string select = GroupsSql();
  Sums sums;
  Query row(database, select, question.since_ns, question.only_owner, question.user);
  while (row.Step()) AddGroup(row, &sums);
  return sums;
}

std::string TextOf(SQLite::Database& database, const std::string& sql, int64_t id) {
  Query row(database, sql, id);
  return row.Step() ? row.Text(0) : "";
}

std::string UserName(SQLite::Database& database, int64_t id) {
  return TextOf(database, "SELECT name FROM principal WHERE id = ?", id);
}

// `cpu0`; `cpu0@lab2` of a device that was imported, which another machine's uuid tells.
std::string DeviceName(SQLite::Database& database, int64_t id) {
  return TextOf(database,
                "SELECT iif(instr(uuid, '@') = 0, name, name || substr(uuid, instr(uuid, '@'))) "
                "FROM device WHERE id = ?",
                id);
}

std::string EnvironmentHash(SQLite::Database& database, int64_t id) {
  return TextOf(database, "SELECT environment_hash FROM environment WHERE id = ?", id);
}

template <typename Row, typename Rows, typename Size>
void TakeLargest(std::vector<Row> all, const Size& size, Rows* rows) {
  std::stable_sort(all.begin(), all.end(),
                   [&](const Row& a, const Row& b) { return size(a) > size(b); });
  for (Row& row : all) {
    if (rows->size() == kMostDigestLines) return;
    *rows->Add() = std::move(row);
  }
}

void AddCounts(SQLite::Database& database, Sums sums, v1::GetDigestResponse* counts) {
  for (const auto& [outcome, runs] : sums.outcomes) {
    v1::DigestOutcome& of_outcome = *counts->add_outcomes();
    of_outcome.set_outcome(static_cast<v1::Outcome>(outcome));
    of_outcome.set_runs(runs);
  }
  std::vector<v1::DigestUser> users;
  for (auto& [id, user] : sums.users) {
    user.set_user(UserName(database, id));
    users.push_back(std::move(user));
  }
  std::vector<v1::DigestDevice> devices;
  for (auto& [id, device] : sums.devices) {
    device.set_device(DeviceName(database, id));
    devices.push_back(std::move(device));
  }
  TakeLargest(
      std::move(users), [](const auto& user) { return user.device_ns(); }, counts->mutable_users());
  TakeLargest(
      std::move(devices), [](const auto& device) { return device.busy_ns(); },
      counts->mutable_devices());
}

// Each once for a run: `stress-ng (bob)`.
std::set<std::string> DisturbersOf(const v1::Assessment& assessment) {
  std::set<std::string> names;
  for (const v1::Evidence& evidence : assessment.evidence()) {
    if (evidence.process().empty()) continue;
    names.insert(evidence.user().empty()
                     ? evidence.process()
                     : absl::StrCat(evidence.process(), " (", evidence.user(), ")"));
  }
  return names;
}

void AddDisturbers(SQLite::Database& database, const DigestQuestion& question,
                   v1::GetDigestResponse* counts) {
  static const std::string select = absl::StrCat(
      "SELECT (SELECT message FROM assessment WHERE run_id = run.id) "
      "FROM run INDEXED BY run_by_start WHERE outcome IS NOT NULL AND started_at_ns >= ?1 "
      "AND validity = 4 AND ",
      kOwners, " ORDER BY started_at_ns DESC LIMIT ?4");
  std::map<std::string, uint64_t> runs;
  Query row(database, select, question.since_ns, question.only_owner, question.user,
            kMostDisturbedRuns);
  while (row.Step()) {
    v1::Assessment assessment;
    if (row.IsNull(0) || !assessment.ParseFromString(row.Text(0))) continue;
    for (const std::string& name : DisturbersOf(assessment)) ++runs[name];
  }
  std::vector<v1::DigestDisturber> disturbers;
  for (const auto& [name, count] : runs) {
    v1::DigestDisturber& disturber = disturbers.emplace_back();
    disturber.set_process(name);
    disturber.set_runs(count);
  }
  TakeLargest(
      std::move(disturbers), [](const auto& disturber) { return disturber.runs(); },
      counts->mutable_disturbers());
}

// Sweeps are numbered in the order of their times, but for those of other machines, which got their
// numbers when they were taken in: from the newest to the first of this machine's that is older.
// Canaries are nobody's sweeps.
uint64_t CountSweeps(SQLite::Database& database, const DigestQuestion& question) {
  Query row(database,
            "SELECT submitted_at_ns >= ?1, (?2 = '' OR owner_id IN "
            "(SELECT id FROM principal WHERE principal = ?2)) AND (?3 = '' OR owner_id IN "
            "(SELECT id FROM principal WHERE principal = ?3 OR name = ?3)) AND (?3 <> '' OR "
            "owner_id NOT IN (SELECT id FROM principal WHERE principal = ?4 "
            "OR principal GLOB 'host:*/' || ?4)), "
            "EXISTS (SELECT 1 FROM job INDEXED BY job_by_sweep WHERE sweep_id = sweep.id "
            "AND host IS NOT NULL) FROM sweep ORDER BY id DESC",
            question.since_ns, question.only_owner, question.user, kDaemonPrincipal);
  uint64_t sweeps = 0;
  while (row.Step()) {
    const bool is_since = row.Int(0) != 0;
    const bool is_imported = row.Int(2) != 0;
    if (!is_since && !is_imported) break;
    if (is_since && row.Int(1) != 0) ++sweeps;
  }
  return sweeps;
}

// environment.id by device.id: of the newest run before.
std::map<int64_t, int64_t> EnvironmentsBefore(SQLite::Database& database,
                                              const DigestQuestion& question) {
  static const std::string select = absl::StrCat(
      "SELECT device_id, environment FROM run INDEXED BY run_by_start "
      "WHERE outcome IS NOT NULL AND started_at_ns < ?1 AND ",
      kOwners, " ORDER BY started_at_ns DESC LIMIT ?4");
  std::map<int64_t, int64_t> before;
  Query row(database, select, question.since_ns, question.only_owner, question.user,
            kMostRunsBefore);
  while (row.Step()) {
    if (!row.IsNull(1)) before.emplace(row.Int(0), row.Int(1));
  }
  return before;
}

void AddEnvironments(SQLite::Database& database, const DigestQuestion& question,
                     const std::map<int64_t, Newest>& newest, Digest* digest) {
  const std::map<int64_t, int64_t> before = EnvironmentsBefore(database, question);
  for (const auto& [device, now] : newest) {
    const auto found = before.find(device);
    if (now.environment == 0) continue;
    digest->environments.push_back(
        {DeviceName(database, device),
         found == before.end() ? "" : EnvironmentHash(database, found->second),
         EnvironmentHash(database, now.environment)});
  }
  std::stable_sort(digest->environments.begin(), digest->environments.end(),
                   [](const auto& a, const auto& b) { return a.device < b.device; });
}

}  // namespace

absl::StatusOr<Digest> ReadDigest(const Database& database, const DigestQuestion& question) {
  Digest digest;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    Sums sums = ReadSums(connection, question);
    digest.counts.set_sweeps(CountSweeps(connection, question));
    AddDisturbers(connection, question, &digest.counts);
    AddEnvironments(connection, question, sums.newest, &digest);
    AddCounts(connection, std::move(sums), &digest.counts);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return digest;
}

}  // namespace torchlap::storage
