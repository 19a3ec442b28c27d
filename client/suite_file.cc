#include "client/suite_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>
#include <variant>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "client/axes.h"
#include "client/close_names.h"
#include "client/parse_words.h"
#include "client/selector.h"
#include "client/sweep_words.h"
#include "proto/base/visible_text.h"
#include "proto/suite_limits.h"

namespace torchlap::client {
namespace {

using List = std::vector<std::string> SweepWords::*;
using Word = std::optional<std::string> SweepWords::*;
using OnOff = std::optional<bool> SweepWords::*;
using Switch = bool SweepWords::*;

struct Key {
  const char* name;
  std::variant<List, Word, OnOff, Switch> member;
};

// Named as the flags are.
const std::vector<Key>& Keys() {
  using W = SweepWords;
  static const std::vector<Key> keys = {
      {"model-size", &W::model_sizes},
      {"model-sizes", &W::model_sizes},
      {"pass-type", &W::pass_types},
      {"batch-size", &W::batch_sizes},
      {"context-length", &W::context_lengths},
      {"precision", &W::precisions},
      {"attention", &W::attentions},
      {"warmup-steps", &W::warmup_steps},
      {"measure-steps", &W::measure_steps},
      {"cell", &W::cells},
      {"layers", &W::layers},
      {"heads", &W::heads},
      {"d-model", &W::d_model},
      {"d-ff", &W::d_ff},
      {"vocab", &W::vocab},
      {"timing", &W::timing},
      {"device", &W::device},
      {"if-busy", &W::if_busy},
      {"launches", &W::launches},
      {"priority", &W::priority},
      {"time-limit", &W::time_limit},
      {"min-batch", &W::min_batch},
      {"min-context", &W::min_context},
      {"optimizer", &W::optimizer},
      {"seed", &W::seed},
      {"oom-retry", &W::oom_retry},
      {"plan", &W::plan},
      {"target-precision", &W::target_precision},
      {"max-steps", &W::max_steps},
      {"max-seconds", &W::max_seconds},
      {"telemetry", &W::telemetry},
      {"retry-contaminated", &W::retry_contaminated},
      {"memory-fraction", &W::memory_fraction},
      {"cuda-graph", &W::cuda_graph},
  };
  return keys;
}

// A sweep is of presets or of a declared shape: one that says the other is not of what all are.
constexpr List kSizes = &SweepWords::model_sizes;
constexpr Word kShape[] = {&SweepWords::layers, &SweepWords::heads, &SweepWords::d_model,
                           &SweepWords::d_ff, &SweepWords::vocab};

std::string Nearest(const std::string& key, const std::vector<std::string>& known) {
  return *std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return EditDistance(key, a) < EditDistance(key, b);
  });
}

// Mistyped, not another word.
bool IsNear(const std::string& key, const std::string& known) {
  return EditDistance(key, known) * 3 <= key.size();
}

std::string LineAt(const std::string& text, uint32_t number) {
  std::istringstream lines(text);
  std::string line;
  for (uint32_t i = 0; i < number; ++i) {
    if (!std::getline(lines, line)) return "";
  }
  return line;
}

// `small` of `model-size = small  # the usual one`.
std::string ValueOf(const std::string& line) {
  const size_t equals = line.find('=');
  if (equals == std::string::npos) return "";
  constexpr char kBlanks[] = " \t\r";
  const std::string behind = line.substr(equals + 1, line.find('#', equals) - equals - 1);
  const size_t begin = behind.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return "";
  return behind.substr(begin, behind.find_last_not_of(kBlanks) + 1 - begin);
}

