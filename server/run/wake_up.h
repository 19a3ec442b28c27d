// Wakes a thread that waits in poll(2). Thread-safe; wake-ups that come together are one.
#pragma once

#include "proto/base/file_descriptor.h"

namespace torchlap::run {

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

}  // namespace torchlap::run
