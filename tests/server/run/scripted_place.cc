#include "tests/server/run/scripted_place.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace torchlap::run {
namespace {

constexpr std::chrono::seconds kPatience{10};

FileDescriptor EventFd() { return FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void Raise(const FileDescriptor& fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd.get(), &one, sizeof one);
}

void Lower(const FileDescriptor& fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd.get(), &count, sizeof count);
}

class NoTelemetry final : public Telemetry {
 public:
  explicit NoTelemetry(Stage* stage) : stage_(*stage) {}

  void Begin(pid_t /*worker*/) override {}
  void End() override {}
  std::optional<int64_t> NextSampleNs() const override { return std::nullopt; }
  void Sample() override {}
  void Measured(int64_t from_ns, bool has_ended) override {
    stage_.NoteMeasured({from_ns, has_ended});
  }
  std::vector<v1::DeviceReading> Take() override { return {}; }
  GpuSurroundings Around() const override { return {}; }

 private:
  Stage& stage_;
};

}  // namespace

// The daemon's side.
class ScriptedWorker final : public Worker {
 public:
  explicit ScriptedWorker(std::shared_ptr<WorkerScript> script, bool by_itself)
      : script_(std::move(script)), by_itself_(by_itself) {}

  pid_t pid() const override { return 4711; }
  int events_fd() const override { return script_->events_ready_.get(); }
  int log_fd() const override { return -1; }
  int exit_fd() const override { return script_->ended_.get(); }

  absl::Status Send(const v1::WorkerRequest& request) override {
    {
      const std::lock_guard lock(script_->mutex_);
      if (!script_->refusal_.ok()) return script_->refusal_;
      script_->request_ = request;
      script_->changed_.notify_all();
    }
    if (by_itself_) LiveWell(script_.get(), request);
    return absl::OkStatus();
  }

  absl::Status ReadEvents(std::vector<v1::WorkerEvent>* events) override {
    const std::lock_guard lock(script_->mutex_);
    for (v1::WorkerEvent& event : script_->events_) events->push_back(std::move(event));
    script_->events_.clear();
    if (script_->garbage_) return absl::DataLossError("the worker sent bytes that are no event");
    Lower(script_->events_ready_);
    return absl::OkStatus();
  }

  bool was_cut_short() const override { return false; }
  void ReadLog() override {}
  std::string LastLogLine() const override { return "its last words"; }

  void Terminate() override { Signal(SIGTERM, &script_->terminations_); }
  void Kill() override { Signal(SIGKILL, &script_->kills_); }

  WorkerExit Reap() override {
    script_->Await([this] { return script_->exit_.has_value(); });
    const std::lock_guard lock(script_->mutex_);
    return script_->exit_.value_or(WorkerExit());
  }

 private:
  void Signal(int number, int* count) {
    bool dies = false;
    {
      const std::lock_guard lock(script_->mutex_);
      ++*count;
      dies = !script_->ignores_signals_;
      script_->changed_.notify_all();
    }
    if (dies) script_->Die(number);
  }

  const std::shared_ptr<WorkerScript> script_;
  const bool by_itself_;
};

WorkerScript::WorkerScript() : events_ready_(EventFd()), ended_(EventFd()) {}

template <typename Condition>
bool WorkerScript::Await(const Condition& condition) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, condition);
}

void WorkerScript::Say(v1::WorkerEvent event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  Raise(events_ready_);
}

void WorkerScript::SayGarbage() {
  const std::lock_guard lock(mutex_);
  garbage_ = true;
  Raise(events_ready_);
}

void WorkerScript::End(std::optional<int> status, std::optional<int> signal) {
  const std::lock_guard lock(mutex_);
  if (exit_) return;
  exit_ = WorkerExit{status, signal};
  Raise(ended_);
  changed_.notify_all();
}

void WorkerScript::Exit(int status) { End(status, std::nullopt); }

void WorkerScript::Die(int signal) { End(std::nullopt, signal); }

void WorkerScript::IgnoreSignals() {
  const std::lock_guard lock(mutex_);
  ignores_signals_ = true;
}

void WorkerScript::RefuseRequest(const absl::Status& why) {
  const std::lock_guard lock(mutex_);
  refusal_ = why;
}

