#include "client/format/column_cells.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <variant>

#include "client/format/cell_axes.h"
#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

// The message that has the column's field; null: unset.
const Message* GroupOf(const RunColumn& column, const v1::Run& run) {
  const Message* message = &run;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const auto& reflection = *message->GetReflection();
    if (!reflection.HasField(*message, column.path[i])) return nullptr;
    message = &reflection.GetMessage(*message, column.path[i]);
  }
  return message;
}

bool IsWhole(const RunColumn& column) {
  return column.path.back()->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE;
}

// From the stored unit to the shown one.
double DivisorOf(const RunColumn& column) {
  if (column.stored != v1::UNIT_NANOSECONDS) return 1;
  return column.shown == v1::UNIT_SECONDS ? 1e9 : 1e6;
}

// How noise itself is said: with two digits.
bool IsSpread(const std::string& field) {
  return field == "std_ns" || field == "mad_ns" || field == "within_std_ns";
}

// In the stored unit.
std::optional<double> NoiseOf(const RunColumn& column, const v1::Run& run, double number) {
  if (column.shown == v1::UNIT_PER_SECOND && run.step().has_cv()) {
    return number * run.step().cv();
  }
  const std::string field = FieldName(column);
  if (column.stored != v1::UNIT_NANOSECONDS || IsSpread(field)) return std::nullopt;
  if (field.rfind("median", 0) == 0) {
    if (const auto half_width = HalfWidth(column, run)) return half_width;
  }
  return Neighbour(column, run, "std_ns");
}

const char* UnitText(v1::Unit unit) {
  switch (unit) {
    case v1::UNIT_NANOSECONDS:
      return "ns";
    case v1::UNIT_MILLISECONDS:
      return "ms";
    case v1::UNIT_SECONDS:
      return "s";
    case v1::UNIT_BYTES:
      return "MiB";
    case v1::UNIT_JOULES:
      return "J";
    case v1::UNIT_MILLIJOULES:
      return "mJ";
    case v1::UNIT_WATTS:
      return "W";
    case v1::UNIT_MEGAHERTZ:
      return "MHz";
    case v1::UNIT_CELSIUS:
      return "°C";
    default:
      return "";
  }
}

// `step median`
std::string StemWords(const RunColumn& column) {
  std::string stem = column.shown_name;
  stem.resize(stem.size() - UnitSuffix(column.shown).size());
  std::replace(stem.begin(), stem.end(), '_', ' ');
  return stem;
}

std::string VerdictText(const v1::Run& run) {
  const bool is_clean =
      run.validity() == v1::VALIDITY_CLEAN || run.validity() == v1::VALIDITY_UNSPECIFIED;
  if (is_clean) return "";
  const std::string verdict(Word(run.validity()));
  if (run.validity_reasons().empty()) return verdict;
  return fmt::format("{}: {}", verdict, fmt::join(Reasons(run), ", "));
}

// `a`, `b` ... `z`, `aa`
std::string Letters(size_t number) {
  const std::string last(1, static_cast<char>('a' + number % 26));
  return number < 26 ? last : Letters(number / 26 - 1) + last;
}

// Where a cell is of several launches nobody says here how many of them were.
std::string ContaminatedNote(const std::vector<v1::Run>& cells) {
  const auto is_one = [](const v1::Run& cell) {
    return IsOk(cell) && cell.validity() == v1::VALIDITY_CONTAMINATED;
  };
  const auto count = std::count_if(cells.begin(), cells.end(), is_one);
  if (count == 0) return "";
  const bool are_runs = std::none_of(cells.begin(), cells.end(), [&](const v1::Run& cell) {
    return is_one(cell) && cell.pooled_launches() > 1;
  });
  return fmt::format("with {} contaminated {}{} (--exclude-contaminated leaves {} out)", count,
                     are_runs ? "run" : "cell", count == 1 ? "" : "s", count == 1 ? "it" : "them");
}

bool IsOfAModel(const v1::Run& run) { return SubjectOf(run).has_parameters; }

}  // namespace

std::string ColumnTitle(const RunColumn& column) {
  const std::string stem = StemWords(column);
  if (column.shown == v1::UNIT_PER_SECOND) return stem + "/s";
  const std::string unit = UnitText(column.shown);
  return unit.empty() ? stem : fmt::format("{} ({})", stem, unit);
}

