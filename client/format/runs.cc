#include "client/format/runs.h"

#include <memory>
#include <utility>

#include "client/format/advice.h"

namespace torchlap::client::format {
namespace {

std::vector<Block> ListBlocks(const std::vector<v1::Run>& runs,
                              const std::vector<RunColumn>& columns) {
  return {columns.empty() ? RunListGrid(runs) : ColumnGrid(runs, columns)};
}

}  // namespace

Document ShowResults(std::vector<v1::Run> rows, FindDevices find_devices) {
  const auto kept = std::make_shared<const std::vector<v1::Run>>(rows);
  Document document;
  document.blocks = [kept, find_devices] {
    std::vector<Block> blocks = {CellGrid(*kept)};
    const std::string legend =
        LegendLine(*kept, find_devices ? find_devices() : NotesOf(RowOfEachDevice(*kept)));
    if (!legend.empty()) blocks.emplace_back(Lines{legend});
    return blocks;
  };
  document.paragraphs = [kept] { return RunParagraphs(*kept); };
  document.hints = [kept] { return AdviceLines(*kept); };
  document.rows = RunRows(std::move(rows), RunColumns());
  return document;
}

Document ListRuns(std::vector<v1::Run> runs, const std::vector<RunColumn>& columns) {
  const auto kept = std::make_shared<const std::vector<v1::Run>>(runs);
  Document document;
  document.blocks = [kept, columns] { return ListBlocks(*kept, columns); };
  document.paragraphs = [kept] { return RunParagraphs(*kept); };
  document.rows = RunRows(std::move(runs), columns.empty() ? RunColumns() : columns);
  return document;
}

}  // namespace torchlap::client::format
