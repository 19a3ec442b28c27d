#include "server/rpc/prune_runs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>

#include "server/rpc/job_choice.h"
#include "server/rpc/text_check.h"
#include "storage/prune.h"

namespace torchlap::rpc {
namespace {

storage::Pruning PruningOf(const v1::PruneRunsRequest& request) {
  return request.dry_run() ? storage::Pruning::kCount : storage::Pruning::kDelete;
}

absl::Status CheckRequest(const v1::PruneRunsRequest& request) {
  if (request.samples_before_ns() < 0) {
    return absl::InvalidArgumentError(fmt::format(
        "samples_before_ns is {}, must be a time after 1970", request.samples_before_ns()));
  }
  if (!request.has_runs()) {
    if (request.samples_before_ns() > 0) return absl::OkStatus();
    return absl::InvalidArgumentError("samples_before_ns and runs are unset, one must be set");
  }
  if (!NamesSomething(request.runs().selector()) && request.runs().labels().empty()) {
    return absl::InvalidArgumentError(
        "runs has no selector and no label, must name what is to be deleted");
  }
  return CheckTexts(request.runs());
}

// `2 of jobs that are not finished, 1 in a baseline`.
std::string WhyKept(const storage::PrunedRuns& pruned) {
  std::string why;
  const auto add = [&why](uint64_t runs, const char* what) {
    if (runs > 0) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", runs, what);
  };
  add(pruned.of_unfinished_jobs, "of jobs that are not finished");
  add(pruned.in_baselines, "in a baseline");
  add(pruned.calibrations, "calibrations that other runs were held against");
  return why;
}

}  // namespace

absl::Status PruneRuns::Answer(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                               v1::PruneRunsResponse* response) const {
  if (!caller.is_admin) {
    return absl::PermissionDeniedError(fmt::format(
        "{} may not delete runs; only an admin or the account of the daemon may", caller.name));
  }
  if (absl::Status valid = CheckRequest(request); !valid.ok()) return valid;
  if (is_running_.exchange(true)) {
    return absl::ResourceExhaustedError("runs are being deleted already; try again afterwards");
  }
  absl::Status status = Prune(caller, request, response);
  is_running_.store(false);
  return status;
}

absl::Status PruneRuns::Prune(const storage::Caller& caller, const v1::PruneRunsRequest& request,
                              v1::PruneRunsResponse* response) const {
  response->set_database_bytes_before(database_->size_bytes());
  response->set_database_bytes_after(database_->size_bytes());
  if (request.has_runs()) {
    absl::Status status = PruneChosen(caller, request, response);
    if (!status.ok()) return status;
  }
  if (request.samples_before_ns() > 0) {
    const auto samples =
        storage::PruneSamples(database_, request.samples_before_ns(), PruningOf(request));
    if (!samples.ok()) return samples.status();
    response->set_samples(*samples);
  }
  if (request.dry_run() || (response->runs() == 0 && response->samples() == 0)) {
    return absl::OkStatus();
  }
  spdlog::info("{} deleted {} runs, and the steps of {} more", caller.name, response->runs(),
               response->samples());
  if (absl::Status status = database_->Shrink(); !status.ok()) {
    // They are deleted all the same.
    spdlog::warn("the database cannot be made smaller: {}", std::string(status.message()));
  }
  response->set_database_bytes_after(database_->size_bytes());
  return absl::OkStatus();
}

absl::Status PruneRuns::PruneChosen(const storage::Caller& caller,
                                    const v1::PruneRunsRequest& request,
                                    v1::PruneRunsResponse* response) const {
  const auto selected = ChosenOrAll(*jobs_, caller, request.runs().selector());
  if (!selected.ok()) return selected.status();
  v1::RunFilter filter = request.runs();
  filter.set_include_invalid(true);
  const auto pruned = storage::PruneWholeRuns(database_, filter, *selected, PruningOf(request));
  if (!pruned.ok()) return pruned.status();
  response->set_runs(pruned->runs);
  if (pruned->kept() == 0) return absl::OkStatus();
  if (pruned->runs == 0 && request.samples_before_ns() == 0) {
    return absl::FailedPreconditionError(
        fmt::format("all {} chosen runs stay: {}", pruned->kept(), WhyKept(*pruned)));
  }
  spdlog::info("of the runs that {} chose, {} stay: {}", caller.name, pruned->kept(),
               WhyKept(*pruned));
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