std::optional<double> StoredNumber(const RunColumn& column, const v1::Run& run) {
  const ColumnValue value = ReadColumn(run, column);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

std::optional<double> Neighbour(const RunColumn& column, const v1::Run& run, const char* name) {
  const Message* group = GroupOf(column, run);
  if (group == nullptr) return std::nullopt;
  const FieldDescriptor* field = group->GetDescriptor()->FindFieldByName(name);
  const bool is_there = field != nullptr && field->has_presence() &&
                        field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE &&
                        group->GetReflection()->HasField(*group, field);
  if (!is_there) return std::nullopt;
  return group->GetReflection()->GetDouble(*group, field);
}

std::optional<double> HalfWidth(const RunColumn& column, const v1::Run& run) {
  const auto low = Neighbour(column, run, "median_low_ns");
  const auto high = Neighbour(column, run, "median_high_ns");
  if (!low || !high || *high <= *low) return std::nullopt;
  return (*high - *low) / 2;
}

std::string FieldName(const RunColumn& column) { return std::string(column.path.back()->name()); }

std::string ColumnText(const RunColumn& column, const v1::Run& run, double number) {
  if (column.shown == v1::UNIT_BYTES) return Mebibytes(static_cast<uint64_t>(number));
  if (IsWhole(column) && DivisorOf(column) == 1) return fmt::format("{:.0f}", number);
  const double shown = number / DivisorOf(column);
  if (IsSpread(FieldName(column))) return Significant(shown, 2);
  std::optional<double> noise = NoiseOf(column, run, number);
  if (noise) *noise /= DivisorOf(column);
  return noise ? ToNoise(shown, noise) : Significant(shown, 4);
}

bool IsMeasured(const RunColumn& column) {
  const FieldDescriptor* first = column.path.front();
  if (column.path.size() == 1) return first->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
  const bool is_number = column.path.back()->cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
  const auto* group = first->message_type();
  // What the device had was read before anything ran.
  if (group == v1::MemoryUse::descriptor()) return FieldName(column).rfind("device_", 0) != 0;
  return is_number &&
         (group == v1::PhaseSummary::descriptor() || group == v1::DevicePhase::descriptor() ||
          group == v1::DeviceSummary::descriptor());
}

std::string ColumnCell(const RunColumn& column, const Value& value, const v1::Run& run) {
  if (IsMeasured(column) && !IsOk(run)) return WhyNoNumber(run);
  if (std::holds_alternative<std::monostate>(value)) return kNotApplicable;
  // A seed or an id has more digits than a double.
  if (column.shown == v1::UNIT_BYTES || std::holds_alternative<double>(value)) {
    return ColumnText(column, run, StoredNumber(column, run).value_or(0));
  }
  std::string text = ValueText(value);
  return text.empty() ? kNotApplicable : text;
}

std::string WhyNoNumber(const v1::Run& run) {
  if (IsOk(run)) return "";
  if (run.outcome() == v1::OUTCOME_OUT_OF_MEMORY) return "OOM";
  if (run.outcome() == v1::OUTCOME_CUDA_ERROR) return "CUDA error";
  std::string words = StateName(run);
  for (char& c : words) {
    c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

std::string CellNote(const v1::Run& run) {
  if (!IsOk(run)) return "";
  std::string note;
  for (const std::string& words :
       {InvalidWords(run), ShrinkWords(run), VerdictText(run), ConditionWords(run)}) {
    if (!words.empty()) note += (note.empty() ? "" : "; ") + words;
  }
  return note;
}

CellNotes::CellNotes(const std::vector<v1::Run>& cells) : contaminated_(ContaminatedNote(cells)) {
  std::set<std::string> all;
  for (const v1::Run& cell : cells) {
    if (!IsOk(cell)) continue;
    const std::string note = CellNote(cell);
    all.insert(note);
    const bool is_new = std::find(notes_.begin(), notes_.end(), note) == notes_.end();
    if (!note.empty() && is_new) notes_.push_back(note);
  }
  is_of_all_ = all.size() == 1 && notes_.size() == 1;
}

std::string CellNotes::MarkOf(const v1::Run& cell) const {
  const auto place = std::find(notes_.begin(), notes_.end(), CellNote(cell));
  if (is_of_all_ || place == notes_.end()) return "";
  return fmt::format(" ({})", Letters(static_cast<size_t>(place - notes_.begin())));
}

Lines CellNotes::Explained() const {
  Lines lines;
  if (is_of_all_) lines.push_back("all cells: " + notes_.front());
  for (size_t i = 0; i < notes_.size() && !is_of_all_; ++i) {
    lines.push_back(fmt::format("({}) {}", Letters(i), notes_[i]));
  }
  if (!contaminated_.empty()) lines.push_back(contaminated_);
  return lines;
}

std::string CellsCaption(const std::vector<v1::Run>& cells) {
  std::vector<v1::Run> of_models;
  std::copy_if(cells.begin(), cells.end(), std::back_inserter(of_models), IsOfAModel);
  if (of_models.empty()) return "";
  const std::vector<std::string> differing = AxesThatDiffer(of_models);
  const bool has_one_size =
      std::find(differing.begin(), differing.end(), "size") == differing.end();
  return has_one_size ? CaptionWithModel(of_models) : Caption(of_models);
}

}  // namespace torchlap::client::format
