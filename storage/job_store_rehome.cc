// JobStore::Rehome: what waits for a device that is gone.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <string>

#include "storage/job_event.h"
#include "storage/job_row.h"
#include "storage/job_store.h"
#include "storage/launch.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

constexpr char kUuid[] = "uuid:";
constexpr char kCpu[] = "uuid:CPU-";

// Keys of single devices that something waits for and that are not present.
std::vector<std::string> AbsentKeys(SQLite::Database& database, const PresentDevices& present) {
  std::vector<std::string> absent;
  Query query(database, "SELECT DISTINCT device_key FROM launch WHERE state = 1");
  while (query.Step()) {
    const std::string key = query.Text(0);
    if (!key.starts_with(kUuid)) continue;
    if (std::find(present.keys.begin(), present.keys.end(), key) != present.keys.end()) continue;
    absent.push_back(key);
  }
  return absent;
}

// The configuration makes CPU devices: one that it does not make is not coming back by itself.
bool IsGoneForGood(const std::string& key) { return key.starts_with(kCpu); }

// Returns how many launches.
uint32_t SendHome(SQLite::Database& database, const std::string& key, const std::string& home) {
  return static_cast<uint32_t>(Execute(database,
                                       "UPDATE launch SET device_key = home_key, home_key = NULL "
                                       "WHERE device_key = ? AND state = 1 AND home_key = ?",
                                       key, home));
}

std::vector<std::string> HomesOf(SQLite::Database& database, const std::string& key) {
  std::vector<std::string> homes;
  Query query(database,
              "SELECT DISTINCT home_key FROM launch "
              "WHERE device_key = ? AND state = 1 AND home_key IS NOT NULL",
              key);
  while (query.Step()) homes.push_back(query.Text(0));
  return homes;
}

// A class that has no device now is waited for, too, rather than a device that never comes back.
uint32_t SendPinnedHome(SQLite::Database& database, const std::string& key,
                        const PresentDevices& present) {
  uint32_t launches = 0;
  for (const std::string& home : HomesOf(database, key)) {
    const bool has_device =
        std::find(present.keys.begin(), present.keys.end(), home) != present.keys.end();
    if (has_device || IsGoneForGood(key)) launches += SendHome(database, key, home);
  }
  return launches;
}

std::vector<uint64_t> JobsThatWaitFor(SQLite::Database& database, const std::string& key) {
  std::vector<uint64_t> jobs;
  Query query(database,
              "SELECT DISTINCT job_id FROM launch WHERE device_key = ? AND state = 1 "
              "ORDER BY job_id",
              key);
  while (query.Step()) jobs.push_back(query.Uint(0));
  return jobs;
}

// `cpu1 (CPU-1)`
std::string NameAndUuid(const std::string& name, const std::string& uuid) {
  return name == uuid ? name : absl::StrCat(name, " (", uuid, ")");
}

std::string GoneReason(const v1::Job& job, const std::string& key, const PresentDevices& present) {
  const std::string uuid = key.substr(sizeof kUuid - 1);
  const std::string& asked = job.spec().device();
  const std::string shown = asked.empty() || asked == uuid
                                ? absl::StrCat("`", uuid, "`")
                                : absl::StrCat("`", asked, "` (", uuid, ")");
  const auto append = [](std::string* out, const DeviceIdentity& device) {
    out->append(NameAndUuid(device.name, device.uuid));
  };
  return absl::StrCat(
      "device ", shown, " is gone: this daemon has ",
      present.devices.empty() ? "no device" : absl::StrJoin(present.devices, ", ", append));
}

// Whether it was QUEUED and is FAILED now.
bool FailQueued(SQLite::Database& database, uint64_t job_id, const std::string& reason,
                int64_t now_ns) {
  const int changed = Execute(database,
                              "UPDATE job SET state = 4, finished_at_ns = ?, reason = ? "
                              "WHERE id = ? AND state = 1",
                              now_ns, reason, job_id);
  if (changed == 0) return false;
  DropQueuedLaunches(database, job_id);
  RecordEvent(database, {.job_id = job_id, .state = v1::JOB_STATE_FAILED, .at_ns = now_ns});
  return true;
}

// Schema 2 did not keep what a pinned launch was asked for; the job still knows.
bool WasAskedByClass(const v1::Job& job) {
  const std::string& asked = job.spec().device();
  return asked.empty() || asked == "any" || asked == "cpu";
}

uint32_t SendToCpuClass(SQLite::Database& database, uint64_t job_id, const std::string& key) {
  return static_cast<uint32_t>(Execute(database,
                                       "UPDATE launch SET device_key = 'class:cpu' "
                                       "WHERE job_id = ? AND device_key = ? AND +state = 1",
                                       job_id, key));
}

// Of a CPU device that is gone: what is left when the pinned have gone home.
void SettleThoseLeft(SQLite::Database& database, const std::string& key,
                     const PresentDevices& present, int64_t now_ns, Rehomed* rehomed) {
  for (const uint64_t id : JobsThatWaitFor(database, key)) {
    const absl::StatusOr<v1::Job> job = LoadJob(database, id);
    if (!job.ok()) {
      SetAsideQueuedLaunches(database, id);
      const std::string reason(job.status().message());
      rehomed->failed_jobs += FailQueued(database, id, reason, now_ns) ? 1 : 0;
    } else if (WasAskedByClass(*job)) {
      rehomed->launches += SendToCpuClass(database, id, key);
    } else if (FailQueued(database, id, GoneReason(*job, key, present), now_ns)) {
      ++rehomed->failed_jobs;
    }
  }
}

}  // namespace

absl::StatusOr<Rehomed> JobStore::Rehome(const PresentDevices& present, int64_t now_ns) {
  Rehomed rehomed;
  absl::Status status = database_->Write([&](SQLite::Database& database) {
    for (const std::string& key : AbsentKeys(database, present)) {
      rehomed.launches += SendPinnedHome(database, key, present);
      if (IsGoneForGood(key)) SettleThoseLeft(database, key, present, now_ns, &rehomed);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return rehomed;
}

}  // namespace torchlap::storage
