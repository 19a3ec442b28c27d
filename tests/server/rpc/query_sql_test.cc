#include "server/rpc/query_sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/rpc/spool.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kEndless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

class QuerySqlTest : public storage::StoreTest {
 protected:
  static v1::QuerySqlRequest Query(const std::string& sql, uint64_t max_rows = 0) {
    v1::QuerySqlRequest request;
    request.set_sql(sql);
    request.set_max_rows(max_rows);
    return request;
  }
  absl::Status Ask(const QuerySql& call, const v1::QuerySqlRequest& request,
                   const storage::Caller& caller) {
    parts_.clear();
    return call.Stream(caller, request, [this](v1::QuerySqlResponse part) {
      parts_.push_back(std::move(part));
      return true;
    });
  }
  absl::Status Ask(const v1::QuerySqlRequest& request) {
    return Ask(QuerySql(database_.get(), jobs_.get(), runs_.get()), request, ann_);
  }

  std::vector<v1::QuerySqlResponse> parts_;
};

TEST_F(QuerySqlTest, AnswersWithColumnsAndRows) {
  RunToEnd(storage::MakeJob());
  const absl::Status status = Ask(Query("SELECT run_id, user FROM runs"));
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_THAT(parts_, SizeIs(1));
  EXPECT_THAT(parts_[0].columns(), testing::ElementsAre("run_id", "user"));
  ASSERT_EQ(parts_[0].rows_size(), 1);
  EXPECT_EQ(parts_[0].rows(0).values(0).text(), "1.1");
  EXPECT_FALSE(parts_[0].is_cut());
}

TEST_F(QuerySqlTest, AMistakeComesBeforeAnyRow) {
  const absl::Status status = Ask(Query("SELECT run_id FROM job"));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(parts_, IsEmpty());
  // The first 999 rows are right.
  const absl::Status late =
      Ask(Query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                "SELECT iif(i < 1000, i, abs(-9223372036854775807 - 1)) FROM n"));
  EXPECT_TRUE(absl::IsInvalidArgument(late)) << late;
  EXPECT_THAT(parts_, IsEmpty());
}

TEST_F(QuerySqlTest, HasALimitOfItsOwnAndRefusesALargerOne) {
  const std::string many =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) "
      "SELECT i FROM n";
  ASSERT_TRUE(Ask(Query(many)).ok());
  int rows = 0;
  for (const v1::QuerySqlResponse& part : parts_) rows += part.rows_size();
  EXPECT_EQ(rows, 100'000);
  EXPECT_TRUE(parts_.back().is_cut());
  ASSERT_TRUE(Ask(Query("VALUES (1), (2)", 1)).ok());
  EXPECT_TRUE(parts_.back().is_cut());
  EXPECT_EQ(Ask(Query("SELECT 1", 10'000'001)),
            absl::InvalidArgumentError("max_rows is 10000001, must be at most 10000000"));
}

TEST_F(QuerySqlTest, IsNotForWhomMayNotSeeEverything) {
  RunToEnd(storage::MakeJob());
  storage::Caller stranger = bob_;
  stranger.sees_all = false;
  const absl::Status status =
      Ask(QuerySql(database_.get(), jobs_.get(), runs_.get()), Query("SELECT 1"), stranger);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("this daemon is private"));
  EXPECT_THAT(parts_, IsEmpty());
}

