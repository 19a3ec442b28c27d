#include "client/format/run_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include "client/format/sheet.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "proto/columns.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using google::protobuf::FieldDescriptor;
using Numbers = std::vector<std::optional<double>>;

constexpr size_t kMostNotes = 10;
constexpr char kUsualY[] = "step_median";

// A setting by which runs differ.
struct Axis {
  std::string_view name;
  const char* title;  // of the plot's axis
  const char* label;  // stands before the value in the legend
  bool is_number;     // else its values are categories
  std::string (*value)(const v1::Run&);
};

std::string Size(const v1::Run& run) { return SubjectOf(run).name; }
std::string Pass(const v1::Run& run) { return SubjectOf(run).pass; }
std::string Batch(const v1::Run& run) { return std::to_string(SubjectOf(run).batch_size); }
std::string Context(const v1::Run& run) { return std::to_string(SubjectOf(run).context_length); }
std::string Precision(const v1::Run& run) { return SubjectOf(run).precision; }
std::string Attention(const v1::Run& run) { return SubjectOf(run).attention; }
std::string Optimizer(const v1::Run& run) { return SubjectOf(run).optimizer; }
std::string Device(const v1::Run& run) { return run.device(); }
std::string Host(const v1::Run& run) { return run.host().empty() ? "here" : run.host(); }
std::string Timing(const v1::Run& run) { return std::string(Word(run.plan().timing())); }
std::string ExecutionWord(const v1::Run& run) {
  const v1::Execution execution = run.plan().execution();
  return std::string(
      Word(execution == v1::EXECUTION_UNSPECIFIED ? v1::EXECUTION_EAGER : execution));
}
std::string Warmup(const v1::Run& run) { return std::to_string(run.plan().warmup_steps()); }

// Of axes with equally many values the first becomes x.
constexpr Axis kAxes[] = {
    {"context", "context length (tokens)", "context ", true, Context},
    {"batch", "batch size (sequences)", "batch ", true, Batch},
    {"warmup", "warm-up steps", "warm-up ", true, Warmup},
    {"size", "model size", "", false, Size},
    {"precision", "precision", "", false, Precision},
    {"attention", "attention", "", false, Attention},
    {"optimizer", "optimizer", "", false, Optimizer},
    {"pass", "pass", "", false, Pass},
    {"timing", "timing", "", false, Timing},
    {"execution", "execution", "", false, ExecutionWord},
    {"device", "device", "", false, Device},
    {"host", "host", "", false, Host},
};

std::string AxisNames() { return fmt::format("{}", fmt::join(PlotAxisNames(), ", ")); }

const Axis* FindAxis(const std::string& name) {
  const auto* place = std::find_if(std::begin(kAxes), std::end(kAxes),
                                   [&](const Axis& axis) { return axis.name == name; });
  return place == std::end(kAxes) ? nullptr : place;
}

bool IsNumber(const RunColumn& column) {
  const FieldDescriptor& field = *column.path.back();
  if (field.is_repeated() || column.shown == v1::UNIT_RFC3339) return false;
  const auto type = field.cpp_type();
  return type == FieldDescriptor::CPPTYPE_DOUBLE || type == FieldDescriptor::CPPTYPE_INT32 ||
         type == FieldDescriptor::CPPTYPE_INT64 || type == FieldDescriptor::CPPTYPE_UINT32 ||
         type == FieldDescriptor::CPPTYPE_UINT64;
}

// `step_median` of step_median_ms.
std::string StemOf(const RunColumn& column) {
  const size_t suffix = UnitSuffix(column.shown).size();
  return column.shown_name.substr(0, column.shown_name.size() - suffix);
}

// With or without its unit; null: no column with numbers has the name.
const RunColumn* FindNumbers(const std::string& name) {
  for (const bool with_unit : {true, false}) {
    for (const RunColumn& column : RunColumns()) {
      const std::string own = with_unit ? column.shown_name : StemOf(column);
      if (own == name && IsNumber(column)) return &column;
    }
  }
  return nullptr;
}

