// A real daemon to be attacked, what the attack costs it, and the processes that attack and that
// suffer. As root the daemon serves the whole machine and each side is a user of its own; else all
// are one user in one user's daemon.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/programs.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::attack {

// Accounts that every Linux has (daemon, bin): users without one share what one user may have.
inline constexpr uid_t kAttacker = 2;
inline constexpr uid_t kBystander = 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;  // memory and threads are the sanitizer's, too
#else
inline constexpr bool kIsSanitized = false;
#endif

bool AreUsersApart();  // this program runs as root

// What a process has, by /proc; all 0 when it is gone.
struct Usage {
  uint64_t rss_kib = 0;
  uint64_t threads = 0;
  uint64_t descriptors = 0;
};
Usage UsageOf(pid_t pid);
Usage LargestOf(const Usage& one, const Usage& other);

// Looks at a process a hundred times a second until its destruction.
class Watch {
 public:
  explicit Watch(pid_t pid);
  // The largest that was seen of each; ends the watch.
  Usage Peak();

 private:
  Usage peak_;
  std::jthread thread_;
};

class Target {
 public:
  // `worker`: a program beside this one. `configuration`: more top-level keys, TOML.
  explicit Target(const std::string& worker = "torchlap-fake-worker",
                  const std::string& configuration = "", int devices = 1);

  // Waits until the daemon listens. False: it ended instead, or neither in time.
  bool Start(const std::vector<std::string>& more_arguments = {},
             std::chrono::milliseconds deadline = e2e::kDeadline);
  std::optional<int> Stop();  // SIGTERM, and its exit status
  void Kill();
  bool is_alive() { return daemon_ && !daemon_->Wait(std::chrono::milliseconds(0)); }
  e2e::Process& daemon() { return *daemon_; }
  e2e::World& world() { return world_; }

  // This program again, as `role` of user `uid`.
  std::unique_ptr<e2e::Process> StartRole(const std::string& role, uid_t uid,
                                          const std::vector<std::string>& arguments);

 private:
  e2e::World world_;
  std::unique_ptr<e2e::Process> daemon_;
  int roles_ = 0;
};

// Becomes that user for good, as root; else nothing. Before there are threads.
void BecomeUser(uid_t uid);

std::filesystem::path ProgramBeside(const std::string& name);

std::unique_ptr<v1::Torchlap::Stub> StubOf(const std::filesystem::path& socket);
std::shared_ptr<grpc::Channel> ChannelTo(const std::filesystem::path& socket);
void SetDeadline(grpc::ClientContext* context, std::chrono::seconds deadline);
// Until all chosen jobs have ended. An error: they have not by then, or the daemon has.
grpc::Status AwaitEnds(v1::Torchlap::Stub* stub, const v1::Selector& selector,
                       std::chrono::seconds deadline);

// A model that takes no time.
v1::JobSpec TinyJob(uint32_t measure_steps = 5);
v1::SubmitJobsRequest TinySweep(int jobs, uint32_t measure_steps = 5);

}  // namespace torchlap::attack
