#include "server/rpc/run_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::HasSubstr;

class RunWordsCallsTest : public storage::StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    label_.emplace(jobs_.get(), database_.get());
    note_.emplace(jobs_.get(), database_.get());
    invalidate_.emplace(jobs_.get(), database_.get());
    RunToEnd(storage::MakeJob());
  }
  static v1::RunFilter Job(uint64_t id) {
    v1::RunFilter filter;
    filter.mutable_selector()->add_job_ids(id);
    return filter;
  }
  absl::Status Label(const v1::RunFilter& filter, const std::map<std::string, std::string>& set,
                     const std::vector<std::string>& remove = {}) {
    v1::LabelRunsRequest request;
    *request.mutable_filter() = filter;
    for (const auto& [key, value] : set) (*request.mutable_set())[key] = value;
    for (const std::string& key : remove) request.add_remove(key);
    return label_->Answer(ann_, request, &labelled_);
  }
  absl::Status Note(const v1::RunFilter& filter, const std::string& note) {
    v1::NoteRunsRequest request;
    *request.mutable_filter() = filter;
    request.set_note(note);
    return note_->Answer(ann_, request, &noted_);
  }
  absl::Status Invalidate(const v1::RunFilter& filter, const std::string& reason) {
    v1::InvalidateRunsRequest request;
    *request.mutable_filter() = filter;
    request.set_reason(reason);
    return invalidate_->Answer(ann_, request, &invalidated_);
  }
  static std::string MessageOf(const absl::Status& status) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  std::optional<LabelRuns> label_;
  std::optional<NoteRuns> note_;
  std::optional<InvalidateRuns> invalidate_;
  v1::LabelRunsResponse labelled_;
  v1::NoteRunsResponse noted_;
  v1::InvalidateRunsResponse invalidated_;
};

TEST_F(RunWordsCallsTest, SayHowManyTheyChanged) {
  ASSERT_TRUE(Label(Job(1), {{"card", "A"}}).ok());
  EXPECT_EQ(labelled_.jobs(), 1U);
  ASSERT_TRUE(Note(Job(1), "seen\nand seen again").ok());
  EXPECT_EQ(noted_.runs(), 1U);
  ASSERT_TRUE(Invalidate(Job(1), "the fan had failed").ok());
  EXPECT_EQ(invalidated_.runs(), 1U);
  const v1::Run run = runs_->Get("1.1")->run();
  EXPECT_EQ(run.labels().at("card"), "A");
  EXPECT_EQ(run.note(), "seen\nand seen again");
  EXPECT_EQ(run.invalid_reason(), "the fan had failed");
  ASSERT_TRUE(Invalidate(Job(1), "").ok());
  EXPECT_EQ(invalidated_.runs(), 1U);
  EXPECT_EQ(runs_->Get("1.1")->run().invalid_reason(), "");
}

TEST_F(RunWordsCallsTest, ALabelIsASelectorToo) {
  ASSERT_TRUE(Label(Job(1), {{"card", "A"}}).ok());
  RunToEnd(storage::MakeJob());
  v1::RunFilter by_label;
  (*by_label.mutable_labels())["card"] = "A";
  ASSERT_TRUE(Note(by_label, "of card A").ok());
  EXPECT_EQ(noted_.runs(), 1U);
  EXPECT_EQ(runs_->Get("2.1")->run().note(), "");
}

TEST_F(RunWordsCallsTest, NothingThatIsNotNamedIsChanged) {
  v1::RunFilter every;
  every.add_users("ann");
  const std::string line = "filter names nothing, must name jobs, runs, sweeps or a label";
  for (const v1::RunFilter& filter : {v1::RunFilter(), every}) {
    EXPECT_EQ(MessageOf(Label(filter, {{"k", "v"}})), line);
    EXPECT_EQ(MessageOf(Note(filter, "n")), line);
    EXPECT_EQ(MessageOf(Invalidate(filter, "r")), line);
  }
  EXPECT_TRUE(absl::IsNotFound(Note(Job(9), "n")));
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "");
}

TEST_F(RunWordsCallsTest, TextsThatOthersWouldNotSeeAreRefused) {
  EXPECT_THAT(MessageOf(Note(Job(1), "a\nb\x1b[2J")), HasSubstr("must have no \\x1b"));
  EXPECT_THAT(MessageOf(Note(Job(1), "tab\there")), HasSubstr("must have no \\t"));
  EXPECT_THAT(MessageOf(Invalidate(Job(1), "two\nlines")), HasSubstr("must have no \\n"));
  EXPECT_THAT(MessageOf(Label(Job(1), {{"k", "v\x1b"}})), HasSubstr("label is \"k=v\\x1b\""));
  EXPECT_THAT(MessageOf(Label(Job(1), {}, {"k\x1b"})), HasSubstr("remove is \"k\\x1b\""));
  EXPECT_EQ(runs_->Get("1.1")->run().note(), "");
}

TEST_F(RunWordsCallsTest, TextsHaveALengthInCharacters) {
  std::string note;
  for (int i = 0; i < 2000; ++i) note += "\u00e9";
  EXPECT_TRUE(Note(Job(1), note).ok());
  EXPECT_EQ(MessageOf(Note(Job(1), note + "x")),
            "note has 2001 characters, must have at most 2000");
  EXPECT_TRUE(Invalidate(Job(1), std::string(500, 'r')).ok());
  EXPECT_EQ(MessageOf(Invalidate(Job(1), std::string(501, 'r'))),
            "reason has 501 characters, must have at most 500");
  EXPECT_THAT(MessageOf(Label(Job(1), {{std::string(101, 'k'), "v"}})),
              HasSubstr("key and value must have 1 to 100 characters"));
  const std::string longest = note.substr(0, 2 * 100);
  EXPECT_TRUE(Label(Job(1), {{longest, longest}}).ok());
  EXPECT_THAT(MessageOf(Label(Job(1), {{"k", longest + "x"}})),
              HasSubstr("key and value must have 1 to 100 characters"));
  EXPECT_THAT(MessageOf(Label(Job(1), {{"k", ""}})), HasSubstr("label `k=`"));
}

TEST_F(RunWordsCallsTest, AChangeOfLabelsHasOneMeaning) {
  EXPECT_EQ(MessageOf(Label(Job(1), {})),
            "set and remove are empty, must give a label (k=v) or one to be taken away");
  EXPECT_EQ(MessageOf(Label(Job(1), {{"k", "v"}}, {"k"})),
            "remove has k, which set gives a value, must be in one of them");
  EXPECT_THAT(MessageOf(Label(Job(1), {}, std::vector<std::string>(21, "k"))),
              HasSubstr("remove has 21 entries, must have at most 20"));
}

}  // namespace
}  // namespace torchlap::rpc
