#include "server/rpc/query_sql.h"

namespace torchlap::rpc {

absl::Status QuerySql::Stream(const storage::Caller& caller, const v1::QuerySqlRequest& request,
                              const Sink<v1::QuerySqlResponse>& sink) const {
  (void)caller;
  (void)request;
  (void)sink;
  (void)database_;
  (void)jobs_;
  (void)runs_;
  return absl::UnimplementedError("QuerySql");
}

}  // namespace torchlap::rpc
