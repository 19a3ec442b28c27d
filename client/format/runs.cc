#include "client/format/runs.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "client/format/advice.h"
#include "client/format/calibration.h"
#include "client/format/column_cells.h"
#include "client/format/fit.h"
#include "client/format/subject.h"
#include "client/format/warmup.h"

namespace torchlap::client::format {
namespace {

std::vector<Block> ListBlocks(const std::vector<v1::Run>& runs,
                              const std::vector<RunColumn>& columns, bool wide) {
  if (!columns.empty()) return ColumnBlocks(runs, columns);
  return wide ? std::vector<Block>{RunListGrid(runs)} : NarrowRunList(runs);
}

// Empty before there is one.
std::string DeviceKind(const v1::Run& run) {
  if (run.device_uuid().empty()) return "";
  return run.device_uuid().rfind("CPU-", 0) == 0 ? "cpu" : "cuda";
}

bool ShareATable(const v1::Run& a, const v1::Run& b) {
  const std::string kind = DeviceKind(a);
  const bool of_one_kind = kind.empty() || DeviceKind(b).empty() || kind == DeviceKind(b);
  return a.plan().timing() == b.plan().timing() && of_one_kind;
}

template <typename Part>
void Append(std::vector<Part> parts, std::vector<Part>* all) {
  std::move(parts.begin(), parts.end(), std::back_inserter(*all));
}

std::vector<v1::Run> RunsOf(const v1::CompareWarmupsResponse& comparison) {
  return {comparison.runs().begin(), comparison.runs().end()};
}

// Null: nobody can be asked.
FindDevices DevicesOf(std::vector<v1::Run> table, const Results& results) {
  if (!results.find_devices) return nullptr;
  return [table = std::move(table), find = results.find_devices] { return find(table); };
}

std::string LegendOf(const std::vector<v1::Run>& table, const Results& results, CvKind cv) {
  const FindDevices find = DevicesOf(table, results);
  return LegendLine(table, find ? find() : NotesOf(RowOfEachDevice(table)), cv);
}

// A table and what its numbers are.
std::vector<Block> TableBlocks(const std::vector<v1::Run>& table, const Results& results) {
  std::vector<Block> blocks = {CellGrid(table)};
  const std::string legend = LegendOf(table, results, CvKind::kLargestOfRow);
  if (!legend.empty()) blocks.emplace_back(Lines{legend});
  return blocks;
}

std::vector<Block> ResultBlocks(const Results& results) {
  std::vector<Block> blocks;
  for (const auto& table : Tables(results.cells)) Append(TableBlocks(table, results), &blocks);
  for (const auto& comparison : results.warmups) {
    Append(ShowWarmups(comparison, DevicesOf(RunsOf(comparison), results)).blocks(), &blocks);
  }
  for (const v1::Job& job : results.fits) {
    const FindDevices find = DevicesOf({job.runs().begin(), job.runs().end()}, results);
    Append(ShowFit(job, find).blocks(), &blocks);
  }
  for (const v1::Run& run : results.calibrations) Append(CalibrationBlocks(run), &blocks);
  return blocks;
}

bool IsOfAModel(const v1::Run& run) { return SubjectOf(run).has_parameters; }

// A table's rows between its caption, under whose conditions the numbers hold, and what they are.
std::vector<Lines> TableParagraphs(const std::vector<v1::Run>& table, const Results& results) {
  std::vector<Lines> paragraphs;
  const bool has_conditions = std::any_of(table.begin(), table.end(), IsOfAModel);
  if (has_conditions) paragraphs.push_back({CellGrid(table).caption});
  Append(RunParagraphs(table), &paragraphs);
  const std::string legend = LegendOf(table, results, CvKind::kEach);
  if (has_conditions && !legend.empty()) paragraphs.push_back({legend});
  return paragraphs;
}

std::vector<Lines> ResultParagraphs(const Results& results) {
  std::vector<Lines> paragraphs;
  for (const auto& table : Tables(results.cells)) {
    Append(TableParagraphs(table, results), &paragraphs);
  }
  for (const auto& comparison : results.warmups) {
    Append(TableParagraphs(RunsOf(comparison), results), &paragraphs);
    paragraphs.push_back(WarmupSentences(comparison));
  }
  for (const v1::Job& job : results.fits) paragraphs.push_back(FitLines(job));
  for (const v1::Run& run : results.calibrations) {
    paragraphs.push_back({run.device() + ": " + PeakWords(run.calibration())});
  }
  return paragraphs;
}

Lines ResultHints(const Results& results) {
  Lines lines = AdviceLines(results.cells);
  for (const auto& comparison : results.warmups) Append(WarmupHints(comparison), &lines);
  for (const v1::Job& job : results.fits) {
    if (const Document fit = ShowFit(job); fit.hints) Append(fit.hints(), &lines);
  }
  return lines;
}

// What the experiment's own command prints as one object; nothing where more was chosen.
MakeObject ObjectOf(const Results& results) {
  const size_t parts = results.cells.size() + results.warmups.size() + results.fits.size() +
                       results.calibrations.size();
  if (parts != 1 || !results.cells.empty()) return nullptr;
  if (!results.warmups.empty()) return WarmupsObject(results.warmups.front());
  if (!results.fits.empty()) return FitObject(results.fits.front());
  return CalibratedObject(results.calibrations.front());
}

}  // namespace

std::vector<std::vector<v1::Run>> Tables(const std::vector<v1::Run>& cells) {
  std::vector<std::vector<v1::Run>> tables;
  const auto put = [&tables](const v1::Run& cell) {
    for (std::vector<v1::Run>& table : tables) {
      if (ShareATable(table.front(), cell)) return table.push_back(cell);
    }
    tables.push_back({cell});
  };
  // Those with a device say first which tables there are.
  std::vector<v1::Run> sorted = cells;
  std::stable_sort(sorted.begin(), sorted.end(), [](const v1::Run& a, const v1::Run& b) {
    return !a.device_uuid().empty() && b.device_uuid().empty();
  });
  for (const v1::Run& cell : sorted) put(cell);
  return tables;
}

Document ShowResults(const Results& results) {
  const auto kept = std::make_shared<const Results>(results);
  Document document;
  document.blocks = [kept] { return ResultBlocks(*kept); };
  document.paragraphs = [kept] { return ResultParagraphs(*kept); };
  document.hints = [kept] { return ResultHints(*kept); };
  document.object = ObjectOf(results);
  return document;
}

Document ShowResults(std::vector<v1::Run> rows, const FindDevices& find_devices) {
  Results results;
  results.cells = rows;
  if (find_devices) {
    results.find_devices = [find_devices](const std::vector<v1::Run>&) { return find_devices(); };
  }
  Document document = ShowResults(results);
  document.rows = RunRows(std::move(rows), RunColumns());
  return document;
}

Document ShowColumns(std::vector<v1::Run> cells, std::vector<RunColumn> columns,
                     FindDevices find_devices) {
  Document document;
  document.blocks = [cells = std::move(cells), columns = std::move(columns),
                     find = std::move(find_devices)] {
    std::vector<Block> blocks = ColumnBlocks(cells, columns);
    std::get<Grid>(blocks.front()).caption = CellsCaption(cells);
    // No column has a ±.
    const auto devices = find ? find() : NotesOf(RowOfEachDevice(cells));
    const std::string legend = LegendLine({}, devices, CvKind::kNone);
    if (legend.empty()) return blocks;
    if (blocks.size() == 1) blocks.emplace_back(Lines());
    std::get<Lines>(blocks.back()).push_back(legend);
    return blocks;
  };
  return document;
}

Document ListRuns(std::vector<v1::Run> runs, const std::vector<RunColumn>& columns, bool wide) {
  const auto kept = std::make_shared<const std::vector<v1::Run>>(runs);
  Document document;
  document.blocks = [kept, columns, wide] { return ListBlocks(*kept, columns, wide); };
  document.paragraphs = [kept] {
    Results results;
    results.cells = *kept;
    return ResultParagraphs(results);
  };
  document.rows = RunRows(std::move(runs), columns.empty() ? RunColumns() : columns);
  return document;
}

}  // namespace torchlap::client::format
