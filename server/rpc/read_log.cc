#include "server/rpc/read_log.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "server/host/state_folders.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kBytesInAMessage = 256 * 1024;

// The run is there.
absl::Status NoLog(const v1::Run& run) {
  switch (run.outcome()) {
    case v1::OUTCOME_UNSPECIFIED:
      return absl::NotFoundError(
          fmt::format("run {} has no log yet: it has only begun", run.run_id()));
    case v1::OUTCOME_SKIPPED:
      return absl::NotFoundError(
          fmt::format("run {} has no log: it was skipped, without a worker", run.run_id()));
    default:
      return absl::NotFoundError(
          fmt::format("run {} has no log any more: its file is not there", run.run_id()));
  }
}

}  // namespace

absl::Status ReadLog::Stream(const storage::Caller& caller, const v1::ReadLogRequest& request,
                             const Sink<v1::ReadLogResponse>& sink) const {
  absl::Status may_see = runs_->CheckMaySee(request.run_id(), caller);
  if (!may_see.ok()) return may_see;
  const auto detail = runs_->Get(request.run_id());
  if (!detail.ok()) return detail.status();
  std::ifstream file(host::LogFile(state_folder_, request.run_id()), std::ios::binary);
  if (!file) return NoLog(detail->run());
  std::string piece(kBytesInAMessage, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())), file.gcount() > 0) {
    v1::ReadLogResponse part;
    part.set_data(piece.data(), static_cast<size_t>(file.gcount()));
    if (!sink(std::move(part))) return ReaderGone();
  }
  if (!file.bad()) return absl::OkStatus();
  return absl::DataLossError(fmt::format("cannot read the log of run {} to its end: {}",
                                         request.run_id(), std::strerror(errno)));
}

}  // namespace torchlap::rpc
