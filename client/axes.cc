#include "client/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "client/parse_words.h"
#include "client/sweep_plan.h"

namespace torchlap::client {
namespace {

constexpr size_t kMostCells = 10000;  // of SubmitJobs

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

// Appends what is not there yet: an axis is a set that keeps its order.
template <typename Value>
void AppendOnce(std::vector<Value>* values, Value value) {
  if (std::find(values->begin(), values->end(), value) == values->end()) {
    values->push_back(std::move(value));
  }
}

struct Range {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t step = 1;
  bool geometric = false;
};

std::optional<Range> ReadRange(std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  Range range;
  const auto first = ReadInteger<uint32_t>(text.substr(0, dots));
  std::string_view rest = text.substr(dots + 2);
  if (const size_t mark = rest.find_first_of("*+"); mark != std::string_view::npos) {
    const auto step = ReadInteger<uint32_t>(rest.substr(mark + 1));
    range.geometric = rest[mark] == '*';
    if (!step || *step < (range.geometric ? 2 : 1)) return std::nullopt;
    range.step = *step;
    rest = rest.substr(0, mark);
  }
  const auto last = ReadInteger<uint32_t>(rest);
  if (!first || !last || *first > *last) return std::nullopt;
  // 0 times anything stays 0: such a range would have no end.
  if (range.geometric && *first == 0) return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

absl::Status TooMany(const std::string& what, const std::string& word) {
  return Invalid(
      fmt::format("{} is {}, which is more than {} values in all", what, word, kMostCells));
}

absl::Status AppendRange(const std::string& what, const std::string& word, const Range& range,
                         std::vector<uint32_t>* numbers) {
  const uint64_t count = range.geometric ? 0 : (uint64_t{range.last} - range.first) / range.step;
  if (count >= kMostCells) return TooMany(what, word);
  for (uint64_t value = range.first; value <= range.last;
       value = range.geometric ? value * range.step : value + range.step) {
    AppendOnce(numbers, static_cast<uint32_t>(value));
  }
  return absl::OkStatus();
}

absl::Status AppendNumbers(const std::string& what, const std::string& word,
                           std::vector<uint32_t>* numbers) {
  if (const auto number = ReadInteger<uint32_t>(word)) {
    AppendOnce(numbers, *number);
    return absl::OkStatus();
  }
  if (const auto range = ReadRange(word)) return AppendRange(what, word, *range, numbers);
  return Invalid(
      fmt::format("{} is {}, must be a whole number (256), a list (128,256) or a rising range "
                  "(128..1024*2, 128..1024+128, 1..4)",
                  what, word));
}

template <typename Enum>
absl::StatusOr<std::vector<Enum>> ParseEnums(const std::string& what,
                                             const std::vector<std::string>& words) {
  absl::StatusOr<std::vector<std::string>> list = ParseList(what, words);
  if (!list.ok()) return list.status();
  std::vector<Enum> values;
  for (const std::string& word : *list) {
    absl::StatusOr<Enum> value = ParseOneWord<Enum>(what, word);
    if (!value.ok()) return value.status();
    values.push_back(*value);
  }
  return values;
}

struct Axes {
  std::vector<std::string> sizes;
  std::vector<v1::PassType> passes;
  std::vector<v1::Precision> precisions;
  std::vector<v1::Attention> attentions;
  std::vector<uint32_t> batches;
  std::vector<uint32_t> contexts;
  std::vector<uint32_t> warmups;
  std::vector<uint32_t> steps;
};

struct Cell {
  std::optional<std::string> size;
  std::optional<v1::PassType> pass;
  std::optional<v1::Precision> precision;
  std::optional<v1::Attention> attention;
  std::optional<uint32_t> batch;
  std::optional<uint32_t> context;
  std::optional<uint32_t> warmup;
  std::optional<uint32_t> steps;
};

absl::StatusOr<Axes> ParseAxes(const SweepWords& words) {
  Axes axes;
  absl::Status status = FirstError({
      Assign(ParseList("--model-sizes", words.model_sizes), &axes.sizes),
      Assign(ParseEnums<v1::PassType>("--pass-type", words.pass_types), &axes.passes),
      Assign(ParseEnums<v1::Precision>("--precision", words.precisions), &axes.precisions),
      Assign(ParseEnums<v1::Attention>("--attention", words.attentions), &axes.attentions),
      Assign(ParseNumbers("--batch-size", words.batch_sizes), &axes.batches),
      Assign(ParseNumbers("--context-length", words.context_lengths), &axes.contexts),
      Assign(ParseNumbers("--warmup-steps", words.warmup_steps), &axes.warmups),
      Assign(ParseNumbers("--measure-steps", words.measure_steps), &axes.steps),
  });
  if (!status.ok()) return status;
  return axes;
}

// Calls visit(key of --cell, values, member of Cell) for each axis, from the outermost to the
// innermost.
template <typename Visit>
void ForEachAxis(const Axes& axes, Visit visit) {
  visit("size", axes.sizes, &Cell::size);
  visit("pass", axes.passes, &Cell::pass);
  visit("precision", axes.precisions, &Cell::precision);
  visit("attention", axes.attentions, &Cell::attention);
  visit("batch", axes.batches, &Cell::batch);
  visit("context", axes.contexts, &Cell::context);
  visit("warmup", axes.warmups, &Cell::warmup);
  visit("steps", axes.steps, &Cell::steps);
}

size_t ProductSize(const Axes& axes) {
  size_t size = 1;
  ForEachAxis(axes, [&](const char*, const auto& values, auto) {
    size = std::min(size * std::max<size_t>(values.size(), 1), kMostCells * kMostCells);
  });
  return size;
}

std::vector<Cell> Product(const Axes& axes) {
  std::vector<Cell> cells(1);
  ForEachAxis(axes, [&](const char*, const auto& values, auto member) {
    if (values.empty()) return;
    std::vector<Cell> product;
    product.reserve(cells.size() * values.size());
    for (const Cell& cell : cells) {
      for (const auto& value : values) {
        product.push_back(cell);
        product.back().*member = value;
      }
    }
    cells = std::move(product);
  });
  return cells;
}

absl::Status SetKey(const std::string& key, const std::string& value, Cell* cell) {
  const std::string what = "--cell " + key;
  if (value.empty()) return Invalid(what + " is empty");
  if (key == "size") {
    cell->size = value;
    return absl::OkStatus();
  }
  if (key == "pass") return Assign(ParseOneWord<v1::PassType>(what, value), &cell->pass);
  if (key == "precision") return Assign(ParseOneWord<v1::Precision>(what, value), &cell->precision);
  if (key == "attention") return Assign(ParseOneWord<v1::Attention>(what, value), &cell->attention);
  if (key == "batch") return Assign(ParseInteger<uint32_t>(what, value), &cell->batch);
  if (key == "context") return Assign(ParseInteger<uint32_t>(what, value), &cell->context);
  if (key == "warmup") return Assign(ParseInteger<uint32_t>(what, value), &cell->warmup);
  if (key == "steps") return Assign(ParseInteger<uint32_t>(what, value), &cell->steps);
  return Invalid(fmt::format(
      "--cell has the key {}, must be size, pass, batch, context, precision, attention, warmup or "
      "steps",
      key));
}

// A cell takes from an axis its only value; an axis of several values says nothing about a single
// cell.
absl::Status Inherit(const Axes& axes, const std::string& text, Cell* cell) {
  absl::Status status;
  ForEachAxis(axes, [&](const char* key, const auto& values, auto member) {
    if ((cell->*member).has_value() || !status.ok()) return;
    if (values.size() == 1) cell->*member = values.front();
    if (values.size() > 1) {
      status = Invalid(fmt::format("--cell {} has no {}, and the flags give several: add {}=...",
                                   text, key, key));
    }
  });
  return status;
}

absl::StatusOr<Cell> ParseCell(const std::string& text, const Axes& axes, bool has_shape) {
  Cell cell;
  std::vector<std::string> seen;
  for (const std::string& part : Split(text, ',')) {
    auto pair = ParsePair("--cell", part);
    if (!pair.ok()) return pair.status();
    if (std::find(seen.begin(), seen.end(), pair->first) != seen.end()) {
      return Invalid(fmt::format("--cell {} has {} twice", text, pair->first));
    }
    seen.push_back(pair->first);
    if (absl::Status status = SetKey(pair->first, pair->second, &cell); !status.ok()) return status;
  }
  if (absl::Status status = Inherit(axes, text, &cell); !status.ok()) return status;
  if (!cell.size && !has_shape) {
    return Invalid(fmt::format("--cell {} has no size, must have one such as size=small", text));
  }
  return cell;
}

void ApplyCell(const Cell& cell, v1::JobSpec* spec) {
  v1::TransformerLm* model = spec->mutable_workload()->mutable_transformer_lm();
  if (cell.size) {
    // A single cell may name a preset in a sweep that declares a shape.
    model->set_vocab_size(0);
    model->set_d_model(0);
    model->set_d_ff(0);
    model->set_layers(0);
    model->set_heads(0);
    model->set_preset(*cell.size);
  }
  if (cell.pass) model->set_pass_type(*cell.pass);
  if (cell.precision) model->set_precision(*cell.precision);
  if (cell.attention) model->set_attention(*cell.attention);
  if (cell.batch) model->set_batch_size(*cell.batch);
  if (cell.context) model->set_context_length(*cell.context);
  if (cell.warmup) spec->mutable_plan()->set_warmup_steps(*cell.warmup);
  if (cell.steps) spec->mutable_plan()->set_measure_steps(*cell.steps);
}

absl::StatusOr<std::vector<Cell>> SingleCells(const SweepWords& words, const Axes& axes,
                                              bool has_shape) {
  std::vector<Cell> cells;
  for (const std::string& text : words.cells) {
    absl::StatusOr<Cell> cell = ParseCell(text, axes, has_shape);
    if (!cell.ok()) return cell.status();
    cells.push_back(*cell);
  }
  return cells;
}

absl::Status CheckModelIsNamed(const SweepWords& words, const Axes& axes, bool has_shape) {
  if (has_shape && !axes.sizes.empty()) {
    return Invalid("--model-sizes and a shape are given, must be one of them");
  }
  if (!has_shape && axes.sizes.empty() && words.cells.empty()) {
    return Invalid(
        "no model is given, must be --model-sizes NAME... or --layers, --heads, --d-model and "
        "--d-ff");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseList(const std::string& what,
                                                   const std::vector<std::string>& words) {
  std::vector<std::string> values;
  for (const std::string& word : words) {
    for (std::string& value : Split(word, ',')) {
      if (value.empty()) {
        return Invalid(fmt::format("{} has an empty value in '{}'", what, word));
      }
      AppendOnce(&values, std::move(value));
    }
  }
  return values;
}

absl::StatusOr<std::vector<uint32_t>> ParseNumbers(const std::string& what,
                                                   const std::vector<std::string>& words) {
  absl::StatusOr<std::vector<std::string>> list = ParseList(what, words);
  if (!list.ok()) return list.status();
  std::vector<uint32_t> numbers;
  for (const std::string& word : *list) {
    if (absl::Status status = AppendNumbers(what, word, &numbers); !status.ok()) return status;
    if (numbers.size() > kMostCells) return TooMany(what, word);
  }
  return numbers;
}

absl::StatusOr<v1::SubmitJobsRequest> BuildSweep(const SweepWords& words) {
  absl::StatusOr<Axes> axes = ParseAxes(words);
  if (!axes.ok()) return axes.status();
  auto shape = ParseShape(words);
  if (!shape.ok()) return shape.status();
  const bool has_shape = shape->has_value();
  if (absl::Status status = CheckModelIsNamed(words, *axes, has_shape); !status.ok()) return status;
  auto shared = ParseShared(words, *shape);
  if (!shared.ok()) return shared.status();
  auto singles = SingleCells(words, *axes, has_shape);
  if (!singles.ok()) return singles.status();

  const bool has_product = has_shape || !axes->sizes.empty();
  const size_t count = (has_product ? ProductSize(*axes) : 0) + singles->size();
  if (count > kMostCells) {
    return Invalid(fmt::format("the sweep has {} cells, must be at most {}", count, kMostCells));
  }
  v1::SubmitJobsRequest request;
  if (words.name) request.set_sweep_name(*words.name);
  for (const Cell& cell : has_product ? Product(*axes) : std::vector<Cell>()) {
    v1::JobSpec* spec = request.add_jobs();
    *spec = *shared;
    ApplyCell(cell, spec);
    spec->mutable_oom()->set_batch_is_swept(axes->batches.size() > 1);
    spec->mutable_oom()->set_context_is_swept(axes->contexts.size() > 1);
  }
  for (const Cell& cell : *singles) {
    v1::JobSpec* spec = request.add_jobs();
    *spec = *shared;
    ApplyCell(cell, spec);
  }
  return request;
}

}  // namespace torchlap::client
