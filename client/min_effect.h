// What --min-effect says: the smallest difference that counts.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>

namespace torchlap::client {

struct MinEffect {
  double share = 0;      // of a time; 0: what the service takes where nothing is said
  bool learned = false;  // from what launches of the same series showed before
};

// `1%` or `0.01`, `learned`; nothing for the defaults above. INVALID_ARGUMENT: another word, or a
// share that is not above 0 and at most 1.
absl::StatusOr<MinEffect> ParseMinEffect(const std::optional<std::string>& text);

}  // namespace torchlap::client
