// What the programs of this folder do where nothing can be done any more.
#pragma once

#include <cstdio>
#include <exception>

namespace torchlap::attack {

// The exit status of `body`; 2 after a line on stderr where it throws.
inline int RunMain(const char* program, int (*body)(int, char**), int argc, char** argv) {
  try {
    return body(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 2;
  }
}

}  // namespace torchlap::attack
