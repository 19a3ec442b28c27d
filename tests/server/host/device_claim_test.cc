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

TEST(DeviceClaim, AHolderThatDoesNotAnswerIsNotWaitedForLong) {
  const TemporaryFolder locks;
  const auto keys = Cores({0, 1, 2, 3, 4, 5, 6, 7});
  std::vector<FileDescriptor> silent;
  for (const std::string& key : keys) silent.push_back(BindOnly(key));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(TryClaim(keys).status().code(), absl::StatusCode::kUnavailable);
  Result result = TryClaim(keys, locks.path());
  // 100 ms each; the rest is a machine that has other things to do.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  ASSERT_NE(Taken(result), nullptr) << result.status();
  for (int looks = 0; looks < 2; ++looks) {
    const Claim* claim = Taken(result);
    ASSERT_EQ(claim->others().size(), keys.size());
    EXPECT_EQ(claim->others()[0].key, keys[0]);
    EXPECT_FALSE(claim->others()[0].answers);
    EXPECT_FALSE(CountsAlways(claim->others()[0])) << "nobody knows whose it is";
    // A hundred of them wait for nobody.
    for (int i = 0; i < 100; ++i) std::get<Claim>(*result).LookAgain();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(DeviceClaim, ASilentHolderThatBeginsToListenIsKnownFromThenOn) {
  const TemporaryFolder locks;
  const auto keys = Cores({0});
  const FileDescriptor silent = BindOnly(keys[0]);
  Result result = TryClaim(keys, locks.path());
  ASSERT_NE(Taken(result), nullptr) << result.status();
  ASSERT_EQ(listen(silent.get(), 8), 0);
  std::get<Claim>(*result).LookAgain();
  ASSERT_EQ(Taken(result)->others().size(), 1U);
  const HeldBy& holder = Taken(result)->others()[0];
  EXPECT_TRUE(holder.answers);
  EXPECT_EQ(holder.uid, geteuid());
  EXPECT_EQ(holder.pid, getpid());
  EXPECT_TRUE(CountsAlways(holder)) << "it is this account's";
  EXPECT_FALSE(holder.may_lapse);
}

TEST(DeviceClaim, AClaimOfThisAccountCountsForTheWholeMachineToo) {
  const TemporaryFolder locks;
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  const Result held = TryClaim(keys);
  ASSERT_TRUE(IsClaim(held));
  const Result refused = TryClaim(keys, locks.path());
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

TEST(DeviceClaim, ANameOfAnotherAccountKeepsTheWholeMachinesDaemonFromNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const TemporaryFolder locks;
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  ChildProcess stranger = Stranger(keys);
  ASSERT_TRUE(stranger.acted());
  {
    const Result refused = TryClaim(keys);
    ASSERT_NE(Holder(refused), nullptr) << "without locks every claim counts";
    EXPECT_FALSE(Holder(refused)->may_lapse);
  }
  const Result taken = TryClaim(keys, locks.path());
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  ASSERT_EQ(Taken(taken)->others().size(), 1U);
  const HeldBy& other = Taken(taken)->others()[0];
  EXPECT_EQ(other.key, keys[0]);
  EXPECT_EQ(other.pid, stranger.pid());
  EXPECT_EQ(other.uid, 12345U) << "by the kernel";
  EXPECT_EQ(other.user, "uid:12345");
  EXPECT_TRUE(other.may_lapse);
  EXPECT_FALSE(CountsAlways(other));
}

TEST(DeviceClaim, EachNameOfAnotherIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const TemporaryFolder locks;
  ChildProcess stranger = Stranger(Cores({1, 2, 3}));
  ASSERT_TRUE(stranger.acted());
  const Result taken = TryClaim(Cores({0, 1, 2, 3, 4}), locks.path());
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  ASSERT_EQ(Taken(taken)->others().size(), 3U);
  EXPECT_EQ(Taken(taken)->others()[1].key, Cores({2})[0]);
  EXPECT_NE(Holder(TryClaim(Cores({0}))), nullptr) << "the others are held as usual";
}

TEST(DeviceClaim, ANameThatBecomesFreeIsTakenAtTheNextLook) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const TemporaryFolder locks;
  ChildProcess stranger = Stranger(Cores({1, 2}));
  ASSERT_TRUE(stranger.acted());
  Result taken = TryClaim(Cores({0, 1, 2}), locks.path());
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  std::get<Claim>(*taken).LookAgain();
  EXPECT_EQ(Taken(taken)->others().size(), 2U) << "its holder lives";
  stranger.Kill();
  std::get<Claim>(*taken).LookAgain();
  EXPECT_TRUE(Taken(taken)->others().empty());
  const Result late = TryClaim(Cores({2}));
  ASSERT_NE(Holder(late), nullptr) << late.status();
  EXPECT_EQ(Holder(late)->pid, getpid());
}

TEST(DeviceClaim, WhoTakesANameThatBecameFreeIsTheOneThatIsTold) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const TemporaryFolder locks;
  ChildProcess first = Stranger(Cores({0}));
  ASSERT_TRUE(first.acted());
  Result taken = TryClaim(Cores({0}), locks.path());
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  first.Kill();
  ChildProcess second = Stranger(Cores({0}));
  ASSERT_TRUE(second.acted());
  std::get<Claim>(*taken).LookAgain();
  ASSERT_EQ(Taken(taken)->others().size(), 1U);
  EXPECT_EQ(Taken(taken)->others()[0].pid, second.pid());
}

TEST(DeviceClaim, LookingAgainLeavesNoConnectionsInTheHoldersQueue) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const TemporaryFolder locks;
  ChildProcess stranger = Stranger(Cores({0}));
  ASSERT_TRUE(stranger.acted());
  Result taken = TryClaim(Cores({0}), locks.path());
  ASSERT_NE(Taken(taken), nullptr) << taken.status();
  // More than a queue has room for.
  for (int i = 0; i < 10'000; ++i) std::get<Claim>(*taken).LookAgain();
  EXPECT_NE(Holder(TryClaim(Cores({0}))), nullptr) << "others can still learn who it is";
}

TEST(DeviceClaim, WhereTheNameIsAnothersTheLockStandsForIt) {
  const TemporaryFolder folder;
  const auto keys = GpuClaimKeys(Scope(), "GPU-1");
  const FileDescriptor silent = BindOnly(keys[0]);
  {
    const Result first = TryClaim(keys, folder.path());
    ASSERT_TRUE(IsClaim(first)) << first.status();
    const Result second = TryClaim(keys, folder.path());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(second.status().message().find("is locked by another torchlapd"),
              absl::string_view::npos)
        << second.status();
  }
  EXPECT_TRUE(IsClaim(TryClaim(keys, folder.path()))) << "let go of";
}

TEST(DeviceClaim, ALockThatIsNoFileIsRefused) {
  const TemporaryFolder folder;
  const auto keys = GpuClaimKeys("t" + std::to_string(getpid()), "GPU-1");
  std::string name = keys[0];
  std::replace(name.begin(), name.end(), '/', '_');
  std::filesystem::create_symlink("/no/such", folder.path() / (name + ".lock"));
  EXPECT_EQ(TryClaim(keys, folder.path()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(DeviceClaim, ALockOfAnotherAccountIsNotHonoured) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const TemporaryFolder folder;
  const auto keys = GpuClaimKeys("t" + std::to_string(getpid()), "GPU-1");
  std::string name = keys[0];
  std::replace(name.begin(), name.end(), '/', '_');
  const auto file = folder.Write(name + ".lock", "");
  ASSERT_EQ(chown(file.c_str(), 12345, 12345), 0);
  const absl::Status refused = TryClaim(keys, folder.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_NE(refused.message().find("belongs to uid 12345"), absl::string_view::npos) << refused;
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
