// A place whose workers do what a test says: no process, real descriptors.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "server/run/place.h"

namespace torchlap::run {

// One worker: the test's side of it. Thread-safe. Every Await gives up after ten seconds and then
// returns false.
class WorkerScript {
 public:
  WorkerScript();

  void Say(v1::WorkerEvent event);
  // What is no event. The descriptor stays readable, as that of a process that goes on writing.
  void SayGarbage();
  // The process is gone.
  void Exit(int status);
  void Die(int signal);
  // As a process in an uninterruptible sleep: no signal ends it.
  void IgnoreSignals();
  // Before it is handed its request: it is not taken.
  void RefuseRequest(const absl::Status& why);

  bool AwaitRequest();
  bool AwaitTerminate();
  bool AwaitKill();

  v1::WorkerRequest request() const;
  int terminations() const;
  int kills() const;

 private:
  friend class ScriptedWorker;
  template <typename Condition>
  bool Await(const Condition& condition) const;
  void End(std::optional<int> status, std::optional<int> signal);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  const FileDescriptor events_ready_;
  const FileDescriptor ended_;
  std::deque<v1::WorkerEvent> events_;
  bool garbage_ = false;
  bool ignores_signals_ = false;
  absl::Status refusal_;
  std::optional<v1::WorkerRequest> request_;
  int terminations_ = 0;
  int kills_ = 0;
  std::optional<WorkerExit> exit_;
};

// The usual life of a worker, with `step_ns` for each step of the request's plan.
std::vector<v1::WorkerEvent> GoodLife(const v1::WorkerRequest& request,
                                      int64_t step_ns = 1'000'000);
v1::WorkerEvent Hello();
v1::WorkerEvent Built();
// Steps `first` to `first + count - 1` of a pass with forward and backward.
v1::WorkerEvent StepsEvent(uint32_t first, int count, int64_t step_ns = 1'000'000);
v1::WorkerEvent ResultEvent(uint32_t warmup_steps, uint32_t measured_steps);
v1::WorkerEvent OutOfMemoryEvent();
// Says it all and exits with 0.
void LiveWell(WorkerScript* script, const v1::WorkerRequest& request);

// What all scripted places of a test do and tell. Thread-safe.
class Stage {
 public:
  // What the next starts come to; with none left they succeed.
  void FailNextStarts(const absl::Status& failure, int times);
  // Called by the starting thread, before the worker is handed over.
  void OnStart(std::function<void(const std::string& run_id)> on_start);
  // Workers live well without a test's doing.
  void PlayByThemselves();
  // The next worker in the order of their starts; null after ten seconds without one.
  std::shared_ptr<WorkerScript> AwaitWorker();
  // Starts so far, those that failed too.
  int starts() const;
  bool AwaitStarts(int count) const;
  // Runs in the order of their starts.
  std::vector<std::string> run_ids() const;
  // What others do on all places; by default it is not told.
  void SetOthers(std::optional<host::ForeignWork> others);
  // How all places are before a run.
  void SetSettle(SettleLook look);
  // How often somebody looked.
  int looks() const;
  bool AwaitLooks(int count) const;
  // What the telemetry of all runs was told of measured steps, in its order.
  struct MeasuredWord {
    int64_t from_ns = 0;
    bool has_ended = false;
  };
  void NoteMeasured(const MeasuredWord& word);
  std::vector<MeasuredWord> measured() const;
  // Of the runs that begin from now on.
  void SetEnvironment(const v1::Environment& environment);
  v1::Environment environment() const;

 private:
  friend class ScriptedPlace;
  absl::StatusOr<std::unique_ptr<Worker>> Start(const std::string& run_id);
  std::optional<host::ForeignWork> Look();
  SettleLook settle() const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<absl::Status> failures_;
  std::optional<host::ForeignWork> others_;
  SettleLook settle_;
  int looks_ = 0;
  std::vector<MeasuredWord> measured_;
  std::function<void(const std::string&)> on_start_;
  bool by_themselves_ = false;
  v1::Environment environment_;
  std::deque<std::shared_ptr<WorkerScript>> waiting_;
  std::vector<std::string> run_ids_;
  int starts_ = 0;
};

class ScriptedPlace final : public Place {
 public:
  // A CPU device with the uuid `CPU-<number>` for the name `cpu<number>`; memory 0: no limit is
  // known.
  ScriptedPlace(Stage* stage, const std::string& name, uint64_t memory_bytes = 0);

  // Before its dispatcher starts: another daemon has it until `gone` ends.
  void HoldByAnother(FileDescriptor gone, bool may_lapse = false);
  // Before that, too: whether its looks find another one who uses it, once it is held; further ones
  // find nobody. That one's end is that of `gone`.
  void FindUsedByAnother(std::deque<bool> looks, FileDescriptor gone = {});
  // Looks so far.
  int looks() const { return looks_; }
  // Before that, too: its workers' times are compared with the clock. By default they are made up.
  void KeepTime() { keeps_time_ = true; }

  const host::HostDevice& device() const override { return device_; }
  absl::StatusOr<std::optional<host::HeldBy>> TryToHold() override;
  std::optional<host::HeldBy> UsedByAnother() override;
  SettleLook Settle() override { return stage_->settle(); }
  v1::WorkerRequest Request(const v1::Run& run) const override;
  absl::StatusOr<std::unique_ptr<Worker>> Start(const std::string& run_id) override;
  bool KeepsTime() const override { return keeps_time_; }
  v1::Environment Environment() const override { return stage_->environment(); }
  v1::Readings Readings() const override { return {}; }
  std::unique_ptr<Telemetry> Watch(v1::Telemetry mode) const override;
  std::optional<uint64_t> ForeignBytes() const override;
  std::optional<host::ForeignWork> OthersNow() const override;
  std::optional<uint64_t> MemoryKills() const override { return std::nullopt; }

 private:
  Stage* const stage_;
  const host::HostDevice device_;
  FileDescriptor holder_gone_;
  bool may_lapse_ = false;
  std::deque<bool> finds_;
  FileDescriptor user_gone_;
  std::atomic<int> looks_ = 0;
  bool keeps_time_ = false;
};

}  // namespace torchlap::run
