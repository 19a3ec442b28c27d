#include "server/rpc/watch_stream.h"

#include <functional>
#include <utility>

#include "server/rpc/grpc_status.h"

namespace torchlap::rpc {

WatchStream::WatchStream(const FeedSources& sources, WorkThreads* threads, WorkThreads::Share share,
                         CallsInProgress* calls, const storage::Caller& caller,
                         const v1::WatchJobsRequest& request)
    : calls_(calls),
      feed_(
          sources,
          [threads, share](std::function<void()> task) { threads->Post(share, std::move(task)); },
          caller, request, [this] { GoOn(); }) {}

void WatchStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    // A page of jobs is more than all else that a watcher holds.
    message_ = v1::WatchJobsResponse();
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
  JobFeed::Due due;
  if (gone_) {
    due.kind = JobFeed::Due::Kind::kEnd;
    due.status = absl::CancelledError("the reader is gone");
  } else {
    due = feed_.Next();
  }
  switch (due.kind) {
    case JobFeed::Due::Kind::kNothingYet:
      return Step::kNone;
    case JobFeed::Due::Kind::kMessage:
      message_ = std::move(due.message);
      writing_ = true;
      return Step::kWrite;
    case JobFeed::Due::Kind::kEnd:
      break;
  }
  status_ = ToGrpc(due.status);
  finished_ = true;
  return Step::kFinish;
}

}  // namespace torchlap::rpc
