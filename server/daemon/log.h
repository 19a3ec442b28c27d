// The daemon's log: lines on stderr, `2026-01-31T12:00:00.123 info MESSAGE`. Names, paths and
// headers in a message are of others: it is written out visibly (proto/base/visible_text.h), so
// that nothing in it begins another line, or steers the terminal that shows it.
#pragma once

#include <spdlog/common.h>
#include <spdlog/formatter.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "proto/base/clock.h"
#include "proto/base/mutex.h"

namespace torchlap::daemon {

std::unique_ptr<spdlog::formatter> LogFormatter();

// What libraries have to say, as lines of ours, each cut. A caller may make them say much: beyond
// some lines a minute it is only counted. Thread-safe.
class LibraryLog {
 public:
  static constexpr int kLinesAMinute = 60;

  explicit LibraryLog(const Clock* clock) : clock_(clock) {}

  void Write(spdlog::level::level_enum level, std::string_view library, std::string_view message)
      TORCHLAP_EXCLUDES(mutex_);

 private:
  const Clock* const clock_;
  Mutex mutex_;
  int64_t minute_began_ns_ TORCHLAP_GUARDED_BY(mutex_) = 0;
  int lines_ TORCHLAP_GUARDED_BY(mutex_) = 0;          // since then
  uint64_t left_out_ TORCHLAP_GUARDED_BY(mutex_) = 0;  // since then
};

// Makes it the log of the process, of spdlog, gRPC and protobuf. Errors of gRPC alone, unless
// GRPC_VERBOSITY (INFO, DEBUG) asks for more. Once, before there are threads.
void OpenLog();

}  // namespace torchlap::daemon
