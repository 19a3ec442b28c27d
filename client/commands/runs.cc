#include "client/format/runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/column_list.h"
#include "client/commands/commands.h"
#include "client/commands/unreadable.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/time_words.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kUsualLimit = 50;
constexpr uint32_t kLargestPage = 1000;

absl::StatusOr<bool> ParseAscending(const std::optional<std::string>& text) {
  if (!text || *text == "newest") return false;
  if (*text == "oldest") return true;
  return absl::InvalidArgumentError(fmt::format("--order is {}, must be newest or oldest", *text));
}

// What the daemon ran of its own accord, several times a day, is shown where it is asked for: by
// its purpose, job or account, or with `all`.
void LeaveOutCanaries(v1::RunFilter* filter) {
  if (filter->purposes_size() > 0 || filter->users_size() > 0) return;
  if (filter->selector().ByteSizeLong() > 0) return;
  for (const v1::Purpose purpose : {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT,
                                    v1::PURPOSE_CALIBRATE, v1::PURPOSE_TRACE}) {
    filter->add_purposes(purpose);
  }
}

absl::StatusOr<std::vector<v1::Run>> List(const v1::RunFilter& filter, bool ascending,
                                          uint32_t limit, DaemonChannel* channel) {
  v1::ListRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_ascending(ascending);
  std::vector<v1::Run> runs;
  do {
    request.set_page_size(std::min(limit - static_cast<uint32_t>(runs.size()), kLargestPage));
    auto page = channel->ListRuns(request);
    if (!page.ok()) return page.status();
    runs.insert(runs.end(), page->runs().begin(), page->runs().end());
    request.set_page_token(page->next_page_token());
  } while (runs.size() < limit && !request.page_token().empty());
  return runs;
}

}  // namespace

absl::StatusOr<int> Execute(const RunsOptions& options, const Invocation& invocation) {
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  LeaveOutCanaries(&*filter);
  auto limit = ParseLimit(options.limit, kUsualLimit);
  if (!limit.ok()) return limit.status();
  auto ascending = ParseAscending(options.order);
  if (!ascending.ok()) return ascending.status();
  auto columns = ParseColumns(options.columns);
  if (!columns.ok()) return columns.status();
  auto output = ChooseOutput(options.output, format::Content::kRuns);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  auto runs = List(*filter, *ascending, *limit, channel->get());
  if (!runs.ok()) return runs.status();
  SayUnreadable(**channel, invocation.console);
  if (runs->empty()) *invocation.console.err << "no runs match\n";
  const absl::Status written = WriteOutput(
      *output, invocation.console, format::ListRuns(*std::move(runs), *columns, options.wide));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
