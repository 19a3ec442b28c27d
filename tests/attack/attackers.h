// The attacks themselves: each is what one hostile or careless user does from a process of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace torchlap::attack {

struct Tally {
  uint64_t sent = 0;                           // requests, connections or frames, by the attack
  uint64_t answered = 0;                       // OK
  uint64_t refused = 0;                        // an error, or a connection that was closed
  std::map<std::string, double> seconds = {};  // of what it waits for
};

struct Order {
  std::filesystem::path socket;
  uint64_t count = 0;
  std::chrono::seconds hold{0};  // how long to keep up what was built up
};

// More is harm. The latency is that of --large, on a quiet machine.
struct Limits {
  uint64_t most_mib = 256;
  double most_ms = 1000;
};

struct Attack {
  const char* name;
  const char* what;  // of `count`
  Tally (*run)(const Order& order);
  uint64_t small;  // in CI
  uint64_t large;
  int stored_jobs;  // there before it begins, so that answers are long
  Limits limits = {};
  bool refusal_is_harm = false;
};

const std::vector<Attack>& Attacks();
// Null: there is none of that name.
const Attack* FindAttack(const std::string& name);

// A bit of everything until it is killed, daemon or not.
[[noreturn]] void AttackForEver(const std::filesystem::path& socket);
// Takes the names of the devices' claims, says "holds" on stdout, and never accepts anybody.
[[noreturn]] void SquatClaims(const std::string& scope);
// Jobs and headers with escape sequences and forged lines in all that has a text, and a process
// with such a name that computes on core 0.
Tally SayHostileTexts(const Order& order);

}  // namespace torchlap::attack
