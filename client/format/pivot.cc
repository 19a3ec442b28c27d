#include "client/format/pivot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/format/cell_axes.h"
#include "client/format/column_cells.h"
#include "client/format/pivot_cells.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/parse_words.h"

namespace torchlap::client::format {
namespace {

using Names = std::vector<std::string>;
using Key = std::vector<std::string>;         // a value an axis
using Ranks = std::map<std::string, double>;  // of an axis' values

Key KeyOf(const Names& axes, const v1::Run& cell) {
  Key key;
  for (const std::string& axis : axes) key.push_back(AxisValue(axis, cell));
  return key;
}

// Numbers by their size, before words by their first cell.
Ranks RanksOf(const std::string& axis, const std::vector<v1::Run>& cells) {
  constexpr double kBehindNumbers = 1e12;
  Ranks ranks;
  for (const v1::Run& cell : cells) {
    const std::string value = AxisValue(axis, cell);
    const auto number = ReadNumber<uint32_t>(value);
    ranks.emplace(value, number ? *number : kBehindNumbers + static_cast<double>(ranks.size()));
  }
  return ranks;
}

std::vector<Key> SortedKeys(const Names& axes, const std::vector<v1::Run>& cells) {
  std::vector<Ranks> ranks;
  for (const std::string& axis : axes) ranks.push_back(RanksOf(axis, cells));
  // Labels may be equal as numbers, `1` and `01`, and are two all the same.
  std::set<std::pair<std::vector<double>, Key>> sorted;
  for (const v1::Run& cell : cells) {
    Key key = KeyOf(axes, cell);
    std::vector<double> place;
    for (size_t i = 0; i < key.size(); ++i) place.push_back(ranks[i].at(key[i]));
    sorted.emplace(std::move(place), std::move(key));
  }
  std::vector<Key> keys;
  for (const auto& [place, key] : sorted) keys.push_back(key);
  return keys;
}

// `small, context 256`
std::string KeyWords(const Names& axes, const Key& key) {
  Names words;
  for (size_t i = 0; i < key.size(); ++i) words.push_back(AxisWords(axes[i], key[i]));
  return fmt::format("{}", fmt::join(words, ", "));
}

// `context=256 precision=fp32`, for programs.
std::string KeyName(const Names& axes, const Key& key) {
  Names words;
  for (size_t i = 0; i < key.size(); ++i) words.push_back(axes[i] + "=" + key[i]);
  return fmt::format("{}", fmt::join(words, " "));
}

std::string AndWords(const Names& words) {
  if (words.size() < 2) return words.empty() ? "" : words.front();
  return fmt::format("{} and {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back());
}

class Table {
 public:
  Table(std::vector<v1::Run> cells, Pivot pivot)
      : pivot_(std::move(pivot)), cells_(std::move(cells)), notes_(cells_) {
    rows_ = SortedKeys(pivot_.rows, cells_);
    columns_ = SortedKeys(pivot_.columns, cells_);
    for (const v1::Run& cell : cells_) places_[PlaceOf(cell)].push_back(&cell);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  absl::Status Check() const {
    for (const auto& [place, cells] : places_) {
      if (cells.size() > 1) return SharedPlace(place, cells);
    }
    return CheckBase();
  }

  std::vector<Block> Blocks(const FindDevices& find_devices) const {
    std::vector<Block> blocks = {Block(MakeGrid())};
    Lines lines = notes_.Explained();
    for (const std::string& line : {RatioNote(), UnseenNote(), Legend(find_devices)}) {
      if (!line.empty()) lines.push_back(line);
    }
    if (!lines.empty()) blocks.emplace_back(lines);
    return blocks;
  }

  Sheet MakeSheet() const {
    Sheet sheet;
    sheet.names = pivot_.rows;
    for (const Key& column : columns_) {
      for (const PivotValue& value : pivot_.values) AddNames(column, value, &sheet.names);
    }
    for (const Key& row : rows_) sheet.rows.push_back(SheetRow(row));
    return sheet;
  }

 private:
  using Place = std::pair<Key, Key>;

  Place PlaceOf(const v1::Run& cell) const {
    return {KeyOf(pivot_.rows, cell), KeyOf(pivot_.columns, cell)};
  }

  // Null: there is none.
  const v1::Run* CellAt(const Place& place) const {
    const auto found = places_.find(place);
    return found == places_.end() ? nullptr : found->second.front();
  }

  std::string PlaceWords(const Place& place) const {
    const std::string row = KeyWords(pivot_.rows, place.first);
    const std::string column = KeyWords(pivot_.columns, place.second);
    return row + (column.empty() ? "" : ", ") + column;
  }

  absl::Status SharedPlace(const Place& place, const std::vector<const v1::Run*>& cells) const {
    std::vector<v1::Run> runs;
    Names jobs;
    for (const v1::Run* cell : cells) {
      runs.push_back(*cell);
      jobs.push_back(std::to_string(cell->job_id()));
    }
    const std::string what =
        fmt::format("{} cells fall into {}: they ", cells.size(), PlaceWords(place));
    const Names axes = AxesThatDiffer(runs);
    if (axes.empty()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}differ in no setting (jobs {}); choose one of them, as sweep:N or by --since", what,
          AndWords(jobs)));
    }
    return absl::InvalidArgumentError(
        fmt::format("{}differ in {}; add {} to rows or columns, or narrow with a filter", what,
                    AndWords(axes), axes.size() == 1 ? "it" : "them"));
  }

