#include "server/rpc/read_trace.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "proto/words.h"
#include "server/host/state_folders.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kBytesInAMessage = 256 * 1024;

// Whether the run may have a trace.
absl::Status CheckTraced(const v1::Run& run) {
  if (run.purpose() != v1::PURPOSE_TRACE) {
    return absl::NotFoundError(fmt::format("run {} has no trace: its purpose is {}, not trace",
                                           run.run_id(), Word(run.purpose())));
  }
  if (run.outcome() == v1::OUTCOME_UNSPECIFIED) {
    return absl::FailedPreconditionError(
        fmt::format("run {} has no trace yet: it is not finished", run.run_id()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadTrace::Stream(const storage::Caller& caller, const v1::ReadTraceRequest& request,
                               const Sink<v1::ReadTraceResponse>& sink) const {
  absl::Status may_see = runs_->CheckMaySee(request.run_id(), caller);
  if (!may_see.ok()) return may_see;
  const auto detail = runs_->Get(request.run_id());
  if (!detail.ok()) return detail.status();
  if (absl::Status traced = CheckTraced(detail->run()); !traced.ok()) return traced;
  std::ifstream file(host::TraceFile(state_folder_, request.run_id()), std::ios::binary);
  if (!file) {
    return absl::NotFoundError(fmt::format("run {} left no trace: it ended {}", request.run_id(),
                                           Word(detail->run().outcome())));
  }
  std::string piece(kBytesInAMessage, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    v1::ReadTraceResponse part;
    part.set_data(piece.data(), static_cast<size_t>(file.gcount()));
    if (!sink(std::move(part))) return ReaderGone();
  }
  if (!file.bad()) return absl::OkStatus();
  return absl::DataLossError(fmt::format("cannot read the trace of run {} to its end: {}",
                                         request.run_id(), std::strerror(errno)));
}

}  // namespace torchlap::rpc
