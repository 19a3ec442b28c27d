// What `sql` asks for and prints.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "tests/client/commands_fixture.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::SqlValue Integer(int64_t number) {
  v1::SqlValue value;
  value.set_integer(number);
  return value;
}

v1::SqlValue Real(double number) {
  v1::SqlValue value;
  value.set_real(number);
  return value;
}

v1::SqlValue Text(const std::string& text) {
  v1::SqlValue value;
  value.set_text(text);
  return value;
}

v1::SqlValue Bytes(const std::string& bytes) {
  v1::SqlValue value;
  value.set_blob(bytes);
  return value;
}

void AddRow(const std::vector<v1::SqlValue>& values, v1::QuerySqlResponse* part) {
  v1::SqlRow* row = part->add_rows();
  for (const v1::SqlValue& value : values) *row->add_values() = value;
}

// Two columns of the same name; all types.
v1::QuerySqlResponse EveryType() {
  v1::QuerySqlResponse part;
  for (const char* name : {"run_id", "steps", "mean", "mean", "bytes"}) part.add_columns(name);
  AddRow({Text("17.2"), Integer(7), Real(0.1), {}, Bytes(std::string("\0\xff", 2))}, &part);
  AddRow({Text("18.1"), Integer(12345), {}, Integer(3), {}}, &part);
  return part;
}

class SqlCommand : public Commands {
 protected:
  void Answer(const std::vector<v1::QuerySqlResponse>& parts) {
    service_.on_query_sql = [this, parts](const v1::QuerySqlRequest& request) {
      asked_ = request;
      return parts;
    };
  }
  v1::QuerySqlRequest asked_;
};