bool WorkerScript::AwaitRequest() {
  return Await([this] { return request_.has_value(); });
}

bool WorkerScript::AwaitTerminate() {
  return Await([this] { return terminations_ > 0; });
}

bool WorkerScript::AwaitKill() {
  return Await([this] { return kills_ > 0; });
}

v1::WorkerRequest WorkerScript::request() const {
  const std::lock_guard lock(mutex_);
  return request_.value_or(v1::WorkerRequest());
}

int WorkerScript::terminations() const {
  const std::lock_guard lock(mutex_);
  return terminations_;
}

int WorkerScript::kills() const {
  const std::lock_guard lock(mutex_);
  return kills_;
}

v1::WorkerEvent Hello() {
  v1::WorkerEvent event;
  event.mutable_hello()->set_protocol_version(1);
  event.mutable_hello()->set_torchlap_version("0.1.0");
  event.mutable_hello()->set_torch_version("2.11.0");
  return event;
}

v1::WorkerEvent Built() {
  v1::WorkerEvent event;
  event.mutable_built()->mutable_environment()->set_threads(1);
  return event;
}

v1::WorkerEvent StepsEvent(uint32_t first, int count, int64_t step_ns) {
  v1::WorkerEvent event;
  v1::SampleBlock* block = event.mutable_steps()->mutable_samples();
  block->set_first_step(first);
  for (int i = 0; i < count; ++i) {
    const int64_t step = int64_t{first} + i;
    block->add_start_ns(5'000'000'000 + 2 * step * step_ns);
    block->add_forward_ns(step_ns / 3);
    block->add_backward_ns(step_ns / 2);
    block->add_step_ns(step_ns);
  }
  return event;
}

v1::WorkerEvent ResultEvent(uint32_t warmup_steps, uint32_t measured_steps) {
  v1::WorkerEvent event;
  event.mutable_result()->set_warmup_steps(warmup_steps);
  event.mutable_result()->set_measured_steps(measured_steps);
  event.mutable_result()->set_stop_reason(v1::STOP_REASON_COUNT);
  return event;
}

v1::WorkerEvent OutOfMemoryEvent() {
  v1::WorkerEvent event;
  event.mutable_failed()->set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  event.mutable_failed()->mutable_failure()->set_detail("it asked for too much");
  event.mutable_failed()->mutable_failure()->set_asked_bytes(1'000'000);
  return event;
}

std::vector<v1::WorkerEvent> GoodLife(const v1::WorkerRequest& request, int64_t step_ns) {
  const v1::Plan& plan = request.plan();
  const uint32_t steps = plan.warmup_steps() + plan.measure_steps();
  return {Hello(), Built(), StepsEvent(0, static_cast<int>(steps), step_ns),
          ResultEvent(plan.warmup_steps(), plan.measure_steps())};
}

void LiveWell(WorkerScript* script, const v1::WorkerRequest& request) {
  for (v1::WorkerEvent& event : GoodLife(request)) script->Say(std::move(event));
  script->Exit(0);
}

void Stage::FailNextStarts(const absl::Status& failure, int times) {
  const std::lock_guard lock(mutex_);
  failures_.insert(failures_.end(), static_cast<size_t>(times), failure);
}

void Stage::OnStart(std::function<void(const std::string&)> on_start) {
  const std::lock_guard lock(mutex_);
  on_start_ = std::move(on_start);
}

void Stage::PlayByThemselves() {
  const std::lock_guard lock(mutex_);
  by_themselves_ = true;
}

std::shared_ptr<WorkerScript> Stage::AwaitWorker() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return !waiting_.empty(); })) return nullptr;
  std::shared_ptr<WorkerScript> next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void Stage::SetEnvironment(const v1::Environment& environment) {
  const std::lock_guard lock(mutex_);
  environment_ = environment;
}

v1::Environment Stage::environment() const {
  const std::lock_guard lock(mutex_);
  return environment_;
}

int Stage::starts() const {
  const std::lock_guard lock(mutex_);
  return starts_;
}

bool Stage::AwaitStarts(int count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return starts_ >= count; });
}

std::vector<std::string> Stage::run_ids() const {
  const std::lock_guard lock(mutex_);
  return run_ids_;
}

void Stage::SetOthers(std::optional<host::ForeignWork> others) {
  const std::lock_guard lock(mutex_);
  others_ = std::move(others);
}

