#include "server/daemon/daemon.h"

#include <fmt/format.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "proto/address_note.h"
#include "proto/base/clock.h"
#include "proto/base/local_socket.h"
#include "proto/default_paths.h"
#include "server/daemon/device_care.h"
#include "server/daemon/lock_file.h"
#include "server/host/account_name.h"
#include "server/host/cpu_list.h"
#include "server/host/cuda_devices.h"
#include "server/host/descriptor_limit.h"
#include "server/host/device_claim.h"
#include "server/host/device_processes.h"
#include "server/host/device_settings_journal.h"
#include "server/host/devices.h"
#include "server/host/host_facts.h"
#include "server/host/host_resources.h"
#include "server/host/nvml_on_demand.h"
#include "server/host/own_file.h"
#include "server/host/settled_device.h"
#include "server/host/state_files.h"
#include "server/host/state_folders.h"
#include "server/host/torch_folder.h"
#include "server/rpc/calls.h"
#include "server/rpc/connections.h"
#include "server/rpc/import_runs.h"
#include "server/run/canary_watch.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "server/run/local_device.h"
#include "server/run/sweep_judge.h"
#include "server/run/sweep_watch.h"
#include "storage/backup.h"
#include "storage/database.h"
#include "storage/import_runs.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "storage/suite_store.h"

namespace torchlap::daemon {
namespace {

constexpr char kDatabaseName[] = "torchlap.db";
constexpr char kWorkerName[] = "torchlap-worker";

// A user's own daemon has no others to keep anything from.
bool IsPrivate(const host::Configuration& configuration) {
  return configuration.system && configuration.is_private;
}

// A number may have been given to somebody else, who would run the work of the one before.
absl::StatusOr<storage::Caller> OwnerNow(const storage::StoredSuite& suite,
                                         const host::Configuration& configuration) {
  const auto number = suite.principal.substr(suite.principal.find(':') + 1);
  const auto uid = static_cast<uid_t>(std::strtoul(number.c_str(), nullptr, 10));
  const auto found = host::NameOfAccount(uid);
  if (!found.ok()) return found.status();
  const std::string name = found->empty() ? suite.principal : *found;
  if (name == suite.account) {
    return rpc::CallerNamed(name, uid, configuration.admins, IsPrivate(configuration));
  }
  return absl::FailedPreconditionError(
      fmt::format("{} was {} when the suite was added and is {} now: its owner must add it again",
                  suite.principal, suite.account, found->empty() ? "no account" : name));
}

std::filesystem::path WorkerProgram(const host::Configuration& configuration) {
  if (!configuration.worker_path.empty()) return configuration.worker_path;
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / kWorkerName;
}

// The daemon's threads stay off the cores that measure, where there are others.
void KeepToCores(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    spdlog::warn("cannot keep the daemon to cores {}", host::PrintCpuList(cores));
  }
}

bool HasCuda(const std::vector<host::HostDevice>& devices) {
  return std::any_of(devices.begin(), devices.end(), [](const host::HostDevice& device) {
    return device.kind == v1::DEVICE_KIND_CUDA;
  });
}

// Runs go on without: it is said once here, and by each of them.
void WarnOfSettings(const host::NvmlLibrary& nvml, const std::vector<host::HostDevice>& devices) {
  const bool may_set = host::MaySetDevices();
  for (const host::HostDevice& device : devices) {
    for (const auto& line : host::WhyNotSettable(nvml, device.uuid, device.wanted, may_set)) {
      spdlog::warn("{}: {}", device.name, line);
    }
  }
}

storage::PresentDevices Present(const std::vector<host::HostDevice>& devices) {
  storage::PresentDevices present;
  for (const host::HostDevice& device : devices) {
    present.devices.push_back({device.name, device.uuid, device.model});
    for (std::string& key : run::DeviceKeys(device)) present.keys.push_back(std::move(key));
  }
  return present;
}

storage::QueueLimits LimitsOf(const host::Configuration& configuration) {
  return {.jobs = configuration.max_queued_jobs,
          .launches = configuration.max_queued_launches,
          .launches_per_user = configuration.max_queued_launches_per_user,
          .share = configuration.min_queued_launches_per_user};
}

storage::RunStore::History HistoryOf(const host::Configuration& configuration) {
  return IsPrivate(configuration) ? storage::RunStore::History::kOwners
                                  : storage::RunStore::History::kEverybodys;
}

host::RuntimeAccess AccessOf(const host::Configuration& configuration) {
  return configuration.system ? host::RuntimeAccess::kEveryone : host::RuntimeAccess::kOwnerOnly;
}

// SQLite follows links, and would wait for the writer of a FIFO.
absl::Status CheckStateFiles(const std::filesystem::path& state_folder) {
  const std::string database = (state_folder / kDatabaseName).string();
  for (const char* ending : {"", "-wal", "-shm", "-journal"}) {
    absl::Status own = host::CheckOwnFile(database + ending, "database file");
    if (!own.ok()) return own;
  }
  return host::CheckOwnFile(AddressNoteFile(state_folder), "note");
}

absl::Status MakeFolders(const host::Configuration& configuration) {
  if (absl::Status status =
          host::MakeRuntimeFolder(configuration.runtime_folder, AccessOf(configuration));
      !status.ok()) {
    return status;
  }
  if (absl::Status status = host::MakeStateFolder(configuration.state_folder); !status.ok()) {
    return status;
  }
  if (IsPrivate(configuration)) {
    absl::Status closed = host::CheckClosedToOthers(configuration.state_folder);
    if (!closed.ok()) return closed;
  }
  absl::Status own = CheckStateFiles(configuration.state_folder);
  return own.ok() ? host::MakeRunFolders(configuration.state_folder) : own;
}

// Where to listen, and where when the folder of the socket is gone for good, as after a logout:
// places where this user's clients look.
std::vector<std::filesystem::path> SocketsOf(const host::Configuration& configuration) {
  std::vector<std::filesystem::path> sockets = {configuration.socket_path};
  if (configuration.system) return sockets;
  for (std::filesystem::path& socket : UserSocketPaths()) {
    // What the system makes at a login is not ours to make: only what lies below it.
    std::error_code ignored;
    const bool can_be_made =
        std::filesystem::is_directory(socket.parent_path().parent_path(), ignored);
    if (can_be_made && socket != configuration.socket_path) sockets.push_back(std::move(socket));
  }
  return sockets;
}

// `; it answers at unix:/x`: of the daemon that has the database.
std::string WhereItIs(const std::filesystem::path& state_folder) {
  const auto note = ReadAddressNote(state_folder);
  if (!note) return "";
  const std::string socket = note->address.substr(note->address.find(':') + 1);
  if (SocketProblem(socket).empty()) return "; it answers at " + note->address;
  return "; it does not answer at " + note->address +
         ", where it makes its socket again within 10 s";
}

}  // namespace

