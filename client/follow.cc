#include "client/follow.h"

#include <fmt/format.h>

#include <optional>

#include "client/format/words.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// Statuses of a stream whose daemon went away. CANCELLED is a server that shut down; ours is told
// apart before.
bool IsBroken(const absl::Status& status) {
  return status.ok() || status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kCancelled;
}

class Follower {
 public:
  Follower(const v1::Selector& selector, const FollowOptions& options, DaemonChannel* channel,
           Interrupts* interrupts, SweepProgress* progress, ProgressDisplay* display)
      : selector_(selector),
        options_(options),
        channel_(channel),
        interrupts_(interrupts),
        progress_(progress),
        display_(display) {}

  absl::StatusOr<FollowEnd> Run() {
    while (true) {
      const absl::Status status = Watch();
      if (progress_->finished()) return FollowEnd::kFinished;
      if (interrupts_->happened()) return FollowEnd::kInterrupted;
      if (DeadlinePassed()) return FollowEnd::kTimedOut;
      if (status.code() == absl::StatusCode::kOutOfRange && progress_->sequence()) {
        progress_->ForgetSequence();
        continue;
      }
      if (!IsBroken(status)) return status;
      if (absl::Status lost = Recover(status); !lost.ok()) return lost;
      if (interrupts_->happened()) return FollowEnd::kInterrupted;
      if (DeadlinePassed()) return FollowEnd::kTimedOut;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  absl::Status Watch() {
    v1::WatchJobsRequest request;
    *request.mutable_selector() = selector_;
    if (progress_->sequence()) request.set_after_sequence(*progress_->sequence());
    return channel_->WatchJobs(
        request, [this](const v1::WatchJobsResponse& change) { return Take(change); },
        interrupts_->token(), options_.deadline);
  }

  // False: nothing more is needed.
  bool Take(const v1::WatchJobsResponse& change) {
    lost_since_.reset();
    if (options_.run_line) SayEndedRun(change);
    SayNotStored(change.snapshot());
    std::vector<FinishedCell> finished = progress_->Apply(change);
    if (progress_->sequence()) PinSelector();
    SayWhyItWaits();
    std::vector<NextTry> tries = progress_->TakeTries();
    if (options_.run_line) {
      finished.clear();
      tries.clear();
    }
    display_->Show(*progress_, finished, tries);
    return !progress_->finished();
  }

  void SayEndedRun(const v1::WatchJobsResponse& change) {
    const v1::JobEvent& event = change.event();
    // A stream that is resumed may repeat itself.
    const bool is_new = !progress_->sequence() || event.sequence() > *progress_->sequence();
    if (!is_new || event.run().outcome() == v1::OUTCOME_UNSPECIFIED) return;
    display_->Say(options_.run_line(event.run()));
  }

  // Nothing else happens until it is: whoever waits shall know why.
  void SayNotStored(const v1::JobSnapshot& snapshot) {
    for (const v1::Job& job : snapshot.jobs()) {
      const std::string words = format::NotStoredWords(job);
      if (!words.empty()) display_->Say(fmt::format("{}: {}", job.job_id(), words));
    }
  }

  // Once, before anything has begun: what it waits for later is in the line that is redrawn.
  void SayWhyItWaits() {
    const std::optional<uint64_t> job_id = progress_->waiting_job();
    if (!job_id || has_said_why_ || progress_->done() > 0) return;
    const v1::WaitReason reason = progress_->waiting_reason();
    const std::string why = format::WaitWords(reason);
    if (why.empty() || reason.code() == v1::WaitReason::CODE_STARTING) return;
    has_said_why_ = true;
    display_->SayWhereNothingIsDrawn(fmt::format("{} waits: {}", *job_id, why));
  }

  // `last` may mean another sweep when the stream is resumed.
  void PinSelector() {
    if (is_pinned_) return;
    is_pinned_ = true;
    selector_.Clear();
    for (const uint64_t id : progress_->job_ids()) selector_.add_job_ids(id);
  }

  bool DeadlinePassed() const {
    return options_.deadline && std::chrono::system_clock::now() >= *options_.deadline;
  }

  // OK: worth another try (or interrupted, or too late, which the caller finds out).
  absl::Status Recover(const absl::Status& cause) {
    if (!lost_since_) {
      lost_since_ = Clock::now();
      display_->Say(fmt::format("lost the daemon at {}, trying again for {}", channel_->address(),
                                ShortDuration(options_.patience)));
    }
    while (true) {
      interrupts_->Pause(options_.retry_pause);
      if (interrupts_->happened() || DeadlinePassed()) return absl::OkStatus();
      const absl::Status status = channel_->Reopen();
      if (status.ok() && Clock::now() - *lost_since_ < options_.patience) return absl::OkStatus();
      if (Clock::now() - *lost_since_ < options_.patience) continue;
      if (!status.ok()) return status;
      return cause.ok() ? absl::UnavailableError("the daemon stopped reporting before the end")
                        : cause;
    }
  }

  v1::Selector selector_;
  const FollowOptions options_;
  DaemonChannel* const channel_;
  Interrupts* const interrupts_;
  SweepProgress* const progress_;
  ProgressDisplay* const display_;
  bool is_pinned_ = false;
  bool has_said_why_ = false;
  std::optional<Clock::time_point> lost_since_;
};

}  // namespace

absl::StatusOr<FollowEnd> Follow(const v1::Selector& selector, const FollowOptions& options,
                                 DaemonChannel* channel, Interrupts* interrupts,
                                 SweepProgress* progress, ProgressDisplay* display) {
  return Follower(selector, options, channel, interrupts, progress, display).Run();
}

}  // namespace torchlap::client
