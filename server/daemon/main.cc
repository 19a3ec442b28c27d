// torchlapd: the daemon's command line and signals.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "proto/base/man_page.h"
#include "proto/base/standard_streams.h"
#include "proto/base/visible_text.h"
#include "server/daemon/daemon.h"
#include "server/daemon/database_care.h"
#include "server/daemon/detach.h"
#include "server/daemon/device_care.h"
#include "server/daemon/log.h"
#include "server/daemon/service_manager.h"
#include "server/host/configuration.h"
#include "server/host/host_facts.h"
#include "server/host/host_resources.h"
#include "server/host/state_folders.h"

namespace {

using torchlap::daemon::StartReport;

constexpr int kUsageError = 1;
constexpr int kCannotStart = 4;
constexpr int kTryAgain = 5;

// What whoever starts the daemon has set to be ignored stays so: nohup means SIGHUP, a shell that
// puts it into the background SIGINT.
bool IsIgnored(int number) {
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// Blocked before any thread starts, so that only sigwait sees them. SIGHUP is the end of a
// terminal: a daemon that has none goes on.
sigset_t BlockStopSignals(bool has_terminal) {
  if (!has_terminal) ::signal(SIGHUP, SIG_IGN);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  for (const int number : {SIGINT, SIGHUP}) {
    if (!IsIgnored(number)) sigaddset(&stop, number);
  }
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  // Writing says it instead: to a reader that is gone, and beyond a limit on the size of files.
  for (const int number : {SIGPIPE, SIGXFSZ}) ::signal(number, SIG_IGN);
  // Ignored, as it may be inherited, it would hide how children ended.
  ::signal(SIGCHLD, SIG_DFL);
  return stop;
}

// What lets the daemon set clocks (AmbientCapabilities= of its unit) is not for its workers.
void KeepRightsFromWorkers() { ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); }

void Say(const std::string& line) {
  fprintf(stderr, "torchlapd: %s\n", torchlap::Visible(line).c_str());
}

// A full disk, a database that another program has locked, a folder that is not there yet.
bool MayPass(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
}

int CannotStart(const absl::Status& status) {
  Say(std::string(status.message()));
  return MayPass(status) ? kTryAgain : kCannotStart;
}

// `report`: to whoever waits for the daemon in the background.
int Serve(const torchlap::host::Configuration& configuration, StartReport* report) {
  const sigset_t stop = BlockStopSignals(report == nullptr && !configuration.system);
  auto daemon = torchlap::daemon::Daemon::Start(configuration);
  if (!daemon.ok()) {
    if (report != nullptr) report->Failed(std::string(daemon.status().message()));
    return CannotStart(daemon.status());
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

int Print(const torchlap::daemon::CareReport& report) {
  fputs(report.text.c_str(), report.exit_status == torchlap::daemon::kCareFailed ? stderr : stdout);
  return report.exit_status;
}

struct CommandLine {
  torchlap::host::ConfigurationSource source;
  std::string socket;
  std::string state;
  std::string torch;
  std::string worker;
  bool detach = false;
  bool check = false;
  bool repair = false;
  bool restore_devices = false;
  bool man = false;
};

void Describe(CLI::App* app, CommandLine* line) {
  app->set_version_flag("--version", std::string("torchlapd ") + TORCHLAP_VERSION);
  app->add_option("--config", line->source.file, "Configuration file (TOML)")->type_name("FILE");
  app->add_flag("--system", line->source.system,
                "Serve the whole machine: /run/torchlap, /var/lib/torchlap, /etc/torchlap");
  app->add_option("--socket", line->socket, "Where to listen")->type_name("PATH");
  app->add_option("--state", line->state, "Folder of the database and the logs")->type_name("DIR");
  app->add_option("--torch", line->torch, "The torch folder of an unpacked torch 2.11.0 wheel")
      ->type_name("DIR");
  app->add_option("--worker", line->worker, "The worker program")->type_name("FILE");
  app->add_flag("--detach", line->detach,
                "Go into the background, log to torchlapd.log in the state folder, and return once "
                "it answers");
  auto* check = app->add_flag(
      "--check", line->check,
      "Say what is wrong with configuration and database, and exit: 0 nothing, 1 configuration, "
      "2 database, 4 there is none, or it cannot be read");
  auto* repair = app->add_flag(
      "--repair", line->repair,
      "Keep what can be read of a damaged database, and exit; the file as it was stays beside it");
  repair->excludes(check);
  app->add_flag("--restore-devices", line->restore_devices,
                "Restore clocks and limits of GPUs that a killed daemon has left set, and exit: 0 "
                "done, or nothing to do, 4 not all could be")
      ->excludes(check)
      ->excludes(repair);
  app->add_flag("--man", line->man)->group("");  // what the build writes for man
}

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

// Of the same description as --help.
std::string ManualPage(const CLI::App& app) {
  torchlap::ManPage page("torchlapd", 1, "torchlap " TORCHLAP_VERSION,
                         "benchmark daemon of one shared GPU machine");
  page.Section("SYNOPSIS");
  page.Paragraph("torchlapd [OPTIONS]");
  page.Section("OPTIONS");
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    const bool has_value = option->get_items_expected_max() > 0;
    page.Flag(NamesOf(*option), has_value ? option->get_type_name() : "",
              option->get_description());
  }
  page.Section("EXIT STATUS");
  page.Paragraph(
      "0 after a signal; 1: the command line or the configuration is wrong; 4: it cannot start; 5: "
      "it cannot start now, but may later (a full disk, a locked database).");
  page.Section("SEE ALSO");
  page.Paragraph("torchlap(1)");
  return page.text();
}

void Override(const CommandLine& line, torchlap::host::Configuration* configuration) {
  using std::filesystem::absolute;
  if (!line.socket.empty()) {
    configuration->socket_path = absolute(line.socket);
    configuration->runtime_folder = configuration->socket_path.parent_path();
  }
  if (!line.state.empty()) configuration->state_folder = absolute(line.state);
  if (!line.torch.empty()) configuration->torch_folder = absolute(line.torch);
  if (!line.worker.empty()) configuration->worker_path = absolute(line.worker);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("torchlapd: benchmark daemon of one shared GPU machine");
  CommandLine line;
  Describe(&app, &line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    Say(std::string(error.what()) + "; see torchlapd --help");
    return kUsageError;
  }
  if (line.man) return fputs(ManualPage(app).c_str(), stdout) < 0 ? kCannotStart : 0;
  KeepRightsFromWorkers();
  torchlap::daemon::OpenLog();
  auto configuration =
      torchlap::host::LoadConfiguration(line.source, torchlap::host::ReadHostResources());
  if (!configuration.ok()) {
    Say(std::string(configuration.status().message()));
    return kUsageError;
  }
  Override(line, &*configuration);
  if (line.check) return Print(torchlap::daemon::CheckState(configuration->state_folder));
  if (line.repair) return Print(torchlap::daemon::RepairState(configuration->state_folder));
  if (line.restore_devices) {
    return Print(torchlap::daemon::RestoreDevices(*configuration, torchlap::host::BootId()));
  }
  return line.detach ? ServeDetached(*configuration) : Serve(*configuration, nullptr);
}
