// In a made-up /proc; of real processes in worker_process_test.cc.
#include "server/run/worker_mark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/server/host/temporary_folder.h"

namespace torchlap::run {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::vector<std::string> kKeys = {"torchlap/host/cpu-core-1", "torchlap/host/cpu-core-2"};

// Numbers that no process of this machine has.
constexpr pid_t kFirst = 5'000'001;
constexpr pid_t kSecond = 5'000'002;

class MarkSearchTest : public testing::Test {
 protected:
  struct Made {
    std::string name = "sleep";
    char state = 'S';
    pid_t parent = 1;
    uint64_t start_ticks = TicksSinceBoot() + 1000;
    std::string uids = {};  // empty: all of this account
    std::string flags = "4194304";
  };

  void Add(pid_t pid, const std::string& environment, const Made& made) const {
    const std::string folder = "proc/" + std::to_string(pid) + "/";
    const std::string own = std::to_string(::geteuid());
    std::string stat = std::to_string(pid) + " (" + made.name + ") " + made.state + " " +
                       std::to_string(made.parent) + " 1 1 0 -1 " + made.flags;
    for (int field = 10; field < 22; ++field) stat += " 0";
    folder_.Write(folder + "stat", stat + " " + std::to_string(made.start_ticks) + " 1 1 1\n");
    folder_.Write(folder + "status",
                  "Name:\t" + made.name + "\nUid:\t" +
                      (made.uids.empty() ? own + "\t" + own + "\t" + own + "\t" + own : made.uids) +
                      "\nGid:\t0\t0\t0\t0\n");
    folder_.Write(folder + "environ", environment);
  }
  static std::string With(const std::string& mark) {
    using namespace std::string_literals;
    return "PATH=/bin\0"s + mark + "\0LANG=C\0"s;
  }
  static std::string Uids(uid_t real, uid_t effective, uid_t saved) {
    return std::to_string(real) + "\t" + std::to_string(effective) + "\t" + std::to_string(saved) +
           "\t" + std::to_string(effective);
  }
  MarkSearch::Found Look(const std::vector<std::string>& keys) {
    return search_.Look(AllProcesses(folder_.path()), keys);
  }
  std::vector<pid_t> Marked(const std::vector<std::string>& keys = kKeys) {
    std::vector<pid_t> pids;
    for (const ProcessId& process : Look(keys).marked) pids.push_back(process.pid);
    return pids;
  }

