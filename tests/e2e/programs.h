// Real programs under test: a daemon in folders of its own, client commands, and waiting for
// conditions.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace torchlap::e2e {

inline constexpr std::chrono::milliseconds kDeadline{60'000};

// True as soon as `holds` does; false when the deadline passed first.
bool Eventually(const std::function<bool()>& holds, std::chrono::milliseconds deadline = kDeadline);

// A child process with its output in files. Killed and reaped at destruction.
class Process {
 public:
  Process(const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& variables,
          const std::filesystem::path& out_file, const std::filesystem::path& err_file);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number) const;
  // Exit status, or 128 + signal; nothing if the deadline passed.
  std::optional<int> Wait(std::chrono::milliseconds deadline = kDeadline);
  std::string out() const;
  std::string err() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::filesystem::path out_file_;
  std::filesystem::path err_file_;
};

struct Finished {
  int status = -1;
  std::string out;
  std::string err;
};

// One daemon's world: state, runtime and configuration folders in a temporary folder, a claim scope
// of its own.
class World {
 public:
  // With DefaultConfiguration().
  World();
  // `configuration`: TOML. The worker is the real one unless the configuration names another.
  explicit World(const std::string& configuration);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // One CPU device `cpu0` on core 0 with one thread.
  static std::string DefaultConfiguration(const std::string& memory = "2GiB",
                                          const std::string& more = "");
  // The same with the fake worker.
  static std::string FakeWorker(const std::string& more = "");
  // A configuration with GPUs of a fake libnvidia-ml, none until DescribeGpus().
  static std::string FakeGpus(const std::string& configuration = FakeWorker());

  // What the daemon finds at its next start.
  void Configure(const std::string& configuration);
  // Starts the daemon, with `more` beside variables(), and waits until it listens. False (with its
  // stderr in daemon_log()) if it ended instead.
  bool Start(const std::map<std::string, std::string>& more = {});
  // SIGTERM, and its exit status.
  std::optional<int> Stop();
  // SIGKILL, and waits for its end.
  void Kill();
  pid_t daemon_pid() const { return daemon_->pid(); }
  std::string daemon_log() const { return daemon_->err(); }

  // Runs `torchlap ARGUMENTS` to its end.
  Finished Client(const std::vector<std::string>& arguments);
  // The same with other variables than variables().
  Finished Client(const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& variables);
  // Starts it and returns at once.
  std::unique_ptr<Process> StartClient(const std::vector<std::string>& arguments);
  std::unique_ptr<Process> StartClient(const std::vector<std::string>& arguments,
                                       const std::map<std::string, std::string>& variables);
  // Runs a command that must succeed with --format json and parses what it prints.
  nlohmann::json Json(std::vector<std::string> arguments);

  // For the fake worker: what it shall do (fake_worker.cc), read at each of its starts.
  void TellFakeWorker(const nlohmann::json& plan);
  // For the fake libnvidia-ml: what it shall find (fakes/nvml/fake_nvml.cc), read when the daemon
  // starts.
  void DescribeGpus(const std::string& gpus);

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path state_folder() const { return folder_ / "state" / "torchlap"; }
  std::filesystem::path database() const { return state_folder() / "torchlap.db"; }
  std::filesystem::path socket() const { return folder_ / "run" / "torchlap" / "torchlapd.sock"; }
  std::map<std::string, std::string> variables() const;
  // Another daemon's command line in this world.
  std::unique_ptr<Process> StartDaemon(const std::vector<std::string>& arguments,
                                       const std::map<std::string, std::string>& variables);

  // A single column of a query on the database, row by row.
  std::vector<std::string> Query(const std::string& sql) const;
  // Pids of this daemon's workers (children with its worker's name), zombies left out.
  static std::vector<pid_t> Children(pid_t parent);

 private:
  std::filesystem::path folder_;
  int files_ = 0;
  std::unique_ptr<Process> daemon_;
};

size_t LineCount(const std::string& text);

// A model that takes no time: arguments of `run` and `submit`.
std::vector<std::string> Tiny(std::vector<std::string> more = {});

}  // namespace torchlap::e2e
