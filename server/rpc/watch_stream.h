// WatchJobs: a snapshot, then every change, until the chosen jobs are finished.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "proto/base/mutex.h"
#include "server/rpc/calls.h"
#include "server/rpc/work_threads.h"
#include "server/run/event_hub.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Never blocks a thread: the database is read on `threads` when something was committed and the
// reader has taken what it was sent. Changes come from the table of events, so that none is lost or
// repeated; progress is the latest only.
class WatchStream final : public grpc::ServerWriteReactor<v1::WatchJobsResponse> {
 public:
  // What is returned belongs to gRPC.
  static grpc::ServerWriteReactor<v1::WatchJobsResponse>* Open(const WatchSources& sources,
                                                               WorkThreads* threads,
                                                               storage::Caller caller,
                                                               const v1::WatchJobsRequest& request);

  void OnWriteDone(bool ok) override TORCHLAP_EXCLUDES(mutex_);
  void OnCancel() override TORCHLAP_EXCLUDES(mutex_);
  void OnDone() override;

 private:
  WatchStream(const WatchSources& sources, WorkThreads* threads, storage::Caller caller,
              const v1::WatchJobsRequest& request);

  // On a work thread.
  void Begin();
  absl::Status ReadStart();
  absl::Status AddSnapshot(std::vector<v1::Job> jobs);
  void Pump() TORCHLAP_EXCLUDES(mutex_);
  absl::StatusOr<bool> ReadSome();

  void Hear(const v1::Progress* progress) TORCHLAP_EXCLUDES(mutex_);
  void WantPump() TORCHLAP_REQUIRES(mutex_);
  void Send(v1::WatchJobsResponse message) TORCHLAP_REQUIRES(mutex_);
  // Starts the next write, or finishes the stream, if that is what comes next.
  void GoOn() TORCHLAP_REQUIRES(mutex_);
  void End(const grpc::Status& status) TORCHLAP_REQUIRES(mutex_);

  const WatchSources sources_;
  WorkThreads* const threads_;
  const storage::Caller caller_;
  const v1::WatchJobsRequest request_;
  std::shared_ptr<WatchStream> self_;  // until OnDone
  uint64_t listener_ = 0;

  // Used by one work thread at a time.
  std::unordered_set<uint64_t> chosen_;
  std::unordered_set<uint64_t> unfinished_;
  uint64_t sequence_ = 0;    // read up to here
  uint64_t must_reach_ = 0;  // changes up to here were made before the stream began

  Mutex mutex_;
  std::deque<v1::WatchJobsResponse> outbox_ TORCHLAP_GUARDED_BY(mutex_);
  std::map<std::string, v1::Progress> progress_ TORCHLAP_GUARDED_BY(mutex_);  // by run
  bool began_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool pumping_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool pump_again_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool writing_ TORCHLAP_GUARDED_BY(mutex_) = false;
  bool complete_ TORCHLAP_GUARDED_BY(mutex_) = false;  // finish once the outbox is empty
  bool ended_ TORCHLAP_GUARDED_BY(mutex_) = false;
  grpc::Status status_ TORCHLAP_GUARDED_BY(mutex_);            // once ended_
  v1::WatchJobsResponse current_ TORCHLAP_GUARDED_BY(mutex_);  // gRPC's while writing_
};

}  // namespace torchlap::rpc
