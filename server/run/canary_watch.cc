#include "server/run/canary_watch.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace torchlap::run {
namespace {

constexpr int64_t kBetweenDevicesNs = 30'000'000'000;
constexpr int64_t kAfterErrorNs = 60'000'000'000;

}  // namespace

CanaryWatch::CanaryWatch(const CanarySetting& setting)
    : setting_(setting), thread_([this] { Run(); }) {}

CanaryWatch::~CanaryWatch() {
  stopping_ = true;
  wake_up_.Notify();
}

void CanaryWatch::Run() {
  while (!stopping_) {
    const int64_t look_again_ns = LookAtAll();
    pollfd wake = {wake_up_.fd(), POLLIN, 0};
    setting_.clock->Poll(&wake, 1, look_again_ns);
  }
}

int64_t CanaryWatch::LookAtAll() {
  const std::vector<host::HostDevice>& devices = setting_.fleet->devices();
  const std::vector<DeviceStatus> statuses = setting_.fleet->Describe();
  int64_t look_again_ns = Clock::kNever;
  for (size_t i = 0; i < devices.size(); ++i) {
    const absl::StatusOr<CanaryVerdict> verdict = LookAt(statuses[i], statuses);
    if (!verdict.ok()) return LookLater(verdict.status());
    if (verdict->is_due) {
      if (absl::Status asked = Ask(devices[i]); !asked.ok()) return LookLater(asked);
      problem_.clear();
      return setting_.clock->MonotonicNs() + kBetweenDevicesNs;
    }
    look_again_ns = std::min(look_again_ns, verdict->look_again_ns);
  }
  problem_.clear();
  return look_again_ns;
}

int64_t CanaryWatch::LookLater(const absl::Status& why) {
  std::string problem(why.message());
  if (problem != problem_) spdlog::warn("no canary now: {}", problem);
  problem_ = std::move(problem);
  return setting_.clock->MonotonicNs() + kAfterErrorNs;
}

absl::StatusOr<CanaryVerdict> CanaryWatch::LookAt(const DeviceStatus& status,
                                                  const std::vector<DeviceStatus>& all) const {
  CanaryLook look;
  look.would_disturb = WouldDisturb(status.device, all);
  look.idle_since_ns = status.idle_since_ns;
  const auto asked = asked_ns_.find(status.device.uuid());
  if (asked != asked_ns_.end()) look.asked_ns = asked->second;
  const auto last_ns = setting_.runs->LatestCanaryNs(status.device.uuid());
  if (!last_ns.ok()) return last_ns.status();
  look.last_ns = *last_ns;
  const int64_t wall_ns = setting_.clock->WallNs();
  // Also a canary that a daemon before this one has asked for.
  const auto heads = setting_.jobs->Heads(status.keys, wall_ns);
  if (!heads.ok()) return heads.status();
  look.job_waits = !heads->empty();
  return JudgeCanary(setting_.plan, look, setting_.clock->MonotonicNs(), wall_ns);
}

absl::Status CanaryWatch::Ask(const host::HostDevice& device) {
  const auto submitted = setting_.jobs->Submit(CanaryOwner(), "", "", "", {CanaryJob(device)}, {},
                                               setting_.clock->WallNs());
  if (!submitted.ok()) return submitted.status();
  asked_ns_[device.uuid] = setting_.clock->MonotonicNs();
  spdlog::info("{}: canary, job {}", device.name, submitted->job_ids.front());
  setting_.hub->EventsCommitted();
  setting_.fleet->WakeAll();
  return absl::OkStatus();
}

}  // namespace torchlap::run
