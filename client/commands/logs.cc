#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "client/commands/commands.h"
#include "client/commands/followed_sweep.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/output.h"
#include "client/selector.h"
#include "proto/base/visible_text.h"

namespace torchlap::client {
namespace {

absl::StatusOr<Id> JobOrRun(const std::string& word) {
  auto id = ParseId(word);
  if (id.ok() && !id->sweep) return id;
  return absl::InvalidArgumentError(fmt::format("id is {}, must be a run (17.2) or a job (17)",
                                                word.empty() ? "''" : Visible(word)));
}

// Of a job its last.
absl::StatusOr<std::string> RunOf(const Id& id, DaemonChannel* channel) {
  if (!id.run_id.empty()) return id.run_id;
  const auto job = FetchJob(id.job_id, channel);
  if (!job.ok()) return job.status();
  if (job->runs_size() > 0) return job->runs(job->runs_size() - 1).run_id();
  return absl::NotFoundError(
      fmt::format("job {} has no run yet, whose log it would be", id.job_id));
}

// A log has whatever the worker wrote. A terminal obeys some of it: there each line is made
// visible; a file or pipe gets the bytes.
class LogWriter {
 public:
  explicit LogWriter(const Console& console) : console_(console) {}

  // False: nobody takes any more.
  bool Write(std::string_view bytes) {
    is_empty_ = is_empty_ && bytes.empty();
    if (console_.out_is_terminal) {
      WriteLines(bytes);
    } else {
      console_.out->write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    return console_.out->good();
  }
  // What came behind the last line's end.
  void End() {
    if (!line_.empty()) *console_.out << Visible(line_) << "\n";
    line_.clear();
  }
  bool is_empty() const { return is_empty_; }

 private:
  void WriteLines(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      line_ += bytes.substr(0, end);
      if (end == std::string_view::npos) return;
      *console_.out << Visible(line_) << "\n";
      line_.clear();
      bytes.remove_prefix(end + 1);
    }
  }

  const Console& console_;
  std::string line_;  // not ended yet
  bool is_empty_ = true;
};

absl::Status PrintLog(const std::string& run_id, const Console& console, DaemonChannel* channel) {
  v1::ReadLogRequest request;
  request.set_run_id(run_id);
  LogWriter writer(console);
  const absl::Status read = channel->ReadLog(
      request, [&writer](const v1::ReadLogResponse& part) { return writer.Write(part.data()); });
  writer.End();
  if (absl::Status written = FlushStdout(console); !written.ok()) return written;
  if (read.ok() && writer.is_empty()) {
    SayLine(console, fmt::format("the worker of run {} wrote nothing", run_id));
  }
  return read;
}

}  // namespace

absl::StatusOr<int> Execute(const LogsOptions& options, const Invocation& invocation) {
  const auto id = JobOrRun(options.id);
  if (!id.ok()) return id.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto run_id = RunOf(*id, channel->get());
  if (!run_id.ok()) return run_id.status();
  const absl::Status printed = PrintLog(*run_id, invocation.console, channel->get());
  if (!printed.ok()) return printed;
  return kExitOk;
}

}  // namespace torchlap::client
