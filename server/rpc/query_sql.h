// QuerySql: read-only SQL on the views (storage/sql_query.h).
#pragma once

#include <absl/status/status.h>

#include <atomic>

#include "proto/base/clock.h"
#include "server/rpc/sink.h"
#include "server/rpc/spool.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "storage/sql_query.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class QuerySql {
 public:
  QuerySql(storage::Database* database, storage::JobStore* jobs, storage::RunStore* runs,
           const storage::SqlLimits& limits = {}, const Clock* clock = &SystemClock());

  // The query runs to its end before its rows are sent (server/rpc/spool.h), so that no reader,
  // however slow, pins the WAL, and an error comes before the first row. Two queries run at a time:
  // a third is RESOURCE_EXHAUSTED, and so is a result of more than 256 MiB, or one that with those
  // that are still being sent has more than 1 GiB in files beside the database. PERMISSION_DENIED:
  // the caller may not see everyone's runs, which the views have. CANCELLED when `sink` returned
  // false.
  absl::Status Stream(const storage::Caller& caller, const v1::QuerySqlRequest& request,
                      const Sink<v1::QuerySqlResponse>& sink) const;

 private:
  const storage::Database* const database_;
  const storage::SqlLimits limits_;
  const Clock* const clock_;
  mutable std::atomic<int> running_ = 0;
  // A reader may take ten minutes and more, and one user have many of them.
  mutable Spool::Room room_;
};

}  // namespace torchlap::rpc
