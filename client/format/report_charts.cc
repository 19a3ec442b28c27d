#include "client/format/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/html.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/run_tables.h"
#include "client/format/runs.h"
#include "client/format/subject.h"
#include "client/format/svg_chart.h"
#include "client/format/traits.h"
#include "client/format/trend.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kMostBarGroups = 40;
constexpr size_t kMostPointsWithMarks = 150;
constexpr size_t kMostLinePoints = 600;
constexpr size_t kMostStepRows = 200;
constexpr size_t kMostTrends = 30;
constexpr int kFewestTrendPoints = 3;
constexpr int kMostStepsNamed = 20;
constexpr double kGibibyte = 1024.0 * 1024 * 1024;
constexpr double kMebibyte = 1024.0 * 1024;
constexpr double kFarLimitRatio = 8;

double Ms(double ns) { return ns / 1e6; }

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

std::string Figure(const std::string& chart, const std::string& caption,
                   const std::string& table_name, const std::string& table) {
  if (chart.empty()) return "";
  return fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n{}</figure>\n", chart, caption,
                     HtmlDetails(table_name, table));
}

// ---- phases

bool HasInterval(const v1::PhaseSummary& summary) {
  return summary.has_median_low_ns() && summary.has_median_high_ns() &&
         summary.median_high_ns() > summary.median_low_ns();
}

ChartBar PhaseBar(const NamedPhase& phase, const v1::PhaseSummary& summary) {
  ChartBar bar;
  bar.name = phase.name;
  bar.kind = phase.name;
  bar.value = Ms(summary.median_ns());
  bar.text = Significant(bar.value, 4);
  bar.title = fmt::format("{}: median {} ms", phase.name, Significant(bar.value, 5));
  if (!HasInterval(summary)) return bar;
  bar.low = Ms(summary.median_low_ns());
  bar.high = Ms(summary.median_high_ns());
  bar.text = ToNoise(bar.value, (*bar.high - *bar.low) / 2);
  bar.title = fmt::format("{}: median {} ms, 95 % interval", phase.name,
                          InInterval(bar.value, *bar.low, *bar.high));
  return bar;
}

BarGroup PhaseGroup(const v1::Run& cell, const std::string& name) {
  BarGroup group;
  group.name = name;
  if (!IsOk(cell)) {
    group.note = StateName(cell);
    return group;
  }
  for (const NamedPhase& phase : kNamedPhases) {
    const v1::PhaseSummary& summary = (cell.*phase.summary)();
    if (summary.has_median_ns()) group.bars.push_back(PhaseBar(phase, summary));
  }
  return group;
}

// The phases of all cells, as `show` has them of one.
Grid PhaseTable(const std::vector<v1::Run>& cells, const std::vector<std::string>& names) {
  Grid all;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!IsOk(cells[i])) continue;
    const Grid one = PhaseGrid(cells[i]);
    all.titles = one.titles;
    all.titles.insert(all.titles.begin(), "cell");
    for (std::vector<std::string> row : one.rows) {
      row.insert(row.begin(), names[i]);
      all.rows.push_back(std::move(row));
    }
  }
  return all;
}

bool AnyInterval(const std::vector<v1::Run>& cells) {
  return std::any_of(cells.begin(), cells.end(),
                     [](const v1::Run& cell) { return IsOk(cell) && HasInterval(cell.step()); });
}

std::string MoreWords(size_t all, size_t shown, const char* things) {
  return all > shown ? fmt::format(" The first {} of {} {}.", shown, all, things) : "";
}

std::string PhaseChart(const std::vector<v1::Run>& cells) {
  const std::vector<std::string> names = CellNames(cells);
  BarChart chart;
  chart.label = fmt::format("Median time of each phase, {}; the numbers stand in the table below",
                            Caption(cells));
  chart.unit = "ms";
  for (size_t i = 0; i < std::min(cells.size(), kMostBarGroups); ++i) {
    chart.groups.push_back(PhaseGroup(cells[i], names[i]));
  }
  std::string caption = fmt::format("{}. Bars are medians in ms", Html(Caption(cells)));
  caption += AnyInterval(cells) ? ", whiskers their 95 % bootstrap intervals." : ".";
  caption += MoreWords(cells.size(), kMostBarGroups, "cells");
  return Figure(SvgBars(chart), caption, "The numbers of this chart",
                HtmlTable(PhaseTable(cells, names)));
}

