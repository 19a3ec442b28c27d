#include "storage/sql_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::storage {
namespace {

const std::vector<std::string> kViews = {"run_row", "runs"};

TEST(TableNamedLike, FindsATableExpressionHoweverItIsWritten) {
  for (const char* sql : {
           "WITH runs AS (SELECT * FROM job) SELECT * FROM runs",
           "with RUNS as(select 1) select 1",
           "WITH a AS (SELECT 1), runs AS (SELECT 2) SELECT 1",
           "WITH RECURSIVE runs(x, y) AS (SELECT 1, 2) SELECT 1",
           "WITH \"runs\" AS (SELECT 1) SELECT 1",
           "WITH [runs] AS (SELECT 1) SELECT 1",
           "WITH `runs` AS (SELECT 1) SELECT 1",
           "WITH 'runs' AS (SELECT 1) SELECT 1",
           "WITH runs/* */AS -- as\n (SELECT 1) SELECT 1",
           "WITH runs AS MATERIALIZED (SELECT 1) SELECT 1",
           "WITH runs AS NOT MATERIALIZED (SELECT 1) SELECT 1",
           "SELECT (WITH runs AS (SELECT 1) SELECT * FROM runs)",
           "WITH \xef\xbb\xbfruns AS (SELECT 1) SELECT 1",
           "SELECT \"\", '' FROM (WITH runs AS (SELECT 1) SELECT 1)",
           "SELECT 'it''s' FROM (WITH runs AS (SELECT 1) SELECT 1)",
           "SELECT 1/2 FROM (WITH runs AS (SELECT 1) SELECT 1)",
           "SELECT 1-1 FROM (WITH runs AS (SELECT 1) SELECT 1)",
       }) {
    EXPECT_EQ(TableNamedLike(sql, kViews), "runs") << sql;
  }
  EXPECT_EQ(TableNamedLike("WITH Run_Row AS (SELECT 1) SELECT 1", kViews), "run_row");
}

TEST(TableNamedLike, LeavesOtherUsesOfTheNameAlone) {
  for (const char* sql : {
           "SELECT * FROM runs",
           "SELECT * FROM runs AS r JOIN runs AS q ON (r.run_id = q.run_id)",
           "SELECT count(*) FROM runs WHERE (1)",
           "SELECT 1 WHERE 'a' IN (SELECT run_id FROM runs)",
           "WITH mine AS (SELECT * FROM runs) SELECT * FROM mine",
           "SELECT count(*) AS runs FROM phases",
           "SELECT 'WITH runs AS (' FROM runs",
           "SELECT 1 -- runs AS (",
           "SELECT 1 /* runs AS ( */",
           "",
       }) {
    EXPECT_EQ(TableNamedLike(sql, kViews), "") << sql;
  }
}

TEST(IsUtf8, IsWhatAMessageTakes) {
  for (const char* good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad :
       {"\xff", "\x80", "\xc3", "a\xe2\x82", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bad)) << testing::PrintToString(std::string(bad));
  }
}

}  // namespace
}  // namespace torchlap::storage
