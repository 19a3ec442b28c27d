#include "server/rpc/compare_warmups.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "server/rpc/warmup_comparison.h"

namespace torchlap::rpc {

absl::Status CompareWarmups::Answer(const storage::Caller& caller,
                                    const v1::CompareWarmupsRequest& request,
                                    v1::CompareWarmupsResponse* response) const {
  v1::Selector sweep;
  sweep.add_sweep_ids(request.sweep_id());
  const auto selected = jobs_->Resolve(sweep, caller);
  if (!selected.ok()) return selected.status();
  v1::RunFilter filter;
  filter.add_purposes(v1::PURPOSE_WARMUP);
  std::vector<v1::Run> runs;
  const absl::Status read =
      runs_->Export(filter, *selected, false, [&runs](storage::RunRows batch) {
        std::move(batch.begin(), batch.end(), std::back_inserter(runs));
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  if (runs.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("sweep {} has no finished run of purpose warmup, must have at least one",
                    request.sweep_id()));
  }
  *response = DescribeWarmups(runs);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