  host::TemporaryFolder folder_;
  MarkSearch search_{folder_.path()};
};

TEST_F(MarkSearchTest, WhoHasOneOfTheKeysIsFound) {
  Add(kFirst, With(MarkOf({kKeys[1], "torchlap/host/cpu-core-7"})), {});
  Add(kSecond, With(MarkOf({kKeys[1] + "0"})), {});
  EXPECT_THAT(Marked(), ElementsAre(kFirst)) << "core 20 is not core 2";
  EXPECT_THAT(Marked({"torchlap/host/cpu-core-7"}), ElementsAre(kFirst));
  EXPECT_THAT(Marked({}), IsEmpty());
  EXPECT_THAT(Marked({""}), IsEmpty());
}

TEST_F(MarkSearchTest, ScopesMayHaveColonsInTheirNames) {
  const std::string key = "torchlap/a:b=c/GPU-1";
  Add(kFirst, With(MarkOf({key})), {});
  EXPECT_THAT(Marked({key}), ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, AllUidsOfAProcessAreThisAccounts) {
  const uid_t own = ::geteuid();
  const uid_t other = own + 1;
  const std::string mark = With(MarkOf(kKeys));
  for (const std::string& uids :
       {Uids(other, other, other), Uids(other, own, own), Uids(own, other, own),
        Uids(own, own, other), Uids(other, own, other), std::string("x")}) {
    Add(kFirst, mark, {.uids = uids});
    EXPECT_FALSE(IsOfThisAccount(kFirst, folder_.path())) << uids;
    EXPECT_THAT(Marked(), IsEmpty()) << uids;
  }
  Add(kFirst, mark, {.uids = Uids(own, own, own)});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, WhoIsOlderThanItsMarkIsNoWorkersChild) {
  const std::string mark = With(MarkOf(kKeys));
  const uint64_t now = TicksSinceBoot();
  Add(kFirst, mark, {.start_ticks = now - 1000});
  EXPECT_THAT(Marked(), IsEmpty());
  Add(kFirst, mark, {.start_ticks = now + 1});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, ADaemonInAnotherNetworkNamespaceHasOtherWorkers) {
  const MarkOwner& own = OwnMark();
  EXPECT_NE(own.daemon, "");
  EXPECT_EQ(&OwnMark(), &own);
  Add(kFirst, With(MarkOf(kKeys, {own.place + "1", "another"})), {});
  EXPECT_THAT(Marked(), IsEmpty());
  // Of a daemon before this one: there a key has one holder.
  Add(kFirst, With(MarkOf(kKeys, {own.place, "another"})), {});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, WhatIsNoMarkIsPassedOver) {
  const std::string name = "TORCHLAP_WORKER_OF=";
  for (const std::string& text :
       {name, name + kKeys[0], name + ":::" + kKeys[0], name + OwnMark().place + ":x:y:" + kKeys[0],
        name + OwnMark().place + ":x:-1:" + kKeys[0], "X" + MarkOf(kKeys), std::string()}) {
    Add(kFirst, With(text), {});
    EXPECT_THAT(Marked(), IsEmpty()) << text;
  }
}

TEST_F(MarkSearchTest, WhoSleepsUninterruptiblyIsReadAtALaterLook) {
  const std::string mark = With(MarkOf(kKeys));
  Add(kFirst, mark, {.state = 'D'});
  // Who opens this one waits for ever, as for the lock that such a process may keep.
  const std::string environ = folder_.path() / "proc" / std::to_string(kFirst) / "environ";
  ASSERT_EQ(::unlink(environ.c_str()), 0);
  ASSERT_EQ(::mkfifo(environ.c_str(), 0600), 0);
  MarkSearch::Found found = Look(kKeys);
  EXPECT_THAT(found.marked, IsEmpty());
  EXPECT_THAT(found.asleep, ElementsAre(kFirst));
  ASSERT_EQ(::unlink(environ.c_str()), 0);
  Add(kFirst, mark, {.state = 'R'});
  found = Look(kKeys);
  EXPECT_EQ(found.marked.size(), 1U);
  EXPECT_THAT(found.asleep, IsEmpty());
}

TEST_F(MarkSearchTest, WhoSleepsSoForLongIsWaitedForInFiveLooksOnly) {
  const std::string mark = With(MarkOf(kKeys));
  Add(kFirst, mark, {.state = 'D', .start_ticks = TicksSinceBoot()});
  for (int looks = 0; looks < 5; ++looks) {
    EXPECT_THAT(Look(kKeys).asleep, ElementsAre(kFirst)) << looks;
  }
  for (int looks = 0; looks < 3; ++looks) {
    const MarkSearch::Found found = Look(kKeys);
    EXPECT_THAT(found.asleep, IsEmpty());
    EXPECT_TRUE(found.passed_over) << "it may be marked";
  }
  Add(kSecond, mark, {.state = 'D'});
  EXPECT_THAT(Look({"torchlap/host/GPU-1"}).asleep, ElementsAre(kSecond));
  Add(kFirst, mark, {.start_ticks = TicksSinceBoot()});
  EXPECT_THAT(Marked(), ElementsAre(kFirst)) << "it is awake";
  EXPECT_FALSE(search_.Look({kFirst}, kKeys).passed_over);
}

TEST_F(MarkSearchTest, WhoeverIsWaitedForOrWasReadIsNotPassedOver) {
  const uint64_t start_ticks = TicksSinceBoot();
  Add(kFirst, With(MarkOf(kKeys)), {.start_ticks = start_ticks});
  EXPECT_FALSE(Look(kKeys).passed_over);
  Add(kFirst, "", {.state = 'D', .start_ticks = start_ticks});
  Add(kSecond, "", {.name = "torchlap-worker", .state = 'D', .parent = 1});
  for (int looks = 0; looks < 9; ++looks) EXPECT_FALSE(Look(kKeys).passed_over) << looks;
}

TEST_F(MarkSearchTest, AThreadThatSleepsSoIsEnough) {
  Add(kFirst, With(MarkOf(kKeys)), {});
  folder_.Write("proc/" + std::to_string(kFirst) + "/task/" + std::to_string(kSecond) + "/stat",
                std::to_string(kSecond) + " (a) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 7 0\n");
  EXPECT_THAT(Look(kKeys).asleep, ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, WhoWasReadBeforeItFellAsleepIsKnown) {
  const std::string mark = With(MarkOf(kKeys));
  const uint64_t start_ticks = TicksSinceBoot() + 1000;
  Add(kFirst, mark, {.start_ticks = start_ticks});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
  Add(kFirst, mark, {.state = 'D', .start_ticks = start_ticks});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
  EXPECT_THAT(Marked({"torchlap/host/cpu-core-3"}), IsEmpty());
  // Its number was given away.
  Add(kFirst, mark, {.state = 'D', .start_ticks = start_ticks + 1});
  const MarkSearch::Found found = Look(kKeys);
  EXPECT_THAT(found.marked, IsEmpty());
  EXPECT_THAT(found.asleep, ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, WhoWasReadBeforeItsEndIsThereUntilItIsDead) {
  const std::string mark = With(MarkOf(kKeys));
  const uint64_t start_ticks = TicksSinceBoot();
  Add(kFirst, mark, {.start_ticks = start_ticks});
  Add(kSecond, mark, {.name = "torchlap-worker", .start_ticks = start_ticks});
  EXPECT_THAT(Marked(), UnorderedElementsAre(kFirst, kSecond));
  for (const pid_t pid : {kFirst, kSecond}) {
    const std::string name = pid == kFirst ? "sleep" : "torchlap-worker";
    Add(pid, "", {.name = name, .start_ticks = start_ticks});
  }
  EXPECT_THAT(Marked(), UnorderedElementsAre(kFirst, kSecond));
  EXPECT_THAT(Look({"torchlap/host/GPU-1"}).dying, IsEmpty()) << "of another device";
  Add(kFirst, "", {.state = 'Z', .start_ticks = start_ticks});
  EXPECT_THAT(Marked(), ElementsAre(kSecond));
}

TEST_F(MarkSearchTest, AWorkerWithoutItsDaemonThatSleepsSoIsToldFromOthers) {
  Add(kFirst, "", {.name = "torchlap-worker", .state = 'D', .parent = 1});
  Add(kSecond, "", {.name = "torchlap-worker", .state = 'D', .parent = kSecond + 1});
  Add(kSecond + 1, "A=1", {.name = "torchlapd"});
  const MarkSearch::Found found = Look(kKeys);
  EXPECT_THAT(found.sleeping_workers, ElementsAre(kFirst));
  EXPECT_THAT(found.asleep, ElementsAre(kSecond));
}

TEST_F(MarkSearchTest, AWorkerWithoutAnEnvironmentIsAboutToBeGone) {
  Add(kFirst, "", {.name = "torchlap-worker"});
  Add(kSecond, "", {.name = "python3"});
  EXPECT_THAT(Look(kKeys).dying, ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, TheDeadAndTheKernelsOwnAreNobody) {
  Add(kFirst, With(MarkOf(kKeys)), {.name = "torchlap-worker", .state = 'Z'});
  Add(kSecond, "", {.name = "kworker/0:1", .state = 'D', .flags = "69238880"});
  const MarkSearch::Found found = Look(kKeys);
  EXPECT_THAT(found.marked, IsEmpty());
  EXPECT_THAT(found.asleep, IsEmpty());
  EXPECT_THAT(found.sleeping_workers, IsEmpty());
  EXPECT_THAT(found.dying, IsEmpty());
}

TEST_F(MarkSearchTest, OnlyThoseThatAreNamedAreLookedAt) {
  Add(kFirst, With(MarkOf(kKeys)), {});
  // A FIFO: who opens it to read it waits for ever.
  Add(kSecond, "", {});
  const auto environ = folder_.path() / "proc" / std::to_string(kSecond) / "environ";
  ASSERT_EQ(::unlink(environ.c_str()), 0);
  ASSERT_EQ(::mkfifo(environ.c_str(), 0600), 0);
  const auto found = search_.Look({kFirst, kFirst + 7}, kKeys);
  ASSERT_EQ(found.marked.size(), 1U);
  EXPECT_EQ(found.marked[0].pid, kFirst);
}

TEST_F(MarkSearchTest, ALookAmongSomeKeepsWhatIsKnownOfTheOthers) {
  const std::string mark = With(MarkOf(kKeys));
  const uint64_t start_ticks = TicksSinceBoot();
  Add(kFirst, mark, {.start_ticks = start_ticks});
  Add(kSecond, mark, {.state = 'D', .start_ticks = start_ticks});
  for (int looks = 0; looks < 6; ++looks) Look(kKeys);
  EXPECT_THAT(search_.Look({}, kKeys).marked, IsEmpty());
  EXPECT_THAT(search_.Look({kFirst + 7}, kKeys).marked, IsEmpty());
  Add(kFirst, "", {.state = 'D', .start_ticks = start_ticks});
  EXPECT_THAT(Marked(), ElementsAre(kFirst)) << "by the mark that it had";
  EXPECT_THAT(Look(kKeys).asleep, IsEmpty()) << "nor are looks counted anew";
  // Of its number's next owner nothing is known.
  Add(kFirst, "", {.state = 'D', .start_ticks = start_ticks + 1});
  search_.Look({}, kKeys);
  Add(kFirst, "", {.state = 'D', .start_ticks = start_ticks});
  EXPECT_THAT(Marked(), IsEmpty()) << "it was forgotten";
}

TEST_F(MarkSearchTest, ANumberThatWasGivenAwayIsReadAnew) {
  Add(kFirst, "PATH=/bin", {.start_ticks = 1});
  EXPECT_THAT(Marked(), IsEmpty());
  Add(kFirst, With(MarkOf(kKeys)), {});
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
}

TEST_F(MarkSearchTest, NamesMayLookLikeTheLine) {
  Add(kFirst, With(MarkOf(kKeys)), {.name = "a) D 1 (b"});
  const auto process = StateOf(kFirst, folder_.path());
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(process->name, "a) D 1 (b");
  EXPECT_EQ(process->state, 'S');
  EXPECT_THAT(Marked(), ElementsAre(kFirst));
  folder_.Write("proc/" + std::to_string(kFirst) + "/stat", "5000001 (short) S 1 2\n");
  EXPECT_FALSE(StateOf(kFirst, folder_.path()).has_value());
  EXPECT_FALSE(StateOf(kSecond, folder_.path()).has_value());
}

TEST(WorkerMarkTest, TheClockOfMarksIsThatOfProcesses) {
  const uint64_t before = TicksSinceBoot();
  const auto own = StateOf(::getpid());
  ASSERT_TRUE(own.has_value());
  EXPECT_LE(own->id.start_ticks, before);
  EXPECT_EQ(own->id.pid, ::getpid());
  EXPECT_EQ(own->parent, ::getppid());
  EXPECT_TRUE(IsOfThisAccount(::getpid()));
}

}  // namespace
}  // namespace torchlap::run
