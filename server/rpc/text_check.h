// Words that a request carries: others will see them, or they are looked up among such.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace torchlap::rpc {

// INVALID_ARGUMENT where the text has what nobody would see, or what changes what is seen beside
// it (proto/base/visible_text.h): `sweep_name is "a\x1b[2J", must have no \x1b: visible characters
// only`.
absl::Status CheckText(std::string_view field, std::string_view text);

// The same for each text in the message, and in the messages in it.
absl::Status CheckTexts(const google::protobuf::Message& request);

// INVALID_ARGUMENT: `why has 501 characters, must have at most 500`. Of UTF-8.
absl::Status CheckLength(std::string_view field, std::string_view text, size_t most_chars);

// INVALID_ARGUMENT also where there is none: `name has 0 characters, must have 1 to 100`; and where
// CheckText says so.
absl::Status CheckName(std::string_view field, std::string_view text, size_t most_chars);

// As messages of ours name what a caller gave: written out, cut where it is long.
std::string Named(std::string_view text);

}  // namespace torchlap::rpc
