#include "server/rpc/watch_stream.h"

#include <functional>
#include <utility>

#include "server/rpc/grpc_status.h"
#include "server/rpc/message_bytes.h"

namespace torchlap::rpc {
namespace {

// What the feed holds is counted as the call's request.
FeedSources Counted(FeedSources sources, CallsInProgress::Call* call) {
  sources.hold = [call](size_t bytes) { return call->HoldRequest(bytes); };
  return sources;
}

}  // namespace

WatchStream::WatchStream(const FeedSources& sources, WorkThreads* threads, WorkThreads::Share share,
                         const CallsInProgress* calls, std::unique_ptr<CallsInProgress::Call> call,
                         const storage::Caller& caller, v1::WatchJobsRequest request)
    : calls_(calls),
      call_(std::move(call)),
      feed_(
          Counted(sources, call_.get()),
          [threads, share](std::function<void()> task) { threads->Post(share, std::move(task)); },
          caller, std::move(request), [this] { GoOn(); }) {}

void WatchStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    // A page of jobs is more than all else that a watcher holds.
    message_.Clear();
    call_->HoldAnswer(0);
    if (!ok) gone_ = true;
  }
  GoOn();
}

void WatchStream::OnCancel() {
  {
    MutexLock lock(&mutex_);
    gone_ = true;
  }
  GoOn();
}

// gRPC is called without the lock: it may call back at once. One write or the finish is on its way
// at most, as the next step is not taken before.
void WatchStream::GoOn() {
  Step step;
  grpc::Status status;
  {
    MutexLock lock(&mutex_);
    step = NextStep();
    status = status_;
  }
  // Written through: else a page counts as taken once gRPC has queued it for the socket.
  if (step == Step::kWrite) StartWrite(&message_, grpc::WriteOptions().set_write_through());
  if (step == Step::kFinish) Finish(status);
}

WatchStream::Step WatchStream::NextStep() {
  // A write on its way must be answered first: OnWriteDone goes on then.
  if (writing_ || finished_) return Step::kNone;
  const JobFeed::Due due = NextDue();
  switch (due.kind) {
    case JobFeed::Due::Kind::kNothingYet:
      return Step::kNone;
    case JobFeed::Due::Kind::kMessage:
      message_ = Packed(due.message);
      call_->HoldAnswer(message_.Length());
      writing_ = true;
      return Step::kWrite;
    case JobFeed::Due::Kind::kEnd:
      break;
  }
  status_ = ToGrpc(due.status);
  finished_ = true;
  return Step::kFinish;
}

JobFeed::Due WatchStream::NextDue() {
  JobFeed::Due end;
  end.kind = JobFeed::Due::Kind::kEnd;
  end.status = gone_ ? absl::CancelledError("the reader is gone")
                     : calls_->MayAnswer(WorkThreads::Size::kLarge);
  return end.status.ok() ? feed_.Next() : end;
}

}  // namespace torchlap::rpc
