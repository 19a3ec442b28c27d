// worker_once WORKER < REQUEST: one run of torchlap-worker without a daemon. REQUEST is a
// WorkerRequest in protobuf's text format; each event is printed as a line of JSON. The worker gets
// this program's environment.
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "tests/server/worker/worker_program.h"

namespace torchlap::worker {
namespace {

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  return variables;
}

int Run(const std::string& program) {
  google::protobuf::io::FileInputStream input(STDIN_FILENO);
  v1::WorkerRequest request;
  if (!google::protobuf::TextFormat::Parse(&input, &request)) return 1;
  WorkerProgram worker(program, OwnEnvironment());
  worker.Send(request);
  while (const std::optional<v1::WorkerEvent> event = worker.Next()) {
    std::string line;
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    (void)google::protobuf::util::MessageToJsonString(*event, &line, options);
    std::puts(line.c_str());
  }
  return worker.Wait() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace torchlap::worker

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: worker_once WORKER < REQUEST\n", stderr);
    return 1;
  }
  try {
    return torchlap::worker::Run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "worker_once: %s\n", error.what());
    return 1;
  }
}