void Stage::SetSettle(SettleLook look) {
  const std::lock_guard lock(mutex_);
  settle_ = std::move(look);
}

void Stage::NoteMeasured(const MeasuredWord& word) {
  const std::lock_guard lock(mutex_);
  measured_.push_back(word);
}

std::vector<Stage::MeasuredWord> Stage::measured() const {
  const std::lock_guard lock(mutex_);
  return measured_;
}

SettleLook Stage::settle() const {
  const std::lock_guard lock(mutex_);
  return settle_;
}

int Stage::looks() const {
  const std::lock_guard lock(mutex_);
  return looks_;
}

bool Stage::AwaitLooks(int count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return looks_ >= count; });
}

std::optional<host::ForeignWork> Stage::Look() {
  const std::lock_guard lock(mutex_);
  ++looks_;
  changed_.notify_all();
  return others_;
}

absl::StatusOr<std::unique_ptr<Worker>> Stage::Start(const std::string& run_id) {
  std::function<void(const std::string&)> on_start;
  {
    const std::lock_guard lock(mutex_);
    on_start = on_start_;
  }
  if (on_start) on_start(run_id);
  const std::lock_guard lock(mutex_);
  ++starts_;
  run_ids_.push_back(run_id);
  changed_.notify_all();
  if (!failures_.empty()) {
    const absl::Status failure = failures_.front();
    failures_.pop_front();
    return failure;
  }
  auto script = std::make_shared<WorkerScript>();
  if (!by_themselves_) waiting_.push_back(script);
  return std::unique_ptr<Worker>(std::make_unique<ScriptedWorker>(script, by_themselves_));
}

ScriptedPlace::ScriptedPlace(Stage* stage, const std::string& name, uint64_t memory_bytes)
    : stage_(stage), device_([&] {
        host::HostDevice device;
        device.name = name;
        device.uuid = "CPU-" + name.substr(3);
        device.kind = v1::DEVICE_KIND_CPU;
        device.model = "Scripted CPU";
        device.cores = {0};
        device.memory_bytes = memory_bytes;
        return device;
      }()) {}

void ScriptedPlace::HoldByAnother(FileDescriptor gone, bool may_lapse) {
  holder_gone_ = std::move(gone);
  may_lapse_ = may_lapse;
}

absl::StatusOr<std::optional<host::HeldBy>> ScriptedPlace::TryToHold() {
  if (!holder_gone_) return std::nullopt;
  host::HeldBy holder;
  holder.pid = 812;
  holder.user = "ann";
  holder.watch_fd = std::move(holder_gone_);
  holder.may_lapse = may_lapse_;
  return std::optional(std::move(holder));
}

void ScriptedPlace::FindUsedByAnother(std::deque<bool> looks, FileDescriptor gone) {
  finds_ = std::move(looks);
  user_gone_ = std::move(gone);
}

std::optional<host::HeldBy> ScriptedPlace::UsedByAnother() {
  ++looks_;
  if (finds_.empty()) return std::nullopt;
  const bool is_used = finds_.front();
  finds_.pop_front();
  if (!is_used) return std::nullopt;
  host::HeldBy user;
  user.pid = 4711;
  user.user = "bob";
  user.may_lapse = true;
  user.watch_fd.reset(::dup(user_gone_.get()));
  return user;
}

v1::WorkerRequest ScriptedPlace::Request(const v1::Run& run) const {
  v1::WorkerRequest request;
  request.set_run_id(run.run_id());
  *request.mutable_workload() = run.workload();
  *request.mutable_plan() = run.plan();
  return request;
}

absl::StatusOr<std::unique_ptr<Worker>> ScriptedPlace::Start(const std::string& run_id) {
  return stage_->Start(run_id);
}

std::optional<uint64_t> ScriptedPlace::ForeignBytes() const {
  const auto others = OthersNow();
  return others ? others->held_bytes : std::nullopt;
}

std::optional<host::ForeignWork> ScriptedPlace::OthersNow() const { return stage_->Look(); }

std::unique_ptr<Telemetry> ScriptedPlace::Watch(v1::Telemetry /*mode*/) const {
  return std::make_unique<NoTelemetry>(stage_);
}

}  // namespace torchlap::run
