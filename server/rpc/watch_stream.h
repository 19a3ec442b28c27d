// WatchJobs: writes what a JobFeed says is due.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>

#include "proto/base/mutex.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/job_feed.h"
#include "server/rpc/work_threads.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Never blocks a thread. Belongs to gRPC from StartWriting() on.
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Of a call that has begun, which holds its request: `call` is one of `calls`. The feed reads on
  // `threads`.
  WatchStream(const FeedSources& sources, WorkThreads* threads, WorkThreads::Share share,
              const CallsInProgress* calls, std::unique_ptr<CallsInProgress::Call> call,
              const storage::Caller& caller, v1::WatchJobsRequest request);

  // Once, from the RPC's handler.
  void StartWriting() { GoOn(); }

  void OnWriteDone(bool ok) override TORCHLAP_EXCLUDES(mutex_);
  void OnCancel() override TORCHLAP_EXCLUDES(mutex_);
  void OnDone() override { delete this; }

 private:
  // Starts the next write, or finishes the stream, if that is what comes next.
  void GoOn() TORCHLAP_EXCLUDES(mutex_);
  enum class Step { kNone, kWrite, kFinish };
  Step NextStep() TORCHLAP_REQUIRES(mutex_);
  JobFeed::Due NextDue() TORCHLAP_REQUIRES(mutex_);

  const CallsInProgress* const calls_;
  const std::unique_ptr<CallsInProgress::Call> call_;
  Mutex mutex_;
  // gRPC's while writing_.
  grpc::ByteBuffer message_;
  grpc::Status status_ TORCHLAP_GUARDED_BY(mutex_);
  bool writing_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool gone_ TORCHLAP_GUARDED_BY(mutex_) = false;  // the reader
  bool finished_ TORCHLAP_GUARDED_BY(mutex_) = false;
  JobFeed feed_;  // last: it ends first, and calls nobody then
};

}  // namespace torchlap::rpc
