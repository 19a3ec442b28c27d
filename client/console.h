// Where the process speaks to its user.
#pragma once

#include <ostream>
#include <string_view>

namespace torchlap::client {

// Streams of the process and what stderr can do.
struct Console {
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool out_is_terminal = false;
  bool live = false;   // stderr is a terminal that can redraw a line
  bool color = false;  // and colour is wanted
  int columns = 80;
};

// Writes a line to stderr. It may have words of others: what cannot be seen in it becomes an
// escape.
void SayLine(const Console& console, std::string_view line);

// The console of this process. NO_COLOR and TERM=dumb are obeyed.
Console ConsoleOfProcess();

}  // namespace torchlap::client