// ---- steps

struct Step {
  uint32_t number = 0;
  double ms = 0;
  bool is_warmup = false;
};

std::vector<Step> StepsOf(const ReportRun& run) {
  std::vector<Step> steps;
  for (const v1::SampleBlock& block : run.samples) {
    for (int i = 0; i < block.step_ns_size(); ++i) {
      const uint32_t number = block.first_step() + static_cast<uint32_t>(i);
      steps.push_back(
          {number, Ms(static_cast<double>(block.step_ns(i))), number < block.warmup_steps()});
    }
  }
  return steps;
}

// What came from outside of the program, at some time; other evidence is about the times
// themselves.
bool IsDisturbance(const v1::Evidence& evidence) {
  switch (evidence.reason()) {
    case v1::REASON_FOREIGN_CPU:
    case v1::REASON_FOREIGN_GPU:
    case v1::REASON_THERMAL:
    case v1::REASON_POWER_BRAKE:
    case v1::REASON_HARDWARE_SLOWDOWN:
    case v1::REASON_CLOCK_DROP:
      return evidence.has_first_step();
    default:
      return false;
  }
}

const v1::Evidence* DisturbanceAt(const v1::Run& run, uint32_t step) {
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (IsDisturbance(evidence) && step >= evidence.first_step() &&
        step <= std::max(evidence.first_step(), evidence.last_step())) {
      return &evidence;
    }
  }
  return nullptr;
}

LinePoint PointOf(const v1::Run& run, const Step& step) {
  LinePoint point;
  point.x = step.number;
  point.y = step.ms;
  point.title = fmt::format("step {}: {:.3f} ms", step.number, step.ms);
  const v1::Evidence* disturbance = DisturbanceAt(run, step.number);
  if (step.is_warmup) {
    point.kind = PointKind::kWarmup;
    point.title += ", warm-up";
  } else if (disturbance != nullptr) {
    point.kind = PointKind::kDisturbed;
    point.title += ", " + EvidenceWords(*disturbance);
  }
  return point;
}

// Of each piece the shortest and the longest step: no outlier is lost.
std::vector<Step> Thinned(const std::vector<Step>& steps) {
  if (steps.size() <= kMostLinePoints) return steps;
  const size_t piece = 2 * ((steps.size() + kMostLinePoints - 1) / kMostLinePoints);
  std::vector<Step> kept;
  for (size_t from = 0; from < steps.size(); from += piece) {
    const auto begin = steps.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end =
        steps.begin() + static_cast<std::ptrdiff_t>(std::min(from + piece, steps.size()));
    auto [low, high] =
        std::minmax_element(begin, end, [](const Step& a, const Step& b) { return a.ms < b.ms; });
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  return kept;
}

// The values fill the plot, but noise below `least_share` of them is not made to look large.
void SetRange(double low, double high, double least_share, LineChart* chart) {
  const double span = std::max(high - low, least_share * high);
  const double middle = (low + high) / 2;
  chart->low = std::max(0.0, middle - 0.7 * span);
  chart->high = middle + 0.7 * span;
}

// Of the measured steps: warm-up steps far from them are arrows at the edge.
void SetRangeOfMeasured(const std::vector<Step>& steps, LineChart* chart) {
  double low = INFINITY;
  double high = -INFINITY;
  for (const Step& step : steps) {
    if (step.is_warmup) continue;
    low = std::min(low, step.ms);
    high = std::max(high, step.ms);
  }
  if (std::isfinite(low) && std::isfinite(high)) SetRange(low, high, 0.05, chart);
}

void AddBands(const v1::Run& run, const std::vector<Step>& steps, LineChart* chart) {
  const auto first_measured =
      std::find_if(steps.begin(), steps.end(), [](const Step& step) { return !step.is_warmup; });
  if (first_measured != steps.begin()) {
    chart->bands.push_back({steps.front().number - 0.5, std::prev(first_measured)->number + 0.5,
                            PointKind::kWarmup, "warm-up"});
  }
  const double last = steps.back().number;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (!IsDisturbance(evidence) || evidence.first_step() > last) continue;
    const double end = std::max(evidence.first_step(), evidence.last_step());
    chart->bands.push_back({evidence.first_step() - 0.5, std::min(end, last) + 0.5,
                            PointKind::kDisturbed, EvidenceWords(evidence)});
  }
}