struct Daemon::Parts {
  explicit Parts(const host::Configuration& given) : configuration(given) {}

  absl::Status ChooseTorch();

  absl::Status Lock();
  absl::Status HoldSocket(const std::filesystem::path& socket);
  void NoteAddress(const std::filesystem::path& socket) const;
  void ForgetAddress() const;
  // Said in the log when it changes.
  void WatchStateFiles();
  absl::Status OpenDatabase();
  // What is not wrong, but may be meant otherwise.
  void WarnOfSurroundings() const;
  void FindDevices();
  // Of a daemon that was killed; and says what will not be as the configuration wants.
  void RestoreDevices();
  absl::Status Serve();
  void WatchCanaries();
  // Of a run that would begin on the device now; the versions are those of a worker of this
  // release.
  v1::Environment ToldEnvironment(const host::HostDevice& device);
  // Of its memory, what others hold, while no worker of ours is there.
  std::optional<uint64_t> ToldForeignBytes(const host::HostDevice& device);

  host::Configuration configuration;  // torch_folder: the one that was chosen
  std::string torch_problem;
  const int64_t started_at_ns = WallNs();
  const size_t descriptors = host::RaiseDescriptorLimit();
  std::optional<LockFile> socket_lock;
  std::optional<LockFile> database_lock;
  std::optional<host::StateFiles> state_files;
  std::string state_problem;  // as it was last seen; used by whoever looks at the socket
  host::HostFacts facts;
  host::DeviceList devices;
  std::optional<host::NvmlOnDemand> nvml;
  std::unique_ptr<host::DeviceSettingsJournal> journal;  // null: it cannot be read
  run::LocalSetting local;
  run::EventHub hub;
  std::unique_ptr<storage::Database> database;
  std::optional<storage::JobStore> jobs;
  std::optional<storage::RunStore> runs;
  std::optional<run::SweepJudge> judge;
  std::optional<run::SweepWatch> watch;
  std::optional<run::DeviceFleet> fleet;
  std::optional<run::CanaryWatch> canaries;  // nothing: the configuration wants none
  std::optional<rpc::Calls> calls;
  std::unique_ptr<rpc::Connections> connections;
};

