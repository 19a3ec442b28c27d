#include "client/format/sweeps.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kUsualLimit = 50;
constexpr uint32_t kLargestPage = 1000;

absl::StatusOr<std::vector<v1::Sweep>> List(const std::string& user, uint32_t limit,
                                            DaemonChannel* channel) {
  v1::ListSweepsRequest request;
  request.set_user(user);
  std::vector<v1::Sweep> sweeps;
  do {
    request.set_page_size(std::min(limit - static_cast<uint32_t>(sweeps.size()), kLargestPage));
    auto page = channel->ListSweeps(request);
    if (!page.ok()) return page.status();
    sweeps.insert(sweeps.end(), page->sweeps().begin(), page->sweeps().end());
    request.set_page_token(page->next_page_token());
  } while (sweeps.size() < limit && !request.page_token().empty());
  return sweeps;
}

}  // namespace

absl::StatusOr<int> Execute(const SweepsOptions& options, const Invocation& invocation) {
  auto limit = ParseLimit(options.limit, kUsualLimit);
  if (!limit.ok()) return limit.status();
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto sweeps = List(options.user.value_or(""), *limit, channel->get());
  if (!sweeps.ok()) return sweeps.status();
  if (sweeps->empty() && options.user) {
    SayLine(invocation.console, "no sweeps of " + *options.user);
  }
  const bool for_terminal = IsTerminalTable(*output, invocation.console);
  const absl::Status written = WriteOutput(
      *output, invocation.console, format::ListSweeps(*sweeps, for_terminal && !options.wide));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
