// Queries, backups and deletions of runs that really were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// Two runs of one sweep, ended well.
class SqlTest : public testing::Test {
 protected:
  SqlTest() : world_(World::FakeWorker()) {}
  void SetUp() override {
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    std::vector<std::string> words = Tiny({"--name", "two", "--warmup-steps", "1", "2"});
    words.insert(words.begin(), "run");
    const Finished ran = world_.Client(words);
    ASSERT_EQ(ran.status, 0) << ran.err;
  }
  std::string Refused(const std::string& sql) {
    const Finished answer = world_.Client({"sql", sql});
    EXPECT_EQ(answer.status, 1) << sql << answer.out;
    EXPECT_EQ(answer.out, "");
    EXPECT_EQ(LineCount(answer.err), 1U) << answer.err;
    return answer.err;
  }
  World world_;
};

TEST_F(SqlTest, AnswersInEveryFormat) {
  const std::string query = "select run_id, user, batch_size, outcome from runs order by run_id";
  const json rows = world_.Json({"sql", query});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["run_id"], "1.1");
  EXPECT_EQ(rows[0]["batch_size"], 2);
  EXPECT_EQ(rows[1]["outcome"], "OK");
  for (const char* format : {"table", "markdown", "csv", "jsonl"}) {
    const Finished shown = world_.Client({"sql", query, "--format", format});
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr("2.1")) << format;
  }
}

std::string Text(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// `torchlap sql "..."`, which may go over several lines.
TEST_F(SqlTest, TheQueriesOfThePagesAreAnswered) {
  int queries = 0;
  for (const char* page : {"README.md", "COURSE.md", "storage/README.md"}) {
    const std::string text = Text(std::filesystem::path(TORCHLAP_SOURCE_DIR) / page);
    ASSERT_NE(text, "") << page;
    const std::regex query("torchlap sql\\s+\"([^\"]+)\"");
    for (std::sregex_iterator at(text.begin(), text.end(), query), end; at != end; ++at) {
      const Finished answer = world_.Client({"sql", (*at)[1].str()});
      EXPECT_EQ(answer.status, 0) << page << ": " << (*at)[1] << "\n" << answer.err;
      ++queries;
    }
  }
  EXPECT_GE(queries, 2);
}

TEST_F(SqlTest, PhasesOfInvalidRunsSaySo) {
  ASSERT_EQ(world_.Client({"invalidate", "1.1", "--reason", "the fan had failed"}).status, 0);
  const json rows = world_.Json({"sql",
                                 "SELECT DISTINCT run_id, invalid_reason FROM phases "
                                 "ORDER BY run_id"});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["invalid_reason"], "the fan had failed");
  EXPECT_TRUE(rows[1]["invalid_reason"].is_null());
}

// Another program reads the file as it is.
TEST_F(SqlTest, ACsvFileIsReadByOthers) {
  const std::filesystem::path file = world_.folder() / "runs.csv";
  const Finished written = world_.Client({"sql", "select * from runs order by run_id", "-o", file});
  ASSERT_EQ(written.status, 0) << written.err;
  const std::filesystem::path out = world_.folder() / "read.txt";
  Process python({"/usr/bin/python3", "-c",
                  "import csv, sys\n"
                  "rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n"
                  "print(len(rows), rows[0]['run_id'], float(rows[1]['step_mean_ns']) > 0)\n",
                  file},
                 world_.variables(), out, world_.folder() / "python.err");
  EXPECT_EQ(python.Wait(), 0) << python.err();
  EXPECT_EQ(python.out(), "2 1.1 True\n");
}

