// torchlap-attack: attacks a daemon of its own from another user (as root) and says what harm that
// did. One line of JSON for each attack, then a row of a table. The exit status is 1 where there
// was harm.
//
//   torchlap-attack [NAME...] [--large] [--count N] [--hold SECONDS] [--seed N]   default: all
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "tests/attack/bystander.h"
#include "tests/attack/run_main.h"
#include "tests/attack/siege.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

struct Words {
  std::vector<std::string> names;
  Choice choice;
  uint64_t count = 0;
  uint64_t hold = 3;
  // Of a role: what this program starts itself as.
  std::string role;
  uid_t uid = 0;
  std::string socket;
  std::string scope;
  uint64_t rounds = std::numeric_limits<uint64_t>::max();
};

// Connections by the thousand.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (AreUsersApart()) limit.rlim_max = std::max<rlim_t>(limit.rlim_max, 8192);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void BlockTermination() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
}

int Say(const nlohmann::json& words) {
  std::puts(words.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

int PlayRole(const Words& words) {
  RaiseDescriptorLimit();
  if (words.role == "bystander") BlockTermination();
  BecomeUser(words.uid);
  // Not before: the kernel forgets it when the user changes.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (words.role == "bystander") return Say(StandBy(words.socket, words.rounds));
  if (words.role == "load") AttackForEver(words.socket);
  if (words.role == "squatter") SquatClaims(words.scope);
  const Attack* attack = FindAttack(words.role);
  if (attack == nullptr) return 2;
  const Tally tally = attack->run({words.socket, words.count, std::chrono::seconds(words.hold)});
  return Say({{"sent", tally.sent},
              {"answered", tally.answered},
              {"refused", tally.refused},
              {"seconds", tally.seconds}});
}

int AttackAll(const Words& words) {
  int status = 0;
  std::string table = TableHead();
  for (const std::string& name : words.names) {
    Report report = Besiege(name, words.choice);
    report.measure["attack"] = name;
    report.measure["harm"] = report.harm;
    Say(report.measure);
    for (const std::string& line : report.harm)
      std::printf("HARM %s: %s\n", name.c_str(), line.c_str());
    std::fflush(stdout);
    table += TableRow(report);
    if (!report.harm.empty()) status = 1;
  }
  std::printf("%s", table.c_str());
  return status;
}

int Main(int argc, char** argv) {
  CLI::App app("torchlap-attack: the harm that one user can do to the others");
  Words words;
  app.add_option("NAME", words.names, "attacks; all without one")->check(CLI::IsMember(AllNames()));
  app.add_flag("--large", words.choice.large, "the long ones, and the limits of a quiet machine");
  const auto* count = app.add_option("--count", words.count, "how much; else the attack's own");
  app.add_option("--hold", words.hold, "seconds to keep up what was built up");
  app.add_option("--seed", words.choice.seed, "of kill-under-load");
  app.add_option("--role", words.role)->group("");
  app.add_option("--uid", words.uid)->group("");
  app.add_option("--socket", words.socket)->group("");
  app.add_option("--scope", words.scope)->group("");
  app.add_option("--rounds", words.rounds)->group("");
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  if (!words.role.empty()) return PlayRole(words);
  if (count->count() > 0) words.choice.count = words.count;
  words.choice.hold = std::chrono::seconds(words.hold);
  if (words.names.empty()) words.names = AllNames();
  return AttackAll(words);
}

}  // namespace
}  // namespace torchlap::attack

int main(int argc, char** argv) {
  return torchlap::attack::RunMain("torchlap-attack", torchlap::attack::Main, argc, argv);
}
