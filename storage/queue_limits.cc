#include "storage/queue_limits.h"

#include <absl/strings/str_cat.h>

namespace torchlap::storage {
namespace {

constexpr uint64_t kReservePart = 10;

bool Exceeds(uint64_t queued, uint64_t asked, uint64_t most) {
  return most < queued || asked > most - queued;
}

std::string Asked(const QueueAmount& asked) {
  return absl::StrCat(asked.launches, " launches (", asked.jobs, asked.jobs == 1 ? " job" : " jobs",
                      ")");
}

absl::Status TooManyOfUser(const QueueLimits& limits, const QueueUse& queued,
                           const QueueAmount& asked, const std::string& user) {
  return absl::ResourceExhaustedError(absl::StrCat(
      user, " has ", queued.launches_of_user, " launches queued and asks for ", Asked(asked),
      ", must be at most ", limits.launches_per_user, " together (max_queued_launches_per_user)"));
}

absl::Status TooManyLaunches(const QueueLimits& limits, const QueueUse& queued,
                             const QueueAmount& asked, bool is_admin) {
  const uint64_t reserve = is_admin ? 0 : AdminReserve(limits);
  std::string key = "max_queued_launches";
  if (reserve > 0) absl::StrAppend(&key, ", less ", reserve, " for admins");
  return absl::ResourceExhaustedError(absl::StrCat(
      queued.everyone.launches, " launches are queued and ", Asked(asked),
      " are asked for, must be at most ", limits.launches - reserve, " together (", key, ")"));
}

absl::Status TooManyJobs(const QueueLimits& limits, const QueueUse& queued,
                         const QueueAmount& asked) {
  return absl::ResourceExhaustedError(absl::StrCat(queued.everyone.jobs, " jobs are queued and ",
                                                   asked.jobs, " are asked for, must be at most ",
                                                   limits.jobs, " together (max_queued_jobs)"));
}

}  // namespace

uint64_t AdminReserve(const QueueLimits& limits) { return limits.launches / kReservePart; }

absl::Status CheckRoom(const QueueLimits& limits, const QueueUse& queued, const QueueAmount& asked,
                       const std::string& user, bool is_admin) {
  if (!Exceeds(queued.launches_of_user, asked.launches, limits.share)) return absl::OkStatus();
  const bool has_own_limit = limits.launches_per_user > 0 && !is_admin;
  if (has_own_limit && Exceeds(queued.launches_of_user, asked.launches, limits.launches_per_user)) {
    return TooManyOfUser(limits, queued, asked, user);
  }
  const uint64_t most = limits.launches - (is_admin ? 0 : AdminReserve(limits));
  if (limits.launches > 0 && Exceeds(queued.everyone.launches, asked.launches, most)) {
    return TooManyLaunches(limits, queued, asked, is_admin);
  }
  if (limits.jobs > 0 && Exceeds(queued.everyone.jobs, asked.jobs, limits.jobs)) {
    return TooManyJobs(limits, queued, asked);
  }
  return absl::OkStatus();
}

}  // namespace torchlap::storage
