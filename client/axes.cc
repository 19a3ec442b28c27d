#include "client/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/parse_words.h"
#include "client/sweep_plan.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

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
    size = std::min(size * std::max<size_t>(values.size(), 1), kMostValues * kMostValues);
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
  for (const std::string& part : SplitAt(',', text)) {
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
  if (count > kMostValues) {
    return Invalid(fmt::format("the sweep has {} cells, must be at most {}", count, kMostValues));
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
