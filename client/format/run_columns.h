// Columns of measured numbers, as the tables of runs share them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// What a cell says where the column has no meaning for its row.
inline constexpr char kNotApplicable[] = "-";

// Appends a column, a cell a row of the grid.
using CellText = std::function<std::string(const v1::Run&)>;
void AddColumn(const std::string& title, const std::vector<v1::Run>& runs, const CellText& text,
               Grid* grid);

// Appends it if `has` holds for a run.
void AddColumnIfAny(const std::string& title, const std::vector<v1::Run>& runs,
                    bool (*has)(const v1::Run&), const CellText& text, Grid* grid);

// forward, backward, optimizer and step, as far as the runs time them. The loss is short and nobody
// compares it: it is in csv and json only.
void AddPhaseColumns(const std::vector<v1::Run>& runs, Grid* grid);

// The largest of those columns: one noisy phase must not hide behind a calm sum.
std::string CvCell(const v1::Run& run);

// `2.00x`
std::string RatioCell(const v1::Run& run);
bool HasBackward(const v1::Run& run);

// A rate of the run as far as it is known: it is as noisy as the step that it is made from.
std::string RateText(const v1::Run& run, double rate);

// Of a run that has them.
std::string TokensText(const v1::Run& run);

// Strikes the columns from this one on in the rows of runs that were declared invalid: they have
// numbers, which do not count.
void StrikeInvalid(const std::vector<v1::Run>& runs, size_t first_column, Grid* grid);

// NoteWords, where a row has something to say.
void AddNotes(const std::vector<v1::Run>& runs, Grid* grid);

// `152.3 ± 8.5`, of the whole step; `-` without numbers.
std::string StepTimeCell(const v1::Run& run);

}  // namespace torchlap::client::format
