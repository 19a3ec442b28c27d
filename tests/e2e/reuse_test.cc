// Runs that are taken again in place of new ones, and what is known before anything runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// Two cells on a fake GPU whose driver can be changed.
class ReuseTest : public testing::Test {
 protected:
  ReuseTest() : world_(World::FakeGpus()) {}
  void SetUp() override {
    Install("580.65.06");
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    const Finished ran = Run({});
    ASSERT_EQ(ran.status, 0) << ran.err;
    Restart();
  }
  void Install(const std::string& driver) {
    world_.DescribeGpus("driver " + driver + "\ngpu GPU-1111 40960 NVIDIA A100\n");
  }
  // What a fake worker measures is no clean run; here it was.
  void Restart() {
    ASSERT_EQ(world_.Stop(), 0);
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(world_.database().c_str(), &database), SQLITE_OK);
    // Other runs of a kind would have its name after that.
    const char* sql =
        "UPDATE run SET validity = 1, kind_id = NULL; DELETE FROM run_kind; "
        "INSERT INTO run_kind SELECT NULL, asked_workload_id, owner_id, device_id, outcome, "
        "validity, purpose, ifnull(timing, 0), count(*) FROM run GROUP BY 2, 3, 4, 5, 6, 7, 8; "
        "UPDATE run SET kind_id = (SELECT id FROM run_kind WHERE "
        "run_kind.asked_workload_id = run.asked_workload_id AND run_kind.outcome = run.outcome)";
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  }
  Finished Run(const std::vector<std::string>& more) {
    std::vector<std::string> words = Tiny({"--device", "cuda:0", "--precision", "fp32,bf16"});
    words.insert(words.begin(), "run");
    words.insert(words.end(), more.begin(), more.end());
    return world_.Client(words);
  }
  size_t Runs() { return world_.Json({"runs"}).size(); }

  World world_;
};

TEST_F(ReuseTest, WhatWasMeasuredIsNotMeasuredAgain) {
  const Finished again = Run({"--reuse", "1h", "--format", "json"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("reused 1.1, 2.1 (2 of 2 cells); --reuse 1h"));
  EXPECT_EQ(Runs(), 2U);
  const json rows = json::parse(again.out);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["precision"], "fp32");
  EXPECT_EQ(rows[1]["precision"], "bf16");
}

TEST_F(ReuseTest, TheCellsThatAreLeftAreRun) {
  const Finished more = Run({"--reuse", "1h", "--cell", "batch=1,precision=fp32"});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_THAT(more.err, HasSubstr("reused 1.1, 2.1 (2 of 3 cells); --reuse 1h"));
  EXPECT_THAT(more.err, HasSubstr("1 cell"));
  EXPECT_EQ(Runs(), 3U);
  EXPECT_EQ(Run({"--reuse", "1h", "--launches", "2"}).status, 0);
  EXPECT_EQ(Runs(), 7U) << "one launch of each cell is no answer for two";
}

TEST_F(ReuseTest, RunsUnderAnotherDriverAreNotReused) {
  ASSERT_EQ(world_.Stop(), 0);
  Install("580.95.05");
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  const Finished planned = Run({"--reuse", "1h", "--dry-run", "--format", "json"});
  ASSERT_EQ(planned.status, 0) << planned.err;
  const json cells = json::parse(planned.out);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[0]["no_reuse"], "environment");
  EXPECT_EQ(cells[0]["environment_changes"], "driver 580.65.06 -> 580.95.05");
  const Finished again = Run({"--reuse", "1h"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("reused nothing (0 of 2 cells)"));
  EXPECT_EQ(Runs(), 4U);
}

TEST_F(ReuseTest, ADryRunForetellsByWhatRan) {
  const Finished planned =
      Run({"--dry-run", "--cell", "batch=4,precision=fp32", "--format", "json"});
  ASSERT_EQ(planned.status, 0) << planned.err;
  const json cells = json::parse(planned.out);
  ASSERT_EQ(cells.size(), 3U);
  EXPECT_EQ(cells[0]["device"], "cuda:0");
  EXPECT_EQ(cells[0]["device_bytes"], 42949672960);
  EXPECT_EQ(cells[0]["time_basis"], "series");
  EXPECT_EQ(cells[0]["time_runs"], 1);
  EXPECT_GT(cells[0]["needed_bytes"].get<uint64_t>(), 0U);
  EXPECT_EQ(cells[2]["time_basis"], "scaled");
  EXPECT_EQ(cells[2]["fit"], "by-arithmetic");
  EXPECT_EQ(Runs(), 2U);
  ASSERT_EQ(world_.Stop(), 0);
  const Finished alone = Run({"--dry-run"});
  EXPECT_EQ(alone.status, 0) << alone.err;
  EXPECT_THAT(alone.err, HasSubstr("nothing is known of memory, time and history"));
  EXPECT_THAT(alone.out, HasSubstr("2 cells: 2 to run"));
  EXPECT_THAT(alone.out, Not(HasSubstr("cuda:0")));
}

}  // namespace
}  // namespace torchlap::e2e
