#include "server/rpc/watch_stream.h"

#include <utility>

#include "server/rpc/grpc_status.h"
#include "server/rpc/job_choice.h"
#include "server/rpc/waiting.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kJobsInASnapshot = 500;
constexpr uint32_t kEventsAtOnce = 256;
// A reader that does not take its messages is not read ahead for.
constexpr size_t kOutboxLimit = 256;

constexpr uint32_t kJobsAtOnce = 1000;

absl::StatusOr<std::vector<v1::Job>> SelectedJobs(const storage::JobStore& store,
                                                  const storage::Caller& caller,
                                                  const v1::Selector& selector) {
  auto filter = ChosenJobs(store, caller, selector);
  if (!filter.ok()) return filter.status();
  filter->limit = kJobsAtOnce;
  std::vector<v1::Job> all;
  for (;;) {
    auto page = store.List(*filter);
    if (!page.ok()) return page.status();
    const bool more = page->size() == kJobsAtOnce;
    if (more) filter->after_job_id = page->back().job_id();
    for (v1::Job& job : *page) all.push_back(std::move(job));
    if (!more) return all;
  }
}

bool IsFinished(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

}  // namespace

grpc::ServerWriteReactor<v1::WatchJobsResponse>* WatchStream::Open(
    const WatchSources& sources, WorkThreads* threads, storage::Caller caller,
    const v1::WatchJobsRequest& request) {
  std::shared_ptr<WatchStream> stream(
      new WatchStream(sources, threads, std::move(caller), request));
  stream->self_ = stream;
  threads->Post([stream] { stream->Begin(); });
  return stream.get();
}

WatchStream::WatchStream(const WatchSources& sources, WorkThreads* threads, storage::Caller caller,
                         const v1::WatchJobsRequest& request)
    : sources_(sources), threads_(threads), caller_(std::move(caller)), request_(request) {
  // From the start, so that nothing committed while the snapshot is read goes unheard.
  listener_ = sources_.hub->Add([this](const v1::Progress* p) { Hear(p); });
}

void WatchStream::OnDone() {
  sources_.hub->Remove(listener_);
  self_.reset();  // the last one, unless a work thread is about to see that the stream has ended
}

void WatchStream::OnCancel() {
  MutexLock lock(&mutex_);
  End(grpc::Status::CANCELLED);
}

void WatchStream::OnWriteDone(bool ok) {
  MutexLock lock(&mutex_);
  writing_ = false;
  if (ended_) {
    Finish(status_);
  } else if (!ok) {
    End(grpc::Status::CANCELLED);
  } else {
    if (outbox_.empty() && pump_again_) WantPump();
    GoOn();
  }
}

void WatchStream::Hear(const v1::Progress* progress) {
  MutexLock lock(&mutex_);
  if (ended_) return;
  if (progress == nullptr) {
    WantPump();
  } else if (began_) {
    progress_[progress->run_id()] = *progress;
    GoOn();
  }
}

void WatchStream::WantPump() {
  if (!began_ || pumping_ || outbox_.size() >= kOutboxLimit) {
    pump_again_ = true;
    return;
  }
  pump_again_ = false;
  pumping_ = true;
  threads_->Post([self = self_] { self->Pump(); });
}

void WatchStream::Begin() {
  const absl::Status status = ReadStart();
  MutexLock lock(&mutex_);
  if (ended_) return;
  if (!status.ok()) return End(ToGrpc(status));
  began_ = true;
  WantPump();
  GoOn();
}

absl::Status WatchStream::ReadStart() {
  const storage::JobStore& store = *sources_.jobs;
  const auto before = store.LastSequence();
  if (!before.ok()) return before.status();
  auto jobs = SelectedJobs(store, caller_, request_.selector());
  if (!jobs.ok()) return jobs.status();
  if (jobs->empty()) return absl::InvalidArgumentError("selector names no job, must name one");
  const auto after = store.LastSequence();
  if (!after.ok()) return after.status();
  must_reach_ = *after;
  for (const v1::Job& job : *jobs) {
    chosen_.insert(job.job_id());
    if (!IsFinished(job.state())) unfinished_.insert(job.job_id());
  }
  if (request_.has_after_sequence()) {
    sequence_ = request_.after_sequence();
    return store.Events(sequence_, 1).status();
  }
  sequence_ = *before;
  return AddSnapshot(*std::move(jobs));
}

absl::Status WatchStream::AddSnapshot(std::vector<v1::Job> jobs) {
  if (absl::Status status = ExplainWaiting(*sources_.jobs, *sources_.fleet, &jobs); !status.ok())
    return status;
  MutexLock lock(&mutex_);
  v1::WatchJobsResponse message;
  for (size_t i = 0; i < jobs.size(); ++i) {
    *message.mutable_snapshot()->add_jobs() = std::move(jobs[i]);
    const bool last = i + 1 == jobs.size();
    if (!last && (i + 1) % kJobsInASnapshot != 0) continue;
    message.mutable_snapshot()->set_sequence(sequence_);
    message.mutable_snapshot()->set_more(!last);
    Send(std::exchange(message, {}));
  }
  return absl::OkStatus();
}

void WatchStream::Pump() {
  const absl::StatusOr<bool> more = ReadSome();
  MutexLock lock(&mutex_);
  pumping_ = false;
  if (ended_) return;
  if (!more.ok()) return End(ToGrpc(more.status()));
  if (*more || pump_again_) {
    WantPump();
  } else if (unfinished_.empty() && sequence_ >= must_reach_) {
    complete_ = true;
  }
  GoOn();
}

// True: there may be more.
absl::StatusOr<bool> WatchStream::ReadSome() {
  auto events = sources_.jobs->Events(sequence_, kEventsAtOnce);
  if (!events.ok()) return events.status();
  MutexLock lock(&mutex_);
  for (v1::JobEvent& event : *events) {
    sequence_ = event.sequence();
    if (!chosen_.contains(event.job_id())) continue;
    if (IsFinished(event.state())) unfinished_.erase(event.job_id());
    if (event.has_run()) progress_.erase(event.run().run_id());
    v1::WatchJobsResponse message;
    *message.mutable_event() = std::move(event);
    Send(std::move(message));
  }
  return events->size() == kEventsAtOnce;
}

void WatchStream::Send(v1::WatchJobsResponse message) { outbox_.push_back(std::move(message)); }

void WatchStream::GoOn() {
  if (writing_ || ended_) return;
  if (!outbox_.empty()) {
    current_ = std::move(outbox_.front());
    outbox_.pop_front();
  } else if (complete_) {
    return End(grpc::Status::OK);
  } else {
    while (!progress_.empty() && !chosen_.contains(progress_.begin()->second.job_id())) {
      progress_.erase(progress_.begin());
    }
    if (progress_.empty()) return;
    current_.Clear();
    *current_.mutable_progress() = std::move(progress_.begin()->second);
    progress_.erase(progress_.begin());
  }
  writing_ = true;
  StartWrite(&current_);
}

void WatchStream::End(const grpc::Status& status) {
  if (ended_) return;
  ended_ = true;
  status_ = status;
  // A write on its way must be answered first: OnWriteDone finishes then.
  if (!writing_) Finish(status_);
}

}  // namespace torchlap::rpc
