// Tables that fit a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client/format/document.h"

namespace torchlap::client::format {

// How a table may become narrower.
struct Narrowing {
  size_t width = 80;                 // of a line
  std::vector<std::string> above;    // titles; said once, above, where all rows say the same
  std::vector<std::string> drop;     // titles; the last stays first
  std::vector<std::string> shorten;  // titles; cells end in an ellipsis
  size_t shortest = 16;              // no cell is made shorter than that
};

// Takes the columns out that say the same in every row and may be said above.
// Returns what they say: `device cpu0`.
std::vector<std::string> TakeConstants(const Narrowing& how, Grid* grid);

// Drops the columns for which there is no room, however short the others are made, then shortens
// what must be. Returns the titles that are gone.
std::vector<std::string> Narrow(const Narrowing& how, Grid* grid);

// Parts joined by `, ` in lines of that width; each part stays whole.
Lines Wrapped(const std::string& before, const std::vector<std::string>& parts, size_t width);

}  // namespace torchlap::client::format
