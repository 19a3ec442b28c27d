// ReadLog: what a run's worker wrote to its standard error, in pieces.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <utility>

#include "server/rpc/sink.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. `runs` outlives it.
class ReadLog {
 public:
  ReadLog(const storage::RunStore* runs, std::filesystem::path state_folder)
      : runs_(runs), state_folder_(std::move(state_folder)) {}

  // Of a run that is not finished: what it wrote so far. NOT_FOUND: there is no such run, or it has
  // no log; the message says which. CANCELLED when `sink` returned false.
  absl::Status Stream(const storage::Caller& caller, const v1::ReadLogRequest& request,
                      const Sink<v1::ReadLogResponse>& sink) const;

 private:
  const storage::RunStore* const runs_;
  const std::filesystem::path state_folder_;
};

}  // namespace torchlap::rpc