std::string StepCaption(const v1::Run& run, bool is_thinned) {
  std::string words;
  for (const v1::Evidence& evidence : run.assessment().evidence()) {
    if (IsDisturbance(evidence)) words += (words.empty() ? "" : "; ") + EvidenceWords(evidence);
  }
  if (is_thinned) words += (words.empty() ? "" : "; ") + std::string("not every step is drawn");
  return words;
}

Grid StepTable(const ReportRun& run) {
  Grid grid = SampleGrid(run.samples);
  if (grid.rows.size() > kMostStepRows) {
    grid.caption =
        fmt::format("the first {} of {} steps; all of them: torchlap export {} --samples",
                    kMostStepRows, grid.rows.size(), run.run.run_id());
    grid.rows.resize(kMostStepRows);
  }
  return grid;
}

// ---- memory

// What the run held, or what it asked for where that was too much; 0 where nothing is known.
double DemandBytes(const v1::Run& run) {
  if (IsOk(run)) return static_cast<double>(run.memory().peak_allocated_bytes());
  const v1::Failure& failure = run.failure();
  const bool is_about_memory =
      run.outcome() == v1::OUTCOME_OUT_OF_MEMORY || run.outcome() == v1::OUTCOME_SKIPPED;
  if (!is_about_memory || !failure.has_asked_bytes()) return 0;
  return static_cast<double>(failure.asked_bytes()) +
         static_cast<double>(failure.allocated_bytes());
}

double DeviceBytes(const std::vector<v1::Run>& cells) {
  uint64_t most = 0;
  for (const v1::Run& cell : cells) most = std::max(most, cell.memory().device_total_bytes());
  return static_cast<double>(most);
}

double MostDemandBytes(const std::vector<v1::Run>& cells) {
  double most = 0;
  for (const v1::Run& cell : cells) most = std::max(most, DemandBytes(cell));
  return most;
}

// Far above all that was needed it would press the points into a line at the bottom.
bool IsFarAway(double limit_bytes, const std::vector<v1::Run>& cells) {
  return limit_bytes > kFarLimitRatio * MostDemandBytes(cells);
}

std::optional<ChartRule> DeviceLimit(const std::vector<v1::Run>& cells, double unit_bytes) {
  const double bytes = DeviceBytes(cells);
  if (bytes == 0 || IsFarAway(bytes, cells)) return std::nullopt;
  return ChartRule{bytes / unit_bytes,
                   "the device has " + BytesShort(static_cast<uint64_t>(bytes))};
}

bool IsLarge(const std::vector<v1::Run>& cells) { return MostDemandBytes(cells) >= 4 * kGibibyte; }

std::string DemandTitle(const v1::Run& cell, const std::string& name) {
  const std::string bytes = BytesShort(static_cast<uint64_t>(DemandBytes(cell)));
  if (IsOk(cell)) return fmt::format("{}: peak {}", name, bytes);
  return fmt::format("{}: {}", name, FailureWords(cell));
}

using SizeOf = uint32_t (*)(const Subject&);

uint32_t BatchOf(const Subject& subject) { return subject.batch_size; }
uint32_t ContextOf(const Subject& subject) { return subject.context_length; }

bool Differs(const std::vector<v1::Run>& cells, SizeOf size) {
  std::set<uint32_t> sizes;
  for (const v1::Run& cell : cells) {
    if (const uint32_t value = size(SubjectOf(cell)); value > 0 && DemandBytes(cell) > 0) {
      sizes.insert(value);
    }
  }
  return sizes.size() > 1;
}