absl::Status Daemon::Parts::ChooseTorch() {
  host::TorchQuestion question;
  question.named = configuration.torch_folder;
  question.worker_program = WorkerProgram(configuration);
  const auto chosen = host::ChooseTorch(question);
  if (!chosen.ok()) return chosen.status();
  configuration.torch_folder = chosen->folder;
  torch_problem = chosen->problem;
  if (!torch_problem.empty()) spdlog::warn("every job will fail: {}", torch_problem);
  if (!chosen->folder.empty()) spdlog::info("LibTorch of {}", chosen->folder.string());
  return absl::OkStatus();
}

absl::Status Daemon::Parts::Lock() {
  if (absl::Status status = HoldSocket(configuration.socket_path); !status.ok()) return status;
  auto state = LockFile::Acquire(configuration.state_folder / kDatabaseName, "database");
  if (absl::IsFailedPrecondition(state.status())) {
    return absl::FailedPreconditionError(std::string(state.status().message()) +
                                         WhereItIs(configuration.state_folder));
  }
  if (!state.ok()) return state.status();
  database_lock = *std::move(state);
  return absl::OkStatus();
}

absl::Status Daemon::Parts::HoldSocket(const std::filesystem::path& socket) {
  if (socket_lock && socket_lock->guarded() == socket && socket_lock->IsInPlace()) {
    return host::CheckOwnSocket(socket);
  }
  absl::Status made = host::MakeRuntimeFolder(socket.parent_path(), AccessOf(configuration));
  if (!made.ok()) return made;
  if (absl::Status own = host::CheckOwnSocket(socket); !own.ok()) return own;
  auto lock = LockFile::Acquire(socket, "socket");
  if (!lock.ok()) return lock.status();
  socket_lock = *std::move(lock);
  return absl::OkStatus();
}

void Daemon::Parts::NoteAddress(const std::filesystem::path& socket) const {
  const AddressNote note{"unix:" + socket.string(), ::getpid()};
  if (ReadAddressNote(configuration.state_folder) == note) return;
  if (WriteAddressNote(configuration.state_folder, note)) return;
  spdlog::warn("cannot note the address in {}: {}",
               AddressNoteFile(configuration.state_folder).string(), std::strerror(errno));
}

void Daemon::Parts::ForgetAddress() const {
  const auto note = ReadAddressNote(configuration.state_folder);
  if (!note || note->pid != ::getpid()) return;
  ::unlink(AddressNoteFile(configuration.state_folder).c_str());
}

void Daemon::Parts::WatchStateFiles() {
  const std::string problem = state_files->Problem();
  if (std::exchange(state_problem, problem) == problem) return;
  if (problem.empty()) {
    spdlog::info("the files of the state are at their place again");
  } else {
    spdlog::error("{}: new jobs are refused, and what is stored now will be lost", problem);
  }
}

