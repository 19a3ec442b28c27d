#include "server/daemon/log.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "tests/proto/base/settable_clock.h"

namespace torchlap::daemon {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { OpenLog(); }

  LogTest() {
    auto log = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(out_));
    log->set_formatter(LogFormatter());
    spdlog::set_default_logger(std::move(log));
  }
  ~LogTest() override { spdlog::set_default_logger(before_); }

  long Lines() const {
    const std::string text = out_.str();
    return std::count(text.begin(), text.end(), '\n');
  }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream out_;
};

TEST_F(LogTest, AMessageIsOneLineWhateverIsInIt) {
  spdlog::warn("device {}: {}", "cpu0", "a\n2026-01-31T12:00:00.000 info forged\x1b[2J\u202e\xff");
  EXPECT_EQ(Lines(), 1);
  EXPECT_THAT(out_.str(), EndsWith(" warning device cpu0: a\\n2026-01-31T12:00:00.000 info "
                                   "forged\\x1b[2J\\u202e\\xff\n"));
}

TEST_F(LogTest, BeginsWithTheTimeAndTheLevel) {
  spdlog::info("torchlapd stops");
  EXPECT_THAT(out_.str(),
              testing::MatchesRegex("....-..-..T..:..:..[.]... info torchlapd stops\n"));
}

TEST_F(LogTest, WhatGrpcSaysIsALineOfOurs) {
  gpr_log(GPR_ERROR, "Invalid header %s", "x\nforged\x1b]0;t\x07");
  EXPECT_EQ(Lines(), 1);
  EXPECT_THAT(out_.str(), EndsWith(" error gRPC: Invalid header x\\nforged\\x1b]0;t\\x07\n"));
}

TEST_F(LogTest, OfGrpcOnlyErrorsAreAskedFor) {
  if (gpr_should_log(GPR_LOG_SEVERITY_INFO) != 0) GTEST_SKIP() << "GRPC_VERBOSITY asks for more";
  gpr_log(GPR_INFO, "a subchannel");
  gpr_log(GPR_DEBUG, "a poller");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(LogTest, WhatProtobufSaysIsALineOfOurs) {
  GOOGLE_LOG(ERROR) << "String field contains invalid UTF-8 data\nforged";
  EXPECT_EQ(Lines(), 1);
  EXPECT_THAT(out_.str(),
              EndsWith(" error protobuf: String field contains invalid UTF-8 data\\nforged\n"));
}

TEST_F(LogTest, ALibraryThatSaysMuchIsCutAndCounted) {
  SettableClock clock;
  LibraryLog log(&clock);
  for (int i = 0; i < LibraryLog::kLinesAMinute + 40; ++i) {
    log.Write(spdlog::level::err, "gRPC", std::string(100'000, 'x'));
  }
  EXPECT_EQ(Lines(), LibraryLog::kLinesAMinute);
  EXPECT_LT(out_.str().size(), LibraryLog::kLinesAMinute * 1200U);
  EXPECT_THAT(out_.str(), EndsWith("xxx…\n"));
  clock.Advance(60'000'000'000);
  log.Write(spdlog::level::err, "gRPC", "again");
  EXPECT_EQ(Lines(), LibraryLog::kLinesAMinute + 2);
  EXPECT_THAT(out_.str(), HasSubstr(" warning 40 more lines of libraries were left out\n"));
  EXPECT_THAT(out_.str(), EndsWith(" error gRPC: again\n"));
  out_.str("");
  log.Write(spdlog::level::err, "gRPC", "once more");
  EXPECT_THAT(out_.str(), Not(HasSubstr("left out")));
}

}  // namespace
}  // namespace torchlap::daemon
