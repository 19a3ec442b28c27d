#include "proto/base/visible_text.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace torchlap {
namespace {

struct CodePoint {
  char32_t value = 0;
  size_t bytes = 0;
};

struct Span {
  char32_t first;
  char32_t last;
};

// Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 15.0), which nothing shows,
// and the separators of lines and paragraphs and the marks of annotations. By code.
constexpr std::array<Span, 17> kUnseen = {{{0x00AD, 0x00AD},
                                           {0x034F, 0x034F},
                                           {0x061C, 0x061C},
                                           {0x115F, 0x1160},
                                           {0x17B4, 0x17B5},
                                           {0x180B, 0x180F},
                                           {0x200B, 0x200F},
                                           {0x2028, 0x202E},
                                           {0x2060, 0x206F},
                                           {0x3164, 0x3164},
                                           {0xFE00, 0xFE0F},
                                           {0xFEFF, 0xFEFF},
                                           {0xFFA0, 0xFFA0},
                                           {0xFFF0, 0xFFFB},
                                           {0x1BCA0, 0x1BCA3},
                                           {0x1D173, 0x1D17A},
                                           {0xE0000, 0xE0FFF}}};

bool IsPlain(char32_t code) { return code >= 0x20 && code < 0x7F; }

bool IsControl(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

bool IsInAChar(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

bool IsUnseen(char32_t code) {
  return std::any_of(kUnseen.begin(), kUnseen.end(),
                     [code](const Span& span) { return code >= span.first && code <= span.last; });
}

// By the tables of the C library, whose wide characters are Unicode's. Where its locale is not
// installed, everything is.
bool IsAssigned(char32_t code) {
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return unicode == nullptr || ::iswprint_l(static_cast<wint_t>(code), unicode) != 0;
}

// What the text begins with; nothing where that is not UTF-8.
std::optional<CodePoint> FirstOf(std::string_view text) {
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const char32_t head = byte(0);
  if (head < 0x80) return CodePoint{head, 1};
  if (head < 0xC0 || head > 0xF7) return std::nullopt;
  const size_t bytes = head >= 0xF0 ? 4 : head >= 0xE0 ? 3 : 2;
  char32_t value = head & (0xFFU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return std::nullopt;
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[bytes] || value > 0x10FFFF || is_surrogate) return std::nullopt;
  return CodePoint{value, bytes};
}

std::string Escape(const char* format, char32_t code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, static_cast<unsigned>(code));
  return text.data();
}

std::string EscapeOf(char32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  if (code < 0x80) return Escape("\\x%02x", code);
  return Escape(code <= 0xFFFF ? "\\u%04x" : "\\U%08x", code);
}

// How the text begins.
struct Beginning {
  size_t bytes = 1;
  std::string escape;  // empty: it can be seen
};

Beginning Look(std::string_view text) {
  const auto first = FirstOf(text);
  if (!first) return {1, Escape("\\x%02x", static_cast<unsigned char>(text.front()))};
  const char32_t code = first->value;
  const bool is_seen = !IsControl(code) && !IsUnseen(code) && (code < 0x80 || IsAssigned(code));
  return {first->bytes, is_seen ? "" : EscapeOf(code)};
}

// How many bytes at the beginning need not be looked at one by one.
size_t PlainBytes(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(),
                                    [](char c) { return IsPlain(static_cast<unsigned char>(c)); });
  return static_cast<size_t>(end - text.begin());
}

}  // namespace

std::string Visible(std::string_view text) {
  std::string visible;
  while (!text.empty()) {
    const size_t plain = PlainBytes(text);
    visible += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Beginning beginning = Look(text);
    visible += beginning.escape.empty() ? text.substr(0, beginning.bytes) : beginning.escape;
    text.remove_prefix(beginning.bytes);
  }
  return visible;
}

std::optional<std::string> FirstUnseen(std::string_view text) {
  for (text.remove_prefix(PlainBytes(text)); !text.empty(); text.remove_prefix(PlainBytes(text))) {
    Beginning beginning = Look(text);
    if (!beginning.escape.empty()) return std::move(beginning.escape);
    text.remove_prefix(beginning.bytes);
  }
  return std::nullopt;
}

size_t CharsOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  }));
}

std::string CutText(std::string_view text, size_t most_bytes) {
  constexpr std::string_view kEllipsis = "…";
  if (text.size() <= most_bytes) return std::string(text);
  size_t end = most_bytes - std::min(most_bytes, kEllipsis.size());
  while (end > 0 && IsInAChar(text[end])) --end;
  return std::string(text.substr(0, end)).append(kEllipsis);
}

// A character that the first cut tears is beyond the second.
std::string VisibleUpTo(size_t most_bytes, std::string_view text) {
  return CutText(Visible(text.substr(0, most_bytes + 1)), most_bytes);
}

}  // namespace torchlap
