#include "tests/attack/target.h"

#include <dirent.h>
#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace torchlap::attack {
namespace {

constexpr std::chrono::milliseconds kLook{10};

std::string Configuration(const std::string& worker, const std::string& more, int devices) {
  std::string text = "worker = \"" + ProgramBeside(worker).string() + "\"\n" + more;
  for (int i = 0; i < devices; ++i) {
    const std::string number = std::to_string(i);
    text += "\n[[device]]\nname = \"cpu" + number + "\"\nkind = \"cpu\"\ncores = \"" + number +
            "\"\nmemory = \"1GiB\"\nthreads = 1\n";
  }
  return text;
}

uint64_t EntriesOf(const std::string& folder) {
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) return 0;
  uint64_t count = 0;
  while (::readdir(entries) != nullptr) ++count;
  ::closedir(entries);
  return count - 2;  // . and ..
}

}  // namespace

bool AreUsersApart() { return ::geteuid() == 0; }

Usage UsageOf(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream status(folder + "/status");
  Usage usage;
  std::string key;
  while (status >> key) {
    if (key == "VmRSS:") status >> usage.rss_kib;
    if (key == "Threads:") status >> usage.threads;
    std::getline(status, key);
  }
  usage.descriptors = EntriesOf(folder + "/fd");
  return usage;
}

Usage LargestOf(const Usage& one, const Usage& other) {
  return {std::max(one.rss_kib, other.rss_kib), std::max(one.threads, other.threads),
          std::max(one.descriptors, other.descriptors)};
}

Watch::Watch(pid_t pid)
    : thread_([this, pid](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          peak_ = LargestOf(peak_, UsageOf(pid));
          std::this_thread::sleep_for(kLook);
        }
      }) {}

Usage Watch::Peak() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  return peak_;
}

Target::Target(const std::string& worker, const std::string& configuration, int devices)
    : world_(Configuration(worker, configuration, devices)) {
  // For the other users.
  ::chmod(world_.folder().c_str(), 0755);
}

bool Target::Start(const std::vector<std::string>& more_arguments,
                   std::chrono::milliseconds deadline) {
  std::vector<std::string> arguments = more_arguments;
  if (AreUsersApart()) {
    const std::string file = world_.folder() / "config" / "torchlap" / "torchlapd.toml";
    arguments.insert(arguments.end(), {"--system", "--config", file, "--socket", world_.socket(),
                                       "--state", world_.state_folder()});
  }
  daemon_ = world_.StartDaemon(arguments, world_.variables());
  const auto listens = [this] { return daemon_->err().find("listens on") != std::string::npos; };
  e2e::Eventually([&] { return listens() || !is_alive(); }, deadline);
  return listens();
}

std::optional<int> Target::Stop() {
  daemon_->Signal(SIGTERM);
  return daemon_->Wait();
}

void Target::Kill() {
  daemon_->Signal(SIGKILL);
  daemon_->Wait();
}

std::unique_ptr<e2e::Process> Target::StartRole(const std::string& role, uid_t uid,
                                                const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {std::filesystem::read_symlink("/proc/self/exe"),
                                      "--role",
                                      role,
                                      "--uid",
                                      std::to_string(uid),
                                      "--socket",
                                      world_.socket()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string name = "role-" + std::to_string(roles_++);
  return std::make_unique<e2e::Process>(command, world_.variables(),
                                        world_.folder() / (name + ".out"),
                                        world_.folder() / (name + ".err"));
}

void BecomeUser(uid_t uid) {
  if (!AreUsersApart()) return;
  const bool did = ::setgroups(0, nullptr) == 0 && ::setgid(uid) == 0 && ::setuid(uid) == 0;
  if (did) return;
  std::perror("cannot become another user");
  std::_Exit(2);
}

std::filesystem::path ProgramBeside(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

std::unique_ptr<v1::Torchlap::Stub> StubOf(const std::filesystem::path& socket) {
  return v1::Torchlap::NewStub(ChannelTo(socket));
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::filesystem::path& socket) {
  grpc::ChannelArguments arguments;
  // A channel of its own: a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("unix:" + socket.string(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

void SetDeadline(grpc::ClientContext* context, std::chrono::seconds deadline) {
  context->set_deadline(std::chrono::system_clock::now() + deadline);
}

grpc::Status AwaitEnds(v1::Torchlap::Stub* stub, const v1::Selector& selector,
                       std::chrono::seconds deadline) {
  v1::WatchJobsRequest request;
  *request.mutable_selector() = selector;
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  SetDeadline(&context, deadline);
  const auto changes = stub->WatchJobs(&context, request);
  v1::WatchJobsResponse change;
  while (changes->Read(&change)) {
  }
  return changes->Finish();
}

v1::JobSpec TinyJob(uint32_t measure_steps) {
  v1::JobSpec job;
  v1::TransformerLm* model = job.mutable_workload()->mutable_transformer_lm();
  model->set_vocab_size(50);
  model->set_d_model(16);
  model->set_d_ff(32);
  model->set_layers(1);
  model->set_heads(2);
  model->set_batch_size(2);
  model->set_context_length(8);
  job.mutable_plan()->set_measure_steps(measure_steps);
  return job;
}

v1::SubmitJobsRequest TinySweep(int jobs, uint32_t measure_steps) {
  v1::SubmitJobsRequest request;
  const v1::JobSpec job = TinyJob(measure_steps);
  for (int i = 0; i < jobs; ++i) *request.add_jobs() = job;
  return request;
}

}  // namespace torchlap::attack
