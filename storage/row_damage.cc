#include "storage/row_damage.h"

#include <absl/strings/cord.h>

namespace torchlap::storage {
namespace {

constexpr char kMark[] = "torchlap/row-damaged";

}  // namespace

absl::Status RowDamaged(const std::string& message) {
  absl::Status status = absl::DataLossError(message);
  status.SetPayload(kMark, absl::Cord());
  return status;
}

bool IsRowDamaged(const absl::Status& status) { return status.GetPayload(kMark).has_value(); }

}  // namespace torchlap::storage
