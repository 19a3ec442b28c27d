#include "client/exit_code.h"

#include <gtest/gtest.h>

namespace torchlap::client {
namespace {

TEST(ExitCode, is_1_for_bad_input_and_3_for_a_daemon_that_is_not_there) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 3);
}

TEST(ExitCode, is_4_for_every_other_status) {
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

TEST(OneLine, has_no_line_breaks_and_is_never_empty) {
  EXPECT_EQ(OneLine(absl::InternalError("a\nb\tc")), "a b c");
  EXPECT_EQ(OneLine(absl::NotFoundError("")), "NOT_FOUND");
}

}  // namespace
}  // namespace torchlap::client
