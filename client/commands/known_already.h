// What `run` and `submit` do with what is known already: stored runs in place of new ones
// (--reuse), and a forecast in place of a sweep (--dry-run).
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/output.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// When runs must have begun to be reused, in Unix nanoseconds; 0: --reuse was not given.
// INVALID_ARGUMENT: it is no time before now, or --trace is given, which needs runs of its own.
absl::StatusOr<int64_t> ParseReuse(const KnownWords& known, const SweepWords& sweep);

// A sweep, parted into what stored runs answer and what is left.
struct PartedSweep {
  std::vector<v1::JobForecast> cells;  // all, in their order
  v1::SubmitJobsRequest left;          // without what is answered; may have no jobs
  std::vector<size_t> places_left;     // of the jobs left, among the cells
};

// Asks the daemon. An error is the call's; INTERNAL: it answered for another number of cells.
absl::StatusOr<PartedSweep> Part(v1::SubmitJobsRequest request, int64_t since_ns,
                                 DaemonChannel* channel);

// `reused 17.2, 18.1 (2 of 6 cells); --reuse 30d`, and why the others are not: `not reused: 3 no
// clean run, 1 kernel 6.1 -> 6.2`. The second line is left out where there is none. Where nothing
// is left, but a name or labels were given: `nothing is run, so nothing is named x`.
std::vector<std::string> ReusedLines(const PartedSweep& parted, const std::string& typed);

// What the daemon foretells of the cells. An error is the call's; INTERNAL: it answered for another
// number of cells.
absl::StatusOr<v1::ForecastJobsResponse> ForecastCells(const v1::SubmitJobsRequest& request,
                                                       int64_t since_ns, DaemonChannel* channel);

// Where no daemon is reached: the cells as they were typed, with the defaults of numbers.
v1::ForecastJobsResponse CellsAlone(const v1::SubmitJobsRequest& request);

// What stderr says above them.
std::string NothingKnownLine(const absl::Status& unavailable);

// `run` with --reuse: says what is reused, submits and follows the rest, and prints one table of
// all cells in their order. Where nothing is left nothing is submitted. Returns the exit code, as
// SubmitAndFollow does.
absl::StatusOr<int> RunWhatIsLeft(v1::SubmitJobsRequest request, int64_t since_ns,
                                  const RunOptions& options, const Output& output,
                                  const Invocation& invocation);

// `run` and `submit` with --dry-run: prints the forecast of the cells, and returns 0 also where one
// cannot fit. Where no daemon is reached the cells stand alone, and stderr says so.
absl::StatusOr<int> DryRun(const v1::SubmitJobsRequest& request, int64_t since_ns,
                           const OutputWords& words, const Invocation& invocation);

}  // namespace torchlap::client
