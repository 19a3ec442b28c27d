#include "server/rpc/text_check.h"

#include <gtest/gtest.h>

#include <string>

#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {
namespace {

std::string RefusalOf(const google::protobuf::Message& request) {
  const absl::Status status = CheckTexts(request);
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(TextCheckTest, NamesFieldValueAndWhatIsWrong) {
  EXPECT_EQ(CheckText("user", "a\nb").message(),
            "user is \"a\\nb\", must have no \\n: visible characters only");
  EXPECT_TRUE(CheckText("user", "Käthe | 日本 `x` = 🚀").ok());
  EXPECT_TRUE(CheckText("user", "").ok());
}

TEST(TextCheckTest, LooksAtEveryTextWhereverItStands) {
  v1::ListRunsRequest request;
  EXPECT_EQ(RefusalOf(request), "");
  request.mutable_filter()->add_devices("cpu0");
  request.mutable_filter()->mutable_selector()->add_job_ids(17);
  (*request.mutable_filter()->mutable_labels())["k"] = "v";
  EXPECT_EQ(RefusalOf(request), "");
  v1::ListRunsRequest list = request;
  list.mutable_filter()->add_devices("\x1b");
  EXPECT_EQ(RefusalOf(list), "devices is \"\\x1b\", must have no \\x1b: visible characters only");
  v1::ListRunsRequest nested = request;
  nested.mutable_filter()->mutable_selector()->add_run_ids("1.1\u202e");
  EXPECT_EQ(RefusalOf(nested),
            "run_ids is \"1.1\\u202e\", must have no \\u202e: visible characters only");
  v1::ListRunsRequest single = request;
  single.set_page_token("\u2028");
  EXPECT_EQ(RefusalOf(single),
            "page_token is \"\\u2028\", must have no \\u2028: visible characters only");
}

TEST(TextCheckTest, LooksAtKeysAndValuesOfMaps) {
  v1::JobSpec key;
  (*key.mutable_labels())["k\x7f"] = "v";
  EXPECT_EQ(RefusalOf(key), "labels is \"k\\x7f\", must have no \\x7f: visible characters only");
  v1::JobSpec value;
  (*value.mutable_labels())["k"] = "\u0085";
  EXPECT_EQ(RefusalOf(value),
            "labels is \"\\u0085\", must have no \\u0085: visible characters only");
}

TEST(TextCheckTest, DoesNotRepeatALongTextWholly) {
  EXPECT_EQ(Named("cpu0"), "cpu0");
  EXPECT_LE(Named(std::string(1 << 20, '\x1b')).size(), 200U);
  EXPECT_TRUE(Named(std::string(201, 'x')).ends_with("x…"));
}

}  // namespace
}  // namespace torchlap::rpc