// What tells a series from the others, apart from the size that is drawn: the names of its cells
// with that size made one.
std::vector<std::string> SeriesNames(std::vector<v1::Run> cells, bool is_batch) {
  for (v1::Run& cell : cells) {
    const Subject subject = SubjectOf(cell);
    const uint32_t batch = is_batch ? 1 : subject.batch_size;
    const uint32_t context = is_batch ? subject.context_length : 1;
    SetSizes(batch, context, cell.mutable_workload());
    cell.set_requested_batch_size(batch);
    cell.set_requested_context_length(context);
  }
  return CellNames(cells);
}

ScatterSeries* SeriesOf(const std::string& name, std::vector<ScatterSeries>* all) {
  const auto place = std::find_if(all->begin(), all->end(), [&name](const ScatterSeries& series) {
    return series.name == name;
  });
  if (place != all->end()) return &*place;
  all->push_back({name, {}});
  return &all->back();
}

ScatterChart MemoryAgainst(const std::vector<v1::Run>& cells, bool is_batch) {
  const SizeOf size = is_batch ? BatchOf : ContextOf;
  const double unit = IsLarge(cells) ? kGibibyte : kMebibyte;
  const std::vector<std::string> names = CellNames(cells);
  const std::vector<std::string> series = SeriesNames(cells, is_batch);
  ScatterChart chart;
  chart.x_title = is_batch ? "batch (sequences)" : "context (tokens)";
  chart.y_title = IsLarge(cells) ? "peak (GiB)" : "peak (MiB)";
  chart.label = fmt::format("Peak of memory against {}; the numbers stand in the table below",
                            is_batch ? "batch" : "context");
  for (size_t i = 0; i < cells.size(); ++i) {
    const uint32_t x = size(SubjectOf(cells[i]));
    const double bytes = DemandBytes(cells[i]);
    if (x == 0 || bytes == 0) continue;
    SeriesOf(series[i], &chart.series)
        ->points.push_back({static_cast<double>(x), bytes / unit, !IsOk(cells[i]),
                            DemandTitle(cells[i], names[i])});
  }
  chart.limit = DeviceLimit(cells, unit);
  return chart;
}

BarChart MemoryBars(const std::vector<v1::Run>& cells) {
  const double unit = IsLarge(cells) ? kGibibyte : kMebibyte;
  const std::vector<std::string> names = CellNames(cells);
  BarChart chart;
  chart.label = "Peak of memory of each cell; the numbers stand in the table below";
  chart.unit = IsLarge(cells) ? "GiB" : "MiB";
  for (size_t i = 0; i < std::min(cells.size(), kMostBarGroups); ++i) {
    const double bytes = DemandBytes(cells[i]);
    if (bytes == 0) continue;
    ChartBar bar{IsOk(cells[i]) ? "peak" : "asked", "memory", bytes / unit, {}, {}, "", ""};
    bar.text = BytesShort(static_cast<uint64_t>(bytes)) + (IsOk(cells[i]) ? "" : " ✕");
    bar.title = DemandTitle(cells[i], names[i]);
    chart.groups.push_back({names[i], "", {bar}});
  }
  chart.limit = DeviceLimit(cells, unit);
  return chart;
}

Grid MemoryTable(const std::vector<v1::Run>& cells) {
  const std::vector<std::string> names = CellNames(cells);
  Grid grid;
  grid.titles = {"cell", "batch", "context", "peak (MiB)", "held from the device (MiB)", "note"};
  for (size_t i = 0; i < cells.size(); ++i) {
    const Subject subject = SubjectOf(cells[i]);
    const v1::MemoryUse& memory = cells[i].memory();
    const bool has_peak = IsOk(cells[i]) && memory.has_peak_allocated_bytes();
    const bool has_reserved = IsOk(cells[i]) && memory.has_peak_reserved_bytes();
    grid.rows.push_back({names[i], std::to_string(subject.batch_size),
                         std::to_string(subject.context_length),
                         has_peak ? Mebibytes(memory.peak_allocated_bytes()) : kNotApplicable,
                         has_reserved ? Mebibytes(memory.peak_reserved_bytes()) : kNotApplicable,
                         FailureWords(cells[i])});
  }
  return grid;
}