// What is no value of TOML and would be one in quotes: the end of a message, or nothing.
std::string QuotesHint(const std::string& value) {
  constexpr char kDigits[] = "0123456789";
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const std::string plain = std::string(kLetters) + kDigits + "_-.:*/,";
  if (value.empty() || value.find_first_not_of(plain) != std::string::npos) return "";
  const bool is_range =
      std::strchr(kDigits, value.front()) != nullptr && value.find("..") != std::string::npos;
  if (is_range) return fmt::format("; a range is a text: \"{}\"", value);
  if (std::strchr(kLetters, value.front()) == nullptr) return "";
  return fmt::format("; a text needs quotes: \"{}\"", value);
}

uint32_t LineOf(const toml::node& node) { return node.source().begin.line; }

const char* TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    default:
      return "a date or time";
  }
}

// As a flag would have it; nothing: neither a text nor a number.
std::optional<std::string> WordOf(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return text;
  if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  return std::nullopt;
}

// What the flags' messages call `--precision` is a key here.
std::string WithoutDashes(std::string text) {
  size_t dashes = text.find("--");
  while (dashes != std::string::npos) {
    const bool is_flag = dashes == 0 || text[dashes - 1] == ' ';
    if (is_flag) text.erase(dashes, 2);
    dashes = text.find("--", dashes + (is_flag ? 0 : 2));
  }
  return text;
}

// What a table says, on top of the defaults of all.
struct Said {
  SweepWords words;
  std::map<std::string, std::string> labels;
  std::optional<std::string> baseline;
  std::optional<std::string> by;
  std::map<std::string, uint32_t> lines;  // of the keys
};

class Reader {
 public:
  Reader(std::string file, std::optional<std::string> name) : name_(std::move(name)) {
    suite_.file = std::move(file);
  }

  absl::StatusOr<SuiteFile> Read(const std::string& text);

 private:
  absl::Status Fail(uint32_t line, const std::string& message) const {
    return Invalid(fmt::format("{}:{}: {}", suite_.file, line, message));
  }
  absl::Status FailType(const std::string& key, const toml::node& node, const char* wanted) const {
    return Fail(LineOf(node), fmt::format("{} is {}, must be {}", key, TypeName(node), wanted));
  }

  absl::Status ReadTop(const toml::table& table);
  absl::Status ReadName(const toml::node& node);
  absl::Status ReadSweeps(const toml::table& sweeps);
  absl::Status ReadSweep(const std::string& name, const toml::table& table);
  absl::Status ReadKey(const std::string& key, const toml::node& node, Said* said) const;
  absl::Status ReadWords(const std::string& key, const toml::node& node,
                         std::vector<std::string>* words) const;
  absl::Status ReadWord(const std::string& key, const toml::node& node,
                        std::optional<std::string>* word) const;
  absl::Status ReadSwitch(const std::string& key, const toml::node& node, bool* value) const;
  absl::Status ReadLabels(const toml::node& node, Said* said) const;
  absl::Status Unknown(const std::string& key, const toml::node& node, bool is_top) const;
  absl::Status CheckSweepName(const std::string& name, uint32_t line) const;
  absl::Status CheckBaselines() const;
  absl::Status Build(const std::string& name, uint32_t line, Said said);
  absl::Status CheckAmount() const;
  void MarkAll();

  const std::optional<std::string> name_;
  SuiteFile suite_;
  Said defaults_;
};

absl::Status Reader::ReadWords(const std::string& key, const toml::node& node,
                               std::vector<std::string>* words) const {
  constexpr char kWanted[] = "a text, a number or a list of them";
  words->clear();
  if (auto word = WordOf(node)) {
    words->push_back(*std::move(word));
    return absl::OkStatus();
  }
  const toml::array* list = node.as_array();
  if (list == nullptr) return FailType(key, node, kWanted);
  for (const toml::node& entry : *list) {
    auto word = WordOf(entry);
    if (!word) return FailType("an entry of " + key, entry, "a text or a number");
    words->push_back(*std::move(word));
  }
  if (!words->empty()) return absl::OkStatus();
  return Fail(LineOf(node), key + " is an empty list, leave it out instead");
}

