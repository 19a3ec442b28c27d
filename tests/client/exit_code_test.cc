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

TEST(OneLine, HasNoLineBreaksAndIsNeverEmpty) {
  EXPECT_EQ(OneLine(absl::InternalError("a\nb\tc")), "a b c");
  EXPECT_EQ(OneLine(absl::NotFoundError("")), "NOT_FOUND");
}

}  // namespace
}  // namespace torchlap::client
