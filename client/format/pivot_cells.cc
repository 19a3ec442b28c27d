#include "client/format/pivot_cells.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr double kMillisecondNs = 1e6;

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

// A neighbour of the column's field; nothing where there is none or it is unset.
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

std::string FieldName(const RunColumn& column) { return std::string(column.path.back()->name()); }

std::optional<double> StoredNumber(const RunColumn& column, const v1::Run& run) {
  const ColumnValue value = ReadColumn(run, column);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  return std::nullopt;
}

bool IsWhole(const RunColumn& column) {
  return column.path.back()->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE;
}

// From the stored unit to the shown one.
double DivisorOf(const RunColumn& column) {
  if (column.stored != v1::UNIT_NANOSECONDS) return 1;
  return column.shown == v1::UNIT_SECONDS ? 1e9 : kMillisecondNs;
}

// How noise itself is said: with two digits.
bool IsSpread(const std::string& field) {
  return field == "std_ns" || field == "mad_ns" || field == "within_std_ns";
}

std::optional<double> HalfWidth(const RunColumn& column, const v1::Run& run) {
  const auto low = Neighbour(column, run, "median_low_ns");
  const auto high = Neighbour(column, run, "median_high_ns");
  if (!low || !high || *high <= *low) return std::nullopt;
  return (*high - *low) / 2;
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

std::string PhaseText(const RunColumn& mean, const v1::Run& run, double mean_ns) {
  std::optional<double> std_ms = Neighbour(mean, run, "std_ns");
  if (std_ms) *std_ms /= kMillisecondNs;
  return Measured(mean_ns / kMillisecondNs, std_ms);
}

std::string ColumnText(const RunColumn& column, const v1::Run& run, double number) {
  if (column.shown == v1::UNIT_BYTES) return Mebibytes(static_cast<uint64_t>(number));
  if (IsWhole(column) && DivisorOf(column) == 1) return fmt::format("{:.0f}", number);
  const double shown = number / DivisorOf(column);
  if (IsSpread(FieldName(column))) return Significant(shown, 2);
  std::optional<double> noise = NoiseOf(column, run, number);
  if (noise) *noise /= DivisorOf(column);
  return noise ? ToNoise(shown, noise) : Significant(shown, 4);
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

struct Estimate {
  double number;
  std::optional<double> half_width;
};

std::optional<Estimate> EstimateOf(const PivotValue& value, const v1::Run& run) {
  if (!IsOk(run)) return std::nullopt;
  const auto number =
      value.is_phase ? Neighbour(value.column, run, "median_ns") : StoredNumber(value.column, run);
  if (!number || !std::isfinite(*number) || *number <= 0) return std::nullopt;
  Estimate estimate{*number, std::nullopt};
  if (IsMedian(value)) estimate.half_width = HalfWidth(value.column, run);
  return estimate;
}

}  // namespace

std::string ValueTitle(const PivotValue& value) {
  if (value.is_phase) return value.name + " (ms)";
  const std::string stem = StemWords(value.column);
  if (value.column.shown == v1::UNIT_PER_SECOND) return stem + "/s";
  const std::string unit = UnitText(value.column.shown);
  return unit.empty() ? stem : fmt::format("{} ({})", stem, unit);
}

std::vector<std::string> ValueNames(const PivotValue& value) {
  if (!value.is_phase) return {value.column.shown_name};
  return {value.column.shown_name, value.name + "_std_ms"};
}

std::string NumberText(const PivotValue& value, const v1::Run& run) {
  if (!IsOk(run)) return WhyNoNumber(run);
  const auto number = StoredNumber(value.column, run);
  if (!number) return kNotApplicable;
  return value.is_phase ? PhaseText(value.column, run, *number)
                        : ColumnText(value.column, run, *number);
}

std::vector<Value> Numbers(const PivotValue& value, const v1::Run& run) {
  std::vector<Value> numbers(ValueNames(value).size());
  if (!IsOk(run)) return numbers;
  numbers.front() = RunValues({value.column}).Of(run).front();
  if (!value.is_phase) return numbers;
  if (const auto std_ns = Neighbour(value.column, run, "std_ns")) {
    numbers.back() = *std_ns / kMillisecondNs;
  }
  return numbers;
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

// The errors are small and independent, so relative ones add in quadrature; of a ratio they are
// those of its logarithm, which makes the interval of B over A the inverse of that of A over B.
std::optional<Ratio> RatioOf(const PivotValue& value, const v1::Run& run, const v1::Run& base) {
  const auto own = EstimateOf(value, run);
  const auto other = EstimateOf(value, base);
  if (!own || !other || !HaveSameSizes(run, base)) return std::nullopt;
  const double times = own->number / other->number;
  Ratio ratio{IsTime(value) ? 1 / times : times, std::nullopt, std::nullopt};
  if (!own->half_width || !other->half_width) return ratio;
  const double error =
      std::hypot(*own->half_width / own->number, *other->half_width / other->number);
  ratio.low = ratio.ratio * std::exp(-error);
  ratio.high = ratio.ratio * std::exp(error);
  return ratio;
}

std::string RatioText(const Ratio& ratio) {
  if (!ratio.low || !ratio.high) return fmt::format("{:.2f}x", ratio.ratio);
  constexpr double kNarrow = 0.02;  // two decimals would hide the interval
  const int decimals = *ratio.high - *ratio.low < kNarrow ? 3 : 2;
  return fmt::format("{:.{}f}x [{:.{}f}, {:.{}f}]", ratio.ratio, decimals, *ratio.low, decimals,
                     *ratio.high, decimals);
}

bool IsMedian(const PivotValue& value) {
  return value.column.path.front()->message_type() == v1::PhaseSummary::descriptor() &&
         (value.is_phase || FieldName(value.column) == "median_ns");
}

bool IsTime(const PivotValue& value) { return value.column.stored == v1::UNIT_NANOSECONDS; }

bool HaveSameSizes(const v1::Run& a, const v1::Run& b) {
  const Subject of_a = SubjectOf(a);
  const Subject of_b = SubjectOf(b);
  const bool share_batch =
      a.requested_batch_size() != b.requested_batch_size() || of_a.batch_size == of_b.batch_size;
  const bool share_context = a.requested_context_length() != b.requested_context_length() ||
                             of_a.context_length == of_b.context_length;
  return share_batch && share_context;
}

std::string CellNote(const v1::Run& run) {
  if (!IsOk(run)) return "";
  const std::string shrunk = ShrinkWords(run);
  const std::string verdict = VerdictText(run);
  return shrunk + (shrunk.empty() || verdict.empty() ? "" : "; ") + verdict;
}

}  // namespace torchlap::client::format
