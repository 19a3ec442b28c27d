#include "server/host/device_claim.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/host/child_process.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

using Result = absl::StatusOr<std::variant<Claim, HeldBy>>;

constexpr int kDeadlineMs = 10000;

// A scope that no other test, and no daemon of this machine, uses.
std::string Scope() {
  return "test-" + std::to_string(getpid()) + "-" +
         testing::UnitTest::GetInstance()->current_test_info()->name();
}

std::vector<std::string> Cores(const std::vector<int>& cores) {
  return CpuClaimKeys("t" + std::to_string(getpid()), cores);
}

bool IsClaim(const Result& result) { return result.ok() && std::holds_alternative<Claim>(*result); }

const HeldBy* Holder(const Result& result) {
  return result.ok() ? std::get_if<HeldBy>(&*result) : nullptr;
}

bool EndsWithin(const HeldBy& holder, int timeout_ms) {
  pollfd watched{holder.watch_fd.get(), POLLIN, 0};
  return poll(&watched, 1, timeout_ms) == 1;
}

TEST(DeviceClaim, KeysNameScopeAndDevice) {
  EXPECT_EQ(GpuClaimKeys("host", "GPU-1"), std::vector<std::string>{"torchlap/host/GPU-1"});
  EXPECT_EQ(CpuClaimKeys("host", {0, 12}),
            (std::vector<std::string>{"torchlap/host/cpu-core-0", "torchlap/host/cpu-core-12"}));
}

TEST(DeviceClaim, TheScopeComesFromTheEnvironment) {
  unsetenv("TORCHLAP_CLAIM_SCOPE");
  EXPECT_EQ(ClaimScope(), "host");
  setenv("TORCHLAP_CLAIM_SCOPE", "", 1);
  EXPECT_EQ(ClaimScope(), "host");
  setenv("TORCHLAP_CLAIM_SCOPE", "mine", 1);
  EXPECT_EQ(ClaimScope(), "mine");
  unsetenv("TORCHLAP_CLAIM_SCOPE");
}

TEST(DeviceClaim, AClaimHoldsUntilItIsDestroyed) {
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  auto first = std::make_unique<Result>(TryClaim(keys));
  ASSERT_TRUE(IsClaim(*first)) << first->status();
  EXPECT_NE(Holder(TryClaim(keys)), nullptr);
  first.reset();
  EXPECT_TRUE(IsClaim(TryClaim(keys)));
}

TEST(DeviceClaim, AnotherScopeIsAnotherDevice) {
  const Result first = TryClaim(GpuClaimKeys(Scope(), "GPU-1"));
  EXPECT_TRUE(IsClaim(first));
  EXPECT_TRUE(IsClaim(TryClaim(GpuClaimKeys(Scope() + "2", "GPU-1"))));
}

TEST(DeviceClaim, ASecondProcessLearnsWhoHasItAndSeesItsDeath) {
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  ChildProcess child([&] {
    static const Result held = TryClaim(keys);
    return IsClaim(held);
  });
  ASSERT_TRUE(child.acted());
  const Result refused = TryClaim(keys);
  const HeldBy* holder = Holder(refused);
  ASSERT_NE(holder, nullptr) << refused.status();
  EXPECT_EQ(holder->key, keys[0]);
  EXPECT_EQ(holder->pid, child.pid());
  EXPECT_EQ(holder->uid, getuid());
  EXPECT_NE(holder->user, "");
  EXPECT_TRUE(getuid() != 0 || holder->user == "root") << holder->user;
  EXPECT_FALSE(EndsWithin(*holder, 0)) << "the holder lives";
  child.Kill();
  EXPECT_TRUE(EndsWithin(*holder, kDeadlineMs));
  EXPECT_TRUE(IsClaim(TryClaim(keys)));
}

TEST(DeviceClaim, ManyCanWaitAndAllSeeTheEnd) {
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  ChildProcess child([&] {
    static const Result held = TryClaim(keys);
    return IsClaim(held);
  });
  std::vector<Result> waiting;
  for (int i = 0; i < 200; ++i) {
    waiting.push_back(TryClaim(keys));
    ASSERT_NE(Holder(waiting.back()), nullptr) << i << ": " << waiting.back().status();
  }
  child.Kill();
  for (const Result& one : waiting) EXPECT_TRUE(EndsWithin(*Holder(one), kDeadlineMs));
}

TEST(DeviceClaim, OneThatWaitedAndLeftDoesNotDisturb) {
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  const Result held = TryClaim(keys);
  ASSERT_TRUE(IsClaim(held));
  { const Result left = TryClaim(keys); }
  EXPECT_NE(Holder(TryClaim(keys)), nullptr);
}

TEST(DeviceClaim, SeveralCoresAreClaimedAllOrNone) {
  Result middle = TryClaim(Cores({5}));
  ASSERT_TRUE(IsClaim(middle));
  const Result refused = TryClaim(Cores({7, 5, 4}));
  ASSERT_NE(Holder(refused), nullptr) << refused.status();
  EXPECT_EQ(Holder(refused)->key, Cores({5})[0]);
  EXPECT_TRUE(IsClaim(TryClaim(Cores({4})))) << "let go of";
  EXPECT_TRUE(IsClaim(TryClaim(Cores({7})))) << "never taken";
}

TEST(DeviceClaim, OverlappingSetsExcludeEachOtherAndOthersDoNot) {
  const Result first = TryClaim(Cores({0, 1}));
  ASSERT_TRUE(IsClaim(first));
  EXPECT_NE(Holder(TryClaim(Cores({1, 2}))), nullptr);
  EXPECT_TRUE(IsClaim(TryClaim(Cores({2, 3}))));
}

