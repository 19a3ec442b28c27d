#include "server/rpc/get_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/environment_changes.h"
#include "server/rpc/text_check.h"
#include "storage/digest.h"
#include "storage/environments.h"
#include "storage/finding_store.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;

absl::Status Check(const v1::GetDigestRequest& request, int64_t now_ns) {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  if (request.since_ns() >= 0 && request.since_ns() <= now_ns) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("since_ns is {}, must be 0 to now, {}", request.since_ns(), now_ns));
}

struct DeviceChange {
  v1::EnvironmentChange change;
  std::vector<std::string> devices;
};

void AddChangesOf(const std::string& device, std::vector<v1::EnvironmentChange> changes,
                  std::vector<DeviceChange>* all) {
  for (v1::EnvironmentChange& change : changes) {
    const auto found = std::find_if(all->begin(), all->end(), [&](const DeviceChange& other) {
      return other.change.name() == change.name() && other.change.before() == change.before() &&
             other.change.after() == change.after();
    });
    if (found == all->end()) {
      all->push_back({std::move(change), {device}});
    } else {
      found->devices.push_back(device);
    }
  }
}

absl::Status AddChanges(const storage::Database& database,
                        const std::vector<storage::DeviceEnvironments>& environments,
                        v1::GetDigestResponse* response) {
  std::set<std::string> hashes;
  for (const auto& device : environments) hashes.insert({device.before, device.after});
  const auto known = storage::ReadEnvironments(database, hashes);
  if (!known.ok()) return known.status();
  std::vector<DeviceChange> all;
  size_t devices = 0;
  for (const auto& device : environments) {
    const auto before = known->find(device.before);
    const auto after = known->find(device.after);
    if (before == known->end() || after == known->end()) continue;
    ++devices;
    const std::vector<const v1::Environment*> was = {&before->second};
    const std::vector<const v1::Environment*> is = {&after->second};
    AddChangesOf(device.device, measure::EnvironmentChanges(was, is), &all);
  }
  for (DeviceChange& of_devices : all) {
    v1::EnvironmentChange& change = *response->add_changes();
    change = std::move(of_devices.change);
    if (of_devices.devices.size() == devices) continue;
    change.set_name(fmt::format("{} {}", fmt::join(of_devices.devices, ","), change.name()));
  }
  return absl::OkStatus();
}

absl::Status AddFindings(storage::Database* database, const storage::DigestQuestion& question,
                         v1::GetDigestResponse* response) {
  storage::FindingFilter filter;
  filter.user = question.user;
  filter.only_owner = question.only_owner;
  filter.since_ns = question.since_ns;
  filter.changed = true;
  filter.limit = storage::kMostDigestLines;
  auto list = storage::FindingStore(database).List(filter);
  if (!list.ok()) return list.status();
  for (v1::CellFinding& finding : list->findings) *response->add_findings() = std::move(finding);
  return absl::OkStatus();
}

absl::Status AddQueue(const storage::JobStore& jobs, const storage::Caller& caller,
                      v1::GetDigestResponse* response) {
  const auto counts = jobs.Count(storage::OnlyOwner(caller));
  if (!counts.ok()) return counts.status();
  response->set_queued_jobs(counts->queued_jobs);
  response->set_running_jobs(counts->running_jobs);
  return absl::OkStatus();
}

}  // namespace

absl::Status GetDigest::Answer(const storage::Caller& caller, const v1::GetDigestRequest& request,
                               v1::GetDigestResponse* response) const {
  const int64_t now_ns = clock_->WallNs();
  if (absl::Status status = Check(request, now_ns); !status.ok()) return status;
  const storage::DigestQuestion question{
      request.since_ns() > 0 ? request.since_ns() : now_ns - kDayNs, request.user(),
      storage::OnlyOwner(caller)};
  auto digest = storage::ReadDigest(*database_, question);
  if (!digest.ok()) return digest.status();
  *response = std::move(digest->counts);
  response->set_since_ns(question.since_ns);
  response->set_until_ns(now_ns);
  absl::Status status = AddChanges(*database_, digest->environments, response);
  status.Update(AddFindings(database_, question, response));
  status.Update(AddQueue(*jobs_, caller, response));
  return status;
}

}  // namespace torchlap::rpc