absl::Status Daemon::Parts::OpenDatabase() {
  auto opened = storage::Database::Open(configuration.state_folder / kDatabaseName);
  if (!opened.ok()) return opened.status();
  database = *std::move(opened);
  const std::filesystem::path file = configuration.state_folder / kDatabaseName;
  storage::RemoveUnfinishedCopies(file);
  rpc::RemoveUnfinishedImports(configuration.state_folder);
  if (absl::Status kept = storage::StoreHost(database.get(), host::HostName()); !kept.ok()) {
    return kept;
  }
  state_files.emplace(std::vector<std::filesystem::path>{file, file.string() + ".lock"});
  jobs.emplace(database.get(), facts.boot_id, configuration.max_interruptions,
               LimitsOf(configuration));
  runs.emplace(database.get(), HistoryOf(configuration));
  for (const std::string& line : database->damage()) spdlog::error("database: {}", line);
  const auto orphans = jobs->SetAsideOrphans(WallNs());
  if (!orphans.ok()) return orphans.status();
  for (const std::string& line : *orphans) spdlog::error("database: {}", line);
  const auto recovered = jobs->RecoverInterrupted(WallNs());
  if (!recovered.ok()) return recovered.status();
  if (*recovered > 0) spdlog::info("{} interrupted runs were queued again", *recovered);
  const auto rehomed = jobs->Rehome(Present(devices.devices), WallNs());
  if (!rehomed.ok()) return rehomed.status();
  if (rehomed->launches > 0 || rehomed->failed_jobs > 0) {
    spdlog::info("devices are gone: {} launches wait for another of their class, {} jobs failed",
                 rehomed->launches, rehomed->failed_jobs);
  }
  return absl::OkStatus();
}

void Daemon::Parts::FindDevices() {
  const host::HostResources host = host::ReadHostResources();
  auto opened = host::NvmlLibrary::Open(configuration.nvml_library);
  devices = host::ListDevices(configuration, host, host::AskNvml(opened), host::ClaimScope());
  for (const std::string& note : devices.notes) spdlog::warn("{}", note);
  if (opened.ok()) WarnOfSettings(**opened, devices.devices);
  facts = host::ReadHostFacts(host.cpu_model, devices.driver_version);
  const std::vector<int> rest =
      host::CoresWithout(configuration.daemon_cores, devices.reserved_cores);
  if (rest.size() < configuration.daemon_cores.size()) KeepToCores(rest);
  // What was opened here is closed: an open library keeps the GPUs awake.
  if (HasCuda(devices.devices)) nvml.emplace(configuration.nvml_library);
}

void Daemon::Parts::RestoreDevices() {
  auto opened = host::DeviceSettingsJournal::Open(configuration.state_folder, facts.boot_id);
  if (!opened.ok()) {
    spdlog::error("no clocks or limits are set or restored: {}",
                  std::string(opened.status().message()));
    return;
  }
  journal = *std::move(opened);
  const host::RestoreReport report = RestoreLeft(configuration.nvml_library, journal.get());
  for (const auto& line : report.restored) {
    spdlog::info("restored, as the last daemon could not: {}", line);
  }
  for (const auto& line : report.left) spdlog::warn("{}", line);
  for (const auto& line : report.failed) spdlog::error("cannot restore {}", line);
}

void Daemon::Parts::WarnOfSurroundings() const {
  for (const std::string& admin : configuration.admins) {
    if (!host::IsAccount(admin)) spdlog::warn("admins has {}, which is no account now", admin);
  }
  if (!configuration.system && std::filesystem::exists(SystemStateFolder())) {
    spdlog::warn(
        "this machine has a daemon for everybody (systemctl status torchlapd): its jobs "
        "wait while this one has the devices");
  }
}

v1::Environment Daemon::Parts::ToldEnvironment(const host::HostDevice& device) {
  v1::Environment environment = host::EnvironmentOf(facts, device);
  environment.set_torchlap_version(TORCHLAP_VERSION);
  // Others, which are fakes, have versions of their own.
  if (local.worker_program.filename() == kWorkerName) {
    environment.set_torch_version(host::kTorchVersion);
  }
  if (device.kind == v1::DEVICE_KIND_CUDA && nvml) {
    if (const auto library = nvml->Get()) {
      host::AddGpuSettings(*library, device.uuid, &environment);
    }
  }
  environment.set_gpu_locked_clocks(host::WantedClocks(device.wanted));
  return environment;
}

std::optional<uint64_t> Daemon::Parts::ToldForeignBytes(const host::HostDevice& device) {
  if (device.kind != v1::DEVICE_KIND_CUDA || !nvml) return std::nullopt;
  for (const run::DeviceStatus& status : fleet->Describe()) {
    const bool is_it = status.device.uuid() == device.uuid;
    if (is_it && status.device.state() == v1::DEVICE_STATE_RUNNING) return std::nullopt;
  }
  const auto library = nvml->Get();
  if (library == nullptr) return std::nullopt;
  return host::ForeignBytes(*library, device.uuid, /*own_pid=*/0);
}

