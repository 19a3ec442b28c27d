#include "client/format/findings.h"

#include <fmt/format.h>

#include <utility>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/parse_words.h"
#include "client/time_words.h"
#include "client/value_list.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

// `new,fixed`.
absl::Status AddStates(const std::string& text, v1::ListFindingsRequest* request) {
  for (const std::string& word : SplitAt(',', text)) {
    const auto state = ParseOneWord<v1::CellFindingState>("--state", word);
    if (!state.ok()) return state.status();
    request->add_states(*state);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ListFindingsRequest> ListRequest(const FindingsOptions& options) {
  if (options.why) return Invalid("findings takes no --why; to say it: findings set N STATE --why");
  if (options.all && options.state) return Invalid("--all and --state are both given, must be one");
  v1::ListFindingsRequest request;
  if (options.state) {
    if (absl::Status added = AddStates(*options.state, &request); !added.ok()) return added;
  }
  if (options.all) {
    for (const auto state : {v1::CELL_FINDING_NEW, v1::CELL_FINDING_IGNORED,
                             v1::CELL_FINDING_CONFIRMED, v1::CELL_FINDING_FIXED}) {
      request.add_states(state);
    }
  }
  request.set_user(options.user.value_or(""));
  if (!options.since) return request;
  const auto since = ParseTime("--since", *options.since, UnixNowNs());
  if (!since.ok()) return since.status();
  request.set_since_ns(*since);
  return request;
}

absl::StatusOr<v1::SetFindingRequest> SetRequest(const FindingsOptions& options) {
  const std::vector<std::string>& words = options.words;
  if (words.size() == 2 && words.front() == "set") {
    return Invalid(
        fmt::format("findings set {} lacks a state: {}", words[1], Words<v1::CellFindingState>()));
  }
  if (words.front() != "set" || words.size() != 3) {
    return Invalid(
        fmt::format("findings {} is not known, must be findings, or findings set N STATE",
                    fmt::join(words, " ")));
  }
  if (options.all || options.state || options.user || options.since) {
    return Invalid("findings set takes only --why, --format and -o");
  }
  const auto id = ReadNumber<uint64_t>(words[1]);
  if (!id || *id == 0) {
    return Invalid(fmt::format("finding is {}, must be a number of `torchlap findings`", words[1]));
  }
  const auto state = ParseOneWord<v1::CellFindingState>("state", words[2]);
  if (!state.ok()) return state.status();
  v1::SetFindingRequest request;
  request.set_finding_id(*id);
  request.set_state(*state);
  request.set_why(options.why.value_or(""));
  if (absl::Status visible = CheckVisible("--why", request.why()); !visible.ok()) return visible;
  return request;
}

absl::StatusOr<format::Document> Set(const v1::SetFindingRequest& request, DaemonChannel* channel) {
  const auto response = channel->SetFinding(request);
  if (!response.ok()) return response.status();
  return format::ShowFindingSet(*response);
}

// Nothing that changed is an answer.
void SayWhatIsNotShown(const FindingsOptions& options, const v1::ListFindingsResponse& response,
                       const Console& console) {
  const bool is_narrowed = options.state || options.user || options.since;
  if (response.findings().empty() && is_narrowed) SayLine(console, "no such findings");
  if (response.findings().empty() && !is_narrowed) {
    SayLine(console,
            "no findings; a cell is judged once its suite has run three times before, or against "
            "your baseline");
  }
  if (response.is_cut()) {
    SayLine(console, fmt::format("the newest {} findings are shown; --since, --user or --state "
                                 "narrow them",
                                 response.findings_size()));
  }
}

absl::StatusOr<format::Document> List(const FindingsOptions& options,
                                      const v1::ListFindingsRequest& request, bool in_short,
                                      const Console& console, DaemonChannel* channel) {
  const auto response = channel->ListFindings(request);
  if (!response.ok()) return response.status();
  SayWhatIsNotShown(options, *response, console);
  return format::ListFindings(*response, in_short);
}

}  // namespace

absl::StatusOr<int> Execute(const FindingsOptions& options, const Invocation& invocation) {
  const bool sets = !options.words.empty();
  const auto set = sets ? SetRequest(options) : v1::SetFindingRequest();
  const auto list = sets ? v1::ListFindingsRequest() : ListRequest(options);
  if (absl::Status status = FirstError({set.status(), list.status()}); !status.ok()) return status;
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const Console& console = invocation.console;
  const bool in_short = IsTerminalTable(*output, console);
  const auto document =
      sets ? Set(*set, channel->get()) : List(options, *list, in_short, console, channel->get());
  if (!document.ok()) return document.status();
  if (absl::Status written = WriteOutput(*output, console, *document); !written.ok()) {
    return written;
  }
  return kExitOk;
}

}  // namespace torchlap::client