  absl::Status CheckBase() const {
    if (!pivot_.relative_to) return absl::OkStatus();
    const auto& [axis, wanted] = *pivot_.relative_to;
    Names values;
    for (const Key& key : SortedKeys({axis}, cells_)) values.push_back(key.front());
    if (std::find(values.begin(), values.end(), wanted) != values.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("--relative-to is {}={}, which no cell has, must be one of {}", axis, wanted,
                    fmt::join(values, ", ")));
  }

  // The cell that this one is set against; null: there is none.
  const v1::Run* BaseOf(const v1::Run& cell) const {
    Place place = PlaceOf(cell);
    const auto replace = [this](const Names& axes, Key* key) {
      for (size_t i = 0; i < axes.size(); ++i) {
        if (axes[i] == pivot_.relative_to->axis) (*key)[i] = pivot_.relative_to->value;
      }
    };
    replace(pivot_.rows, &place.first);
    replace(pivot_.columns, &place.second);
    return CellAt(place);
  }

  std::string RatioCell(const PivotValue& value, const v1::Run& cell) const {
    if (cell.outcome() != v1::OUTCOME_OK) return WhyNoNumber(cell);
    const v1::Run* base = BaseOf(cell);
    if (base == nullptr || base->outcome() != v1::OUTCOME_OK) return "no base";
    // Its interval would be that of a comparison with itself.
    if (base == &cell) return RatioOf(value, cell, cell) ? "1.00x" : kNotApplicable;
    if (!HaveSameSizes(cell, *base)) return "other sizes";
    const auto ratio = RatioOf(value, cell, *base);
    return ratio ? RatioText(*ratio) : kNotApplicable;
  }

  std::string CellText(const Place& place, const PivotValue& value) const {
    const v1::Run* cell = CellAt(place);
    if (cell == nullptr) return kNotApplicable;
    const std::string text =
        pivot_.relative_to ? RatioCell(value, *cell) : NumberText(value, *cell);
    return text + notes_.MarkOf(*cell);
  }

  std::string BaseWords() const {
    return AxisWords(pivot_.relative_to->axis, pivot_.relative_to->value);
  }

  static std::string WithoutUnit(const std::string& title) {
    return title.substr(0, title.find(" ("));
  }

  std::string TitleOf(const PivotValue& value) const {
    if (!pivot_.relative_to) return ValueTitle(value);
    const std::string bare = WithoutUnit(ValueTitle(value));
    return IsTime(value) ? fmt::format("speed-up over {}, {}", BaseWords(), bare)
                         : fmt::format("{}, times that of {}", bare, BaseWords());
  }

  // Of one of several values: what they are relative to is in the caption, once.
  std::string ShortTitleOf(const PivotValue& value) const {
    if (!pivot_.relative_to) return ValueTitle(value);
    return WithoutUnit(ValueTitle(value)) + (IsTime(value) ? " speed-up" : " ratio");
  }

  // One value goes without saying in each column: it is in the caption.
  std::string ColumnTitle(const Key& column, const PivotValue& value) const {
    const std::string words = KeyWords(pivot_.columns, column);
    if (pivot_.values.size() == 1) return words.empty() ? TitleOf(value) : words;
    return words.empty() ? ShortTitleOf(value) : fmt::format("{}: {}", words, ShortTitleOf(value));
  }

  std::string CaptionText() const {
    const std::string caption = CellsCaption(cells_);
    if (pivot_.values.size() > 1) {
      return pivot_.relative_to ? fmt::format("relative to {}; {}", BaseWords(), caption) : caption;
    }
    return pivot_.columns.empty() ? caption : TitleOf(pivot_.values.front()) + "; " + caption;
  }

  Grid MakeGrid() const {
    Grid grid;
    grid.caption = CaptionText();
    grid.titles = pivot_.rows;
    for (const Key& column : columns_) {
      for (const PivotValue& value : pivot_.values) {
        grid.titles.push_back(ColumnTitle(column, value));
      }
    }
    for (const Key& row : rows_) {
      grid.rows.push_back(row);
      for (const Key& column : columns_) AddCells({row, column}, &grid);
    }
    return grid;
  }

