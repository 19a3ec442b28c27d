#include <string>

#include "client/commands/commands.h"
#include "client/commands/named_runs.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/words.h"
#include "client/output.h"
#include "client/parse_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<v1::NoteRunsRequest> RequestOf(const NoteOptions& options) {
  auto filter = NamedRuns("note", options.selectors, "--text T or --clear");
  if (!filter.ok()) return filter.status();
  if (options.text.has_value() == options.clear) {
    return Invalid(options.clear ? "--text and --clear are both given, must be one of them"
                                 : "note needs --text T, or --clear, which takes a note away");
  }
  if (options.text && options.text->empty()) {
    return Invalid("--text is '', must have a character; --clear takes a note away");
  }
  v1::NoteRunsRequest request;
  *request.mutable_filter() = *std::move(filter);
  request.set_note(options.text.value_or(""));
  return request;
}

}  // namespace

absl::StatusOr<int> Execute(const NoteOptions& options, const Invocation& invocation) {
  const auto request = RequestOf(options);
  if (!request.ok()) return request.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto response = (*channel)->NoteRuns(*request);
  if (!response.ok()) return response.status();
  *invocation.console.out << (options.clear ? "cleared the note of " : "noted on ")
                          << format::Counted(response->runs(), "run") << "\n";
  if (absl::Status said = FlushStdout(invocation.console); !said.ok()) return said;
  return kExitOk;
}

}  // namespace torchlap::client
