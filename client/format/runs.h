// Runs as documents.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "proto/columns.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// The result table: one row a cell. What is the same in all rows moves to the caption; failed cells
// say why; CV is the largest of the row's columns. With launches pooled `within a launch` has
// the noise of one of them.
Grid CellGrid(const std::vector<v1::Run>& cells);

// The list that `runs` prints: one row a run, one line each.
Grid RunListGrid(const std::vector<v1::Run>& runs);

// Chosen columns in full precision, one row a run.
Grid ColumnGrid(const std::vector<v1::Run>& runs, const std::vector<RunColumn>& columns);

// The lines that the course's benchmark prints, one paragraph a cell.
std::vector<Lines> RunParagraphs(const std::vector<v1::Run>& cells);

// The result of a sweep: CellGrid, and what to do about it (advice.h). `rows` are cells or runs, as
// the format shows them. Below a table stands what its numbers are (legend.h); without
// `find_devices` the rows alone say what they were measured on.
Document ShowResults(std::vector<v1::Run> rows, FindDevices find_devices = nullptr);

// What `runs` prints: RunListGrid, or ColumnGrid of the columns that were chosen.
Document ListRuns(std::vector<v1::Run> runs, const std::vector<RunColumn>& columns);

}  // namespace torchlap::client::format
