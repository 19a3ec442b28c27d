// What several commands do at their end: fetch rows and print them.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <vector>

#include "client/daemon_channel.h"
#include "client/format/legend.h"
#include "client/output.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// All rows that the filter chooses; connects anew once if the daemon went away in between.
absl::StatusOr<std::vector<v1::Run>> FetchRows(const v1::RunFilter& filter, v1::RowKind kind,
                                               DaemonChannel* channel);

// What ran the rows, asked once for each of their devices. An answer that does not come leaves its
// environment out: a table is shown all the same.
std::vector<format::DeviceNote> FetchDeviceNotes(const std::vector<v1::Run>& rows,
                                                 DaemonChannel* channel);

// Fetches the rows that the format shows (cells, or runs) and prints them. No rows: says so on
// stderr.
absl::Status PrintResults(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel);

// The same at the end of something that was followed: with -o a terminal is shown the table too.
absl::Status PrintResultsAndTable(const v1::RunFilter& filter, const Output& output,
                                  const Console& console, DaemonChannel* channel);

}  // namespace torchlap::client
