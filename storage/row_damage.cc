#include "storage/row_damage.h"

#include <SQLiteCpp/Exception.h>
#include <absl/strings/cord.h>

#include "storage/sqlite_status.h"

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

absl::Status CountingDamage(const std::function<absl::Status()>& read, uint64_t* damaged_rows) {
  absl::Status status;
  try {
    status = read();
  } catch (const SQLite::Exception& error) {
    status = StatusOf(error, {}, nullptr);
    if (!IsRowDamaged(status)) throw;
  }
  if (!IsRowDamaged(status)) return status;
  ++*damaged_rows;
  return absl::OkStatus();
}

}  // namespace torchlap::storage