absl::Status Reader::ReadWord(const std::string& key, const toml::node& node,
                              std::optional<std::string>* word) const {
  *word = WordOf(node);
  return *word ? absl::OkStatus() : FailType(key, node, "a text or a number");
}

absl::Status Reader::ReadSwitch(const std::string& key, const toml::node& node, bool* value) const {
  const auto said = node.value_exact<bool>();
  if (!said) return FailType(key, node, "true or false");
  *value = *said;
  return absl::OkStatus();
}

absl::Status Reader::ReadLabels(const toml::node& node, Said* said) const {
  const toml::table* table = node.as_table();
  if (table == nullptr) return FailType("labels", node, "a table, like { card = \"A\" }");
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    auto word = WordOf(value);
    if (!word) return FailType("label " + name, value, "a text or a number");
    if (name == kSuiteLabel) {
      return Fail(LineOf(value), "the label suite is the suite's name, must be left out");
    }
    said->labels[name] = *std::move(word);
  }
  return absl::OkStatus();
}

absl::Status Reader::Unknown(const std::string& key, const toml::node& node, bool is_top) const {
  std::vector<std::string> known = SuiteKeys();
  if (is_top) known.insert(known.end(), {"name", "sweep"});
  if (key == "when") return Fail(LineOf(node), "unknown key when: it is said by suite add --when");
  const std::string nearest = Nearest(key, known);
  if (!IsNear(key, nearest)) {
    return Fail(LineOf(node), fmt::format("unknown key {}; what keys there are: torchlap help "
                                          "suites",
                                          key));
  }
  return Fail(LineOf(node),
              fmt::format("unknown key {}, the nearest known one is {}", key, nearest));
}

absl::Status Reader::ReadKey(const std::string& key, const toml::node& node, Said* said) const {
  said->lines[key] = LineOf(node);
  if (key == "labels") return ReadLabels(node, said);
  if (key == "baseline") return ReadWord(key, node, &said->baseline);
  if (key == "by") return ReadWord(key, node, &said->by);
  const auto found =
      std::find_if(Keys().begin(), Keys().end(), [&](const Key& one) { return key == one.name; });
  if (found == Keys().end()) return Unknown(key, node, said == &defaults_);
  SweepWords& words = said->words;
  if (const auto* list = std::get_if<List>(&found->member)) {
    return ReadWords(key, node, &(words.**list));
  }
  if (const auto* word = std::get_if<Word>(&found->member)) {
    return ReadWord(key, node, &(words.**word));
  }
  if (const auto* flag = std::get_if<Switch>(&found->member)) {
    return ReadSwitch(key, node, &(words.**flag));
  }
  bool value = false;
  absl::Status status = ReadSwitch(key, node, &value);
  words.*std::get<OnOff>(found->member) = value;
  return status;
}

absl::Status Reader::ReadName(const toml::node& node) {
  const auto name = node.value_exact<std::string>();
  if (!name) return FailType("name", node, "a text in quotes");
  suite_.name = *name;
  return absl::OkStatus();
}

absl::Status Reader::ReadTop(const toml::table& table) {
  suite_.name = std::filesystem::path(suite_.file).stem().string();
  const toml::node* sweeps = nullptr;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    absl::Status status;
    if (name == "name") {
      status = ReadName(node);
    } else if (name == "sweep") {
      sweeps = &node;
    } else {
      status = ReadKey(name, node, &defaults_);
    }
    if (!status.ok()) return status;
  }
  if (name_) suite_.name = *name_;
  if (const size_t chars = CharsOf(suite_.name); chars < 1 || chars > kMostSuiteNameChars) {
    return Invalid(fmt::format("{}: the suite's name has {} characters, must have 1 to {}",
                               suite_.file, chars, kMostSuiteNameChars));
  }
  if (absl::Status seen = CheckVisible("the suite's name", suite_.name); !seen.ok()) return seen;
  if (sweeps == nullptr) {
    return Invalid(suite_.file + ": no sweep is there, must have one or more: [sweep.NAME]");
  }
  if (!sweeps->is_table()) return FailType("sweep", *sweeps, "tables: [sweep.NAME]");
  return ReadSweeps(*sweeps->as_table());
}