  // To the last row, all values of a place.
  void AddCells(const Place& place, Grid* grid) const {
    const v1::Run* cell = CellAt(place);
    const bool does_not_count =
        cell != nullptr && cell->outcome() == v1::OUTCOME_OK && !cell->invalid_reason().empty();
    std::vector<std::string>& row = grid->rows.back();
    for (const PivotValue& value : pivot_.values) {
      if (does_not_count) grid->struck.emplace(grid->rows.size() - 1, grid->titles[row.size()]);
      row.push_back(CellText(place, value));
    }
  }

  std::string RatioNote() const {
    if (!pivot_.relative_to) return "";
    const bool has_interval = std::any_of(pivot_.values.begin(), pivot_.values.end(), IsMedian);
    if (!has_interval) return "";
    return "speed-ups are of medians; [ ] is the 95 % interval of the ratio, from those of both "
           "medians (relative half widths, in quadrature), which fewer than 5 launches, or 5 steps "
           "of one, have not";
  }

  // What would be read as an effect of rows or columns.
  std::string UnseenNote() const {
    Names unseen;
    for (const std::string& axis : AxesThatDiffer(cells_)) {
      const bool is_label = axis.rfind("label:", 0) == 0;
      const auto has = [&axis](const Names& axes) {
        return std::find(axes.begin(), axes.end(), axis) != axes.end();
      };
      if (!is_label && !has(pivot_.rows) && !has(pivot_.columns)) unseen.push_back(axis);
    }
    if (unseen.empty()) return "";
    return fmt::format("the cells also differ in {}, which neither rows nor columns show",
                       AndWords(unseen));
  }

  std::string Legend(const FindDevices& find_devices) const {
    const auto devices = find_devices ? find_devices() : NotesOf(RowOfEachDevice(cells_));
    const bool has_noise =
        !pivot_.relative_to && std::any_of(pivot_.values.begin(), pivot_.values.end(),
                                           [](const PivotValue& value) { return value.is_phase; });
    return LegendLine(has_noise ? cells_ : std::vector<v1::Run>(), devices, CvKind::kNone);
  }

  void AddNames(const Key& column, const PivotValue& value, Names* names) const {
    Names of_value = ValueNames(value);
    if (pivot_.relative_to) {
      // Of times the base is over the cell: a ratio would be read the other way round.
      const std::string name = value.name + (IsTime(value) ? "_speedup" : "_ratio");
      of_value = {name, name + "_low", name + "_high"};
    }
    const std::string key = KeyName(pivot_.columns, column);
    for (const std::string& name : of_value) {
      names->push_back(key.empty() ? name : fmt::format("{}[{}]", name, key));
    }
  }

  std::vector<Value> RatioValues(const PivotValue& value, const v1::Run& cell) const {
    std::vector<Value> numbers(3);
    const v1::Run* base = BaseOf(cell);
    const auto ratio = base == nullptr ? std::nullopt : RatioOf(value, cell, *base);
    if (!ratio) return numbers;
    numbers[0] = base == &cell ? 1.0 : ratio->ratio;
    if (base == &cell || !ratio->low || !ratio->high) return numbers;
    numbers[1] = *ratio->low;
    numbers[2] = *ratio->high;
    return numbers;
  }

  std::vector<Value> ValuesAt(const Place& place, const PivotValue& value) const {
    const v1::Run* cell = CellAt(place);
    if (cell == nullptr) {
      return std::vector<Value>(pivot_.relative_to ? 3 : ValueNames(value).size());
    }
    return pivot_.relative_to ? RatioValues(value, *cell) : Numbers(value, *cell);
  }

  std::vector<Value> SheetRow(const Key& row) const {
    std::vector<Value> values;
    for (const std::string& part : row) {
      const auto number = ReadNumber<uint64_t>(part);
      const bool is_as_written = number && std::to_string(*number) == part;
      values.push_back(is_as_written ? Value(*number) : Value(part));
    }
    for (const Key& column : columns_) {
      for (const PivotValue& value : pivot_.values) {
        for (Value& number : ValuesAt({row, column}, value)) values.push_back(std::move(number));
      }
    }
    return values;
  }

  const Pivot pivot_;
  const std::vector<v1::Run> cells_;
  const CellNotes notes_;
  std::vector<Key> rows_;
  std::vector<Key> columns_;
  std::map<Place, std::vector<const v1::Run*>> places_;
};

}  // namespace

absl::StatusOr<Document> ShowPivot(const std::vector<v1::Run>& cells, const Pivot& pivot,
                                   const FindDevices& find_devices) {
  std::vector<v1::Run> of_models;
  for (const v1::Run& cell : cells) {
    if (SubjectOf(cell).has_parameters) of_models.push_back(cell);
  }
  if (of_models.empty()) {
    return absl::NotFoundError("--pivot found no cell of a model, only calibrations");
  }
  const auto table = std::make_shared<const Table>(std::move(of_models), pivot);
  if (absl::Status checked = table->Check(); !checked.ok()) return checked;
  Document document;
  document.blocks = [table, find_devices] { return table->Blocks(find_devices); };
  document.rows = RowsOf(table->MakeSheet());
  return document;
}

}  // namespace torchlap::client::format
