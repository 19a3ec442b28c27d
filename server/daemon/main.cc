// torchlapd: the daemon's command line and signals.
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "server/daemon/daemon.h"
#include "server/host/configuration.h"
#include "server/host/host_resources.h"

namespace {

constexpr int kUsageError = 1;
constexpr int kCannotStart = 4;

// Blocked before any thread starts, so that only sigwait sees them.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&stop, number);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return stop;
}

int Serve(const torchlap::host::Configuration& configuration) {
  const sigset_t stop = BlockStopSignals();
  auto daemon = torchlap::daemon::Daemon::Start(configuration);
  if (!daemon.ok()) {
    fprintf(stderr, "torchlapd: %s\n", std::string(daemon.status().message()).c_str());
    return kCannotStart;
  }
  int number = 0;
  sigwait(&stop, &number);
  spdlog::info("signal {}: stopping", number);
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
  app.add_option("--config", source.file, "Configuration file (TOML)")->type_name("FILE");
  app.add_flag("--system", source.system,
               "Serve the whole machine: /run/torchlap, /var/lib/torchlap, /etc/torchlap");
  app.add_option("--socket", socket, "Where to listen")->type_name("PATH");
  app.add_option("--state", state, "Folder of the database and the logs")->type_name("DIR");
  app.add_option("--torch", torch, "The torch folder of an unpacked torch 2.11.0 wheel")
      ->type_name("DIR");
  app.add_option("--worker", worker, "The worker program")->type_name("FILE");
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
  return Serve(*configuration);
}
