// Words of others on their way to people: whatever could not be seen there, or would change what is
// seen beside it, is written out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace torchlap {

// The text on one line, as UTF-8, with escapes in place of
//   - controls (C0, DEL, C1): `\n`, `\t`, `\r`, `\x1b`, `\u009b`;
//   - what turns the direction of writing, has no width, or separates lines: `\u202e`, `\u200b`;
//   - code points that are not assigned: `\u0378`, `\U0010ffff`;
//   - bytes that are not UTF-8: `\xff`.
// Text without any of these stays as it is, a backslash too: to do it twice is to do it once.
std::string Visible(std::string_view text);

// The escape of the first of these; nothing: there is none.
std::optional<std::string> FirstUnseen(std::string_view text);

// Characters of UTF-8: bytes that begin one.
size_t CharsOf(std::string_view text);

// At most so many bytes (3 or more) of UTF-8, cut between two characters; an ellipsis says that
// something is missing.
std::string CutText(std::string_view text, size_t most_bytes);

// Both, however long the text is.
std::string VisibleUpTo(size_t most_bytes, std::string_view text);

}  // namespace torchlap
