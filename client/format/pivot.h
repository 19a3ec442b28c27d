// Cells as a table with a setting in its rows and another in its columns: `export --pivot`.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "client/format/document.h"
#include "client/format/legend.h"
#include "client/pivot.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// Rows and columns in the order of the cells, those of numbers by their size. A place without a
// cell is `-`; a cell without a number says why; one whose sizes shrank, whose verdict is not
// clean, or that was declared invalid, has a mark that a line below explains. For programs the same
// rows, with plain numbers, and nothing where there is none. `find_devices` as of ShowResults, may
// be null.
//
// INVALID_ARGUMENT: several cells belong into one place, and which setting tells them apart; no
// cell has the value that others are set against. NOT_FOUND: none of the cells is of a model.
absl::StatusOr<Document> ShowPivot(const std::vector<v1::Run>& cells, const Pivot& pivot,
                                   const FindDevices& find_devices);

}  // namespace torchlap::client::format
