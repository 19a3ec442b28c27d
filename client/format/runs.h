// Runs in every format.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/format/format.h"
#include "client/format/grid.h"
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
void WriteWriteup(const std::vector<v1::Run>& cells, std::ostream& out);

// Cells (or, where the format has one row a run, runs) in the format; below a table and a writeup
// what to do about them (advice.h).
void WriteRuns(Format format, const std::vector<v1::Run>& runs, std::ostream& out);

}  // namespace torchlap::client::format
