// kill -9 of the daemon at random moments of a sweep of real runs: nothing lost, nothing twice,
// nobody left.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <random>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

constexpr int kJobs = 10;
constexpr int kKills = 20;
constexpr int kLongestLifeMs = 900;  // a run of the sweep takes about half of that

bool IsGone(pid_t pid) { return ::kill(pid, 0) != 0; }

std::string Count(const World& world, const std::string& what) {
  const std::vector<std::string> rows =
      world.Query("SELECT COUNT(" + what + ") FROM runs WHERE outcome = 'OK'");
  return rows.empty() ? "" : rows[0];
}

TEST(KillSweepTest, TwentyKillsOfTheDaemonLoseNothing) {
  World world(World::DefaultConfiguration("2GiB", "max_interruptions = 0\n"));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
  std::vector<std::string> sweep = Tiny({"--measure-steps"});
  sweep.insert(sweep.begin(), "submit");
  for (int i = 1; i <= kJobs; ++i) sweep.push_back(std::to_string(i));
  ASSERT_EQ(world.Client(sweep).status, 0);

  std::mt19937 random(20);
  std::uniform_int_distribution<int> life_ms(0, kLongestLifeMs);
  std::vector<pid_t> workers;
  for (int i = 0; i < kKills; ++i) {
    const auto never = [] { return false; };
    Eventually(never, std::chrono::milliseconds(life_ms(random)));
    const std::vector<pid_t> now = World::Children(world.daemon_pid());
    workers.insert(workers.end(), now.begin(), now.end());
    world.Kill();
    ASSERT_TRUE(world.Start()) << world.daemon_log();
  }

  // Else nothing was tried.
  EXPECT_FALSE(workers.empty());
  EXPECT_NE(world.Query("SELECT COUNT(*) FROM runs WHERE outcome = 'INTERRUPTED'"),
            std::vector<std::string>{"0"});
  EXPECT_EQ(world.Client({"wait", "sweep:1"}).status, 0);
  EXPECT_EQ(Count(world, "*"), std::to_string(kJobs));
  EXPECT_EQ(Count(world, "DISTINCT job_id"), std::to_string(kJobs));
  EXPECT_TRUE(Eventually([&] { return std::all_of(workers.begin(), workers.end(), IsGone); }));
  EXPECT_TRUE(Eventually([&] { return World::Children(world.daemon_pid()).empty(); }));
  EXPECT_EQ(world.Query("PRAGMA integrity_check"), std::vector<std::string>{"ok"});
}

}  // namespace
}  // namespace torchlap::e2e