TEST_F(SqlTest, StepsAreThoseThatShowHas) {
  const json samples = world_.Json({"show", "1.1"})["samples"];
  const json steps =
      world_.Json({"sql", "select step, warmup, step_ns from steps where run_id = '1.1'"});
  ASSERT_EQ(steps.size(), samples.size());
  ASSERT_GT(steps.size(), 0U);
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i]["step"], samples[i]["step"]);
    EXPECT_EQ(steps[i]["step_ns"], samples[i]["step_ns"]);
  }
  const json sweeps = world_.Json({"sql", "select name, jobs, succeeded from sweeps"});
  ASSERT_EQ(sweeps.size(), 1U);
  EXPECT_EQ(sweeps[0]["name"], "two");
  EXPECT_EQ(sweeps[0]["succeeded"], 2);
  const json kept = world_.Json({"sql", "select sum(step_runs) as launches from means"});
  EXPECT_EQ(kept[0]["launches"], 2);
  const json of_days = world_.Json(
      {"sql", "select sum(runs) as runs from daily_means where phase = 'step' and day > '2020'"});
  EXPECT_GE(of_days[0]["runs"], 2) << "those that were run again, too";
}

TEST_F(SqlTest, WhatIsRefusedIsALine) {
  EXPECT_THAT(Refused("select spec from job"),
              HasSubstr("the query reads job, may read the views runs, phases, steps, sweeps"));
  EXPECT_THAT(Refused("with runs as (select * from job) select * from runs"),
              HasSubstr("a table of the query is named runs"));
  EXPECT_THAT(Refused("delete from runs"), StartsWith("torchlap: "));
  EXPECT_THAT(Refused("attach '/tmp/x.db' as x"), StartsWith("torchlap: "));
  EXPECT_THAT(Refused("pragma user_version"), StartsWith("torchlap: "));
  EXPECT_THAT(Refused("select 1; select 2"), HasSubstr("more than one statement"));
  EXPECT_THAT(Refused("select run_id form runs where"), HasSubstr("syntax error"));
  EXPECT_EQ(world_.Query("SELECT count(*) FROM run"), std::vector<std::string>{"2"});
}

TEST_F(SqlTest, ABackupTakesThePlaceOfTheDatabase) {
  const std::string file = world_.folder() / "backup.db";
  const Finished made = world_.Client({"backup", file});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.err, StartsWith("backed up "));
  EXPECT_EQ(world_.Client({"backup", file}).status, 6) << "it is there";
  ASSERT_EQ(world_.Client({"prune", "--runs", "1.1", "--yes"}).status, 0);
  EXPECT_EQ(world_.Json({"sql", "select run_id from runs"}).size(), 1U);

  ASSERT_EQ(world_.Stop(), 0);
  std::filesystem::copy_file(file, world_.database(),
                             std::filesystem::copy_options::overwrite_existing);
  for (const char* ending : {"-wal", "-shm"}) {
    std::filesystem::remove(world_.database().string() + ending);
  }
  ASSERT_TRUE(world_.Start()) << world_.daemon_log();
  EXPECT_EQ(world_.Json({"sql", "select run_id from runs"}).size(), 2U);
}

TEST_F(SqlTest, PruneTakesStepsAndRunsAndTheRestIsSound) {
  const Finished unasked = world_.Client({"prune", "--runs", "all"});
  EXPECT_EQ(unasked.status, 1);
  EXPECT_THAT(unasked.err, HasSubstr("--yes deletes"));
  const Finished counted =
      world_.Client({"prune", "--runs", "1", "--samples-older-than", "0s", "--dry-run"});
  EXPECT_EQ(counted.out, "would delete 1 run and the steps of 2 runs\n") << counted.err;
  const Finished deleted =
      world_.Client({"prune", "--runs", "1", "--samples-older-than", "0s", "--yes"});
  ASSERT_EQ(deleted.status, 0) << deleted.err;
  EXPECT_THAT(deleted.err, StartsWith("deleted 1 run and the steps of 1 run; the database had "));
  EXPECT_EQ(world_.Json({"sql", "select run_id from runs"}).dump(), R"([{"run_id":"2.1"}])");
  EXPECT_EQ(world_.Json({"sql", "select * from steps"}).size(), 0U);
  EXPECT_EQ(world_.Client({"show", "1"}).status, 4);
  ASSERT_EQ(world_.Stop(), 0);
  auto check = world_.StartDaemon({"--check"}, world_.variables());
  EXPECT_EQ(check->Wait(), 0) << check->out() << check->err();
}

}  // namespace
}  // namespace torchlap::e2e
