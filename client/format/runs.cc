#include "client/format/runs.h"

#include "client/format/advice.h"
#include "client/format/sheet.h"

namespace torchlap::client::format {

void WriteRuns(Format format, const std::vector<v1::Run>& runs, std::ostream& out) {
  switch (format) {
    case Format::kTable:
      WriteTable(CellGrid(runs), out);
      return WriteAdvice(runs, out);
    case Format::kMarkdown:
      return WriteMarkdown(CellGrid(runs), out);
    case Format::kWriteup:
      WriteWriteup(runs, out);
      return WriteAdvice(runs, out);
    case Format::kCsv:
      return WriteCsv(RunSheet(runs, RunColumns()), out);
    case Format::kJson:
      return WriteJson(RunSheet(runs, RunColumns()), out);
    case Format::kJsonLines:
      return WriteJsonLines(RunSheet(runs, RunColumns()), out);
  }
}

}  // namespace torchlap::client::format
