// Requests that were sent and whose answer is not known: the same command again must send the same
// request id, so that the daemon does not take it twice.
#pragma once

#include <filesystem>
#include <string>

#include "proto/base/file_descriptor.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// The id of one request, kept in a small file from before it is sent until it is answered. The file
// is named after what is asked of whom. While a program waits for its answer the file is locked:
// another one that sends the same at that time has an id of its own. An id that was left for more
// than ten minutes is not used again. Thread-compatible.
class UnansweredRequest {
 public:
  // `request` without an id. Where nothing can be written in `folder` the id is new, and not kept.
  UnansweredRequest(const std::filesystem::path& folder, const std::string& address,
                    const v1::SubmitJobsRequest& request);

  const std::string& id() const { return id_; }
  bool is_kept() const { return static_cast<bool>(lock_); }
  // The answer has come: the next request of this kind is a new one.
  void Forget();

 private:
  bool Take(const std::filesystem::path& file);

  std::string id_;
  std::filesystem::path file_;
  FileDescriptor lock_;
};

// $XDG_STATE_HOME/torchlap-client/unanswered, or the like of the user's home: beside the folder of
// the user's daemon, which is the daemon's to make.
std::filesystem::path UnansweredFolder();

}  // namespace torchlap::client
