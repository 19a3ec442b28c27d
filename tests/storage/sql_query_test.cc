#include "storage/sql_query.h"

#include <string>
#include <vector>

#include "proto/samples.h"
#include "proto/sql_views.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class SqlQuery : public StoreTest {
 protected:
  struct Result {
    absl::Status status;
    std::vector<std::string> columns;
    std::vector<v1::SqlRow> rows;
    std::vector<v1::QuerySqlResponse> parts;
    bool is_cut = false;
  };
  Result Ask(const std::string& sql, const SqlLimits& limits = {}) {
    Result result;
    result.status =
        RunSql(file_, sql, limits, SystemClock(), [&](const v1::QuerySqlResponse& part) {
          EXPECT_FALSE(result.is_cut) << "only the last part says so";
          if (result.parts.empty()) {
            result.columns.assign(part.columns().begin(), part.columns().end());
          } else {
            EXPECT_EQ(part.columns_size(), 0);
          }
          result.rows.insert(result.rows.end(), part.rows().begin(), part.rows().end());
          result.is_cut = part.is_cut();
          result.parts.push_back(part);
          return true;
        });
    return result;
  }
  // Each row's values as text, joined.
  std::vector<std::string> Rows(const std::string& sql) {
    const Result result = Ask(sql);
    EXPECT_TRUE(result.status.ok()) << sql << ": " << result.status;
    std::vector<std::string> rows;
    for (const v1::SqlRow& row : result.rows) {
      std::string& text = rows.emplace_back();
      for (const v1::SqlValue& value : row.values())
        text += (text.empty() ? "" : " ") + Text(value);
    }
    return rows;
  }
  static std::string Text(const v1::SqlValue& value) {
    switch (value.value_case()) {
      case v1::SqlValue::kInteger:
        return std::to_string(value.integer());
      case v1::SqlValue::kReal:
        return std::to_string(value.real());
      case v1::SqlValue::kText:
        return value.text();
      case v1::SqlValue::kBlob:
        return "blob of " + std::to_string(value.blob().size());
      default:
        return "NULL";
    }
  }
  std::string Refused(const std::string& sql) {
    const Result result = Ask(sql);
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << sql << result.status;
    EXPECT_THAT(result.parts, IsEmpty()) << sql;
    return std::string(result.status.message());
  }
};

TEST_F(SqlQuery, ReadsTheRunsByTheNamesOfTheirColumns) {
  RunToEnd(MakeJob("small"));
  RunToEnd(MakeJob("medium"), v1::OUTCOME_CRASHED);
  const Result result = Ask(
      "SELECT model_size, outcome, step_mean_ns, batch_size, labels FROM runs ORDER BY run_id;");
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.columns,
              ElementsAre("model_size", "outcome", "step_mean_ns", "batch_size", "labels"));
  EXPECT_THAT(Rows("SELECT model_size, outcome, step_mean_ns FROM runs ORDER BY run_id"),
              ElementsAre("small OK 31000000.000000", "medium CRASHED NULL"));
  EXPECT_FALSE(result.is_cut);
}

TEST_F(SqlQuery, TellsTheTypesOfValuesApart) {
  EXPECT_THAT(Rows("SELECT 1, 1.5, 'one', NULL, x'0001', -9223372036854775807"),
              ElementsAre("1 1.500000 one NULL blob of 2 -9223372036854775807"));
  EXPECT_THAT(Rows("SELECT CAST(x'ff61' AS TEXT)"), ElementsAre("blob of 2"))
      << "what is no text cannot be sent as one";
}

TEST_F(SqlQuery, HasTheColumnsAlsoWithoutRowsAndTwiceWhereTheyAreTwice) {
  const Result none = Ask("SELECT run_id, run_id, 1 AS \"a b\" FROM runs");
  ASSERT_TRUE(none.status.ok()) << none.status;
  EXPECT_THAT(none.columns, ElementsAre("run_id", "run_id", "a b"));
  EXPECT_THAT(none.parts, SizeIs(1));
  EXPECT_THAT(none.rows, IsEmpty());
}

