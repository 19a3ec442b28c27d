// Runs as documents.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "proto/columns.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// The result table: one row a cell. What is the same in all rows moves to the caption; failed cells
// say why; CV is the largest of the row's columns. With launches pooled `within a launch` has
// the noise of one of them.
Grid CellGrid(const std::vector<v1::Run>& cells);

// The list that `runs` prints: one row a run, one line each, with every column.
Grid RunListGrid(const std::vector<v1::Run>& runs);

// The same in 80 columns: what all runs have in common above, then what differs, settings that are
// no column of the long list among them; why a run has no time stands where the time would. Columns
// are shortened, and below stands which are left out. Nothing of no runs.
std::vector<Block> NarrowRunList(const std::vector<v1::Run>& runs);

// Chosen columns, one row a run: cells of column_cells.h, the measured ones with marks that lines
// below the table explain.
std::vector<Block> ColumnBlocks(const std::vector<v1::Run>& runs,
                                const std::vector<RunColumn>& columns);

// The same for a text: what is the same for all cells above it, what ran them below it. Without
// rows for programs, which are runs.
Document ShowColumns(std::vector<v1::Run> cells, std::vector<RunColumn> columns,
                     FindDevices find_devices);

// The lines that the course's benchmark prints, one paragraph a cell.
std::vector<Lines> RunParagraphs(const std::vector<v1::Run>& cells);

// Rows that may stand in one table: the same timing, on the same kind of device. Numbers of other
// clocks are no neighbours. In the order of their first rows; a row that has no device yet is with
// the first of its timing.
std::vector<std::vector<v1::Run>> Tables(const std::vector<v1::Run>& cells);

// What was chosen, by what it tells.
struct Results {
  std::vector<v1::Run> cells;                       // measurements, and what is none of the others
  std::vector<v1::CompareWarmupsResponse> warmups;  // a sweep each
  std::vector<v1::Job> fits;
  std::vector<v1::Run> calibrations;  // that ended OK
  // Of the rows of a table. Unset: the rows alone say what they were measured on.
  std::function<std::vector<DeviceNote>(const std::vector<v1::Run>&)> find_devices;
};

// The result of a sweep: a CellGrid for each of the tables, what its numbers are (legend.h), what
// the experiments among them show, and what to do about it (advice.h). Without rows for programs.
Document ShowResults(const Results& results);

// The same of cells or runs alone, as the format shows them, with rows for programs.
Document ShowResults(std::vector<v1::Run> rows, const FindDevices& find_devices = nullptr);

// What `runs` prints: NarrowRunList, if `wide` RunListGrid, or ColumnBlocks of the columns that
// were chosen.
Document ListRuns(std::vector<v1::Run> runs, const std::vector<RunColumn>& columns,
                  bool wide = false);

}  // namespace torchlap::client::format
