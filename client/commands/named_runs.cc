#include "client/commands/named_runs.h"

#include <fmt/format.h>

#include "client/selector.h"

namespace torchlap::client {

absl::StatusOr<v1::RunFilter> NamedRuns(const std::string& command,
                                        const std::vector<std::string>& selectors,
                                        const std::string& then) {
  if (selectors.empty()) {
    // `last` would be too easy to hit.
    return absl::InvalidArgumentError(
        fmt::format("{} needs a selector: a job (17), a run (17.2), sweep:3, sweep:NAME, last, all "
                    "or label:k=v; then {}",
                    command, then));
  }
  FilterWords words;
  words.selectors = selectors;
  return BuildFilter(words, 0);
}

}  // namespace torchlap::client