TEST(DeviceClaim, AKeyThatIsTooLongIsRefused) {
  const std::string scope(120, 's');
  const Result result = TryClaim(GpuClaimKeys(scope, "GPU-1"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TryClaim({}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DeviceClaim, TheLongestKeyWorks) {
  std::string uuid(107 - std::string("torchlap//").size() - Scope().size(), 'u');
  const auto keys = GpuClaimKeys(Scope(), uuid);
  ASSERT_EQ(keys[0].size(), 107U);
  const Result held = TryClaim(keys);
  EXPECT_TRUE(IsClaim(held)) << held.status();
  uuid.back() = 'v';
  EXPECT_TRUE(IsClaim(TryClaim(GpuClaimKeys(Scope(), uuid)))) << "the last byte counts";
}

// An abstract name that somebody has and does not listen on.
FileDescriptor BindOnly(const std::string& key) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path + 1, key.data(), key.size());
  FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + key.size());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
  return fd;
}

const Claim* Taken(const Result& result) {
  return result.ok() ? std::get_if<Claim>(&*result) : nullptr;
}

// Of a daemon that serves the whole machine, where nobody uses the device or everybody does.
ClaimRules Rules(bool counts) {
  ClaimRules rules;
  rules.counts = [counts](const HeldBy&) { return counts; };
  return rules;
}

TEST(DeviceClaim, AHolderThatDoesNotAnswerIsNotWaitedForLong) {
  const auto keys = Cores({0, 1, 2, 3, 4, 5, 6, 7});
  std::vector<FileDescriptor> silent;
  for (const std::string& key : keys) silent.push_back(BindOnly(key));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(TryClaim(keys).status().code(), absl::StatusCode::kUnavailable);
  const Result result = TryClaim(keys, Rules(true));
  // 100 ms each; the rest is a machine that has other things to do.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  const Claim* claim = Taken(result);
  ASSERT_NE(claim, nullptr) << result.status();
  ASSERT_EQ(claim->ignored().size(), keys.size());
  EXPECT_EQ(claim->ignored()[0], "claim " + keys[0] +
                                     ": somebody has the name and does not listen: ignored, as who "
                                     "holds it does not answer");
}

TEST(DeviceClaim, AClaimOfThisAccountCountsWhateverTheRulesSay) {
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  const Result held = TryClaim(keys);
  ASSERT_TRUE(IsClaim(held));
  const Result refused = TryClaim(keys, Rules(false));
  ASSERT_NE(Holder(refused), nullptr) << refused.status();
  EXPECT_FALSE(Holder(refused)->may_lapse);
}

// Holds the keys as another user.
ChildProcess Stranger(const std::vector<std::string>& keys) {
  return ChildProcess([keys] {
    static Result held = absl::UnknownError("not tried");
    if (setuid(12345) != 0) return false;
    held = TryClaim(keys);
    return IsClaim(held);
  });
}

TEST(DeviceClaim, AClaimOfAnotherAccountCountsWhereItUsesTheDevice) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  ChildProcess stranger = Stranger(keys);
  ASSERT_TRUE(stranger.acted());
  EXPECT_NE(Holder(TryClaim(keys)), nullptr) << "without rules";
  {
    const Result refused = TryClaim(keys, Rules(true));
    ASSERT_NE(Holder(refused), nullptr) << refused.status();
    EXPECT_TRUE(Holder(refused)->may_lapse);
    EXPECT_EQ(Holder(refused)->uid, 12345U);
  }
  const Result taken = TryClaim(keys, Rules(false));
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  EXPECT_EQ(
      Taken(taken)->ignored(),
      std::vector<std::string>{"claim " + keys[0] + " of pid " + std::to_string(stranger.pid()) +
                               ", user uid:12345: ignored, as that account does not use the "
                               "device"});
}

TEST(DeviceClaim, WhoHoldsSomeOfTheCoresIsAskedForOnce) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  ChildProcess stranger = Stranger(Cores({1, 2, 3}));
  ASSERT_TRUE(stranger.acted());
  int asked = 0;
  ClaimRules rules;
  rules.counts = [&](const HeldBy&) {
    ++asked;
    return false;
  };
  const Result taken = TryClaim(Cores({0, 1, 2, 3, 4}), rules);
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(Taken(taken)->ignored().size(), 3U);
  EXPECT_NE(Holder(TryClaim(Cores({0}))), nullptr) << "the others are held as usual";
}

TEST(DeviceClaim, WhereTheNameIsAnothersTheLockStandsForIt) {
  const TemporaryFolder folder;
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  const FileDescriptor silent = BindOnly(keys[0]);
  ClaimRules rules = Rules(false);
  rules.lock_folder = folder.path();
  {
    const Result first = TryClaim(keys, rules);
    ASSERT_TRUE(IsClaim(first)) << first.status();
    const Result second = TryClaim(keys, rules);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(second.status().message().find("is locked by another torchlapd"),
              absl::string_view::npos)
        << second.status();
  }
  EXPECT_TRUE(IsClaim(TryClaim(keys, rules))) << "let go of";
}

TEST(DeviceClaim, ALockThatIsNoFileIsRefused) {
  const TemporaryFolder folder;
  const auto keys = GpuClaimKeys("t" + std::to_string(getpid()), "GPU-1");
  ClaimRules rules;
  rules.lock_folder = folder.path();
  std::string name = keys[0];
  std::replace(name.begin(), name.end(), '/', '_');
  std::filesystem::create_symlink("/no/such", folder.path() / (name + ".lock"));
  EXPECT_EQ(TryClaim(keys, rules).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(DeviceClaim, WithoutADescriptorLeftItIsSaid) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Result result = TryClaim(GpuClaimKeys(Scope(), "GPU-1"));
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace torchlap::host
