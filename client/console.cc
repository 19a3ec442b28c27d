#include "client/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "proto/base/visible_text.h"

namespace torchlap::client {

void SayLine(const Console& console, std::string_view line) {
  *console.err << Visible(line) << '\n' << std::flush;
}

Console ConsoleOfProcess() {
  Console console;
  console.out = &std::cout;
  console.err = &std::cerr;
  console.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  const char* terminal = std::getenv("TERM");
  const char* no_color = std::getenv("NO_COLOR");
  console.live = isatty(STDERR_FILENO) == 1 && terminal != nullptr &&
                 std::string_view(terminal) != "dumb" && terminal[0] != '\0';
  console.color = console.live && (no_color == nullptr || no_color[0] == '\0');
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    console.columns = size.ws_col;
  return console;
}

}  // namespace torchlap::client
