#include "client/filter_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/close_names.h"
#include "client/parse_words.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

constexpr char kBlanks[] = " \t\n";

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

bool IsQuote(char c) { return c == '\'' || c == '"'; }

// Of a text without blanks a quote is a letter.
absl::StatusOr<std::vector<std::string>> PartsOf(const std::string& text) {
  if (text.find_first_of(kBlanks) == std::string::npos) return std::vector{text};
  std::vector<std::string> parts;
  std::optional<std::string> part;
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && IsBlank(c)) {
      if (part) parts.push_back(*std::exchange(part, std::nullopt));
      continue;
    }
    if (!part) part.emplace();
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && IsQuote(c)) {
      quote = c;
    } else {
      *part += c;
    }
  }
  if (quote != 0) {
    return Invalid(fmt::format("{} has a {} that is not closed, must have two", text, quote));
  }
  if (part) parts.push_back(*std::move(part));
  if (parts.empty()) parts.emplace_back();
  return parts;
}

bool IsNamedSelector(const std::string& word) {
  return word.rfind("label:", 0) == 0 || word.rfind("sweep:", 0) == 0;
}

const FilterFlag* Find(const std::string& name) {
  const auto& flags = FilterFlags();
  const auto place = std::find_if(flags.begin(), flags.end(),
                                  [&name](const FilterFlag& flag) { return flag.name == name; });
  return place == flags.end() ? nullptr : &*place;
}

absl::Status NoSuchFilter(const std::string& name) {
  std::vector<std::string> names;
  for (const FilterFlag& flag : FilterFlags()) names.push_back(flag.name);
  return Invalid(fmt::format("filter is {}, must be one of {}{}", name.empty() ? "''" : name,
                             fmt::join(names, ", "), CloseNames(name, names)));
}

absl::Status SetWord(const std::string& name, const std::string& value,
                     std::optional<std::string>* word) {
  if (*word) {
    return Invalid(
        fmt::format("{} is both {} and {}, must be given once, as one word or a comma "
                    "list",
                    name, **word, value));
  }
  *word = value;
  return absl::OkStatus();
}

absl::Status SetFilter(const FilterFlag& flag, const std::optional<std::string>& value,
                       FilterWords* words) {
  if (const auto* field = std::get_if<FilterFlag::Switch>(&flag.field)) {
    if (value) {
      return Invalid(fmt::format("{} is {}, must stand without a value", flag.name,
                                 value->empty() ? "''" : *value));
    }
    words->** field = true;
    return absl::OkStatus();
  }
  if (!value) {
    return Invalid(fmt::format("{0} has no value, must be {0}={1}", flag.name, flag.type));
  }
  if (const auto* field = std::get_if<FilterFlag::Repeated>(&flag.field)) {
    (words->**field).push_back(*value);
    return absl::OkStatus();
  }
  return SetWord(flag.name, *value, &(words->*std::get<FilterFlag::OneWord>(flag.field)));
}

absl::Status AddPart(const std::string& part, FilterWords* words) {
  const size_t equals = IsNamedSelector(part) ? std::string::npos : part.find('=');
  const std::string name = part.substr(0, equals);
  const FilterFlag* flag = Find(name);
  if (flag != nullptr) {
    std::optional<std::string> value;
    if (equals != std::string::npos) value = part.substr(equals + 1);
    return SetFilter(*flag, value, words);
  }
  if (equals != std::string::npos) return NoSuchFilter(name);
  words->selectors.push_back(part);
  return absl::OkStatus();
}

std::vector<FilterFlag> MakeFlags() {
  using W = FilterWords;
  return {
      {"model-size", &W::model_size, "", "NAME,..."},
      {"pass-type", &W::pass_type, Words<v1::PassType>(), "PASS,..."},
      {"timing", &W::timing, Words<v1::Timing>(), "TIMING,..."},
      {"precision", &W::precision, Words<v1::Precision>(), "PRECISION,..."},
      {"attention", &W::attention, Words<v1::Attention>(), "ATTENTION,..."},
      {"device", &W::device, "", "DEVICE,..."},
      {"user", &W::user, "account, or uid:N", "USER,..."},
      {"label", &W::labels, "all of them; repeatable", "K=V"},
      {"since", &W::since, "2026-01-31, 2026-01-31T12:00:00Z (UTC), 7d ago", "TIME"},
      {"until", &W::until, "the same; exclusive", "TIME"},
      {"outcome", &W::outcome, Words<v1::Outcome>(), "OUTCOME,..."},
      {"purpose", &W::purpose, Words<v1::Purpose>(), "PURPOSE,..."},
      {"verdict", &W::verdict, Words<v1::Validity>(), "VERDICT,..."},
      {"exclude-contaminated", &W::exclude_contaminated, "leave out runs that other work disturbed",
       ""},
      {"include-invalid", &W::include_invalid, "also runs that were declared invalid", ""},
  };
}

}  // namespace

const std::vector<FilterFlag>& FilterFlags() {
  static const std::vector<FilterFlag> flags = MakeFlags();
  return flags;
}

absl::Status AddFilterText(const std::string& text, FilterWords* words) {
  const auto parts = PartsOf(text);
  if (!parts.ok()) return parts.status();
  for (const std::string& part : *parts) {
    if (absl::Status added = AddPart(part, words); !added.ok()) return added;
  }
  return absl::OkStatus();
}

std::string FilterText(const std::string& selector) {
  if (selector.find_first_of(kBlanks) == std::string::npos) return selector;
  // A text that has both kinds of quotes is put together of two.
  std::string text = "\"";
  for (const char c : selector) text += c == '"' ? std::string("\"'\"'\"") : std::string(1, c);
  return text + "\"";
}

absl::StatusOr<FilterWords> WithFlags(const FilterWords& flags, FilterWords words) {
  for (const FilterFlag& flag : FilterFlags()) {
    if (const auto* repeated = std::get_if<FilterFlag::Repeated>(&flag.field)) {
      const auto& more = flags.**repeated;
      auto& all = words.**repeated;
      all.insert(all.end(), more.begin(), more.end());
    } else if (const auto* is_on = std::get_if<FilterFlag::Switch>(&flag.field)) {
      words.** is_on = words.**is_on || flags.**is_on;
    } else {
      const auto field = std::get<FilterFlag::OneWord>(flag.field);
      const std::optional<std::string>& value = flags.*field;
      std::optional<std::string>& own = words.*field;
      if (value && own) {
        return Invalid(fmt::format("--{0} {1} and {0}={2} are both given, must be one of them",
                                   flag.name, *value, *own));
      }
      if (value) own = value;
    }
  }
  return words;
}

}  // namespace torchlap::client
