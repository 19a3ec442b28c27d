// Columns of runs as people read them (proto/columns.h): numbers that end where their noise begins,
// why there is none, and what is to be known of them. Pivot tables and chosen columns share it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "client/format/sheet.h"
#include "proto/columns.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// `step median (ms)`, `tokens/s`, `model size`.
std::string ColumnTitle(const RunColumn& column);

// In the stored unit; nothing where the run has none or the column is no number.
std::optional<double> StoredNumber(const RunColumn& column, const v1::Run& run);

// A number beside the column's own, in the same message: `std_ns`, in its stored unit. Nothing
// where there is none or it is unset.
std::optional<double> Neighbour(const RunColumn& column, const v1::Run& run, const char* name);

// Of the 95 % interval of the column's median, in the stored unit; nothing without one.
std::optional<double> HalfWidth(const RunColumn& column, const v1::Run& run);

// The name of the column's own field: `median_ns`.
std::string FieldName(const RunColumn& column);

// A stored number in the unit of ColumnTitle, ended where its noise begins; one without noise has
// four digits, noise itself two, a count all.
std::string ColumnText(const RunColumn& column, const v1::Run& run, double number);

// Whether the column is a number that a run has because it ran: no setting, no id, and nothing that
// a failed run has too.
bool IsMeasured(const RunColumn& column);

// What the table says, `value` being the run's value of the column: ColumnText of numbers that are
// not whole, other values as they are. `-`: there is none; of a measured number of a run that did
// not end OK WhyNoNumber.
std::string ColumnCell(const RunColumn& column, const Value& value, const v1::Run& run);

// `OOM`, `timed out`, `queued`; empty for a run that ended OK.
std::string WhyNoNumber(const v1::Run& run);

// What is to be known of a number: that it was declared invalid, sizes that shrank, a verdict that
// is not clean. Empty for a run without numbers.
std::string CellNote(const v1::Run& run);

// The CellNote of each cell, said once below the table, and the marks that lead there.
class CellNotes {
 public:
  explicit CellNotes(const std::vector<v1::Run>& cells);

  // ` (a)`; empty for a cell of which there is nothing to be said, and where it is so of all.
  std::string MarkOf(const v1::Run& cell) const;

  // `(a) batch 4 -> 2 (OOM)`, or `all cells: ...` of what has no mark; last how many contaminated
  // ones are in it.
  Lines Explained() const;

 private:
  std::vector<std::string> notes_;
  bool is_of_all_ = false;
  std::string contaminated_;
};

// What is the same for all cells of a model, with the model where it is; empty where there is none.
std::string CellsCaption(const std::vector<v1::Run>& cells);

}  // namespace torchlap::client::format