TEST_F(SqlCommand, PrintsATableWithNumbersToTheRight) {
  Answer({EveryType()});
  EXPECT_EQ(Program({"sql", "select 1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "| run_id | steps | mean | mean | bytes   |\n"
            "|--------|-------|------|------|---------|\n"
            "| 17.2   |     7 |  0.1 |      | x'00ff' |\n"
            "| 18.1   | 12345 |      |    3 |         |\n");
  EXPECT_EQ(asked_.sql(), "select 1");
  EXPECT_EQ(asked_.max_rows(), 100'000U);
}

TEST_F(SqlCommand, PrintsRowsForProgramsInFullPrecision) {
  Answer({EveryType()});
  EXPECT_EQ(Program({"sql", "select 1", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "run_id,steps,mean,mean,bytes\n"
            "17.2,7,0.1,,x'00ff'\n"
            "18.1,12345,,3,\n");
  EXPECT_EQ(Program({"sql", "select 1", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "{\"run_id\":\"17.2\",\"steps\":7,\"mean\":0.1,\"mean\":null,\"bytes\":\"x'00ff'\"}\n"
            "{\"run_id\":\"18.1\",\"steps\":12345,\"mean\":null,\"mean\":3,\"bytes\":null}\n");
  EXPECT_EQ(Program({"sql", "select 1", "--format", "json"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("[\n  {"));
}

TEST_F(SqlCommand, PutsPartsTogether) {
  std::vector<v1::QuerySqlResponse> parts(50);
  parts[0].add_columns("n");
  std::string csv = "n\n";
  for (int i = 0; i < 50; ++i) {
    AddRow({Integer(i)}, &parts[static_cast<size_t>(i)]);
    csv += std::to_string(i) + "\n";
  }
  Answer(parts);
  EXPECT_EQ(Program({"sql", "select n", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), csv);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(SqlCommand, SaysThatThereAreMoreRows) {
  v1::QuerySqlResponse part;
  part.add_columns("n");
  AddRow({Integer(1)}, &part);
  part.set_is_cut(true);
  Answer({part});
  EXPECT_EQ(Program({"sql", "select n", "--limit", "1"}), 0);
  EXPECT_EQ(asked_.max_rows(), 1U);
  EXPECT_EQ(err_.str(), "1 rows are shown, there are more; --limit 10 shows more\n");
  EXPECT_EQ(Program({"sql", "select n", "--limit", "0"}), 1);
}

TEST_F(SqlCommand, WithoutRowsHasTheColumns) {
  v1::QuerySqlResponse part;
  part.add_columns("a");
  part.add_columns("b");
  Answer({part});
  EXPECT_EQ(Program({"sql", "select 1", "--format", "csv"}), 0);
  EXPECT_EQ(out_.str(), "a,b\n");
  EXPECT_EQ(Program({"sql", "select 1"}), 0);
  EXPECT_EQ(out_.str(), "no rows\n");
}

// Labels and notes are of others.
TEST_F(SqlCommand, ShowsNoTextThatWouldSteerATerminal) {
  v1::QuerySqlResponse part;
  part.add_columns("a\x1b[2J");
  AddRow({Text("x\x1b[31m\n")}, &part);
  Answer({part});
  for (const char* format : {"table", "markdown", "csv", "jsonl"}) {
    EXPECT_EQ(Program({"sql", "select 1", "--format", format}), 0) << err_.str();
    EXPECT_THAT(out_.str(), Not(HasSubstr("x\x1b"))) << format;
  }
}

TEST_F(SqlCommand, AnErrorIsALineAndLeavesTheFileAlone) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "old.csv";
  std::ofstream(file) << "old\n";
  EXPECT_EQ(Program({"sql", "select 1", "-o", file}), 4) << "the test has no hook";
  EXPECT_THAT(err_.str(), testing::StartsWith("torchlap: "));
  std::ostringstream kept;
  kept << std::ifstream(file).rdbuf();
  EXPECT_EQ(kept.str(), "old\n");
  EXPECT_EQ(Program({"sql"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("sql needs a query"));
}

// What it was would look like all that there is.
TEST_F(SqlCommand, AnAnswerThatBreaksOffLeavesTheFileAlone) {
  Answer({EveryType()});
  service_.sql_end = grpc::Status(grpc::StatusCode::INTERNAL, "the disk broke");
  for (const char* format : {"table", "markdown", "latex", "typst", "csv", "json", "jsonl"}) {
    const TemporaryFolder folder;
    const std::string file = folder.path() / "old";
    std::ofstream(file) << "old\n";
    EXPECT_NE(Program({"sql", "select 1", "--format", format, "-o", file}), 0) << format;
    EXPECT_THAT(err_.str(), HasSubstr("the disk broke")) << format;
    EXPECT_THAT(err_.str(), Not(HasSubstr("wrote"))) << format;
    std::ostringstream kept;
    kept << std::ifstream(file).rdbuf();
    EXPECT_EQ(kept.str(), "old\n") << format;
    const auto files = std::filesystem::directory_iterator(folder.path());
    EXPECT_EQ(std::distance(begin(files), end(files)), 1) << format;
  }
}

TEST_F(SqlCommand, ATableThatBreaksOffIsNotShown) {
  Answer({EveryType()});
  service_.sql_end = grpc::Status(grpc::StatusCode::INTERNAL, "the disk broke");
  EXPECT_NE(Program({"sql", "select 1"}), 0);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("the disk broke"));
}

TEST_F(SqlCommand, NamesTheColumnsThatMayHaveBeenMeant) {
  Answer({});
  const auto refusal = [this](const std::string& line) {
    service_.sql_end = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, line);
    EXPECT_EQ(Program({"sql", "select 1"}), 1);
    return err_.str();
  };
  EXPECT_THAT(refusal("the query: no such column: step_median, at character 8"),
              HasSubstr(", at character 8; close to it: step_median_ns"));
  EXPECT_THAT(refusal("the query: no such column: r.step_median_ms, at character 8"),
              HasSubstr("; close to it: step_median_ns"));
  EXPECT_EQ(refusal("the query: no such column: colour, at character 8"),
            "torchlap: the query: no such column: colour, at character 8\n");
  EXPECT_EQ(refusal("the query: no such table: run"), "torchlap: the query: no such table: run\n");
}

TEST_F(SqlCommand, AColumnOfAnotherViewIsNotOfferedForItself) {
  Answer({});
  service_.sql_end = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                  "the query: no such column: sample_id, at character 8");
  EXPECT_EQ(Program({"sql", "select sample_id from Means"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the query: means has no sample_id, at character 8"));
  service_.sql_end = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                  "the query: no such column: run_id, at character 8");
  EXPECT_EQ(Program({"sql", "select run_id from daily_means"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the query: daily_means has no run_id, at character 8"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("close to it: run_id")));
}

TEST_F(SqlCommand, ATableHasSixDigitsAndAFileAll) {
  v1::QuerySqlResponse part;
  part.add_columns("mean");
  for (const double number : {0.1234567890123, 152345678.9, 1e-9, 12.0}) {
    AddRow({Real(number)}, &part);
  }
  Answer({part});
  EXPECT_EQ(Program({"sql", "select 1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "| mean      |\n"
            "|-----------|\n"
            "|  0.123457 |\n"
            "| 152345679 |\n"
            "|     1e-09 |\n"
            "|        12 |\n");
  EXPECT_EQ(Program({"sql", "select 1", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("0.1234567890123"));
}

TEST_F(SqlCommand, ReadsTheQueryFromStandardInput) {
  Answer({EveryType()});
  std::istringstream input("select a\nfrom runs\n");
  std::streambuf* const before = std::cin.rdbuf(input.rdbuf());
  EXPECT_EQ(Program({"sql", "-"}), 0) << err_.str();
  std::cin.rdbuf(before);
  EXPECT_EQ(asked_.sql(), "select a\nfrom runs\n");
}

TEST_F(SqlCommand, SchemaNeedsNoDaemon) {
  service_.Stop();
  EXPECT_EQ(Program({"sql", "--schema"}), 0) << err_.str();
  for (const char* line : {"runs: a row a finished run", "phases: ", "steps: ", "sweeps: ",
                           "step_mean_ns", "foreign_cpu_ns", "submitted_at_ns"}) {
    EXPECT_THAT(out_.str(), HasSubstr(line));
  }
  EXPECT_EQ(Program({"sql", "--schema", "--format", "csv"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::StartsWith("view,column,meaning\nruns,run_id,"));
}

}  // namespace
}  // namespace torchlap::client
