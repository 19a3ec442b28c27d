// Damage of one row, as opposed to damage of the file.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>

namespace torchlap::storage {

// DATA_LOSS of what stands in a row, or of a row that it refers to. Nothing else is known to be
// damaged, so whoever can do without it goes on; any other DATA_LOSS is of the whole file.
absl::Status RowDamaged(const std::string& message);
bool IsRowDamaged(const absl::Status& status);

// Calls `read`, for a list of which the rest is served. Where it meets damage of its row, by status
// or by SQLite's exception, that is counted, and the answer is OK. Throws other exceptions.
absl::Status CountingDamage(const std::function<absl::Status()>& read, uint64_t* damaged_rows);

}  // namespace torchlap::storage
