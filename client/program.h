// The program but for main().
#pragma once

#include <string>
#include <vector>

#include "client/console.h"

namespace torchlap::client {

// Reads the words behind the program's name, carries the command out, words what went wrong in one
// line on stderr. Returns the exit code.
int RunProgram(const std::vector<std::string>& words, const Console& console);

}  // namespace torchlap::client
