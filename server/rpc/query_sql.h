// TODO(query_sql): what it is.
#pragma once

#include <absl/status/status.h>

#include "server/rpc/sink.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class QuerySql {
 public:
  QuerySql(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs)
      : database_(database), jobs_(jobs), runs_(runs) {}

  absl::Status Stream(const storage::Caller& caller, const v1::QuerySqlRequest& request,
                      const Sink<v1::QuerySqlResponse>& sink) const;

 private:
  storage::Database* const database_;
  storage::JobStore* const jobs_;
  storage::RunStore* const runs_;
};

}  // namespace torchlap::rpc