struct NumberOfValue {
  template <typename Kind>
  std::optional<double> operator()(const Kind& value) const {
    if constexpr (std::is_arithmetic_v<Kind>) return static_cast<double>(value);
    return std::nullopt;
  }
};

// What the column says of each row; nothing without a column.
Numbers Read(const RunColumn* column, const std::vector<v1::Run>& rows) {
  Numbers numbers(rows.size());
  if (column == nullptr) return numbers;
  RunValues values({*column});
  for (size_t i = 0; i < rows.size(); ++i) {
    numbers[i] = std::visit(NumberOfValue(), values.Of(rows[i]).front());
  }
  return numbers;
}

// A unit in which numbers are short.
struct Unit {
  double size = 1;
  std::string name;  // behind the title; may be empty
};

double LargestOf(const Numbers& numbers) {
  double largest = 0;
  for (const auto& number : numbers) largest = std::max(largest, std::abs(number.value_or(0)));
  return largest;
}

// The largest unit of which there is one at least.
template <size_t count>
Unit Prefixed(double largest, double base, const std::array<const char*, count>& names) {
  Unit unit{1, names[0]};
  for (size_t i = 1; i < count && largest >= unit.size * base; ++i) {
    unit = {unit.size * base, names[i]};
  }
  return unit;
}

constexpr std::array<const char*, 5> kBytes = {"bytes", "KiB", "MiB", "GiB", "TiB"};
constexpr std::array<const char*, 6> kThousands = {"", "k", "M", "G", "T", "P"};

Unit UnitOf(const RunColumn& column, const Numbers& numbers) {
  switch (column.shown) {
    case v1::UNIT_BYTES:
      return Prefixed(LargestOf(numbers), 1024, kBytes);
    case v1::UNIT_PER_SECOND:
    case v1::UNIT_UNSPECIFIED:
      return LargestOf(numbers) < 1e4 ? Unit{} : Prefixed(LargestOf(numbers), 1000, kThousands);
    case v1::UNIT_MEGAHERTZ:
      return {1, "MHz"};
    default:
      return {1, std::string(UnitSuffix(column.shown)).substr(1)};
  }
}

// `step median (ms)`, `tokens/s (k)`.
std::string TitleOf(const RunColumn& column, const Unit& unit) {
  std::string title = StemOf(column);
  std::replace(title.begin(), title.end(), '_', ' ');
  if (column.shown == v1::UNIT_PER_SECOND) title += "/s";
  return unit.name.empty() ? title : title + " (" + unit.name + ")";
}

// Of each row the ends of its bar.
struct Bars {
  Numbers low;
  Numbers high;
};

Bars Around(const Numbers& middle, const Numbers& std) {
  Bars bars{middle, middle};
  for (size_t i = 0; i < middle.size(); ++i) {
    if (middle[i] && std[i]) {
      bars.low[i] = *middle[i] - *std[i];
      bars.high[i] = *middle[i] + *std[i];
    } else {
      bars.low[i] = bars.high[i] = std::nullopt;
    }
  }
  return bars;
}

Bars BarsOf(const RunColumn& column, const std::vector<v1::Run>& rows) {
  constexpr std::string_view kMean = "_mean";
  const std::string stem = StemOf(column);
  if (stem.ends_with(kMean)) {
    const std::string std = stem.substr(0, stem.size() - kMean.size()) + "_std";
    return Around(Read(&column, rows), Read(FindNumbers(std), rows));
  }
  return {Read(FindNumbers(stem + "_low"), rows), Read(FindNumbers(stem + "_high"), rows)};
}

void Divide(double by, Numbers* numbers) {
  for (auto& number : *numbers) {
    if (number) *number /= by;
  }
}

// Who a row is among the others: `small, context 128`.
std::string NameOf(const v1::Run& row, const std::vector<const Trait*>& varying) {
  return SubjectOf(row).name + Distinction(row, varying);
}

