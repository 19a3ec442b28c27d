#include <string>
#include <vector>

#include "client/program.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return torchlap::client::RunProgram(words, torchlap::client::ConsoleOfProcess());
}
