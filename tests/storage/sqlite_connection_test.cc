#include "storage/sqlite_connection.h"

#include <SQLiteCpp/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

namespace torchlap::storage {
namespace {

constexpr int kMoreThanAreKept = 300;

class SqliteConnectionTest : public testing::Test {
 protected:
  SqliteConnectionTest() : connection_(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {
    connection_.exec("CREATE TABLE t (x INTEGER, y TEXT); INSERT INTO t VALUES (1, 'one')");
  }
  // As texts that are made from a filter do.
  void UseManyTexts() {
    for (int i = 0; i < kMoreThanAreKept; ++i) {
      EXPECT_EQ(SelectInt(connection_, "SELECT x + " + std::to_string(i) + " FROM t"), 1 + i);
    }
  }

  SqliteConnection connection_;
};

TEST_F(SqliteConnectionTest, ATextThatIsNoStatementLeavesNothingBehind) {
  EXPECT_THROW(SelectInt(connection_, "SELECT nonsense FROM nowhere"), SQLite::Exception);
  UseManyTexts();
  EXPECT_THROW(SelectInt(connection_, "SELECT nonsense FROM nowhere"), SQLite::Exception);
}

TEST_F(SqliteConnectionTest, AStatementTooLargeForSqliteLeavesNothingBehind) {
  std::string nested = "SELECT x FROM t WHERE x = 0";
  for (int i = 0; i < 2000; ++i) nested += " OR x = 0 AND 1";
  EXPECT_THROW(SelectInt(connection_, nested), SQLite::Exception);
  std::string joined = "SELECT 1 FROM t AS t0";
  for (int i = 1; i < 100; ++i) joined += ", t AS t" + std::to_string(i);
  EXPECT_THROW(SelectInt(connection_, joined), SQLite::Exception);
  UseManyTexts();
}

TEST_F(SqliteConnectionTest, AStatementWhoseParameterCannotBeBoundCanBeUsedAgain) {
  const std::string sql = "SELECT count(*) FROM t WHERE x = ?";
  EXPECT_THROW(SelectInt(connection_, sql, 1, 2), SQLite::Exception) << "one too many";
  EXPECT_EQ(SelectInt(connection_, sql, 1), 1);
}

TEST_F(SqliteConnectionTest, AValueTooLargeForSqliteIsRefusedAndTheStatementCanBeUsedAgain) {
  sqlite3_limit(connection_.getHandle(), SQLITE_LIMIT_LENGTH, 1000);
  const std::string sql = "SELECT count(*) FROM t WHERE y = ?";
  EXPECT_THROW(SelectInt(connection_, sql, std::string(2000, 'a')), SQLite::Exception);
  EXPECT_EQ(SelectInt(connection_, sql, "one"), 1);
  EXPECT_THROW(SelectInt(connection_, sql, Blob{std::string(2000, 'a')}), SQLite::Exception);
  EXPECT_EQ(SelectInt(connection_, sql, "one"), 1);
}

TEST_F(SqliteConnectionTest, AStatementThatFailsAtAStepCanBeUsedAgain) {
  const std::string sql = "SELECT abs(?)";
  EXPECT_THROW(SelectInt(connection_, sql, std::numeric_limits<int64_t>::min()), SQLite::Exception);
  EXPECT_EQ(SelectInt(connection_, sql, -3), 3);
}

TEST_F(SqliteConnectionTest, AStatementInUseIsNotTakenAwayByManyOthers) {
  Query rows(connection_, "SELECT x FROM t UNION ALL SELECT 2");
  ASSERT_TRUE(rows.Step());
  UseManyTexts();
  ASSERT_TRUE(rows.Step());
  EXPECT_EQ(rows.Int(0), 2);
}

TEST_F(SqliteConnectionTest, TheSameTextTwiceAtATimeIsRefusedAndTheFirstGoesOn) {
  Query rows(connection_, "SELECT x FROM t");
  EXPECT_THROW(Query(connection_, "SELECT x FROM t"), SQLite::Exception);
  EXPECT_TRUE(rows.Step());
}

TEST_F(SqliteConnectionTest, ColumnNamesOfATableThatIsMadeLaterAreFound) {
  EXPECT_THAT(connection_.ColumnNames("later"), testing::IsEmpty());
  connection_.exec("CREATE TABLE later (a, b)");
  EXPECT_THAT(connection_.ColumnNames("later"), testing::ElementsAre("a", "b"));
}

TEST_F(SqliteConnectionTest, ColumnNamesThatCouldNotBeReadAreReadAgain) {
  sqlite3_progress_handler(
      connection_.getHandle(), 1, [](void*) { return 1; }, nullptr);
  EXPECT_THROW(connection_.ColumnNames("t"), SQLite::Exception);
  sqlite3_progress_handler(connection_.getHandle(), 0, nullptr, nullptr);
  EXPECT_THAT(connection_.ColumnNames("t"), testing::ElementsAre("x", "y"));
}

}  // namespace
}  // namespace torchlap::storage
