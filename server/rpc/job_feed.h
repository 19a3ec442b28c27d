// What is due to a watcher of jobs: a snapshot, then every change, until the jobs are finished.
// Knows nothing of who writes it: a stream of gRPC does, and a web page may.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/run/event_hub.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What a feed reads from. All outlive it, and the tasks that it posted.
struct FeedSources {
  const storage::JobStore* jobs = nullptr;
  run::EventHub* hub = nullptr;
  // Says of queued jobs why they wait.
  std::function<absl::Status(std::vector<v1::Job>*)> explain_waiting;
  // Running jobs whose run has ended and could not be stored yet, with the reason. None: no job
  // ever.
  std::function<std::map<uint64_t, std::string>()> not_stored;
  // Told how much a feed holds, with its request, each time that it knows more jobs. An error ends
  // the feed. Must not block, nor call the feed; not called after its end. None: nobody counts.
  std::function<absl::Status(size_t bytes)> hold = nullptr;
};

// Pulled by one writer, pushed to by any thread. The database is read only when the writer has
// taken what was read before, a page of jobs or a batch of changes at a time: a reader that takes
// nothing costs one of these.
//
// Changes come from the table of events, each once, none left out; progress is the latest only, of
// chosen jobs that run, and never comes before the change that began its run or after the one that
// ended it.
//
// That a run cannot be stored is no change in the table: a snapshot of its job alone says it. The
// change that ends the run says that it was stored after all.
//
// Nor is it one that a job waits for something else than before. It is told of the first that waits
// while none of them runs, which is what a reader shows, where it differs from what the snapshot,
// or the last message, said of that job.
//
// Pages of the snapshot are read one after the other, each at its own moment. A job's changes that
// its page shows already are not sent. All pages carry the number of the first, so that resuming
// from it leaves out nothing.
class JobFeed {
 public:
  // Runs a task on a thread that may block: later, not within the call.
  using Post = std::function<void(std::function<void()>)>;

  // `request` as WatchJobs says. `due` is called when Next() has said that nothing is due and now
  // something may be, on any thread, under locks of the feed: it may call Next(), must not block,
  // and must not destroy the feed. Nothing is read before the first Next().
  JobFeed(FeedSources sources, Post post, storage::Caller caller, v1::WatchJobsRequest request,
          std::function<void()> due);
  // After this returns `due` is not called any more; waits for a call of it that is being made.
  ~JobFeed();
  JobFeed(const JobFeed&) = delete;
  JobFeed& operator=(const JobFeed&) = delete;

  struct Due {
    enum class Kind {
      kMessage,
      kNothingYet,  // `due` will be called
      kEnd,  // of the feed, with `status`: OK when all chosen jobs are finished, else WatchJobs'
    };
    Kind kind = Kind::kNothingYet;
    v1::WatchJobsResponse message;
    absl::Status status;
  };
  // What comes next. Never blocks on the database. Thread-safe.
  Due Next();

 private:
  class Pump;
  const std::shared_ptr<Pump> pump_;
};

}  // namespace torchlap::rpc