std::string MemoryCaption(const std::vector<v1::Run>& cells) {
  std::string words =
      "The largest sum of live tensors over the measured steps. A cross did not fit: it stands at "
      "what was held and asked for when it failed.";
  const double limit = DeviceBytes(cells);
  if (limit == 0 || !IsFarAway(limit, cells)) return words;
  return words + " The device has " + BytesShort(static_cast<uint64_t>(limit)) + ", far above.";
}

// ---- baseline

bool IsOnBothSides(const v1::ComparedCell& cell) {
  return cell.incomparable() != v1::INCOMPARABLE_ONLY_A &&
         cell.incomparable() != v1::INCOMPARABLE_ONLY_B;
}

ptrdiff_t CountOf(const std::vector<v1::ComparedCell>& cells, v1::Incomparable reason) {
  return std::count_if(cells.begin(), cells.end(), [reason](const v1::ComparedCell& cell) {
    return cell.incomparable() == reason;
  });
}

// Cells that only one side has are a line of words: their rows would be all dashes.
std::string OneSidedWords(const std::vector<v1::ComparedCell>& cells) {
  const ptrdiff_t here = CountOf(cells, v1::INCOMPARABLE_ONLY_B);
  const ptrdiff_t there = CountOf(cells, v1::INCOMPARABLE_ONLY_A);
  std::vector<std::string> words;
  if (here > 0)
    words.push_back(fmt::format("cells here that the baseline does not have: {}", here));
  if (there > 0) {
    words.push_back(fmt::format("cells of the baseline that are not here: {}", there));
  }
  if (words.empty()) return "";
  return fmt::format("<p class=\"aside\">Left out: {}.</p>\n", fmt::join(words, "; "));
}

// In the words of this page, where A is the baseline and B what it is about.
std::string ReasonWords(v1::Incomparable reason) {
  if (reason == v1::INCOMPARABLE_A_FAILED) return "failed in the baseline";
  if (reason == v1::INCOMPARABLE_B_FAILED) return "failed here";
  return std::string(Word(reason));
}

const v1::ComparedPhase* StepOf(const v1::ComparedCell& cell) {
  for (const v1::ComparedPhase& phase : cell.phases()) {
    if (phase.phase() == v1::PHASE_UNSPECIFIED) return &phase;
  }
  return nullptr;
}

std::string RatioText(const v1::ComparedPhase& phase) {
  if (!phase.has_low() || !phase.has_high()) return Significant(phase.ratio(), 3) + "x";
  return InInterval(phase.ratio(), phase.low(), phase.high());
}

std::string VerdictOf(const v1::ComparedCell& cell) {
  const v1::ComparedPhase* step = StepOf(cell);
  return step == nullptr ? std::string(Word(v1::COMPARE_VERDICT_NOT_COMPARABLE))
                         : std::string(Word(step->verdict()));
}

const char* KindOf(v1::CompareVerdict verdict) {
  if (verdict == v1::COMPARE_VERDICT_FASTER) return "good";
  return verdict == v1::COMPARE_VERDICT_SLOWER ? "bad" : "plain";
}

std::vector<std::string> SubjectNames(const std::vector<v1::ComparedCell>& cells) {
  std::vector<v1::Run> subjects;
  for (const v1::ComparedCell& cell : cells) subjects.push_back(cell.subject());
  return CellNames(subjects);
}

Grid BaselineTable(const std::vector<v1::ComparedCell>& cells,
                   const std::vector<std::string>& names) {
  Grid grid;
  grid.titles = {"cell",   "baseline (ms)", "here (ms)", "ratio [95 %]",
                 "change", "launches",      "verdict",   "note"};
  for (size_t i = 0; i < cells.size(); ++i) {
    const v1::ComparedPhase* step = StepOf(cells[i]);
    const std::string launches =
        fmt::format("{} / {}", cells[i].a().launches(), cells[i].b().launches());
    const std::string note = ReasonWords(cells[i].incomparable());
    if (step == nullptr) {
      grid.rows.push_back({names[i], "-", "-", "-", "-", launches, VerdictOf(cells[i]), note});
      continue;
    }
    grid.rows.push_back({names[i], Significant(Ms(step->a_ns()), 5),
                         Significant(Ms(step->b_ns()), 5), RatioText(*step),
                         SignedPercent(step->ratio() - 1), launches, VerdictOf(cells[i]), note});
  }
  return grid;
}

