#include <string>
#include <vector>

#include "client/program.h"
#include "proto/base/standard_streams.h"

namespace {

// Before the libraries' own start: gRPC's opens a descriptor, which would be 0.
void OpenStreams() { torchlap::OpenStandardStreams(/*may_write=*/false); }
[[gnu::used, gnu::section(".preinit_array")]] void (*before_libraries)() = OpenStreams;

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return torchlap::client::RunProgram(words, torchlap::client::ConsoleOfProcess());
}