// toml++ sorts tables by name; the order of the file is that of their lines.
absl::Status Reader::ReadSweeps(const toml::table& sweeps) {
  std::vector<std::pair<std::string, const toml::table*>> tables;
  for (const auto& [key, node] : sweeps) {
    if (!node.is_table()) {
      return FailType("sweep." + std::string(key.str()), node, "a table: [sweep.NAME]");
    }
    tables.emplace_back(key.str(), node.as_table());
  }
  std::sort(tables.begin(), tables.end(),
            [](const auto& a, const auto& b) { return LineOf(*a.second) < LineOf(*b.second); });
  for (const auto& [name, table] : tables) {
    if (absl::Status status = ReadSweep(name, *table); !status.ok()) return status;
  }
  if (absl::Status amount = CheckAmount(); !amount.ok()) return amount;
  return CheckBaselines();
}

absl::Status Reader::CheckSweepName(const std::string& name, uint32_t line) const {
  if (const size_t chars = CharsOf(name); chars < 1 || chars > kMostSuiteNameChars) {
    return Fail(line, fmt::format("a sweep's name has {} characters, must have 1 to {}", chars,
                                  kMostSuiteNameChars));
  }
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    return Fail(line, fmt::format("sweep {0} is a number, must be a name: sweep:{0} is the sweep "
                                  "with that id",
                                  name));
  }
  const absl::Status seen = CheckVisible("sweep", name);
  return seen.ok() ? seen : Fail(line, std::string(seen.message()));
}

absl::Status Reader::ReadSweep(const std::string& name, const toml::table& table) {
  const uint32_t line = LineOf(table);
  if (absl::Status status = CheckSweepName(name, line); !status.ok()) return status;
  Said own;
  for (const auto& [key, node] : table) {
    if (absl::Status status = ReadKey(std::string(key.str()), node, &own); !status.ok()) {
      return status;
    }
  }
  Said said = defaults_;
  const auto has = [&own](Word word) { return (own.words.*word).has_value(); };
  const bool has_shape = std::any_of(std::begin(kShape), std::end(kShape), has);
  if (has_shape) (said.words.*kSizes).clear();
  if (!(own.words.*kSizes).empty()) {
    for (const Word word : kShape) (said.words.*word).reset();
  }
  for (const auto& [key, node] : table) {
    if (absl::Status status = ReadKey(std::string(key.str()), node, &said); !status.ok()) {
      return status;
    }
  }
  // What all others are compared with is not compared with itself.
  if (!own.baseline && said.baseline == "sweep:" + name) {
    said.baseline.reset();
    said.by = own.by;
  }
  return Build(name, line, std::move(said));
}

absl::Status Reader::Build(const std::string& name, uint32_t line, Said said) {
  for (const auto& [key, value] : said.labels) said.words.labels.push_back(key + "=" + value);
  said.words.name = name;
  auto request = BuildSweep(said.words);
  if (!request.ok()) {
    const std::string message = WithoutDashes(std::string(request.status().message()));
    std::string key = message.substr(0, message.find(' '));
    if (key == "model-sizes" && !said.lines.contains(key)) key = "model-size";
    if (key == "label") key = "labels";
    const auto place = said.lines.find(key);
    return Fail(place == said.lines.end() ? line : place->second,
                fmt::format("sweep {}: {}", name, message));
  }
  FileSweep& sweep = suite_.sweeps.emplace_back();
  sweep.request = *std::move(request);
  sweep.baseline = std::move(said.baseline);
  sweep.by = std::move(said.by);
  sweep.line = line;
  sweep.key_lines = std::move(said.lines);
  return absl::OkStatus();
}

