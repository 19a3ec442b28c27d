#include "server/rpc/compare_warmups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "server/rpc/warmup_comparison.h"

namespace torchlap::rpc {
namespace {

// Without some of its cells a comparison would say what is not so.
absl::Status CannotCompare(uint64_t sweep_id, uint64_t unreadable, size_t readable) {
  return absl::DataLossError(fmt::format(
      "sweep {}: {} of its {} runs of purpose warmup cannot be read, as the database is "
      "damaged; torchlapd --check tells more",
      sweep_id, unreadable, unreadable + readable));
}

}  // namespace

absl::Status CompareWarmups::Answer(const storage::Caller& caller,
                                    const v1::CompareWarmupsRequest& request,
                                    v1::CompareWarmupsResponse* response) const {
  v1::Selector sweep;
  sweep.add_sweep_ids(request.sweep_id());
  const auto selected = jobs_->Resolve(sweep, caller);
  if (!selected.ok()) return selected.status();
  v1::RunFilter filter;
  filter.add_purposes(v1::PURPOSE_WARMUP);
  filter.set_include_invalid(true);  // what an invalid result leaves is not what came before it
  std::vector<v1::Run> runs;
  uint64_t unreadable = 0;
  const absl::Status read = runs_->Export(
      filter, *selected, false,
      [&runs](storage::RunRows batch) {
        std::move(batch.begin(), batch.end(), std::back_inserter(runs));
        return absl::OkStatus();
      },
      &unreadable);
  if (!read.ok()) return read;
  if (unreadable > 0) return CannotCompare(request.sweep_id(), unreadable, runs.size());
  if (runs.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("sweep {} has no finished run of purpose warmup, must have at least one",
                    request.sweep_id()));
  }
  *response = DescribeWarmups(runs);
  if (!response->runs().empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("all finished runs of sweep {} were declared invalid, must have a valid one",
                  request.sweep_id()));
}

}  // namespace torchlap::rpc
