// Labels with characters that nobody sees, which older programs took: they are asked for as lists
// show them.
#pragma once

#include <SQLiteCpp/Database.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>
#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

using Label = std::pair<std::string, std::string>;

// The filter's labels as they are stored, in order: the label itself, or, where no job has it and
// it is written with a backslash, the first that lists show so. Of jobs of `only_owner` alone, if
// there is one. Some milliseconds at most: to be asked once a request. INVALID_ARGUMENT: too many
// labels begin like it for each to be looked at; a second one would have to be looked for.
absl::StatusOr<std::vector<Label>> StoredLabels(SQLite::Database& database,
                                                const v1::RunFilter& filter,
                                                const std::string& only_owner);

}  // namespace torchlap::storage
