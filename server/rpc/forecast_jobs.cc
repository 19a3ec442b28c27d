#include "server/rpc/forecast_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "server/measure/environment_changes.h"
#include "server/measure/environment_in_force.h"
#include "server/run/dispatcher.h"
#include "storage/environments.h"
#include "storage/forecast_history.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

// In one transaction: some 10 ms, and as much memory as their past takes.
constexpr size_t kMostWorkloadsAtOnce = 100;

bool MayRunOn(const host::HostDevice& device, const std::string& device_key) {
  const std::vector<std::string> keys = run::DeviceKeys(device);
  return std::find(keys.begin(), keys.end(), device_key) != keys.end();
}

// The devices of each key that a job has.
std::map<std::string, std::vector<const host::HostDevice*>> DevicesByKey(
    const std::vector<storage::NewJob>& jobs, const std::vector<host::HostDevice>& devices) {
  std::map<std::string, std::vector<const host::HostDevice*>> by_key;
  for (const storage::NewJob& job : jobs) by_key[job.device_key];
  for (auto& [key, of_key] : by_key) {
    for (const host::HostDevice& device : devices) {
      if (MayRunOn(device, key)) of_key.push_back(&device);
    }
  }
  return by_key;
}

// Places in `jobs` by workload.
std::map<std::string, std::vector<size_t>> ByWorkload(const std::vector<storage::NewJob>& jobs) {
  std::map<std::string, std::vector<size_t>> places;
  for (size_t i = 0; i < jobs.size(); ++i) places[jobs[i].workload_hash].push_back(i);
  return places;
}

std::vector<std::set<std::string>> InParts(
    const std::map<std::string, std::vector<size_t>>& by_workload) {
  std::vector<std::set<std::string>> parts;
  for (const auto& [hash, places] : by_workload) {
    if (parts.empty() || parts.back().size() == kMostWorkloadsAtOnce) parts.emplace_back();
    parts.back().insert(hash);
  }
  return parts;
}

}  // namespace

absl::StatusOr<std::optional<v1::Environment>> ForecastJobs::InForce(
    const host::HostDevice& device) const {
  if (!told_) return std::nullopt;
  const auto newest =
      storage::ReadNewestEnvironment(database_, {device.name, device.uuid, device.model});
  if (!newest.ok()) return newest.status();
  if (!*newest) return std::nullopt;
  return measure::EnvironmentInForce(**newest, told_(device));
}

absl::StatusOr<DevicePast> ForecastJobs::PastOf(const host::HostDevice& device,
                                                const std::string& only_owner) const {
  auto environment = InForce(device);
  if (!environment.ok()) return environment.status();
  const auto times = storage::ReadPastTimes(database_, device.uuid, only_owner);
  if (!times.ok()) return times.status();
  auto shortages = storage::ReadPastShortages(database_, device.uuid, only_owner);
  if (!shortages.ok()) return shortages.status();
  const auto foreign_bytes = foreign_bytes_ ? foreign_bytes_(device) : std::nullopt;
  return MakeDevicePast(device, foreign_bytes, *std::move(environment), *times,
                        *std::move(shortages));
}

absl::StatusOr<std::vector<ForecastJob>> ForecastJobs::ForecastAll(
    const std::vector<storage::NewJob>& jobs, const std::string& only_owner,
    int64_t reuse_since_ns) const {
  std::map<const host::HostDevice*, DevicePast> pasts;
  std::map<std::string, std::vector<const DevicePast*>> by_key;
  for (const auto& [key, devices] : DevicesByKey(jobs, devices_)) {
    for (const host::HostDevice* device : devices) {
      if (pasts.count(device) == 0) {
        auto past = PastOf(*device, only_owner);
        if (!past.ok()) return past.status();
        pasts[device] = *std::move(past);
      }
      by_key[key].push_back(&pasts[device]);
    }
  }
  std::vector<ForecastJob> forecasts(jobs.size());
  // The environments in force stay where they are: `in_force` points to them until AddChanges().
  const auto by_workload = ByWorkload(jobs);
  for (const std::set<std::string>& part : InParts(by_workload)) {
    auto launches = storage::ReadPastLaunches(database_, part, only_owner);
    if (!launches.ok()) return launches.status();
    for (const std::string& hash : part) {
      for (const size_t i : by_workload.at(hash)) {
        forecasts[i] =
            Forecast(jobs[i], by_key[jobs[i].device_key], (*launches)[hash], reuse_since_ns);
      }
    }
  }
  if (absl::Status changes = AddChanges(&forecasts); !changes.ok()) return changes;
  return forecasts;
}

absl::Status ForecastJobs::AddChanges(std::vector<ForecastJob>* jobs) const {
  std::set<std::string> hashes;
  for (const ForecastJob& job : *jobs) {
    if (job.in_force != nullptr) hashes.insert(job.other_environment_hash);
  }
  if (hashes.empty()) return absl::OkStatus();
  const auto environments = storage::ReadEnvironments(database_, hashes);
  if (!environments.ok()) return environments.status();
  for (ForecastJob& job : *jobs) {
    const auto other = environments->find(job.other_environment_hash);
    if (job.in_force == nullptr || other == environments->end()) continue;
    const std::array<const v1::Environment*, 1> before = {&other->second};
    const std::array<const v1::Environment*, 1> after = {job.in_force};
    for (v1::EnvironmentChange& change : measure::EnvironmentChanges(before, after)) {
      *job.forecast.add_environment_changes() = std::move(change);
    }
  }
  return absl::OkStatus();
}

absl::Status ForecastJobs::Answer(const storage::Caller& caller,
                                  const v1::ForecastJobsRequest& request,
                                  v1::ForecastJobsResponse* response) const {
  if (absl::Status count = CheckJobCount(request.jobs_size()); !count.ok()) return count;
  if (request.reuse_since_ns() < 0) {
    return absl::InvalidArgumentError(
        fmt::format("reuse_since_ns is {}, must be 0 or more", request.reuse_since_ns()));
  }
  const auto jobs = AdmitAll(request.jobs(), devices_, caller, max_time_limit_ns_);
  if (!jobs.ok()) return jobs.status();
  const auto counts = jobs_.Count();
  if (!counts.ok()) return counts.status();
  auto forecasts = ForecastAll(*jobs, storage::OnlyOwner(caller), request.reuse_since_ns());
  if (!forecasts.ok()) return forecasts.status();
  for (ForecastJob& job : *forecasts) *response->add_jobs() = std::move(job.forecast);
  // How long others' jobs take is not looked at.
  if (counts->queued_jobs == 0 && counts->running_jobs == 0) response->set_queue_ns(0);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