class Builder {
 public:
  Builder(const std::vector<v1::Run>& rows, const PlotWords& words)
      : rows_(rows), words_(words), varying_traits_(VaryingTraits(rows)) {}

  absl::StatusOr<RunPlot> Build() {
    ReadY();
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (y_[i] && rows_[i].outcome() == v1::OUTCOME_OK) {
        drawn_.push_back(i);
      } else {
        missing_.push_back(WhyNot(i));
      }
    }
    DropWhere(words_.log_y, y_, "has no place on a logarithmic axis");
    ChooseX();
    ReadX();
    if (drawn_.empty()) {
      return absl::NotFoundError("nothing to draw: " +
                                 (missing_.empty() ? std::string("no rows") : missing_.front()));
    }
    AddLines();
    result_.plot.title = words_.title.value_or(DefaultTitle());
    AddNotes();
    return std::move(result_);
  }

 private:
  void ReadY() {
    y_column_ = FindNumbers(words_.y.value_or(kUsualY));
    y_ = Read(y_column_, rows_);
    bars_ = BarsOf(*y_column_, rows_);
    const Unit unit = UnitOf(*y_column_, y_);
    for (Numbers* numbers : {&y_, &bars_.low, &bars_.high}) Divide(unit.size, numbers);
    result_.plot.y = {TitleOf(*y_column_, unit), words_.log_y, {}};
  }

  std::string WhyNot(size_t row) const {
    std::string why = FailureWords(rows_[row]);
    if (why.empty()) why = "no " + y_column_->shown_name;
    return NameOf(rows_[row], varying_traits_) + ": " + why;
  }

  // Of the drawn rows those whose number is not there, or not above 0 where it must be.
  void DropWhere(bool is_log, const Numbers& numbers, const char* why) {
    const auto stays = [&](size_t row) { return numbers[row] && (!is_log || *numbers[row] > 0); };
    for (const size_t row : drawn_) {
      if (!stays(row)) missing_.push_back(NameOf(rows_[row], varying_traits_) + ": " + why);
    }
    drawn_.erase(
        std::remove_if(drawn_.begin(), drawn_.end(), [&](size_t row) { return !stays(row); }),
        drawn_.end());
  }

  // Each once, as they come.
  std::vector<std::string> ValuesOf(const Axis& axis) const {
    std::vector<std::string> values;
    for (const size_t row : drawn_) {
      const std::string value = axis.value(rows_[row]);
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    return values;
  }

  const Axis* UsualX() const {
    const Axis* most = nullptr;
    size_t values = 1;
    for (const Axis& axis : kAxes) {
      if (&axis == By() || (most != nullptr && !axis.is_number)) continue;
      const size_t count = ValuesOf(axis).size();
      if (count > values) {
        most = &axis;
        values = count;
      }
    }
    return most == nullptr ? FindAxis("size") : most;
  }

  const Axis* By() const { return words_.by ? FindAxis(*words_.by) : nullptr; }

  void ChooseX() {
    x_axis_ = words_.x ? FindAxis(*words_.x) : UsualX();
    if (x_axis_ == nullptr) x_column_ = FindNumbers(*words_.x);
  }

  void ReadX() {
    if (x_column_ != nullptr) {
      ReadXColumn();
    } else if (x_axis_->is_number) {
      ReadXNumbers();
    } else {
      ReadXCategories();
    }
    DropWhere(result_.plot.x.is_log, x_, "has no place on the x axis");
  }

  void ReadXColumn() {
    x_ = Read(x_column_, rows_);
    const Unit unit = UnitOf(*x_column_, x_);
    Divide(unit.size, &x_);
    result_.plot.x = {TitleOf(*x_column_, unit), words_.log_x, {}};
  }

  // The values that there are: those in between were not measured.
  void ReadXNumbers() {
    x_.assign(rows_.size(), std::nullopt);
    std::map<double, std::string> values;
    for (const size_t row : drawn_) {
      const std::string value = x_axis_->value(rows_[row]);
      x_[row] = std::stod(value);
      values[*x_[row]] = value;
    }
    result_.plot.x = {x_axis_->title, words_.log_x, {}};
    for (const auto& [at, label] : values) result_.plot.x.ticks.push_back({at, label});
  }

  // One after another; sizes from the smallest model on.
  void ReadXCategories() {
    std::vector<size_t> order = drawn_;
    if (x_axis_->name == "size") {
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return rows_[a].parameters() < rows_[b].parameters();
      });
    }
    x_.assign(rows_.size(), std::nullopt);
    std::map<std::string, double> places;
    result_.plot.x = {x_axis_->title, false, {}};
    for (const size_t row : order) {
      const std::string value = x_axis_->value(rows_[row]);
      const auto [place, is_new] = places.emplace(value, static_cast<double>(places.size()));
      if (is_new) result_.plot.x.ticks.push_back({place->second, value});
      x_[row] = place->second;
    }
  }

  // The axes that tell lines apart: what was asked for, then whatever else varies.
  std::vector<const Axis*> LineAxes() const {
    std::vector<const Axis*> axes;
    if (By() != nullptr) axes.push_back(By());
    for (const Axis& axis : kAxes) {
      const bool varies = &axis != x_axis_ && &axis != By() && ValuesOf(axis).size() > 1;
      if (varies) axes.push_back(&axis);
    }
    return axes;
  }

  static std::string LineName(const v1::Run& run, const std::vector<const Axis*>& axes) {
    std::string name;
    for (const Axis* axis : axes) {
      name += (name.empty() ? "" : ", ") + std::string(axis->label) + axis->value(run);
    }
    return name;
  }

  void AddLines() {
    const std::vector<const Axis*> axes = LineAxes();
    std::map<std::string, size_t> places;
    for (const size_t row : drawn_) {
      const std::string name = LineName(rows_[row], axes);
      const auto [place, is_new] = places.emplace(name, result_.plot.lines.size());
      if (is_new) result_.plot.lines.push_back({name, Pen::kJoined, {}});
      result_.plot.lines[place->second].points.push_back(
          {*x_[row], *y_[row], LowOf(row), HighOf(row)});
    }
    for (PlotLine& line : result_.plot.lines) {
      std::stable_sort(line.points.begin(), line.points.end(),
                       [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
      for (size_t i = 1; i < line.points.size(); ++i) {
        if (line.points[i].x == line.points[i - 1].x) ++above_another_;
      }
    }
  }

  // Below 0 there is no logarithm: such a bar is left out.
  bool HasBar(size_t row) const {
    return bars_.low[row] && bars_.high[row] && (!words_.log_y || *bars_.low[row] > 0);
  }
  std::optional<double> LowOf(size_t row) const {
    return HasBar(row) ? bars_.low[row] : std::nullopt;
  }
  std::optional<double> HighOf(size_t row) const {
    return HasBar(row) ? bars_.high[row] : std::nullopt;
  }

  std::string DefaultTitle() const {
    std::vector<v1::Run> drawn;
    for (const size_t row : drawn_) drawn.push_back(rows_[row]);
    const bool is_one_size = ValuesOf(*FindAxis("size")).size() == 1;
    return is_one_size ? CaptionWithModel(drawn) : Caption(drawn);
  }

  // Jobs that were run twice, or differ in a label alone.
  std::string OverlapNote() const {
    if (above_another_ == 0) return "";
    return fmt::format(
        "{} stand{} on a line above or below another with the same x: nothing that "
        "is drawn tells them apart; narrow with a filter",
        above_another_ == 1 ? "1 mark" : fmt::format("{} marks", above_another_),
        above_another_ == 1 ? "s" : "");
  }

  // Of several launches there are several medians and means.
  std::string LaunchesNote() const {
    const bool is_pooled = std::any_of(drawn_.begin(), drawn_.end(), [this](size_t row) {
      return rows_[row].pooled_launches() > 1;
    });
    const std::string stem = StemOf(*y_column_);
    const bool is_median = stem.ends_with("_median");
    if (!is_pooled || (!is_median && !stem.ends_with("_mean"))) return "";
    return fmt::format("of several launches it is the {} of their medians",
                       is_median ? "median" : "mean");
  }

  void AddNotes() {
    Lines notes;
    if (std::string launches = LaunchesNote(); !launches.empty()) {
      notes.push_back(std::move(launches));
    }
    if (words_.log_x && !result_.plot.x.is_log) {
      notes.push_back(
          fmt::format("not logarithmic: x is {}, whose values are no numbers", x_axis_->name));
    }
    if (std::string overlap = OverlapNote(); !overlap.empty()) notes.push_back(std::move(overlap));
    for (const std::string& row : missing_) notes.push_back("not drawn: " + row);
    for (const size_t row : drawn_) {
      const std::string name = NameOf(rows_[row], varying_traits_);
      const std::string shrunk = ShrinkWords(rows_[row]);
      if (!shrunk.empty()) notes.push_back("drawn with a smaller size: " + name + ": " + shrunk);
      if (rows_[row].validity() == v1::VALIDITY_CONTAMINATED) {
        notes.push_back("contaminated: " + name);
      }
    }
    if (notes.size() > kMostNotes + 1) {
      const size_t more = notes.size() - kMostNotes;
      notes.resize(kMostNotes);
      notes.push_back(fmt::format("and {} more", more));
    }
    result_.notes = std::move(notes);
  }

  const std::vector<v1::Run>& rows_;
  const PlotWords& words_;
  const std::vector<const Trait*> varying_traits_;
  const RunColumn* y_column_ = nullptr;
  const RunColumn* x_column_ = nullptr;
  const Axis* x_axis_ = nullptr;
  Numbers x_;
  Numbers y_;
  Bars bars_;
  std::vector<size_t> drawn_;  // of the rows
  Lines missing_;
  size_t above_another_ = 0;
  RunPlot result_;
};

}  // namespace