TEST_F(SqlQuery, TakesEachKindOfReadingStatement) {
  EXPECT_THAT(Rows("VALUES (1), (2)"), ElementsAre("1", "2"));
  EXPECT_THAT(Rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
                   "SELECT i FROM n"),
              ElementsAre("1", "2", "3"));
  EXPECT_THAT(Rows("EXPLAIN QUERY PLAN SELECT count(*) FROM runs"), testing::Not(IsEmpty()));
  EXPECT_THAT(Rows("SELECT value FROM json_each('[1,2]')"), ElementsAre("1", "2"));
  EXPECT_THAT(Rows(" -- a comment\nSELECT 1; -- and another\n/* and */ ; "), ElementsAre("1"));
}

TEST_F(SqlQuery, SendsLongResultsInPartsAndStopsAtTheLimit) {
  constexpr char kNumbers[] =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
      "SELECT i FROM n";
  const Result all = Ask(kNumbers);
  EXPECT_THAT(all.rows, SizeIs(1000));
  EXPECT_GE(all.parts.size(), 5U);
  EXPECT_FALSE(all.is_cut);
  const Result whole = Ask(kNumbers, {.max_rows = 1000});
  EXPECT_THAT(whole.rows, SizeIs(1000));
  EXPECT_FALSE(whole.is_cut) << "there are no more";
  const Result cut = Ask(kNumbers, {.max_rows = 999});
  EXPECT_THAT(cut.rows, SizeIs(999));
  EXPECT_TRUE(cut.is_cut);
}

TEST_F(SqlQuery, SendsAPartOfLargeRowsBeforeItHas200) {
  const Result result =
      Ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) "
          "SELECT zeroblob(100000) FROM n");
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.parts.size(), 4U) << "three rows of 100 KB make 256 KiB";
}

TEST_F(SqlQuery, EndsWhenNobodyTakesMore) {
  int parts = 0;
  const absl::Status status = RunSql(
      file_, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
      {.max_rows = uint64_t{1} << 60}, SystemClock(), [&parts](const v1::QuerySqlResponse&) {
        ++parts;
        return parts < 3;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(parts, 3);
}

TEST_F(SqlQuery, StepsHasARowForEachStepOfEachRun) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  EXPECT_THAT(
      Rows("SELECT run_id, step, warmup, step_ns, foreign_cpu_ns FROM steps"),
      ElementsAre("1.1 0 1 35000000 NULL", "1.1 1 0 31000000 NULL", "2.1 0 1 35000000 NULL",
                  "2.1 1 0 31000000 NULL", "3.1 0 1 35000000 NULL", "3.1 1 0 31000000 NULL"));
  EXPECT_THAT(Rows("SELECT step FROM steps WHERE run_id = '2.1'"), ElementsAre("0", "1"));
  EXPECT_THAT(Rows("SELECT step FROM steps WHERE run_id = '2.9'"), IsEmpty());
  EXPECT_THAT(Rows("SELECT step FROM steps WHERE run_id = 'x'"), IsEmpty());
  EXPECT_THAT(Rows("SELECT run_id, avg(step_ns) FROM runs JOIN steps USING (run_id) "
                   "WHERE warmup = 0 GROUP BY run_id ORDER BY run_id LIMIT 1"),
              ElementsAre("1.1 31000000.000000"));
}

TEST_F(SqlQuery, StepsOfOneRunAreFoundWithoutTheOthers) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  Break("UPDATE sample SET steps = x'ff' WHERE run_id = 1");
  EXPECT_THAT(Rows("SELECT count(*) FROM steps WHERE run_id = '2.1'"), ElementsAre("2"))
      << "the other block is not read";
  const Result all = Ask("SELECT count(*) FROM steps");
  EXPECT_TRUE(absl::IsDataLoss(all.status)) << all.status;
  EXPECT_THAT(std::string(all.status.message()), HasSubstr("the samples of run 1.1"));
}

