#include "server/run/launch_runner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "proto/words.h"
#include "server/measure/device_summary.h"
#include "server/run/busy_wait.h"
#include "server/run/memory_fault.h"
#include "server/run/next_run.h"
#include "server/run/run_assessment.h"

namespace torchlap::run {
namespace {

constexpr int64_t kProgressIntervalNs = 1'000'000'000;

// Why there is no worker.
WorkerEnd NotStarted(const absl::Status& status) {
  WorkerEnd end;
  end.stop_detail = std::string(status.message());
  if (absl::IsResourceExhausted(status)) {
    end.stop_cause = StopCause::kNoResources;
  } else if (absl::IsFailedPrecondition(status)) {
    end.stop_cause = StopCause::kDeviceUnusable;
  } else {
    end.stop_cause = StopCause::kCannotStart;
  }
  return end;
}

// Of a worker that was not ended by us.
void HoldToTime(const RunRecord& record, int64_t duration_ns, WorkerEnd* end) {
  if (end->stop_cause != StopCause::kNone) return;
  const std::optional<std::string> problem = record.CheckTimeTaken(duration_ns);
  if (!problem) return;
  end->stop_cause = StopCause::kBrokenProtocol;
  end->stop_detail = *problem;
}

}  // namespace

LaunchRunner::LaunchRunner(Place* place, const DispatcherSetting* setting, WakeUp* wake_up,
                           StopCauseOf stop_cause)
    : place_(*place), setting_(*setting), wake_up_(wake_up), stop_cause_(std::move(stop_cause)) {}

LaunchResult LaunchRunner::Run(const storage::StartedRun& started,
                               std::vector<v1::Evidence> before) {
  const auto ruled_out = FindRuledOut(started);
  if (!ruled_out) return {RunTheWorker(started, std::move(before)), std::nullopt};
  storage::FinishedRun skipped = RunRecord(started.run).FinishSkipped(ruled_out->failure);
  AssessRun({}, &skipped);
  return {std::move(skipped), ruled_out->instead};
}

storage::FinishedRun LaunchRunner::RunTheWorker(const storage::StartedRun& started,
                                                std::vector<v1::Evidence> before) {
  const int64_t began_ns = setting_.clock->MonotonicNs();
  const v1::Readings readings = place_.Readings();
  RunRecord record(started.run);
  const std::unique_ptr<Telemetry> telemetry = place_.Watch(started.run.plan().telemetry());
  const std::optional<uint64_t> foreign_bytes = place_.ForeignBytes();
  const v1::Environment environment = place_.Environment();
  WorkerEnd end = RunWorker(started, telemetry.get(), &record);
  const int64_t duration_ns = setting_.clock->MonotonicNs() - began_ns;
  if (place_.KeepsTime()) HoldToTime(record, duration_ns, &end);
  storage::FinishedRun finished = std::move(record).Finish(end, environment, duration_ns);
  finished.readings.MergeFrom(readings);
  for (v1::DeviceReading& reading : telemetry->Take()) {
    *finished.readings.add_device() = std::move(reading);
  }
  measure::SummariseDevice(finished.samples, finished.readings, &finished.run);
  if (foreign_bytes) finished.run.mutable_memory()->set_device_foreign_bytes(*foreign_bytes);
  if (finished.run.outcome() == v1::OUTCOME_OUT_OF_MEMORY) {
    SayWhoHeldMemory(&finished.run);
  }
  GpuSurroundings around = telemetry->Around();
  around.before = std::move(before);
  AssessRun(around, &finished);
  const std::string& detail = finished.run.failure().detail();
  spdlog::info("{}: run {} of {} ended {}{}{}", place_.device().name, finished.run.run_id(),
               started.job.user(), Word(finished.run.outcome()), detail.empty() ? "" : ": ",
               detail);
  return finished;
}

storage::FinishedRun LaunchRunner::Refuse(const storage::StartedRun& started,
                                          const std::string& why) const {
  v1::Failure failure;
  failure.set_detail(fmt::format("{} is busy: {}", place_.device().name, why));
  return RunRecord(started.run).FinishSkipped(failure);
}

// The worker is gone by now: what is held is held by others, if they have not gone since. A CPU
// device's limit is its own.
void LaunchRunner::SayWhoHeldMemory(v1::Run* run) const {
  v1::Failure* failure = run->mutable_failure();
  const std::optional<host::ForeignWork> others = place_.OthersNow();
  if (others) {
    std::optional<uint64_t> held = ForeignAtFailure(run->memory(), *failure);
    if (!held) held = others->held_bytes;
    if (held) failure->set_foreign_bytes(*held);
  }
  const std::string holders = others ? HoldersOf(others->holding) : "";
  failure->set_detail(OutOfMemoryLine(*failure, place_.device().name, holders));
}

void LaunchRunner::AssessRun(const GpuSurroundings& around, storage::FinishedRun* finished) const {
  const absl::Status compared = Assess(place_.device(), around, *setting_.runs, finished);
  if (compared.ok()) return;
  spdlog::warn("{}: run {} is judged without the runs that compare with it: {}",
               place_.device().name, finished->run.run_id(), std::string(compared.message()));
}

std::optional<LaunchRunner::RuledOut> LaunchRunner::FindRuledOut(
    const storage::StartedRun& started) const {
  if (!started.run.workload().has_transformer_lm()) return std::nullopt;
  const uint64_t room = RoomBytes(place_.device().memory_bytes, place_.ForeignBytes());
  auto by_arithmetic = RuledOutByArithmetic(started.run.workload(), place_.device().name, room);
  if (by_arithmetic) return RuledOut{*std::move(by_arithmetic), std::nullopt};
  if (started.run.cause() != v1::CAUSE_FIRST) return std::nullopt;
  const NextTry::Size smallest = SmallestTry(TryOf(started.job, started.run));
  const auto failed = setting_.jobs->OutOfMemoryInSweep(
      started.job.job_id(), place_.device().uuid, smallest.batch_size, smallest.context_length);
  if (failed.ok() && *failed) return RuledOut{RuledOutByRun(**failed), std::nullopt};
  return BeyondFrontier(started);
}

std::optional<LaunchRunner::RuledOut> LaunchRunner::BeyondFrontier(
    const storage::StartedRun& started) const {
  const auto frontier = setting_.runs->FindFrontier(started.run);
  if (!frontier.ok() || !*frontier) return std::nullopt;
  const NextTry::Size fits{(*frontier)->batch_size, (*frontier)->context_length};
  if (!MayShrinkTo(TryOf(started.job, started.run), fits)) return std::nullopt;
  RuledOut ruled_out;
  ruled_out.instead = fits;
  ruled_out.failure.set_detail(fmt::format(
      "not tried: run {} ran out of memory at batch {}, context {}, and batch {}, context {} fits",
      (*frontier)->too_big_run_id, (*frontier)->too_big_batch_size,
      (*frontier)->too_big_context_length, fits.batch_size, fits.context_length));
  return ruled_out;
}

WorkerEnd LaunchRunner::RunWorker(const storage::StartedRun& started, Telemetry* telemetry,
                                  RunRecord* record) {
  const v1::Run& run = started.run;
  const int64_t began_ns = setting_.clock->MonotonicNs();
  auto worker = place_.Start(run.run_id());
  if (!worker.ok()) return NotStarted(worker.status());
  telemetry->Begin((*worker)->pid());
  WorkerEnd end = FollowWorker(place_.Request(run), OrdersFor(run, began_ns, telemetry, record),
                               worker->get(), record);
  telemetry->End();
  return end;
}

FollowOrders LaunchRunner::OrdersFor(const v1::Run& run, int64_t began_ns, Telemetry* telemetry,
                                     RunRecord* record) {
  FollowOrders orders;
  orders.clock = setting_.clock;
  orders.deadline_ns = began_ns + run.plan().time_limit_ns();
  orders.grace = setting_.grace;
  orders.wake_up = wake_up_;
  orders.stop_cause = [this, job_id = run.job_id()] { return stop_cause_(job_id); };
  orders.progressed = [this, telemetry, record,
                       next_ns = std::numeric_limits<int64_t>::min()]() mutable {
    // First of all: the sooner it is asked, the less else is in the answer.
    if (const auto from_ns = record->measured_from_ns()) {
      telemetry->Measured(*from_ns, record->has_result());
    }
    const int64_t now_ns = setting_.clock->MonotonicNs();
    if (now_ns < next_ns || !setting_.hub->has_listeners()) return;
    next_ns = now_ns + kProgressIntervalNs;
    setting_.hub->Report(record->progress());
  };
  orders.next_sample_ns = [telemetry] { return telemetry->NextSampleNs(); };
  orders.sample = [telemetry] { telemetry->Sample(); };
  orders.memory_kills = [this] { return place_.MemoryKills(); };
  return orders;
}

}  // namespace torchlap::run
