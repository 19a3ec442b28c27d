#include <fmt/format.h>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/baselines.h"
#include "client/parse_words.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<format::Document> Set(const BaselineOptions& options, const v1::RunFilter& filter,
                                     DaemonChannel* channel) {
  v1::SetBaselineRequest request;
  *request.mutable_filter() = filter;
  request.set_reason(options.reason.value_or(""));
  const auto response = channel->SetBaseline(request);
  if (!response.ok()) return response.status();
  return format::ShowBaselineSet(*response);
}

absl::StatusOr<format::Document> Clear(const v1::RunFilter& filter, DaemonChannel* channel) {
  v1::ClearBaselineRequest request;
  if (filter.ByteSizeLong() > 0) *request.mutable_filter() = filter;
  const auto response = channel->ClearBaseline(request);
  if (!response.ok()) return response.status();
  return format::ShowBaselineCleared(*response);
}

absl::StatusOr<format::Document> Show(const v1::RunFilter& filter, bool in_short,
                                      const Console& console, DaemonChannel* channel) {
  v1::ListBaselinesRequest request;
  if (filter.users_size() > 0) request.set_user(filter.users(0));
  const auto response = channel->ListBaselines(request);
  if (!response.ok()) return response.status();
  if (response->series().empty()) {
    SayLine(console, "no series has a baseline; set one: torchlap baseline set last --reason WHY");
  }
  return format::ListBaselines(*response, in_short);
}

absl::Status CheckSet(const BaselineOptions& options, const v1::RunFilter& filter) {
  if (filter.ByteSizeLong() == 0) {
    return Invalid(
        "baseline set needs a selection or filters, such as: torchlap baseline set last --reason "
        "WHY");
  }
  if (!options.reason || options.reason->empty()) {
    return Invalid("baseline set needs --reason: why these runs are the reference");
  }
  return CheckVisible("--reason", *options.reason);
}

// It lists what a user has; of whom is all that can be said.
absl::Status CheckShow(v1::RunFilter filter) {
  const bool is_one = filter.users_size() <= 1;
  filter.clear_users();
  if (is_one && filter.ByteSizeLong() == 0) return absl::OkStatus();
  return Invalid("baseline show takes no selection and no filter but one --user");
}

absl::Status Check(const BaselineOptions& options, const v1::RunFilter& filter) {
  const std::string& action = options.action;
  if (action == "set") return CheckSet(options, filter);
  if (action != "show" && action != "clear") {
    return Invalid(fmt::format("baseline {}: must be baseline set, show or clear",
                               action.empty() ? "without an action" : action));
  }
  if (options.reason) return Invalid(fmt::format("baseline {} takes no --reason", action));
  return action == "show" ? CheckShow(filter) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Execute(const BaselineOptions& options, const Invocation& invocation) {
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  if (absl::Status status = Check(options, *filter); !status.ok()) return status;
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const Console& console = invocation.console;
  const bool in_short = IsTerminalTable(*output, console);
  const auto document = options.action == "set" ? Set(options, *filter, channel->get())
                        : options.action == "show"
                            ? Show(*filter, in_short, console, channel->get())
                            : Clear(*filter, channel->get());
  if (!document.ok()) return document.status();
  const absl::Status written = WriteOutput(*output, console, *document);
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
