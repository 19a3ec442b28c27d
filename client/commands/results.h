// The results of jobs, as a table or a file.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "client/console.h"
#include "client/daemon_channel.h"
#include "client/format/document.h"
#include "client/format/legend.h"
#include "client/output.h"
#include "client/pivot.h"
#include "proto/columns.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// All rows that match: runs, or cells. Asks once more if the service went away in between.
absl::StatusOr<std::vector<v1::Run>> FetchRows(const v1::ExportRunsRequest& request,
                                               DaemonChannel* channel);

// The error of a result that would be empty: NOT_FOUND with what the selector has without the
// filters beside it, DATA_LOSS where something matches and cannot be shown.
absl::Status NothingMatches(const v1::RunFilter& filter, DaemonChannel* channel);

// What ran the rows, asked once for each of their devices. An answer that does not come leaves its
// environment out: a table is shown all the same.
std::vector<format::DeviceNote> FetchDeviceNotes(const std::vector<v1::Run>& rows,
                                                 DaemonChannel* channel);

// Changes a document before it is written; empty: nothing is changed.
using Adapt = std::function<format::Document(format::Document)>;

// Prints, or writes to a file, what the filter chooses: for people measurements as tables, the
// experiments among them (warm-up, fit, calibration) as their own commands show them; for programs
// a row a run, as they come, or the object of the one experiment that was chosen. Jobs without a
// finished run are rows, too, where the filter names jobs. NOT_FOUND: nothing matches; nothing was
// written, and the message says what is there.
absl::Status PrintResults(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel, const Adapt& adapt = nullptr);

// PrintResults at the end of something that was followed: with -o a terminal is shown the table
// too.
absl::Status PrintResultsAndTable(const v1::RunFilter& filter, const Output& output,
                                  const Console& console, DaemonChannel* channel);

// Smaller places come first; rows of the same stay as they came.
using PlaceOf = std::function<size_t(const v1::Run& row)>;

// PrintResultsAndTable of measurements, with the rows in that order and, for people, a note below.
absl::Status PrintInOrder(const v1::RunFilter& filter, const PlaceOf& place,
                          const format::Lines& note, const Output& output, const Console& console,
                          DaemonChannel* channel);

// PrintResults with these columns alone: for people a row a cell (format::ShowColumns), for
// programs a row a run in full precision.
absl::Status PrintColumns(const v1::RunFilter& filter, const std::vector<RunColumn>& columns,
                          const Output& output, const Console& console, DaemonChannel* channel,
                          const Adapt& adapt);

// The cells that the filter chooses as a table of settings. Errors of ShowPivot (format/pivot.h)
// beside those of PrintResults.
absl::Status PrintPivot(const v1::RunFilter& filter, const Pivot& pivot, const Output& output,
                        const Console& console, DaemonChannel* channel, const Adapt& adapt);

// PrintResults with a row for each step of the chosen runs.
absl::Status PrintSamples(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel);

}  // namespace torchlap::client
