#include "server/daemon/log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <string>
#include <utility>

#include "proto/base/visible_text.h"

namespace torchlap::daemon {
namespace {

constexpr int64_t kMinuteNs = int64_t{60} * 1'000'000'000;
constexpr size_t kMostMessageBytes = 1024;
constexpr char kMessage = '*';  // in a pattern

class VisibleMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& line, const std::tm& /*time*/,
              spdlog::memory_buf_t& text) override {
    const std::string message = Visible({line.payload.data(), line.payload.size()});
    text.append(message.data(), message.data() + message.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<VisibleMessage>();
  }
};

// Lives for ever: libraries may have threads until the very end.
LibraryLog& LogOfLibraries() {
  static auto* const log = new LibraryLog(&SystemClock());
  return *log;
}

void WriteOfGrpc(gpr_log_func_args* line) {
  const spdlog::level::level_enum level =
      line->severity == GPR_LOG_SEVERITY_ERROR  ? spdlog::level::err
      : line->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                : spdlog::level::debug;
  LogOfLibraries().Write(level, "gRPC", line->message);
}

void WriteOfProtobuf(google::protobuf::LogLevel level, const char* /*file*/, int /*line*/,
                     const std::string& message) {
  LogOfLibraries().Write(level == google::protobuf::LOGLEVEL_INFO      ? spdlog::level::info
                         : level == google::protobuf::LOGLEVEL_WARNING ? spdlog::level::warn
                                                                       : spdlog::level::err,
                         "protobuf", message);
}

}  // namespace

std::unique_ptr<spdlog::formatter> LogFormatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<VisibleMessage>(kMessage).set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %*");
  return formatter;
}

void LibraryLog::Write(spdlog::level::level_enum level, std::string_view library,
                       std::string_view message) {
  uint64_t left_out = 0;
  {
    MutexLock lock(&mutex_);
    const int64_t now_ns = clock_->MonotonicNs();
    if (now_ns - minute_began_ns_ >= kMinuteNs) {
      minute_began_ns_ = now_ns;
      lines_ = 0;
      left_out = std::exchange(left_out_, 0);
    }
    if (lines_ == kLinesAMinute) {
      ++left_out_;
      return;
    }
    ++lines_;
  }
  if (left_out > 0) spdlog::warn("{} more lines of libraries were left out", left_out);
  spdlog::log(level, "{}: {}", library, VisibleUpTo(kMostMessageBytes, message));
}

void OpenLog() {
  auto log = spdlog::stderr_color_mt("torchlapd");
  log->set_formatter(LogFormatter());
  gpr_log_verbosity_init();
  if (gpr_should_log(GPR_LOG_SEVERITY_DEBUG) != 0) log->set_level(spdlog::level::debug);
  spdlog::set_default_logger(std::move(log));
  gpr_set_log_function(WriteOfGrpc);
  google::protobuf::SetLogHandler(WriteOfProtobuf);
}

}  // namespace torchlap::daemon
