// Wakes a thread that waits in poll(2). Thread-safe; wake-ups that come together are one.
#pragma once

#include "server/daemon/file_descriptor.h"

namespace torchlap::daemon {

class WakeUp {
 public:
  WakeUp();

  void Notify();
  // Readable after Notify() until Clear().
  int fd() const { return fd_.get(); }
  void Clear();

 private:
  FileDescriptor fd_;
};

}  // namespace torchlap::daemon
