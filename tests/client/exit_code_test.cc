#include "client/exit_code.h"

#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

TEST(ExitCode, Is1ForBadInputAnd3ForADaemonThatIsNotThere) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 3);
}

TEST(ExitCode, Is4ForEveryOtherStatus) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kCancelled, absl::StatusCode::kUnknown,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kNotFound,
        absl::StatusCode::kAlreadyExists, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kResourceExhausted, absl::StatusCode::kFailedPrecondition,
        absl::StatusCode::kAborted, absl::StatusCode::kOutOfRange, absl::StatusCode::kUnimplemented,
        absl::StatusCode::kInternal, absl::StatusCode::kDataLoss,
        absl::StatusCode::kUnauthenticated}) {
    EXPECT_EQ(ExitCodeOf(absl::Status(code, "x")), 4) << absl::StatusCodeToString(code);
  }
}

TEST(ExitCode, Is6ForAResultThatCouldNotBeWrittenWhateverIsSaidBesides) {
  EXPECT_EQ(ExitCodeOf(OutputError("cannot write a.csv")), 6);
  EXPECT_EQ(ExitCodeOf(WithRemark(OutputError("cannot write a.csv"), "sweep:3 has ended")), 6);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("the daemon lost it")), 4);
}

TEST(Remark, StandsBehindTheMessageAndKeepsTheCode) {
  const absl::Status status = WithRemark(absl::UnavailableError("gone\naway"), "sweep:3 stays");
  EXPECT_EQ(status, absl::UnavailableError("gone away; sweep:3 stays"));
}

TEST(OneLine, HasNoLineBreaksAndIsNeverEmpty) {
  EXPECT_EQ(OneLine(absl::InternalError("a\nb\tc")), "a b c");
  EXPECT_EQ(OneLine(absl::NotFoundError("")), "NOT_FOUND");
}

TEST(OneLine, ShowsWhatWouldSteerATerminal) {
  EXPECT_EQ(OneLine(absl::InternalError("a\x1b]0;x\x07")), "a\\x1b]0;x\\x07");
  EXPECT_EQ(OneLine(absl::InternalError("\u202eb\u009b1m \xff")), "\\u202eb\\u009b1m \\xff");
}

}  // namespace
}  // namespace torchlap::client
