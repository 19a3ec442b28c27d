#include "storage/schema.h"

#include "proto/columns.h"
#include "proto/words.h"
#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

class Schema : public StoreTest {
 protected:
  std::vector<std::string> Rows(const std::string& sql) {
    std::vector<std::string> rows;
    absl::Status status = database_->Read([&](SQLite::Database& database) {
      Query query(database, sql);
      while (query.Step()) rows.push_back(query.Text(0));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return rows;
  }
  bool HasColumn(const std::string& table, const std::string& column) {
    return SelectInt("SELECT count(*) FROM pragma_table_info('" + table + "') WHERE name = '" +
                     column + "'") > 0;
  }
  // `UPDATE table SET column`
  std::string UpdateOf(const std::string& column) {
    if (column == "job_state") return "UPDATE job SET state";
    for (const std::string table : {"run", "workload", "job"}) {
      if (HasColumn(table, column)) return "UPDATE " + table + " SET " + column;
    }
    ADD_FAILURE() << column << " is in no table";
    return "";
  }
  void Write(const std::string& sql) {
    absl::Status status = database_->Write([&](SQLite::Database& database) {
      database.exec(sql);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
};

TEST_F(Schema, MigrationsAreNumberedFromOneWithoutGap) {
  uint32_t version = 0;
  for (const Migration& migration : Migrations()) EXPECT_EQ(migration.version, ++version);
  EXPECT_EQ(database_->schema_version(), version);
  EXPECT_EQ(SelectInt("PRAGMA user_version"), version);
  EXPECT_EQ(SelectInt("PRAGMA application_id"), kApplicationId);
}

TEST_F(Schema, TheRunsViewHasTheColumnsOfTheContractInTheirOrder) {
  std::vector<std::string> expected;
  for (const RunColumn& column : RunColumns()) expected.push_back(column.stored_name);
  EXPECT_EQ(Rows("SELECT name FROM pragma_table_info('runs') ORDER BY cid"), expected);
}

TEST_F(Schema, EveryTableIsStrict) {
  EXPECT_EQ(Rows("SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 "
                 "AND name NOT LIKE 'sqlite_%' AND schema = 'main'"),
            std::vector<std::string>());
}

// The words stand in the view's text too: every value of every enum must come out as the contract's
// word.
TEST_F(Schema, TheRunsViewShowsEveryEnumValueAsItsWord) {
  RunToEnd(MakeJob());
  int tried = 0;
  for (const RunColumn& column : RunColumns()) {
    const google::protobuf::EnumDescriptor* type = column.path.back()->enum_type();
    if (type == nullptr) continue;
    for (int i = 0; i < type->value_count(); ++i) {
      const std::string word(WordOf(*type, type->value(i)->number()));
      if (word.empty()) continue;
      Write(UpdateOf(column.stored_name) + " = " + std::to_string(type->value(i)->number()));
      EXPECT_EQ(SelectText("SELECT " + column.stored_name + " FROM runs"), word)
          << column.stored_name;
      ++tried;
    }
  }
  EXPECT_GE(tried, 40);
}

TEST_F(Schema, LabelsAreAJsonObject) {
  NewJob job = MakeJob();
  (*job.spec.mutable_labels())["b"] = "say \"hi\"";
  (*job.spec.mutable_labels())["a"] = "1";
  RunToEnd(job);
  EXPECT_EQ(SelectText("SELECT labels FROM runs"), R"({"a":"1","b":"say \"hi\""})");
}

TEST_F(Schema, APhaseThatWasTimedIsARowOfPhases) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  EXPECT_EQ(Rows("SELECT run_id || ' ' || phase || ' ' || mean_ns FROM phases ORDER BY phase"),
            (std::vector<std::string>{"1.1 backward 20000000.0", "1.1 forward 10000000.0",
                                      "1.1 step 31000000.0"}));
  EXPECT_EQ(SelectText("SELECT group_concat(name) FROM pragma_table_info('phases')"),
            "run_id,phase,mean_ns,std_ns,median_ns,min_ns,max_ns,p95_ns,cv,peak_allocated_bytes,"
            "peak_reserved_bytes,invalid_reason");
}

TEST_F(Schema, ARunThatIsNotFinishedIsNoRowOfTheViews) {
  Start(SubmitOne(MakeJob()));
  EXPECT_EQ(SelectInt("SELECT count(*) FROM runs"), 0);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM run_row"), 1);
}

TEST_F(Schema, ViewsOfAnotherProgramAreMadeAnewAndRightOnesAreLeft) {
  RunToEnd(MakeJob());
  const std::string right = SelectText(
      "SELECT group_concat(sql) FROM sqlite_schema "
      "WHERE type = 'view' ORDER BY name");
  Write("DROP VIEW phases; DROP VIEW runs; CREATE VIEW runs AS SELECT 1 AS old");
  Reopen();
  EXPECT_EQ(SelectText("SELECT group_concat(sql) FROM sqlite_schema WHERE type = 'view' "
                       "ORDER BY name"),
            right);
  EXPECT_EQ(SelectInt("SELECT count(*) FROM phases"), 3);
  const int64_t version = SelectInt("PRAGMA schema_version");
  Reopen();
  EXPECT_EQ(SelectInt("PRAGMA schema_version"), version) << "nothing was written";
}

TEST_F(Schema, SumsOfAFileOfAnotherProgramAreCountedAnewWithoutInvalidRuns) {
  RunToEnd(MakeJob());
  RunToEnd(MakeJob());
  Write("UPDATE run SET invalid_reason = 'fan' WHERE id = 1; DROP VIEW means");
  EXPECT_EQ(SelectInt("SELECT sum(step_runs) FROM run_rollup"), 2);
  Reopen();
  EXPECT_EQ(SelectInt("SELECT sum(step_runs) FROM run_rollup"), 1);
  EXPECT_EQ(SelectInt("SELECT sum(runs) FROM run_rollup"), 2);
  EXPECT_EQ(SelectInt("SELECT sum(step_runs) FROM means"), 1);
}

TEST_F(Schema, TheIndexOfDaysIsMadeWhereItIsNotThereOrAnother) {
  RunToEnd(MakeJob());
  const std::string of_step = "SELECT mean_ns FROM daily_means WHERE phase = 'step'";
  const std::string sql = "SELECT sql FROM sqlite_schema WHERE name = 'run_by_day'";
  const std::string right = SelectText(sql);
  for (const char* change :
       {"DROP INDEX run_by_day", "DROP INDEX run_by_day; CREATE INDEX run_by_day ON run (id)"}) {
    Write(change);
    Reopen();
    EXPECT_EQ(SelectText(sql), right) << change;
    EXPECT_EQ(SelectInt(of_step), 31'000'000) << change;
  }
}

TEST_F(Schema, AColumnThatATableGetsIsInTheViewThatTheProgramReads) {
  RunToEnd(MakeJob());
  Write("ALTER TABLE run ADD COLUMN of_tomorrow INTEGER; UPDATE run SET of_tomorrow = 5");
  Reopen();
  EXPECT_EQ(SelectInt("SELECT of_tomorrow FROM run_row"), 5);
}

}  // namespace
}  // namespace torchlap::storage
