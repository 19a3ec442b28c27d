#include "server/rpc/query_sql.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "server/rpc/spool.h"

namespace torchlap::rpc {
namespace {

constexpr int kMostAtOnce = 2;
constexpr uint64_t kUsualRows = 100'000;
constexpr uint64_t kMostRows = 10'000'000;

// One of the queries that run, while it lives.
class Turn {
 public:
  explicit Turn(std::atomic<int>* running) : running_(running), before_(running->fetch_add(1)) {}
  ~Turn() { running_->fetch_sub(1); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  bool is_there() const { return before_ < kMostAtOnce; }

 private:
  std::atomic<int>* const running_;
  const int before_;
};

absl::StatusOr<uint64_t> RowsOf(const v1::QuerySqlRequest& request) {
  if (request.max_rows() == 0) return kUsualRows;
  if (request.max_rows() <= kMostRows) return request.max_rows();
  return absl::InvalidArgumentError(
      fmt::format("max_rows is {}, must be at most {}", request.max_rows(), kMostRows));
}

absl::Status Send(Spool* spool, const Sink<v1::QuerySqlResponse>& sink) {
  for (;;) {
    v1::QuerySqlResponse part;
    bool is_there = false;
    absl::Status status = spool->Take(&part, &is_there);
    if (!status.ok() || !is_there) return status;
    if (!sink(std::move(part))) return ReaderGone();
  }
}

}  // namespace

QuerySql::QuerySql(storage::Database* database, storage::JobStore* /*jobs*/,
                   storage::RunStore* /*runs*/, const storage::SqlLimits& limits,
                   const Clock* clock)
    : database_(database), limits_(limits), clock_(clock) {}

absl::Status QuerySql::Stream(const storage::Caller& caller, const v1::QuerySqlRequest& request,
                              const Sink<v1::QuerySqlResponse>& sink) const {
  if (!caller.sees_all) {
    return absl::PermissionDeniedError(
        "a query reads everyone's runs, as this daemon is private; only an admin may ask it: use "
        "torchlap runs or export for yours");
  }
  const auto rows = RowsOf(request);
  if (!rows.ok()) return rows.status();
  storage::SqlLimits limits = limits_;
  limits.max_rows = *rows;
  Spool spool(database_->file().parent_path(), &room_);
  absl::Status kept;
  {
    const Turn turn(&running_);
    if (!turn.is_there()) {
      return absl::ResourceExhaustedError(
          fmt::format("{} queries run already; each takes {} s at most: try again then",
                      kMostAtOnce, limits.time_ns / 1'000'000'000));
    }
    absl::Status status = storage::RunSql(database_->file(), request.sql(), limits, *clock_,
                                          [&](const v1::QuerySqlResponse& part) {
                                            kept = spool.Put(part);
                                            return kept.ok();
                                          });
    if (!status.ok()) return status;
  }
  if (!kept.ok()) return kept;
  return Send(&spool, sink);
}

}  // namespace torchlap::rpc