absl::Status Daemon::Parts::Serve() {
  local = {&configuration,          &facts,       WorkerProgram(configuration), torch_problem,
           nvml ? &*nvml : nullptr, journal.get()};
  std::vector<std::unique_ptr<run::Place>> places;
  for (const host::HostDevice& device : devices.devices) {
    places.push_back(std::make_unique<run::LocalDevice>(device, &local));
  }
  run::DispatcherSetting dispatching;
  dispatching.jobs = &*jobs;
  dispatching.runs = &*runs;
  dispatching.hub = &hub;
  dispatching.grace = configuration.grace;
  fleet.emplace(std::move(places), dispatching);
  rpc::CallSetting setting{&configuration,
                           database.get(),
                           &*jobs,
                           &*runs,
                           &*fleet,
                           &hub,
                           local.worker_program,
                           torch_problem,
                           rpc::CallerOf(::geteuid()).name,
                           started_at_ns,
                           &*state_files};
  setting.told_environment = [this](const auto& device) { return ToldEnvironment(device); };
  setting.told_foreign_bytes = [this](const auto& device) { return ToldForeignBytes(device); };
  setting.owner_of = [this](const auto& suite) { return OwnerNow(suite, configuration); };
  calls.emplace(setting);
  judge.emplace(database.get(), &SystemClock(), IsPrivate(configuration));
  watch.emplace(&*judge, &hub, &SystemClock());
  fleet->Start();
  rpc::ListenSetting listen;
  listen.sockets = SocketsOf(configuration);
  listen.everyone = configuration.system;
  listen.admins = configuration.admins;
  listen.is_private = IsPrivate(configuration);
  listen.limits = rpc::LimitsFor(descriptors);
  listen.prepare = [this](const auto& socket) { return HoldSocket(socket); };
  listen.listening = [this](const auto& socket) {
    NoteAddress(socket);
    WatchStateFiles();
  };
  auto listening = rpc::Connections::Listen(std::move(listen), &*calls);
  if (!listening.ok()) return listening.status();
  connections = *std::move(listening);
  calls->suite_schedule.Start();
  return absl::OkStatus();
}

void Daemon::Parts::WatchCanaries() {
  if (!configuration.canary) return;
  run::CanarySetting setting;
  setting.plan = *configuration.canary;
  setting.jobs = &*jobs;
  setting.runs = &*runs;
  setting.fleet = &*fleet;
  setting.hub = &hub;
  canaries.emplace(setting);
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const host::Configuration& configuration) {
  if (absl::Status status = MakeFolders(configuration); !status.ok()) return status;
  KeepToCores(configuration.daemon_cores);
  auto parts = std::make_unique<Parts>(configuration);
  if (absl::Status status = parts->ChooseTorch(); !status.ok()) return status;
  if (absl::Status status = parts->Lock(); !status.ok()) return status;
  parts->WarnOfSurroundings();
  parts->FindDevices();
  parts->RestoreDevices();
  if (absl::Status status = parts->OpenDatabase(); !status.ok()) return status;
  if (absl::Status status = parts->Serve(); !status.ok()) return status;
  parts->WatchCanaries();
  for (const host::HostDevice& device : parts->devices.devices) {
    spdlog::info("device {}: {}, cores {}, {} MiB", device.name, device.model,
                 host::PrintCpuList(device.cores), device.memory_bytes >> 20);
  }
  spdlog::info("torchlapd {} listens on {}", TORCHLAP_VERSION, configuration.socket_path.string());
  return std::unique_ptr<Daemon>(new Daemon(std::move(parts)));
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Daemon::~Daemon() {
  parts_->calls->suite_schedule.Stop();
  parts_->calls->submit_jobs.Refuse();
  parts_->calls->import_runs.Stop();
  parts_->connections->StopAccepting();
  parts_->ForgetAddress();
  parts_->canaries.reset();
  parts_->fleet->Stop();
  // Destroying the parts waits for the dispatchers' threads: connections go first, as they use the
  // fleet, and a watcher is told of the interruption by the end of its stream.
  spdlog::info("torchlapd stops");
}

}  // namespace torchlap::daemon
