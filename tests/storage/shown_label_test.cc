#include "storage/shown_label.h"

#include <string>
#include <vector>

#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ShownLabelTest : public StoreTest {
 protected:
  // As older programs stored it.
  void Give(uint64_t job_id, const std::string& key, const std::string& value) {
    ASSERT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      Execute(database, "INSERT INTO label (job_id, k, v) VALUES (?, ?, ?)", job_id,
                              key, value);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  uint64_t SubmitAs(const Caller& caller) {
    return jobs_->Submit(caller, "", "", "", {MakeJob()}, {0}, ++now_ns_)->job_ids[0];
  }
  absl::StatusOr<std::vector<Label>> Find(const std::vector<Label>& shown,
                                          const std::string& only_owner = "") {
    v1::RunFilter filter;
    for (const auto& [key, value] : shown) (*filter.mutable_labels())[key] = value;
    absl::StatusOr<std::vector<Label>> found = std::vector<Label>();
    const absl::Status status = database_->Read([&](SQLite::Database& database) {
      found = StoredLabels(database, filter, only_owner);
      return found.status();
    });
    EXPECT_EQ(status, found.status());
    return found;
  }
};

TEST_F(ShownLabelTest, WhatListsShowLeadsToWhatIsStored) {
  const Label stored[] = {{"k\x1b[1m", "a\tb"}, {"plain", "two\nlines"}, {"\u202e", "v"}};
  const Label shown[] = {{"k\\x1b[1m", "a\\tb"}, {"plain", "two\\nlines"}, {"\\u202e", "v"}};
  for (int i = 0; i < 3; ++i) {
    Give(SubmitOne(MakeJob()), stored[i].first, stored[i].second);
    EXPECT_THAT(*Find({shown[i]}), ElementsAre(stored[i]));
    EXPECT_THAT(*Find({{"k\\x1b[1m", "other\\n"}}), ElementsAre(Label("k\\x1b[1m", "other\\n")));
  }
  Give(SubmitOne(MakeJob()), shown[0].first, shown[0].second);
  EXPECT_THAT(*Find({shown[0]}), ElementsAre(shown[0])) << "as it is written comes first";
}

TEST_F(ShownLabelTest, OneOfARequestIsLookedFor) {
  const uint64_t job = SubmitOne(MakeJob());
  Give(job, "a", "x\n");
  Give(job, "b", "y\n");
  Give(job, "c", "C:\\z");
  EXPECT_THAT(*Find({{"a", "x\\n"}, {"c", "C:\\z"}, {"d", "w"}}),
              ElementsAre(Label("a", "x\n"), Label("c", "C:\\z"), Label("d", "w")));
  const auto two = Find({{"a", "x\\n"}, {"b", "y\\n"}});
  EXPECT_TRUE(absl::IsInvalidArgument(two.status())) << two.status();
  EXPECT_THAT(std::string(two.status().message()), HasSubstr("labels is b=y\\n, which no job has"));
  EXPECT_TRUE(Find({{"a", "nobody's\\n"}, {"b", "nor this\\n"}}).ok()) << "nothing can match";
}

TEST_F(ShownLabelTest, ThoseOfOthersAreNotLookedAtWhereTheyAreHidden) {
  const Label stored = {"k", "a\x1b"};
  const Label shown = {"k", "a\\x1b"};
  Give(SubmitAs(bob_), stored.first, stored.second);
  EXPECT_THAT(*Find({shown}), ElementsAre(stored));
  EXPECT_THAT(*Find({shown}, "uid:1001"), ElementsAre(stored));
  EXPECT_THAT(*Find({shown}, "uid:1000"), ElementsAre(shown));
  EXPECT_THAT(*Find({shown}, "uid:77"), ElementsAre(shown));
}

TEST_F(ShownLabelTest, AMillionLabelsAreNotWalkedThrough) {
  SubmitOne(MakeJob());
  const auto fill = [&](const std::string& prefix, int rows) {
    ASSERT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      Execute(database,
                              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < ?) INSERT INTO label (job_id, k, v) "
                              "SELECT 1, ? || i, 'v' FROM n",
                              rows, prefix);
                      return absl::OkStatus();
                    })
                    .ok());
  };
  fill("a", 20'000);
  fill("b", 5'000);
  Give(1, "z", "v\n");
  const auto among_many = Find({{"a\\n", "v"}});
  EXPECT_TRUE(absl::IsInvalidArgument(among_many.status())) << among_many.status();
  EXPECT_THAT(std::string(among_many.status().message()),
              HasSubstr("more than 10000 labels begin like it"));
  EXPECT_THAT(*Find({{"b\\n", "v"}}), ElementsAre(Label("b\\n", "v")));
  EXPECT_THAT(*Find({{"z", "v\\n"}}), ElementsAre(Label("z", "v\n"))) << "behind them";
}

}  // namespace
}  // namespace torchlap::storage