// ---- trend

std::string TrendName(const v1::TrendSeries& series) {
  return WorkloadWords(series.subject().workload()) + ", " + series.subject().device();
}

void SetRangeOfAll(LineChart* chart) {
  const auto [lowest, highest] =
      std::minmax_element(chart->points.begin(), chart->points.end(),
                          [](const LinePoint& a, const LinePoint& b) { return a.y < b.y; });
  const double low = chart->rule ? std::min(lowest->y, chart->rule->at) : lowest->y;
  const double high = chart->rule ? std::max(highest->y, chart->rule->at) : highest->y;
  SetRange(low, high, 0.03, chart);
}

LineChart TrendLine(const v1::TrendSeries& series) {
  LineChart chart;
  chart.label = "Median step time of each run, oldest first: " + TrendName(series);
  chart.x_title = "run, oldest first";
  chart.y_title = "median step (ms)";
  for (int i = 0; i < series.points_size(); ++i) {
    const v1::TrendPoint& point = series.points(i);
    LinePoint place;
    place.x = i + 1;
    place.y = Ms(point.median_ns());
    place.title = fmt::format("{}, {}: {} ms", point.run_id(), TimeText(point.started_at_ns()),
                              Significant(place.y, 5));
    chart.points.push_back(place);
  }
  for (const v1::TrendStep& step : series.steps()) {
    if (step.before_ns() <= 0) continue;
    chart.steps.push_back(
        {step.point() + 0.5, SignedPercent(step.after_ns() / step.before_ns() - 1)});
  }
  if (series.has_baseline_ns()) chart.rule = ChartRule{Ms(series.baseline_ns()), "baseline"};
  SetRangeOfAll(&chart);
  chart.with_marks = chart.points.size() <= kMostPointsWithMarks;
  return chart;
}

Grid TrendTable(const v1::TrendSeries& series) {
  Grid grid;
  grid.titles = {"run", "started", "median step (ms)", "verdict"};
  for (const v1::TrendPoint& point : series.points()) {
    grid.rows.push_back({point.run_id(), TimeText(point.started_at_ns()),
                         Significant(Ms(point.median_ns()), 5),
                         std::string(Word(point.validity()))});
  }
  return grid;
}

std::string StepsFound(const v1::TrendSeries& series) {
  if (series.steps().empty()) return "no step was found";
  return fmt::format("{} step{} found", series.steps_size(), series.steps_size() == 1 ? "" : "s");
}

// Damaged or of a newer service, a step may name a point that is not there.
std::string StepItem(const v1::TrendSeries& series, const v1::TrendStep& step) {
  if (step.point() >= static_cast<uint32_t>(series.points_size())) return "";
  const v1::TrendPoint& first = series.points(static_cast<int>(step.point()));
  const std::string change =
      step.before_ns() > 0 ? SignedPercent(step.after_ns() / step.before_ns() - 1) + ", " : "";
  const std::string words = fmt::format("{} UTC, from run {}: {}{} -> {} ms; changed: {}",
                                        UtcMinute(first.started_at_ns()), first.run_id(), change,
                                        Significant(Ms(step.before_ns()), 4),
                                        Significant(Ms(step.after_ns()), 4), ChangeWords(step));
  return "<li>" + Html(words) + "</li>\n";
}

// When, by how much, and what else changed then; the newest, oldest first.
std::string StepList(const v1::TrendSeries& series) {
  const int first = std::max(0, series.steps_size() - kMostStepsNamed);
  std::string items;
  if (first > 0) items = fmt::format("<li>{} earlier</li>\n", first);
  for (int i = first; i < series.steps_size(); ++i) items += StepItem(series, series.steps(i));
  return items.empty() ? "" : "\n<ul class=\"changes\">\n" + items + "</ul>\n";
}

std::string TrendCard(const v1::TrendSeries& series) {
  const std::string caption =
      fmt::format("<strong>{}</strong> {} runs, {}{}", Html(TrendName(series)),
                  series.points_size(), StepsFound(series), StepList(series));
  return Figure(SvgLines(TrendLine(series)), caption, "The numbers of this chart",
                HtmlTable(TrendTable(series)));
}

}  // namespace

