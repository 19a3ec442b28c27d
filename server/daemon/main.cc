// torchlapd: the daemon's command line and signals.
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "proto/base/standard_streams.h"
#include "server/daemon/daemon.h"
#include "server/daemon/detach.h"
#include "server/daemon/service_manager.h"
#include "server/host/configuration.h"
#include "server/host/host_resources.h"
#include "server/host/state_folders.h"

namespace {

using torchlap::daemon::StartReport;

constexpr int kUsageError = 1;
constexpr int kCannotStart = 4;

// What whoever starts the daemon has set to be ignored stays so: nohup means SIGHUP, a shell that
// puts it into the background SIGINT.
bool IsIgnored(int number) {
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// Blocked before any thread starts, so that only sigwait sees them.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  for (const int number : {SIGINT, SIGHUP}) {
    if (!IsIgnored(number)) sigaddset(&stop, number);
  }
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  // Writing says it instead: to a reader that is gone, and beyond a limit on the size of files.
  for (const int number : {SIGPIPE, SIGXFSZ}) ::signal(number, SIG_IGN);
  return stop;
}

void Say(const std::string& line) { fprintf(stderr, "torchlapd: %s\n", line.c_str()); }

// `report`: to whoever waits for the daemon in the background.
int Serve(const torchlap::host::Configuration& configuration, StartReport* report) {
  const sigset_t stop = BlockStopSignals();
  auto daemon = torchlap::daemon::Daemon::Start(configuration);
  if (!daemon.ok()) {
    const std::string line(daemon.status().message());
    Say(line);
    if (report != nullptr) report->Failed(line);
    return kCannotStart;
  }
  if (report != nullptr) report->Succeeded();
  torchlap::daemon::TellServiceManager("READY=1");
  int number = 0;
  sigwait(&stop, &number);
  torchlap::daemon::TellServiceManager("STOPPING=1");
  spdlog::info("signal {}: stopping", number);
  return 0;
}

// Before the libraries' own start: gRPC's opens a descriptor, which would be 0.
void OpenStreams() { torchlap::OpenStandardStreams(/*may_write=*/true); }
[[gnu::used, gnu::section(".preinit_array")]] void (*before_libraries)() = OpenStreams;

int CannotStart(const absl::Status& status) {
  Say(std::string(status.message()));
  return kCannotStart;
}

int ServeDetached(const torchlap::host::Configuration& configuration) {
  const std::filesystem::path log = configuration.state_folder / "torchlapd.log";
  absl::Status made = torchlap::host::MakeStateFolder(configuration.state_folder);
  if (!made.ok()) return CannotStart(made);
  auto side = torchlap::daemon::Detach(log);
  if (!side.ok()) return CannotStart(side.status());
  if (side->child) return Serve(configuration, &*side->child);
  if (!side->parent.failure.empty()) {
    Say(side->parent.failure);
    return kCannotStart;
  }
  printf("torchlapd runs as process %d; its log is %s\n", static_cast<int>(side->parent.pid),
         log.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("torchlapd: benchmark daemon of one shared GPU machine");
  app.set_version_flag("--version", std::string("torchlapd ") + TORCHLAP_VERSION);
  torchlap::host::ConfigurationSource source;
  std::string socket;
  std::string state;
  std::string torch;
  std::string worker;
  bool detach = false;
  app.add_option("--config", source.file, "Configuration file (TOML)")->type_name("FILE");
  app.add_flag("--system", source.system,
               "Serve the whole machine: /run/torchlap, /var/lib/torchlap, /etc/torchlap");
  app.add_option("--socket", socket, "Where to listen")->type_name("PATH");
  app.add_option("--state", state, "Folder of the database and the logs")->type_name("DIR");
  app.add_option("--torch", torch, "The torch folder of an unpacked torch 2.11.0 wheel")
      ->type_name("DIR");
  app.add_option("--worker", worker, "The worker program")->type_name("FILE");
  app.add_flag(
      "--detach", detach,
      "Go into the background, log to torchlapd.log in the state folder, and return once it "
      "answers");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("torchlapd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");

  auto configuration =
      torchlap::host::LoadConfiguration(source, torchlap::host::ReadHostResources());
  if (!configuration.ok()) {
    fprintf(stderr, "torchlapd: %s\n", std::string(configuration.status().message()).c_str());
    return kUsageError;
  }
  if (!socket.empty()) {
    configuration->socket_path = std::filesystem::absolute(socket);
    configuration->runtime_folder = configuration->socket_path.parent_path();
  }
  if (!state.empty()) configuration->state_folder = std::filesystem::absolute(state);
  if (!torch.empty()) configuration->torch_folder = std::filesystem::absolute(torch);
  if (!worker.empty()) configuration->worker_path = std::filesystem::absolute(worker);
  return detach ? ServeDetached(*configuration) : Serve(*configuration, nullptr);
}