// Values of a query are at most 1 MiB; what the table reads for it is not one of them.
TEST_F(SqlQuery, StepsReadsABlockThatIsLargerThanAValueMayBe) {
  const uint64_t job = SubmitOne(MakeJob());
  FinishedRun finished = Ended(Start(job));
  for (int i = 0; i < 300'000; ++i) finished.samples.add_step_ns(31'000'000 + i);
  Finish(finished, LaunchDone());
  ASSERT_GT(finished.samples.ByteSizeLong(), size_t{1} << 20);
  EXPECT_THAT(Rows("SELECT count(*), max(step_ns) FROM steps"), ElementsAre("300002 35000000"));
}

TEST_F(SqlQuery, SweepsCountsTheJobsOfEach) {
  const Submitted sweep = Submit({MakeJob(), MakeJob(), MakeJob()}, "", "night");
  Finish(Ended(Start(sweep.job_ids[0])), LaunchDone());
  Finish(Ended(Start(sweep.job_ids[1]), v1::OUTCOME_CRASHED), JobFailed("it failed"));
  SubmitOne(MakeJob());
  EXPECT_THAT(Rows("SELECT sweep_id, name, user, jobs, succeeded, failed FROM sweeps"),
              ElementsAre("1 night ann 3 1 1", "2 NULL ann 1 0 0"));
}

TEST_F(SqlQuery, MeansHasARowForWhatWasComputedAndWhatBecameOfIt) {
  RunToEnd(MakeJob("small"));
  RunToEnd(MakeJob("small"));
  RunToEnd(MakeJob("small"), v1::OUTCOME_CRASHED);
  RunToEnd(MakeJob("medium", 2, 128));
  EXPECT_THAT(Rows("SELECT model_size, batch_size, context_length, pass_type, precision, purpose, "
                   "outcome, runs FROM means ORDER BY model_size, outcome"),
              ElementsAre("medium 2 128 forward-backward fp32 measure OK 1",
                          "small 4 256 forward-backward fp32 measure CRASHED 1",
                          "small 4 256 forward-backward fp32 measure OK 2"));
  EXPECT_THAT(Rows("SELECT forward_runs, forward_mean_ns, loss_runs, loss_mean_ns, step_runs, "
                   "step_mean_ns FROM means WHERE model_size = 'small' ORDER BY outcome"),
              ElementsAre("0 NULL 0 NULL 0 NULL", "2 10000000.000000 0 NULL 2 31000000.000000"));
}

TEST_F(SqlQuery, MeansOfSeveralRowsAreWeighedByTheirRuns) {
  for (const double mean_ns : {1e6, 2e6, 6e6}) {
    FinishedRun finished = Ended(Start(SubmitOne(MakeJob())));
    finished.run.mutable_step()->set_mean_ns(mean_ns);
    finished.run.set_validity(mean_ns < 5e6 ? v1::VALIDITY_CLEAN : v1::VALIDITY_SUSPECT);
    Finish(finished, LaunchDone());
  }
  EXPECT_THAT(Rows("SELECT validity, step_mean_ns FROM means ORDER BY validity"),
              ElementsAre("clean 1500000.000000", "suspect 6000000.000000"));
  EXPECT_THAT(Rows("SELECT sum(step_runs * step_mean_ns) / sum(step_runs) FROM means"),
              ElementsAre("3000000.000000"));
  EXPECT_THAT(Rows("SELECT sum(runs * mean_ns) / sum(runs) FROM daily_means WHERE phase = 'step'"),
              ElementsAre("3000000.000000"));
}

TEST_F(SqlQuery, DailyMeansTellsDaysUsersAndDevicesApart) {
  now_ns_ = int64_t{1'700'000'000} * 1'000'000'000;  // 2023-11-14, 22:13 UTC
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  now_ns_ += int64_t{3} * 3600 * 1'000'000'000;
  RunToEnd(MakeJob());
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  EXPECT_THAT(Rows("SELECT day, user, device, model_size, phase, runs, mean_ns FROM daily_means "
                   "ORDER BY day, phase"),
              ElementsAre("2023-11-14 ann cpu0 small backward 2 20000000.000000",
                          "2023-11-14 ann cpu0 small forward 2 10000000.000000",
                          "2023-11-14 ann cpu0 small step 2 31000000.000000",
                          "2023-11-15 ann cpu0 small backward 1 20000000.000000",
                          "2023-11-15 ann cpu0 small forward 1 10000000.000000",
                          "2023-11-15 ann cpu0 small step 1 31000000.000000"));
  EXPECT_THAT(Rows("SELECT sum(runs) FROM daily_means WHERE user = 'ann' AND phase = 'step' "
                   "AND day >= '2023-11-15'"),
              ElementsAre("1"));
  EXPECT_THAT(Rows("SELECT runs FROM daily_means WHERE user = 'bob'"), IsEmpty());
  Break("UPDATE run SET invalid_reason = 'fan' WHERE id = 1");
  EXPECT_THAT(Rows("SELECT sum(runs) FROM daily_means WHERE phase = 'step'"), ElementsAre("2"));
}

// A million runs are a million entries of an index, in the order of the groups.
TEST_F(SqlQuery, DailyMeansReadsNoRun) {
  RunToEnd(MakeJob());
  const auto plan = Rows("EXPLAIN QUERY PLAN SELECT * FROM daily_means WHERE phase = 'step'");
  EXPECT_THAT(plan, testing::Contains(HasSubstr("SCAN run USING INDEX run_by_day")));
  EXPECT_THAT(plan, testing::Not(testing::Contains(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plan, testing::Not(testing::Contains(testing::EndsWith("SCAN run"))));
}

TEST_F(SqlQuery, ViewsHaveTheColumnsThatAreDocumented) {
  for (const SqlView& view : SqlViews()) {
    const Result result = Ask("SELECT * FROM " + view.name);
    ASSERT_TRUE(result.status.ok()) << view.name << ": " << result.status;
    std::vector<std::string> documented;
    for (const SqlColumn& column : view.columns) documented.push_back(column.name);
    EXPECT_EQ(result.columns, documented) << view.name;
  }
}

TEST_F(SqlQuery, ReadsNothingButTheViews) {
  RunToEnd(MakeJob());
  for (const char* table : {"job", "run", "sample", "run_row", "principal", "sqlite_master",
                            "sqlite_schema", "sqlite_sequence", "pragma_table_info('job')",
                            "pragma_database_list", "dbstat", "sqlite_dbpage"}) {
    const std::string sql = std::string("SELECT * FROM ") + table;
    EXPECT_TRUE(absl::IsInvalidArgument(Ask(sql).status)) << sql << Ask(sql).status;
    const std::string count = std::string("SELECT count(*) FROM ") + table;
    EXPECT_TRUE(absl::IsInvalidArgument(Ask(count).status)) << count;
  }
  EXPECT_EQ(
      Refused("SELECT spec FROM job"),
      "the query reads job, may read the views runs, phases, steps, sweeps, means, daily_means "
      "(torchlap sql --schema)");
  for (const char* sql : {
           "SELECT (SELECT spec FROM job) FROM runs",
           "SELECT 1 FROM runs WHERE run_id IN (SELECT principal FROM principal)",
           "SELECT * FROM (SELECT * FROM job) AS runs",
           "WITH mine AS (SELECT * FROM job) SELECT * FROM mine",
           "SELECT run_id FROM runs UNION SELECT spec FROM job",
           "SELECT run_id FROM runs ORDER BY (SELECT spec FROM job)",
           "SELECT * FROM runs JOIN job",
           "SELECT * FROM main.job",
           "SELECT * FROM temp.sqlite_master",
       }) {
    EXPECT_THAT(Refused(sql), AllOf(HasSubstr("the query reads "), HasSubstr("may read the views")))
        << sql;
  }
}

// What SQLite asks the authorizer for then names no column, and no view.
TEST_F(SqlQuery, TakesTablesOfWhichNoValueIsUsed) {
  RunToEnd(MakeJob());
  for (const char* sql : {
           "SELECT count(*) FROM runs",
           "SELECT count(run_id) FROM runs",
           "SELECT count(user) FROM runs",
           "SELECT count(*) FROM sweeps",
           "SELECT count(name) + 1 FROM sweeps",
           "SELECT count(*) FROM runs, sweeps",
           "SELECT count(*) FROM means",
           "SELECT count(user) FROM daily_means WHERE phase = 'step'",
           "SELECT sum(runs) FROM daily_means WHERE phase = 'loss' OR phase = 'step'",
           "SELECT count(*) FROM (SELECT job_id FROM runs LIMIT 3)",
           "SELECT EXISTS (SELECT 1 FROM runs WHERE outcome = 'OK')",
           "WITH a AS (SELECT run_id FROM runs), b AS (SELECT 1) SELECT count(*) FROM a, b",
           "WITH n AS MATERIALIZED (SELECT run_id FROM runs) SELECT count(*) FROM n",
       }) {
    EXPECT_THAT(Rows(sql), ElementsAre("1")) << sql;
  }
  EXPECT_THAT(Rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1) "
                   "SELECT count(*) FROM n"),
              ElementsAre("1"));
  for (const char* sql : {"SELECT count(*) FROM runs, sample", "SELECT 1 FROM sqlite_master",
                          "SELECT 1 FROM runs, launch", "SELECT rowid FROM job",
                          "SELECT count(job.rowid) FROM runs JOIN job"}) {
    EXPECT_THAT(Refused(sql), HasSubstr("the query reads ")) << sql;
  }
}

// SQLite's authorizer takes the name of a table expression for that of a view.
TEST_F(SqlQuery, ATableExpressionNamedLikeAViewReadsNoMore) {
  RunToEnd(MakeJob());
  for (const char* view : {"runs", "phases", "sweeps", "run_row", "means", "daily_means"}) {
    for (const char* name : {"%", "\"%\"", "[%]", "'%'"}) {
      std::string quoted = name;
      quoted.replace(quoted.find('%'), 1, view);
      EXPECT_EQ(Refused("WITH " + quoted + " AS (SELECT * FROM job) SELECT * FROM " + quoted),
                std::string("a table of the query is named ") + view +
                    ", must have a name that is no view's");
    }
  }
  EXPECT_THAT(Refused("WITH steps AS (SELECT * FROM job) SELECT * FROM steps"),
              HasSubstr("reads job"));
}

TEST_F(SqlQuery, DoesNothingButRead) {
  RunToEnd(MakeJob());
  for (const char* sql : {
           "DELETE FROM runs",
           "DELETE FROM job",
           "UPDATE job SET state = 1",
           "INSERT INTO label VALUES (1, 'a', 'b')",
           "CREATE TABLE x (a)",
           "CREATE TEMP TABLE x (a)",
           "CREATE TEMP VIEW x AS SELECT * FROM job",
           "CREATE VIRTUAL TABLE x USING fts5(a)",
           "DROP VIEW runs",
           "PRAGMA user_version",
           "PRAGMA writable_schema = ON",
           "PRAGMA query_only = OFF",
           "ATTACH '/tmp/other.db' AS other",
           "DETACH main",
           "VACUUM INTO '/tmp/copy.db'",
           "VACUUM",
           "BEGIN",
           "COMMIT",
           "SAVEPOINT x",
           "REINDEX",
           "ANALYZE",
           "EXPLAIN SELECT 1",
           "EXPLAIN QUERY PLAN DELETE FROM job",
           "WITH x AS (SELECT 1) DELETE FROM job",
           "SELECT 1; SELECT 2",
           "SELECT 1; DELETE FROM job",
           "SELECT 1; nonsense",
           "",
           "   ",
           "-- nothing",
           ";",
           "SELECT ?",
           "SELECT :a",
       }) {
    Refused(sql);
  }
  EXPECT_EQ(SelectInt("SELECT count(*) FROM job"), 1);
  EXPECT_EQ(Integrity(), "ok");
  EXPECT_EQ(Refused("SELECT 1; SELECT 2"), "the query has more than one statement, must be one");
  EXPECT_EQ(Refused("SELECT :a"),
            "the query has the parameter :a, must have its values written out");
  EXPECT_THAT(Refused(std::string("SELECT 1\0FROM job", 17)), HasSubstr("NUL"));
}

TEST_F(SqlQuery, CallsNoFunctionThatReachesOut) {
  for (const char* sql : {
           "SELECT load_extension('/tmp/x.so')",
           "SELECT readfile('/etc/passwd')",
           "SELECT writefile('/tmp/x', 'y')",
           "SELECT edit('x')",
           "SELECT fts3_tokenizer('simple')",
           "SELECT sqlite_compileoption_get(1)",
           "SELECT json_patch('{}', '{}')",
       }) {
    EXPECT_TRUE(absl::IsInvalidArgument(Ask(sql).status)) << sql << Ask(sql).status;
  }
  EXPECT_EQ(Refused("SELECT load_extension('/tmp/x.so')"),
            "the query calls load_extension, which is not for queries");
}

TEST_F(SqlQuery, FunctionsThatAreMadeAnewAnswerAsSqlitesDo) {
  EXPECT_THAT(
      Rows("SELECT instr('h\u00e9llo', 'l'), instr('abc', ''), instr('abc', 'd'), instr(1234, 3), "
           "instr(x'00ff01', x'01'), instr(NULL, 'a'), instr('a', NULL)"),
      ElementsAre("3 1 0 3 3 NULL NULL"));
  EXPECT_THAT(Rows("SELECT replace('a-b-c', '-', '+-'), replace('abc', '', 'x'), "
                   "replace('aaa', 'aa', 'b'), replace(NULL, 'a', 'b'), replace('abc', 'c', '')"),
              ElementsAre("a+-b+-c abc ba NULL ab"));
  EXPECT_THAT(Rows("SELECT trim('xxaxx', 'x'), ltrim('xyax', 'yx'), rtrim('axyx', 'xy'), "
                   "trim('\u00e9a\u00e9', '\u00e9'), length(trim('xx', 'x')), trim('  a '), "
                   "trim(NULL, 'x'), trim('axa', '')"),
              ElementsAre("a ax a a 0 a NULL axa"));
  EXPECT_THAT(Rows("SELECT 'Torch' LIKE 't%H', 'torch' LIKE '_orch', 'torch' LIKE 'orch', "
                   "NULL LIKE 'a', '10%' LIKE '10!%' ESCAPE '!', '100' LIKE '10!%' ESCAPE '!', "
                   "x'61' LIKE 'a', 'Torch' GLOB 'T*[a-h]', 'Torch' GLOB 't*', 'a' NOT LIKE 'b'"),
              ElementsAre("1 1 0 NULL 1 0 0 1 0 1"));
  EXPECT_THAT(Refused("SELECT 'a' LIKE 'b' ESCAPE 'cd'"), HasSubstr("ESCAPE must be one ASCII"));
  EXPECT_THAT(Refused("SELECT 'a' LIKE 'b' ESCAPE '%'"), HasSubstr("ESCAPE must be one ASCII"));
}

// SQLite's own take half an hour and more for these, within which nothing ends them.
TEST_F(SqlQuery, NoFunctionTakesTimeByTheProductOfTwoTexts) {
  // Where every access is watched (TSan) even these take a second.
  const std::string some = "hex(zeroblob(20000))";
  const std::string part = "hex(zeroblob(10000))||'1'";
  EXPECT_THAT(
      Rows("SELECT instr(" + some + ", " + part + "), length(replace(" + some + ", " + part +
           ", 'x')), length(trim(" + some + ", replace(" + some + ", '0', '1')||'0'))"),
      ElementsAre("0 40000 0"));
  const std::string text = "hex(zeroblob(400000))";
  const std::string zeros(900, '0');
  EXPECT_THAT(Refused("SELECT " + text + " LIKE '%" + zeros + "1'"), HasSubstr("too long a text"));
  EXPECT_THAT(Refused("SELECT " + text + " GLOB '*" + zeros + "1'"), HasSubstr("too long a text"));
  EXPECT_THAT(Refused("SELECT 'a' LIKE hex(zeroblob(501))"), HasSubstr("more than 1000 bytes"));
  EXPECT_THAT(Rows("SELECT " + text + " LIKE '%1%'"), ElementsAre("0"));
}

TEST_F(SqlQuery, SaysWhereAMistakeIs) {
  EXPECT_THAT(Refused("SELECT run_id FORM runs WHERE"),
              AllOf(StartsWith("the query: "), HasSubstr("at character ")));
  EXPECT_THAT(Refused("SELECT missing FROM runs"),
              HasSubstr("no such column: missing, at character 8"));
  EXPECT_THAT(Refused("SELECT * FROM nowhere"), HasSubstr("no such table: nowhere"));
  EXPECT_THAT(Refused("SELECT abs(-9223372036854775808)"), HasSubstr("overflow"));
}

TEST_F(SqlQuery, EndsWhenItsTimeIsOver) {
  constexpr char kEndless[] =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  const Result endless = Ask(kEndless, {.time_ns = 1'000'000});
  EXPECT_TRUE(absl::IsDeadlineExceeded(endless.status)) << endless.status;
  EXPECT_THAT(endless.parts, IsEmpty());
  const Result none = Ask("SELECT 1", {.time_ns = 0});
  EXPECT_EQ(none.status, absl::DeadlineExceededError("the query took longer than 0 s"));
}

TEST_F(SqlQuery, TakesNoMoreMemoryThanItMay) {
  EXPECT_THAT(Refused("SELECT zeroblob(2000000)"), HasSubstr("a value of the query is too large"));
  EXPECT_THAT(Rows("SELECT printf('%2000000s', 'x')"), ElementsAre("NULL")) << "SQLite's own way";
  EXPECT_THAT(Refused("SELECT replace(hex(zeroblob(20000)), '00', hex(zeroblob(50)))"),
              HasSubstr("too large"));
  EXPECT_THAT(Refused("WITH RECURSIVE n(s) AS (SELECT 'ab' UNION ALL SELECT s || s FROM n) "
                      "SELECT max(length(s)) FROM n"),
              HasSubstr("too large"));
  EXPECT_THAT(Refused("SELECT 1 /*" + std::string(100'000, ' ') + "*/"),
              HasSubstr("the query has 100013 bytes, must have 65536 at most"));
  std::string columns = "SELECT zeroblob(1000000)";
  for (int i = 0; i < 9; ++i) columns += ", zeroblob(1000000)";
  EXPECT_THAT(Refused(columns), HasSubstr("row 1 of the result has"));
  std::string calls = "SELECT abs(1)";
  for (int i = 0; i < 1000; ++i) calls += "+abs(1)";
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(calls).status)) << Ask(calls).status;
  std::string nested = "SELECT " + std::string(5000, '(') + "1" + std::string(5000, ')');
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(nested).status)) << Ask(nested).status;
}

