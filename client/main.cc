#include <string>
#include <vector>

#include "client/program.h"
#include "proto/base/standard_streams.h"

int main(int argc, char** argv) {
  torchlap::OpenStandardStreams(/*may_write=*/false);
  const std::vector<std::string> words(argv + 1, argv + argc);
  return torchlap::client::RunProgram(words, torchlap::client::ConsoleOfProcess());
}
