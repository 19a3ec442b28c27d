#include "storage/sql_functions.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>
#include <string.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <unordered_set>

namespace torchlap::storage {
namespace {

constexpr size_t kMostBytesOfAPattern = 1000;
constexpr size_t kMostSteps = size_t{1} << 24;

struct Arguments {
  sqlite3_context* context;
  sqlite3_value** values;

  bool IsNull(int i) const { return sqlite3_value_type(values[i]) == SQLITE_NULL; }
  bool IsBlob(int i) const { return sqlite3_value_type(values[i]) == SQLITE_BLOB; }
  // Until the same argument is read otherwise. Throws std::bad_alloc.
  std::string_view Text(int i) const {
    const void* const text = sqlite3_value_text(values[i]);
    if (text == nullptr) throw std::bad_alloc();
    return {static_cast<const char*>(text), static_cast<size_t>(sqlite3_value_bytes(values[i]))};
  }
  // An empty one has no bytes to point at.
  std::string_view Blob(int i) const {
    const void* const bytes = sqlite3_value_blob(values[i]);
    const auto size = static_cast<size_t>(sqlite3_value_bytes(values[i]));
    return bytes == nullptr ? std::string_view()
                            : std::string_view(static_cast<const char*>(bytes), size);
  }
  void Answer(std::string_view text) const {
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  void Fail(const char* why) const { sqlite3_result_error(context, why, -1); }
};

// SQLite is C: no exception may pass.
template <int kCount, void (*kBody)(const Arguments&)>
void Call(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  const auto* const may_go_on =
      static_cast<const std::function<bool()>*>(sqlite3_user_data(context));
  const Arguments arguments = {context, values};
  if (!(*may_go_on)()) return arguments.Fail("interrupted");
  for (int i = 0; i < kCount; ++i) {
    if (arguments.IsNull(i)) return sqlite3_result_null(context);
  }
  try {
    kBody(arguments);
  } catch (const std::bad_alloc&) {
    sqlite3_result_error_nomem(context);
  }
}

// In time that grows with the sum of both lengths, which std::string_view does not promise.
size_t Find(std::string_view text, std::string_view part, size_t from) {
  const void* const found =
      ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

bool IsInsideOfChar(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

int64_t CharsOf(std::string_view text) {
  int64_t chars = 0;
  for (const char byte : text) chars += IsInsideOfChar(byte) ? 0 : 1;
  return chars;
}

void Instr(const Arguments& given) {
  const bool are_blobs = given.IsBlob(0) && given.IsBlob(1);
  const std::string_view text = are_blobs ? given.Blob(0) : given.Text(0);
  const std::string_view part = are_blobs ? given.Blob(1) : given.Text(1);
  const size_t at = part.empty() ? 0 : Find(text, part, 0);
  if (at == std::string_view::npos) return sqlite3_result_int(given.context, 0);
  const int64_t before = are_blobs ? static_cast<int64_t>(at) : CharsOf(text.substr(0, at));
  sqlite3_result_int64(given.context, before + 1);
}

void Replace(const Arguments& given) {
  const std::string_view text = given.Text(0);
  const std::string_view part = given.Text(1);
  const std::string_view other = given.Text(2);
  if (part.empty()) return sqlite3_result_value(given.context, given.values[0]);
  const auto most = static_cast<size_t>(
      sqlite3_limit(sqlite3_context_db_handle(given.context), SQLITE_LIMIT_LENGTH, -1));
  std::string replaced;
  size_t from = 0;
  for (size_t at = Find(text, part, 0); at != std::string_view::npos; at = Find(text, part, from)) {
    replaced.append(text.substr(from, at - from)).append(other);
    from = at + part.size();
    if (replaced.size() > most) return sqlite3_result_error_toobig(given.context);
  }
  given.Answer(replaced.append(text.substr(from)));
}

// A byte that begins a character, and those inside of it.
size_t LengthOfFirst(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && IsInsideOfChar(text[length])) ++length;
  return length;
}

size_t LengthOfLast(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && IsInsideOfChar(text[text.size() - length])) ++length;
  return length;
}

template <bool kLeft, bool kRight>
void Trim(const Arguments& given) {
  std::string_view text = given.Text(0);
  std::unordered_set<std::string_view> chars;
  for (std::string_view rest = given.Text(1); !rest.empty();) {
    const size_t length = LengthOfFirst(rest);
    chars.insert(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  while (kLeft && !text.empty() && chars.count(text.substr(0, LengthOfFirst(text))) > 0) {
    text.remove_prefix(LengthOfFirst(text));
  }
  while (kRight && !text.empty() &&
         chars.count(text.substr(text.size() - LengthOfLast(text))) > 0) {
    text.remove_suffix(LengthOfLast(text));
  }
  given.Answer(text);
}

// False: it would take too long, which is said.
bool MayMatch(const Arguments& given, std::string_view pattern, std::string_view text) {
  const bool is_short = pattern.size() <= kMostBytesOfAPattern;
  if (is_short && pattern.size() * text.size() <= kMostSteps) return true;
  given.Fail(is_short ? "LIKE or GLOB has too long a text for its pattern"
                      : "LIKE or GLOB pattern has more than 1000 bytes");
  return false;
}

void MatchLike(const Arguments& given, unsigned int escape) {
  // As SQLite is built in Debian, and as its documents advise.
  if (given.IsBlob(0) || given.IsBlob(1)) return sqlite3_result_int(given.context, 0);
  const std::string_view pattern = given.Text(0);
  const std::string_view text = given.Text(1);
  if (!MayMatch(given, pattern, text)) return;
  sqlite3_result_int(given.context, sqlite3_strlike(pattern.data(), text.data(), escape) == 0);
}

void Like(const Arguments& given) { MatchLike(given, 0); }

void LikeWithEscape(const Arguments& given) {
  const std::string_view escape = given.Text(2);
  const bool is_one = escape.size() == 1 && escape != "%" && escape != "_" &&
                      static_cast<unsigned char>(escape.front()) < 0x80;
  if (!is_one) return given.Fail("ESCAPE must be one ASCII character other than % and _");
  MatchLike(given, static_cast<unsigned char>(escape.front()));
}

void Glob(const Arguments& given) {
  if (given.IsBlob(0) || given.IsBlob(1)) return sqlite3_result_int(given.context, 0);
  const std::string_view pattern = given.Text(0);
  const std::string_view text = given.Text(1);
  if (!MayMatch(given, pattern, text)) return;
  sqlite3_result_int(given.context, sqlite3_strglob(pattern.data(), text.data()) == 0);
}

struct Function {
  const char* name;
  int arguments;
  void (*call)(sqlite3_context*, int, sqlite3_value**);
};

constexpr std::array<Function, 8> kFunctions = {{
    {"instr", 2, Call<2, Instr>},
    {"replace", 3, Call<3, Replace>},
    {"trim", 2, Call<2, Trim<true, true>>},
    {"ltrim", 2, Call<2, Trim<true, false>>},
    {"rtrim", 2, Call<2, Trim<false, true>>},
    {"like", 2, Call<2, Like>},
    {"like", 3, Call<3, LikeWithEscape>},
    {"glob", 2, Call<2, Glob>},
}};

}  // namespace

void AddBoundedFunctions(SqliteConnection* connection, const std::function<bool()>* may_go_on) {
  // SQLite hands it back to `Call`, which only reads it.
  auto* const asked = const_cast<std::function<bool()>*>(may_go_on);
  for (const Function& function : kFunctions) {
    const int added =
        sqlite3_create_function_v2(connection->getHandle(), function.name, function.arguments,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, asked,
                                   function.call, nullptr, nullptr, nullptr);
    if (added != SQLITE_OK) throw SQLite::Exception(connection->getHandle(), added);
  }
}

}  // namespace torchlap::storage
