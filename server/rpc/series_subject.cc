#include "server/rpc/series_subject.h"

#include <utility>

#include "storage/row_damage.h"

namespace torchlap::rpc {

absl::StatusOr<std::optional<v1::Run>> NewestRun(const storage::RunStore& runs,
                                                 std::vector<storage::SeriesPoint>* points,
                                                 uint64_t* unreadable) {
  while (!points->empty()) {
    absl::StatusOr<v1::RunDetail> detail = runs.Get(points->back().run_id);
    if (detail.ok()) return std::move(*detail->mutable_run());
    if (storage::IsRowDamaged(detail.status())) {
      ++*unreadable;
    } else if (!absl::IsNotFound(detail.status())) {
      return detail.status();
    }
    points->pop_back();
  }
  return std::nullopt;
}

}  // namespace torchlap::rpc
