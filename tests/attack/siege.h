// One attack on one daemon, and the harm that it did to others.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/attack/attackers.h"

namespace torchlap::attack {

struct Choice {
  bool large = false;             // the long one, and the limits of a quiet machine
  std::optional<uint64_t> count;  // else the attack's own
  std::chrono::seconds hold{3};   // how long what was built up is kept up
  uint64_t seed = 1;
};

// What was measured, and what of it is harm, a line each.
struct Report {
  nlohmann::json measure;
  std::vector<std::string> harm;
};

// Names of attacks that are no row of Attacks(): `claims`, `links`, `kill-under-load`.
std::vector<std::string> AllNames();

Report Besiege(const std::string& name, const Choice& choice);

// A daemon whose devices somebody else has taken beforehand.
Report BesiegeClaims(const Choice& choice);
// Links and FIFOs where the daemon keeps its files.
Report PlantLinks(const Choice& choice);
// kill -9 of the daemon while it is attacked and works.
Report KillUnderLoad(const Choice& choice);

// The first thing in a text that must not reach a terminal; empty: it is clean.
std::string Dirt(const std::string& text);
// The first line of a log that is none of the daemon's own; empty: there is none.
std::string ForgedLine(const std::string& log);

std::string TableHead();
std::string TableRow(const Report& report);

}  // namespace torchlap::attack