std::vector<std::string> CellNames(const std::vector<v1::Run>& cells) {
  const std::vector<const Trait*> varying = VaryingTraits(cells);
  std::vector<std::string> names;
  for (const v1::Run& cell : cells) {
    names.push_back(SubjectName(cell.workload()) + Distinction(cell, varying));
  }
  return names;
}

std::string PhaseCharts(const std::vector<v1::Run>& cells) {
  std::string html;
  for (const std::vector<v1::Run>& table : Tables(cells)) html += PhaseChart(table);
  return html;
}

std::string StepChart(const ReportRun& run) {
  const std::vector<Step> steps = StepsOf(run);
  if (steps.empty()) return "";
  const std::vector<Step> drawn = Thinned(steps);
  LineChart chart;
  chart.label = fmt::format("Time of each step of run {}; the numbers stand in the table below",
                            run.run.run_id());
  chart.x_title = "step, from 0";
  chart.y_title = "step (ms)";
  chart.with_marks = drawn.size() <= kMostPointsWithMarks;
  for (const Step& step : drawn) chart.points.push_back(PointOf(run.run, step));
  SetRangeOfMeasured(steps, &chart);
  AddBands(run.run, steps, &chart);
  if (run.run.step().has_median_ns()) chart.rule = ChartRule{Ms(run.run.step().median_ns()), ""};
  return Figure(SvgLines(chart), Html(StepCaption(run.run, drawn.size() < steps.size())),
                fmt::format("The {} steps", steps.size()), HtmlTable(StepTable(run)));
}

std::string MemoryCharts(const std::vector<v1::Run>& cells) {
  std::string charts;
  for (const bool is_batch : {true, false}) {
    if (!Differs(cells, is_batch ? BatchOf : ContextOf)) continue;
    charts += "<div>" + SvgScatter(MemoryAgainst(cells, is_batch)) + "</div>\n";
  }
  charts =
      charts.empty() ? SvgBars(MemoryBars(cells)) : "<div class=\"pair\">\n" + charts + "</div>\n";
  return Figure(charts, MemoryCaption(cells), "The numbers of this chart",
                HtmlTable(MemoryTable(cells)));
}

std::string BaselineChart(const std::vector<v1::ComparedCell>& compared) {
  std::vector<v1::ComparedCell> cells;
  std::copy_if(compared.begin(), compared.end(), std::back_inserter(cells), IsOnBothSides);
  const std::vector<std::string> names = SubjectNames(cells);
  IntervalChart chart;
  chart.label = "Step time over that of the baseline; the numbers stand in the table below";
  chart.x_title = "of baseline";
  for (size_t i = 0; i < cells.size(); ++i) {
    const v1::ComparedPhase* step = StepOf(cells[i]);
    if (step == nullptr || chart.rows.size() >= kMostBarGroups) continue;
    IntervalRow row{names[i], KindOf(step->verdict()), step->ratio(), {}, {}, "", ""};
    if (step->has_low() && step->has_high()) {
      row.low = step->low();
      row.high = step->high();
    }
    row.text = fmt::format("{} {}", SignedPercent(step->ratio() - 1), Word(step->verdict()));
    row.title = fmt::format("{}: {} of the baseline", names[i], RatioText(*step));
    chart.rows.push_back(std::move(row));
  }
  const std::string table = HtmlTable(BaselineTable(cells, names));
  return table +
         Figure(SvgIntervals(chart),
                "Step time over step time of your baseline: left of the line is faster. "
                "Whiskers are 95 % intervals.",
                "", "") +
         OneSidedWords(compared);
}

std::string TrendCharts(const std::vector<v1::TrendSeries>& trends) {
  std::string html;
  size_t shown = 0;
  for (const v1::TrendSeries& series : trends) {
    if (series.points_size() < kFewestTrendPoints || shown >= kMostTrends) continue;
    html += TrendCard(series);
    ++shown;
  }
  return html.empty() ? "" : "<div class=\"cards\">\n" + html + "</div>\n";
}

}  // namespace torchlap::client::format
