// Limits agree on both sides of the wire.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

// 100 x 100 cells with labels of `chars` characters on each side.
std::vector<std::string> TenThousandCells(int labels, size_t chars, int more_batches = 0) {
  std::vector<std::string> arguments = {"submit", "--layers", "1",  "--heads", "2", "--d-model",
                                        "16",     "--d-ff",   "32", "--vocab", "50"};
  arguments.push_back("--batch-size");
  for (int i = 1; i <= 100 + more_batches; ++i) arguments.push_back(std::to_string(i));
  arguments.push_back("--context-length");
  for (int i = 1; i <= 100; ++i) arguments.push_back(std::to_string(i));
  for (int i = 0; i < labels; ++i) {
    arguments.push_back("--label");
    arguments.push_back(std::string(chars - 1, 'k') + std::to_string(i) + "=" +
                        std::string(chars, 'v'));
  }
  return arguments;
}

// A world whose runs hang, so that the queue stays.
class MessageSizeTest : public testing::Test {
 protected:
  MessageSizeTest() : world_(World::FakeWorker()) {
    world_.TellFakeWorker({{"start", {{"do", "hang"}}}});
  }
  void SetUp() override { ASSERT_TRUE(world_.Start()) << world_.daemon_log(); }

  World world_;
};

TEST_F(MessageSizeTest, TenThousandCellsWithFourLongLabelsAreTakenShownAndCancelled) {
  const Finished submit = world_.Client(TenThousandCells(4, 100));
  ASSERT_EQ(submit.status, 0) << submit.err;
  EXPECT_EQ(world_.Query("SELECT COUNT(*) FROM job"), std::vector<std::string>{"10000"});
  const Finished queue = world_.Client({"queue", "--limit", "0", "--format", "json"});
  ASSERT_EQ(queue.status, 0) << queue.err;
  EXPECT_EQ(nlohmann::json::parse(queue.out).size(), 10'000U);
  EXPECT_EQ(world_.Client({"cancel", "last"}).status, 0);
}

TEST_F(MessageSizeTest, MoreCellsThanAreTakenAreRefusedInOneLine) {
  const Finished submit = world_.Client(TenThousandCells(4, 100, 1));
  EXPECT_NE(submit.status, 0);
  EXPECT_NE(submit.err.find("10100"), std::string::npos) << submit.err;
  EXPECT_NE(submit.err.find("10000"), std::string::npos) << submit.err;
}

TEST_F(MessageSizeTest, ARequestThatIsTooLargeIsRefusedInOneLineBeforeItIsSent) {
  const Finished submit = world_.Client(TenThousandCells(1, 4'000));
  EXPECT_EQ(submit.status, 1);
  EXPECT_NE(submit.err.find("must have at most 67108864"), std::string::npos) << submit.err;
  EXPECT_EQ(submit.err.find('\n'), submit.err.size() - 1) << submit.err;
  EXPECT_EQ(world_.Query("SELECT COUNT(*) FROM job"), std::vector<std::string>{"0"});
}

}  // namespace
}  // namespace torchlap::e2e
