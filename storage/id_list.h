// A list of numbers as one parameter of a statement, so that the size of a request is never the
// size of a statement.
#pragma once

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cstdint>
#include <string>

namespace torchlap::storage {

// Where the numbers of a list come from; its parameter is an IdList.
inline constexpr char kListed[] = "SELECT value FROM json_each(?)";

// `[1,2]`
template <typename Numbers>
std::string IdList(const Numbers& numbers) {
  const auto append = [](std::string* out, auto number) {
    absl::StrAppend(out, static_cast<int64_t>(number));
  };
  return absl::StrCat("[", absl::StrJoin(numbers, ",", append), "]");
}

}  // namespace torchlap::storage
