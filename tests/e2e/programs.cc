#include "tests/e2e/programs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace torchlap::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string Slurp(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const auto& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// This process's environment without what steers torchlap, and then `variables`.
std::vector<std::string> Environment(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (text.rfind("TORCHLAP_", 0) == 0 || text.rfind("XDG_", 0) == 0) continue;
    all.push_back(text);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

}  // namespace

bool Eventually(const std::function<bool()>& holds, milliseconds deadline) {
  const auto end = steady_clock::now() + deadline;
  while (!holds()) {
    if (steady_clock::now() > end) return false;
    ::poll(nullptr, 0,
           5);  // what is waited for is in another process: there is nothing to be woken by
  }
  return true;
}

Process::Process(const std::vector<std::string>& arguments,
                 const std::map<std::string, std::string>& variables,
                 const std::filesystem::path& out_file, const std::filesystem::path& err_file)
    : out_file_(out_file), err_file_(err_file) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out_file.c_str(), kFlags, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err_file.c_str(), kFlags, 0600);
  const std::vector<std::string> environment = Environment(variables);
  const int error = ::posix_spawn(&pid_, arguments[0].c_str(), &actions, nullptr,
                                  Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + arguments[0]);
}

Process::~Process() {
  if (status_) return;
  Signal(SIGKILL);
  Wait();
}

void Process::Signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Process::Wait(milliseconds deadline) {
  if (status_) return status_;
  pollfd end = {static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
  const int ready = ::poll(&end, 1, static_cast<int>(deadline.count()));
  ::close(end.fd);
  if (ready != 1) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

std::string Process::out() const { return Slurp(out_file_); }
std::string Process::err() const { return Slurp(err_file_); }

World::World() : World(DefaultConfiguration()) {}

World::World(const std::string& configuration) {
  std::string pattern = std::filesystem::temp_directory_path() / "torchlap-e2e-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
  std::filesystem::create_directories(folder_ / "config" / "torchlap");
  Configure(configuration);
  TellFakeWorker(nlohmann::json::object());
}

void World::Configure(const std::string& configuration) {
  std::ofstream(folder_ / "config" / "torchlap" / "torchlapd.toml") << configuration;
}

World::~World() {
  daemon_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string World::DefaultConfiguration(const std::string& memory, const std::string& more) {
  return more + "\n[[device]]\nname = \"cpu0\"\nkind = \"cpu\"\ncores = \"0\"\nmemory = \"" +
         memory + "\"\n";
}

std::string World::FakeWorker(const std::string& more) {
  return DefaultConfiguration("2GiB", "worker = \"" TORCHLAP_FAKE_WORKER_PROGRAM "\"\n" + more);
}

std::string World::FakeGpus(const std::string& configuration) {
  return "nvml_library = \"" TORCHLAP_FAKE_NVML_LIBRARY "\"\n" + configuration;
}

std::map<std::string, std::string> World::variables() const {
  return {{"XDG_STATE_HOME", folder_ / "state"},
          {"XDG_RUNTIME_DIR", folder_ / "run"},
          {"XDG_CONFIG_HOME", folder_ / "config"},
          {"TORCHLAP_CLAIM_SCOPE", folder_.filename().string()},
          {"TORCHLAP_FAKE_WORKER", folder_ / "fake_worker.json"},
          {"TORCHLAP_FAKE_NVML", folder_ / "gpus"},
          {"TORCHLAP_ADDRESS", "unix:" + socket().string()}};
}

std::unique_ptr<Process> World::StartDaemon(const std::vector<std::string>& arguments,
                                            const std::map<std::string, std::string>& variables) {
  std::filesystem::create_directories(folder_ / "run");
  std::vector<std::string> command = {TORCHLAP_BIN_DIR "/torchlapd"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string name = "daemon-" + std::to_string(files_++);
  return std::make_unique<Process>(command, variables, folder_ / (name + ".out"),
                                   folder_ / (name + ".err"));
}

bool World::Start(const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> all = variables();
  all.insert(more.begin(), more.end());
  daemon_ = StartDaemon({}, all);
  return Eventually([this] {
           return daemon_log().find("listens on") != std::string::npos ||
                  daemon_->Wait(std::chrono::seconds(0));
         }) &&
         daemon_log().find("listens on") != std::string::npos;
}

std::optional<int> World::Stop() {
  daemon_->Signal(SIGTERM);
  return daemon_->Wait();
}

void World::Kill() {
  daemon_->Signal(SIGKILL);
  daemon_->Wait();
}

std::unique_ptr<Process> World::StartClient(const std::vector<std::string>& arguments) {
  return StartClient(arguments, variables());
}

std::unique_ptr<Process> World::StartClient(const std::vector<std::string>& arguments,
                                            const std::map<std::string, std::string>& variables) {
  std::vector<std::string> command = {TORCHLAP_BIN_DIR "/torchlap"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string name = "client-" + std::to_string(files_++);
  return std::make_unique<Process>(command, variables, folder_ / (name + ".out"),
                                   folder_ / (name + ".err"));
}

Finished World::Client(const std::vector<std::string>& arguments) {
  return Client(arguments, variables());
}

Finished World::Client(const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& variables) {
  const auto client = StartClient(arguments, variables);
  const std::optional<int> status = client->Wait(std::chrono::seconds(180));
  return {status.value_or(-1), client->out(), client->err()};
}

nlohmann::json World::Json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const Finished finished = Client(arguments);
  // What doctor finds depends on who else works on this machine.
  const bool is_answer = finished.status == 0 || (arguments[0] == "doctor" && finished.status == 2);
  if (!is_answer) {
    throw std::runtime_error(arguments[0] + " exited with " + std::to_string(finished.status) +
                             ": " + finished.err);
  }
  return nlohmann::json::parse(finished.out);
}

void World::TellFakeWorker(const nlohmann::json& plan) {
  // Whole or not at all: a worker may be starting now.
  std::ofstream(folder_ / "fake_worker.new") << plan.dump();
  std::filesystem::rename(folder_ / "fake_worker.new", folder_ / "fake_worker.json");
}

void World::DescribeGpus(const std::string& gpus) { std::ofstream(folder_ / "gpus") << gpus; }

std::vector<std::string> World::Query(const std::string& sql) const {
  sqlite3* connection = nullptr;
  std::vector<std::string> rows;
  if (::sqlite3_open_v2(database().c_str(), &connection, SQLITE_OPEN_READONLY, nullptr) ==
      SQLITE_OK) {
    const auto take = [](void* to, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(to)->emplace_back(values[0] ? values[0] : "NULL");
      return 0;
    };
    ::sqlite3_exec(connection, sql.c_str(), take, &rows, nullptr);
  }
  ::sqlite3_close(connection);
  return rows;
}

std::vector<pid_t> World::Children(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
    const std::string stat = Slurp(entry.path() / "stat");
    const size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    std::istringstream fields(stat.substr(after_name + 1));
    char state = 0;
    pid_t ppid = 0;
    if (fields >> state >> ppid && ppid == parent && state != 'Z')
      children.push_back(std::stoi(name));
  }
  return children;
}

size_t LineCount(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::vector<std::string> Tiny(std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "--layers", "1",  "--heads",      "2", "--d-model",        "16", "--d-ff", "32",
      "--vocab",  "50", "--batch-size", "2", "--context-length", "8"};
  for (const std::string& argument : more) arguments.push_back(argument);
  return arguments;
}

}  // namespace torchlap::e2e
