// ImportRuns: another machine's database, sent in pieces, and its runs taken in.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

#include "proto/base/clock.h"
#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"
#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// An import whose next piece does not come for so long makes way for another.
inline constexpr int64_t kImportIdleNs = int64_t{60} * 1'000'000'000;
inline constexpr size_t kMostImportPieceBytes = size_t{1} << 20;

// Thread-safe. The arguments outlive it.
class ImportRuns {
 public:
  ImportRuns(storage::Database* database, std::filesystem::path state_folder, const Clock* clock);
  ~ImportRuns();

  // An import that is under way ends after the jobs that it is at, with UNAVAILABLE; so does every
  // other from now on.
  void Stop() { stops_ = true; }

  // One import at a time. The file lies in a folder of its own below the state folder until it is
  // taken in (storage/import_runs.h), has failed, or is given up.
  absl::Status Answer(const storage::Caller& caller, const v1::ImportRunsRequest& request,
                      v1::ImportRunsResponse* response) const;

 private:
  // What is being received.
  struct Upload {
    std::string id;
    std::string principal;
    std::filesystem::path folder;
    FileDescriptor file;
    uint64_t bytes = 0;
    int64_t touched_ns = 0;
    bool is_taken_in = false;  // its thread has it
  };

  absl::Status Begin(const storage::Caller& caller, const v1::ImportRunsRequest& request) const
      TORCHLAP_REQUIRES(mutex_);
  absl::Status Append(const storage::Caller& caller, const v1::ImportRunsRequest& request) const;
  absl::Status TakeIn(const storage::Caller& caller, const v1::ImportRunsRequest& request,
                      v1::ImportRunsResponse* response) const;
  void Forget() const TORCHLAP_REQUIRES(mutex_);

  storage::Database* const database_;
  const std::filesystem::path state_folder_;
  const Clock* const clock_;
  std::atomic<bool> stops_ = false;
  mutable Mutex mutex_;
  mutable Upload upload_ TORCHLAP_GUARDED_BY(mutex_);
};

// Removes what a daemon that was killed within an import left in its state folder.
void RemoveUnfinishedImports(const std::filesystem::path& state_folder);

}  // namespace torchlap::rpc
