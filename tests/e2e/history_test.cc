// Past runs that really were, asked with the real programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::string Text(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Job 1 is fp32 with steps of 30 ms, job 2 bf16 with steps of 15 ms: a sweep of four launches each.
class HistoryTest : public testing::Test {
 protected:
  HistoryTest() : world_(World::FakeWorker()) {}
  void SetUp() override {
    ASSERT_TRUE(world_.Start()) << world_.daemon_log();
    world_.TellFakeWorker({{"runs", {{"1", Steps(10)}, {"2", Steps(5)}, {"*", Steps(10)}}}});
    Run({"--precision", "fp32", "bf16", "--launches", "4", "--name", "both"});
  }
  // Of each of three phases.
  static json Steps(int phase_ms) {
    const int64_t ns = int64_t{1'000'000} * phase_ms;
    return {{"forward_ns", ns}, {"loss_ns", ns}, {"backward_ns", ns}};
  }
  void Run(const std::vector<std::string>& more) {
    std::vector<std::string> words = Tiny(more);
    words.insert(words.begin(), "run");
    const Finished ran = world_.Client(words);
    ASSERT_EQ(ran.status, 0) << ran.err;
  }
  World world_;
};

TEST_F(HistoryTest, CompareSaysWhichPrecisionIsFasterAndFailsWhereItIsAsked) {
  const json rows = world_.Json({"compare", "--by", "precision"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["verdict"], "faster");
  EXPECT_NEAR(rows[0]["ratio"].get<double>(), 0.5, 0.01);
  EXPECT_EQ(rows[0]["a_launches"], 4);
  const Finished passes =
      world_.Client({"compare", "--by", "precision", "--fail-on", "slower,incomparable"});
  EXPECT_EQ(passes.status, 0) << passes.err;
  EXPECT_THAT(passes.out, HasSubstr("faster by 50 %"));
  const Finished fails =
      world_.Client({"compare", "--by", "precision=bf16", "--fail-on", "slower"});
  EXPECT_EQ(fails.status, 5) << fails.out << fails.err;
  const Finished unknown = world_.Client({"compare", "--by", "colour"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_EQ(LineCount(unknown.err), 1U) << unknown.err;
}

TEST_F(HistoryTest, CompareSidesHaveFiltersOfTheirOwn) {
  world_.TellFakeWorker({{"runs", {{"*", Steps(12)}}}});
  Run({"--launches", "4", "--label", "day=2"});
  EXPECT_EQ(world_.Json({"compare", "sweep:both", "last"}).size(), 2U) << "bf16 is only in A";
  const json rows = world_.Json({"compare", "sweep:both precision=fp32", "since=1d label=day=2"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["verdict"], "slower");
  EXPECT_EQ(rows[0]["a_launches"], 4);
  EXPECT_EQ(rows[0]["b_launches"], 4);
  const Finished unknown = world_.Client({"compare", "sweep:both presicion=fp32", "last"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_EQ(LineCount(unknown.err), 1U) << unknown.err;
}

TEST_F(HistoryTest, UntilDecidedRunsBothAgainUntilThereIsAVerdictFromTheNewRunsAlone) {
  world_.TellFakeWorker({{"runs", {{"3", Steps(10)}, {"4", Steps(12)}, {"*", Steps(1)}}}});
  const Finished compared = world_.Client({"compare", "--by", "precision", "--until-decided",
                                           "--format", "json", "--fail-on", "inconclusive"});
  ASSERT_EQ(compared.status, 0) << compared.out << compared.err;
  const json rows = json::parse(compared.out);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["verdict"], "slower") << "the earlier runs were faster";
  EXPECT_NEAR(rows[0]["ratio"].get<double>(), 1.2, 0.01);
  EXPECT_EQ(rows[0]["a_launches"], 4);
  EXPECT_EQ(rows[0]["b_launches"], 4);
  EXPECT_EQ(world_.Query("SELECT count(*) FROM run WHERE job_id > 2"),
            std::vector<std::string>{"8"});
}

TEST_F(HistoryTest, UntilDecidedEndsUndecidedAtTheMostLaunches) {
  const Finished compared =
      world_.Client({"compare", "--by", "precision", "--until-decided", "--max-launches", "4",
                     "--min-effect", "90%", "--format", "json", "--fail-on", "inconclusive"});
  const json rows = json::parse(compared.out);
  ASSERT_EQ(rows.size(), 1U) << compared.err;
  EXPECT_EQ(rows[0]["a_launches"], 4);
  EXPECT_EQ(world_.Query("SELECT max(id) FROM job"), std::vector<std::string>{"4"});
}

// The other machine's runs are slower by a tenth.
TEST_F(HistoryTest, RunsOfAnotherMachineAreTakenInOnceAndComparedByHost) {
  World lab2(World::FakeWorker());
  ASSERT_TRUE(lab2.Start()) << lab2.daemon_log();
  lab2.TellFakeWorker({{"runs", {{"1", Steps(11)}, {"2", Steps(6)}}}});
  std::vector<std::string> words =
      Tiny({"--precision", "fp32", "bf16", "--launches", "4", "--name", "both"});
  words.insert(words.begin(), "run");
  ASSERT_EQ(lab2.Client(words).status, 0);
  const std::filesystem::path file = world_.folder() / "lab2.db";
  ASSERT_EQ(lab2.Client({"backup", file}).status, 0);
  for (int times = 0; times < 2; ++times) {
    const Finished taken = world_.Client({"import", file, "--host", "lab2"});
    EXPECT_EQ(taken.status, 0) << taken.err;
  }
  EXPECT_EQ(world_.Json({"runs", "all"}).size(), 16U) << "taken in twice";
  const json rows = world_.Json({"compare", "all", "--by", "host"});
  ASSERT_EQ(rows.size(), 2U);
  for (const json& row : rows) {
    const bool is_fp32 = row["precision"] == "fp32";
    EXPECT_EQ(row["verdict"], "slower") << row;
    EXPECT_EQ(row["b_value"], "lab2") << row;
    EXPECT_NEAR(row["ratio"].get<double>(), is_fp32 ? 1.1 : 1.2, 0.01) << row;
  }
}

TEST_F(HistoryTest, ABaselineIsHeldUntilItIsCleared) {
  EXPECT_EQ(world_.Client({"compare", "baseline", "last"}).status, 4);
  const Finished set = world_.Client({"baseline", "set", "1", "--reason", "the first"});
  ASSERT_EQ(set.status, 0) << set.err;
  EXPECT_EQ(world_.Json({"baseline", "show"}).size(), 1U);
  world_.TellFakeWorker({{"runs", {{"*", Steps(12)}}}});
  Run({"--launches", "4"});
  const json rows = world_.Json({"compare", "baseline", "last"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["verdict"], "slower");
  EXPECT_EQ(world_.Client({"runs", "baseline"}).status, 0);
  ASSERT_EQ(world_.Client({"baseline", "clear"}).status, 0);
  EXPECT_EQ(world_.Client({"compare", "baseline", "last"}).status, 4);
}

TEST_F(HistoryTest, TrendFindsTheStep) {
  world_.TellFakeWorker({{"runs", {{"*", Steps(13)}}}});
  Run({"--launches", "3"});
  const json series = world_.Json({"trend", "--precision", "fp32"});
  ASSERT_EQ(series.size(), 1U);
  EXPECT_EQ(series[0]["points"].size(), 7U);
  ASSERT_EQ(series[0]["steps"].size(), 1U);
  EXPECT_EQ(world_.Client({"trend", "--precision", "fp32", "--fail-on", "step"}).status, 5);
  EXPECT_EQ(world_.Client({"trend", "--precision", "bf16", "--fail-on", "step"}).status, 0);
}

TEST_F(HistoryTest, TablesPlotsAndPagesAreWritten) {
  const Finished pivot = world_.Client(
      {"export", "--pivot", "rows=context,columns=precision", "--relative-to", "precision=fp32"});
  EXPECT_EQ(pivot.status, 0) << pivot.err;
  EXPECT_THAT(pivot.out, HasSubstr("2.00x"));
  for (const char* name : {"table.tex", "table.typ", "page.html", "figure.gp"}) {
    const std::filesystem::path file = world_.folder() / name;
    const bool is_page = file.extension() == ".html";
    const bool is_figure = file.extension() == ".gp";
    const Finished written = world_.Client({is_page     ? "report"
                                            : is_figure ? "plot"
                                                        : "export",
                                            "last", "-o", file});
    EXPECT_EQ(written.status, 0) << name << written.err;
    EXPECT_THAT(Text(file), HasSubstr("fp32")) << name;
    EXPECT_THAT(Text(file), Not(HasSubstr("://"))) << name;
  }
}

TEST_F(HistoryTest, RerunSubmitsTheSameAgain) {
  const Finished again = world_.Client({"rerun", "2", "--name", "again"});
  ASSERT_EQ(again.status, 0) << again.err;
  const json runs = world_.Json({"export", "last"});
  ASSERT_EQ(runs.size(), 4U);
  for (const json& run : runs) EXPECT_EQ(run["precision"], "bf16");
  const Finished none = world_.Client({"rerun", "last", "--failed"});
  EXPECT_EQ(none.status, 4);
  EXPECT_EQ(LineCount(none.err), 1U) << none.err;
}

}  // namespace
}  // namespace torchlap::e2e
