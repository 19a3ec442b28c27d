// What the worker throws of its own. Everything that is thrown is caught once, in serve.cc.
#pragma once

#include <stdexcept>

namespace torchlap::worker {

// The request asks for something that this worker does not do. what() names the field, its value
// and what would be right; it goes to the user as it is.
class InvalidRequest : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The device of the request cannot be used on this machine. what() is one line that says why.
class DeviceUnusable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The daemon is gone: nobody waits for results, and there is nobody to tell.
class SocketClosed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace torchlap::worker