// Each table expression has the one before it twice, which SQLite writes out before it runs.
std::string Doubled(int times) {
  std::string sql = "WITH t0 AS (SELECT abs(random()) AS a)";
  for (int i = 1; i <= times; ++i) {
    sql +=
        ", t" + std::to_string(i) + " AS (SELECT a + a AS a FROM t" + std::to_string(i - 1) + ")";
  }
  return sql + " SELECT a FROM t" + std::to_string(times);
}

TEST_F(SqlQuery, TakesNoMoreMemoryThanItMayWhileItIsPreparedOrSorts) {
  EXPECT_TRUE(Ask(Doubled(1)).status.ok());
  const Result doubled = Ask(Doubled(40), {.memory_bytes = 16 << 20});
  EXPECT_EQ(doubled.status,
            absl::ResourceExhaustedError("the query needs more than 16 MiB of memory"));
  EXPECT_THAT(doubled.parts, IsEmpty());
  EXPECT_THAT(Rows("SELECT 1"), ElementsAre("1")) << "the limit was that query's";
  const Result sorted =
      Ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
          "SELECT length(s) FROM (SELECT zeroblob(900000) AS s FROM n ORDER BY random() LIMIT 99)",
          {.memory_bytes = 16 << 20});
  EXPECT_TRUE(absl::IsResourceExhausted(sorted.status)) << sorted.status;
}

TEST_F(SqlQuery, ReadsWhileOthersWriteAndLeavesThemAlone) {
  RunToEnd(MakeJob());
  const absl::Status status =
      RunSql(file_, "SELECT run_id FROM runs", {}, SystemClock(), [&](const v1::QuerySqlResponse&) {
        RunToEnd(MakeJob());
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(Rows("SELECT count(*) FROM runs"), ElementsAre("2"));
}

TEST_F(SqlQuery, AFileThatIsNotThereIsAnError) {
  const absl::Status status = RunSql(folder_.path() / "none.db", "SELECT 1", {}, SystemClock(),
                                     [](const v1::QuerySqlResponse&) { return true; });
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "none.db"));
}

}  // namespace
}  // namespace torchlap::storage
