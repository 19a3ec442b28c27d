#include "storage/sql_text.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace torchlap::storage {
namespace {

bool IsWordByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// A blank to SQLite where no word has begun.
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// SQLite's tokens, as far as names, parentheses and what is between them go. Names in any of the
// four quotes come without them; a string may be a name, too.
class Tokens {
 public:
  explicit Tokens(std::string_view sql) : rest_(sql) {}

  // In small letters; a name in quotes may be empty. Nothing: no more.
  std::optional<std::string> Next() {
    SkipBlanks();
    if (rest_.empty()) return std::nullopt;
    const char first = rest_.front();
    if (first == '\'' || first == '"' || first == '`') return Quoted(first);
    if (first == '[') return InBrackets();
    if (!IsWordByte(first)) return Take(1);
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsWordByte);
    return Take(static_cast<size_t>(end - rest_.begin()));
  }

 private:
  std::string Take(size_t length) {
    std::string token = absl::AsciiStrToLower(std::string(rest_.substr(0, length)));
    rest_.remove_prefix(std::min(length, rest_.size()));
    return token;
  }

  // From `text` on; to the end where it is not there.
  void SkipBehind(std::string_view text, size_t from) {
    const size_t at = rest_.find(text, from);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + text.size());
  }

  void SkipBlanks() {
    while (!rest_.empty()) {
      if (absl::ascii_isspace(static_cast<unsigned char>(rest_.front()))) {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with(kByteOrderMark)) {
        rest_.remove_prefix(kByteOrderMark.size());
      } else if (rest_.starts_with("--")) {
        SkipBehind("\n", 2);
      } else if (rest_.starts_with("/*")) {
        SkipBehind("*/", 2);
      } else {
        return;
      }
    }
  }

  // A quote within is written twice.
  std::string Quoted(char quote) {
    std::string name;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        if (i + 1 >= rest_.size() || rest_[i + 1] != quote) {
          rest_.remove_prefix(i + 1);
          return absl::AsciiStrToLower(name);
        }
        ++i;
      }
      name += rest_[i];
    }
    rest_ = {};
    return absl::AsciiStrToLower(name);
  }

  std::string InBrackets() {
    const size_t end = std::min(rest_.find(']'), rest_.size());
    std::string name = absl::AsciiStrToLower(std::string(rest_.substr(1, end - 1)));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return name;
  }

  std::string_view rest_;
};

size_t LengthOfUtf8(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

// Of three and four bytes: no longer than it must be, no surrogate, not above U+10FFFF.
bool IsCodePoint(uint32_t code, size_t length) {
  if (length == 3) return code >= 0x800 && (code < 0xd800 || code > 0xdfff);
  return length < 3 || (code >= 0x10000 && code <= 0x10ffff);
}

}  // namespace

std::string TableNamedLike(std::string_view sql, const std::vector<std::string>& names) {
  Tokens tokens(sql);
  std::string name;     // of a view, if that is what the tokens before this one end in
  bool has_as = false;  // and `AS` behind it
  while (const std::optional<std::string> token = tokens.Next()) {
    const bool opens = *token == "(" || (has_as && (*token == "not" || *token == "materialized"));
    if (!name.empty() && opens) return name;
    if (!name.empty() && !has_as && *token == "as") {
      has_as = true;
      continue;
    }
    const bool is_named = std::find(names.begin(), names.end(), *token) != names.end();
    name = is_named ? *token : "";
    has_as = false;
  }
  return "";
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = LengthOfUtf8(first);
    if (length == 0 || i + length > text.size()) return false;
    uint32_t code = length == 1 ? first : first & (0x7fU >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0U) != 0x80U) return false;
      code = code << 6U | (next & 0x3fU);
    }
    if (!IsCodePoint(code, length)) return false;
    i += length;
  }
  return true;
}

}  // namespace torchlap::storage
