#include "client/min_effect.h"

#include <fmt/format.h>

#include "client/parse_words.h"

namespace torchlap::client {

absl::StatusOr<MinEffect> ParseMinEffect(const std::optional<std::string>& text) {
  MinEffect effect;
  if (!text) return effect;
  effect.learned = *text == "learned";
  if (effect.learned) return effect;
  const auto share = ParseRatio("--min-effect", *text);
  if (share.ok() && *share > 0 && *share <= 1) {
    effect.share = *share;
    return effect;
  }
  return Invalid(fmt::format(
      "--min-effect is {}, must be a share above 0 and at most 1 (1%, 0.01), or learned",
      text->empty() ? "''" : *text));
}

}  // namespace torchlap::client
