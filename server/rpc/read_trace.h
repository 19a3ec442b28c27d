// ReadTrace: the file of a trace run, in pieces.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <utility>

#include "server/rpc/sink.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. `runs` outlives it.
class ReadTrace {
 public:
  ReadTrace(const storage::RunStore* runs, std::filesystem::path state_folder)
      : runs_(runs), state_folder_(std::move(state_folder)) {}

  // CANCELLED when `sink` returned false.
  absl::Status Stream(const storage::Caller& caller, const v1::ReadTraceRequest& request,
                      const Sink<v1::ReadTraceResponse>& sink) const;

 private:
  const storage::RunStore* const runs_;
  const std::filesystem::path state_folder_;
};

}  // namespace torchlap::rpc
