#include "client/close_names.h"

#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

const std::vector<std::string> kNames = {"run_id",         "model_size",         "step_mean_ms",
                                         "step_median_ms", "step_median_low_ms", "tokens_per_s",
                                         "context_length"};

TEST(CloseNames, KnowsANameInAnotherUnit) {
  EXPECT_EQ(CloseNames("step_median_ns", kNames), "; close to it: step_median_ms");
}

TEST(CloseNames, KnowsABeginningTheClosestFirst) {
  EXPECT_EQ(CloseNames("step_median", kNames), "; close to it: step_median_ms, step_median_low_ms");
  EXPECT_EQ(CloseNames("tokens_per_second", kNames), "; close to it: tokens_per_s");
}

TEST(CloseNames, KnowsASlipOfTheFinger) {
  EXPECT_EQ(CloseNames("contxt_lenght", kNames), "; close to it: context_length");
  EXPECT_EQ(CloseNames("runid", kNames), "; close to it: run_id");
}

TEST(CloseNames, SaysNothingWhereNothingIsClose) {
  EXPECT_EQ(CloseNames("colour", kNames), "");
  EXPECT_EQ(CloseNames("", kNames), "");
  EXPECT_EQ(CloseNames("run", {"running_jobs"}), "") << "it begins too many";
  EXPECT_EQ(CloseNames(std::string(100, 'x'), {std::string(100, 'x')}), "");
}

TEST(CloseNames, NamesThreeAtMostAndEachOnce) {
  EXPECT_EQ(CloseNames("step_a", {"step_b", "step_b", "step_c", "step_d", "step_e"}),
            "; close to it: step_b, step_c, step_d");
}

}  // namespace
}  // namespace torchlap::client