std::vector<std::string> PlotAxisNames() {
  std::vector<std::string> names;
  for (const Axis& axis : kAxes) names.emplace_back(axis.name);
  return names;
}

std::vector<std::string> PlotColumnNames() {
  std::vector<std::string> names;
  for (const RunColumn& column : RunColumns()) {
    if (IsNumber(column)) names.push_back(column.shown_name);
  }
  return names;
}

absl::Status CheckPlotWords(const PlotWords& words) {
  if (words.y && FindNumbers(*words.y) == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("--y is {}, must be a column with numbers, such as step_median, tokens_per_s, "
                    "peak_allocated (export --format csv shows all)",
                    *words.y));
  }
  if (words.x && FindAxis(*words.x) == nullptr && FindNumbers(*words.x) == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("--x is {}, must be one of {}, or a column with numbers, such as parameters",
                    *words.x, AxisNames()));
  }
  const Axis* x = words.x ? FindAxis(*words.x) : nullptr;
  if (words.log_x && x != nullptr && !x->is_number) {
    return absl::InvalidArgumentError(
        fmt::format("--log-x is given and --x is {}, must be numbers, such as context", *words.x));
  }
  if (words.by && FindAxis(*words.by) == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("--by is {}, must be one of {}", *words.by, AxisNames()));
  }
  if (words.by && words.x == words.by) {
    return absl::InvalidArgumentError(
        fmt::format("--by is {}, as --x, must be another axis", *words.by));
  }
  return absl::OkStatus();
}

absl::StatusOr<RunPlot> PlotRuns(const std::vector<v1::Run>& rows, const PlotWords& words) {
  if (absl::Status status = CheckPlotWords(words); !status.ok()) return status;
  return Builder(rows, words).Build();
}

}  // namespace torchlap::client::format
