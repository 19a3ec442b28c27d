// ListSweeps.
#pragma once

#include <absl/status/status.h>

#include "storage/records.h"
#include "storage/sweep_list.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. `database` outlives it.
class ListSweeps {
 public:
  explicit ListSweeps(const storage::Database* database) : sweeps_(database) {}

  absl::Status Answer(const storage::Caller& caller, const v1::ListSweepsRequest& request,
                      v1::ListSweepsResponse* response) const;

 private:
  const storage::SweepList sweeps_;
};

}  // namespace torchlap::rpc