absl::Status Reader::CheckAmount() const {
  if (suite_.sweeps.empty() || suite_.sweeps.size() > size_t{kMostSweepsOfSuite}) {
    return Invalid(fmt::format("{}: {} sweeps are there, must be 1 to {}", suite_.file,
                               suite_.sweeps.size(), kMostSweepsOfSuite));
  }
  int jobs = 0;
  for (const FileSweep& sweep : suite_.sweeps) jobs += sweep.request.jobs_size();
  if (jobs <= kMostJobsOfSuite) return absl::OkStatus();
  return Invalid(fmt::format("{}: the sweeps have {} cells together, must have at most {}",
                             suite_.file, jobs, kMostJobsOfSuite));
}

// `last` would be the sweep itself.
absl::Status Reader::CheckBaselines() const {
  for (const FileSweep& sweep : suite_.sweeps) {
    if (!sweep.baseline) continue;
    const auto fail = [&](const std::string& why) {
      return Invalid(suite_.Placed(sweep, fmt::format("baseline is {}, {}", *sweep.baseline, why),
                                   "baseline"));
    };
    const auto selection = ParseSelectors({*sweep.baseline});
    const bool is_moving =
        selection.ok() && (selection->selector.last() || selection->selector.all());
    if (!selection.ok() || selection->empty() || is_moving) {
      return fail("must be baseline, sweep:NAME, sweep:3, 17, 17.2 or label:k=v");
    }
    if (*sweep.baseline == "sweep:" + sweep.name()) return fail("must be another than itself");
  }
  return absl::OkStatus();
}

void Reader::MarkAll() {
  for (FileSweep& sweep : suite_.sweeps) {
    for (v1::JobSpec& job : *sweep.request.mutable_jobs()) {
      (*job.mutable_labels())[kSuiteLabel] = suite_.name;
    }
  }
}

absl::StatusOr<SuiteFile> Reader::Read(const std::string& text) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const uint32_t line = parsed.error().source().begin.line;
    return Fail(
        line, std::string(parsed.error().description()) + QuotesHint(ValueOf(LineAt(text, line))));
  }
  if (absl::Status status = ReadTop(parsed.table()); !status.ok()) return status;
  MarkAll();
  return std::move(suite_);
}

}  // namespace

std::string SuiteFile::Placed(const FileSweep& sweep, const std::string& message,
                              const std::string& key) const {
  std::vector<std::string> keys = {key};
  // The daemon alone knows the presets.
  if (message.find("preset is ") != std::string::npos) keys = {"model-size", "model-sizes", "cell"};
  uint32_t line = sweep.line;
  for (const std::string& one : keys) {
    const auto place = sweep.key_lines.find(one);
    if (place == sweep.key_lines.end()) continue;
    line = place->second;
    break;
  }
  return fmt::format("{}:{}: sweep {}: {}", file, line, sweep.name(), message);
}

std::vector<std::string> SuiteKeys() {
  std::vector<std::string> keys = {"labels", "baseline", "by"};
  for (const Key& key : Keys()) keys.emplace_back(key.name);
  return keys;
}

absl::StatusOr<SuiteFile> ParseSuiteFile(const std::string& file, const std::string& text,
                                         const std::optional<std::string>& name) {
  return Reader(file, name).Read(text);
}

absl::StatusOr<SuiteFile> ReadSuiteFile(const std::string& file,
                                        const std::optional<std::string>& name) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(file, ignored);
  if (std::filesystem::is_directory(status)) {
    return Invalid(file + " is a folder, must be a file (SUITE.toml)");
  }
  // A pipe or a device may have no end.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Invalid(file + " is no file, must be one (SUITE.toml)");
  }
  std::ifstream stream(file);
  if (!stream) return Invalid(fmt::format("cannot read {}: {}", file, std::strerror(errno)));
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return ParseSuiteFile(file, text, name);
}

}  // namespace torchlap::client