TEST_F(QuerySqlTest, EndsAfterItsTime) {
  storage::SqlLimits limits;
  limits.time_ns = 1'000'000;
  const absl::Status status =
      Ask(QuerySql(database_.get(), jobs_.get(), runs_.get(), limits), Query(kEndless), ann_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

// Asks its question from within the answer to another, which has given its turn back by then.
TEST_F(QuerySqlTest, AReaderThatIsSlowHoldsNobodyUp) {
  const QuerySql call(database_.get(), jobs_.get(), runs_.get());
  int depth = 0;
  std::function<bool(v1::QuerySqlResponse)> sink = [&](const v1::QuerySqlResponse&) {
    if (++depth < 4) {
      const absl::Status status = call.Stream(ann_, Query("SELECT 1"), sink);
      EXPECT_TRUE(status.ok()) << status;
    }
    return true;
  };
  EXPECT_TRUE(call.Stream(ann_, Query("SELECT 1"), sink).ok());
  EXPECT_EQ(depth, 4);
  EXPECT_TRUE(database_->Shrink().ok());
}

// A clock on which the time of a query is over when the test says so, and that knows how many
// queries there are.
class HeldClock final : public Clock {
 public:
  int64_t WallNs() const override { return 0; }
  int64_t MonotonicNs() const override {
    const std::lock_guard lock(mutex_);
    threads_.insert(std::this_thread::get_id());
    return over_ ? kNever : 0;
  }
  int Poll(pollfd* /*descriptors*/, size_t /*count*/, int64_t /*deadline_ns*/) const override {
    return 0;
  }
  void End() {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  void WaitForThreads(size_t count) const {
    for (;;) {
      const std::lock_guard lock(mutex_);
      if (threads_.size() >= count) return;
    }
  }

 private:
  mutable std::mutex mutex_;
  mutable std::set<std::thread::id> threads_;
  bool over_ = false;
};

TEST_F(QuerySqlTest, AThirdQueryAtATimeIsRefused) {
  HeldClock clock;
  const QuerySql call(database_.get(), jobs_.get(), runs_.get(), {}, &clock);
  const auto ask = [&](const char* sql) {
    return call.Stream(ann_, Query(sql), [](const v1::QuerySqlResponse&) { return true; });
  };
  auto first = std::async(std::launch::async, ask, kEndless);
  auto second = std::async(std::launch::async, ask, kEndless);
  clock.WaitForThreads(2);
  const absl::Status third = ask("SELECT 1");
  EXPECT_TRUE(absl::IsResourceExhausted(third)) << third;
  EXPECT_THAT(std::string(third.message()), HasSubstr("2 queries run already"));
  clock.End();
  EXPECT_TRUE(absl::IsDeadlineExceeded(first.get()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(second.get()));
}

TEST_F(QuerySqlTest, WhoeverIsGoneEndsIt) {
  const QuerySql call(database_.get(), jobs_.get(), runs_.get());
  const absl::Status status =
      call.Stream(ann_, Query("SELECT 1"), [](const v1::QuerySqlResponse&) { return false; });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

class SpoolTest : public testing::Test {
 protected:
  static v1::QuerySqlResponse Part(int number, size_t size) {
    v1::QuerySqlResponse part;
    part.add_columns(std::to_string(number) + std::string(size, 'x'));
    return part;
  }
  const storage::TemporaryFolder folder_;
};

TEST_F(SpoolTest, GivesBackWhatWasPutInInOrderFromMemoryAndFile) {
  Spool spool(folder_.path(), {.in_memory = 5000, .in_all = 1'000'000});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(spool.Put(Part(i, i % 2 == 0 ? 3000 : 1)).ok()) << i;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "the file has no name";
  for (int i = 0; i < 20; ++i) {
    v1::QuerySqlResponse part;
    bool is_there = false;
    ASSERT_TRUE(spool.Take(&part, &is_there).ok());
    ASSERT_TRUE(is_there) << i;
    EXPECT_EQ(part.columns(0), Part(i, i % 2 == 0 ? 3000 : 1).columns(0));
  }
  v1::QuerySqlResponse part;
  bool is_there = true;
  EXPECT_TRUE(spool.Take(&part, &is_there).ok());
  EXPECT_FALSE(is_there);
}

TEST_F(SpoolTest, SeveralHaveOneRoomAndGiveItBack) {
  Spool::Room room = {.most = 5000};
  const Spool::Limits limits = {.in_memory = 10, .in_all = 1'000'000};
  Spool first(folder_.path(), limits, &room);
  EXPECT_TRUE(first.Put(Part(1, 2000)).ok());
  {
    Spool second(folder_.path(), limits, &room);
    EXPECT_TRUE(second.Put(Part(2, 2000)).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(second.Put(Part(3, 2000))));
  }
  EXPECT_TRUE(first.Put(Part(4, 2000)).ok());
}

TEST_F(SpoolTest, RefusesWhatIsMoreThanItMayKeep) {
  Spool spool(folder_.path(), {.in_memory = 1000, .in_all = 5000});
  EXPECT_TRUE(spool.Put(Part(1, 4000)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(spool.Put(Part(2, 4000))));
  Spool nowhere(folder_.path() / "none", {.in_memory = 10, .in_all = 5000});
  EXPECT_FALSE(nowhere.Put(Part(1, 100)).ok());
}

}  // namespace
}  // namespace torchlap::rpc
