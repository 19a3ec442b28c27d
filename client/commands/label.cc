#include <fmt/format.h>

#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/named_runs.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/output.h"
#include "client/parse_words.h"

namespace torchlap::client {
namespace {

// `k=v` is a label to set; `label:k=v` and `sweep:NAME`, whatever is in them, are selectors.
bool IsLabel(const std::string& word) {
  const bool is_selector = word.starts_with("label:") || word.starts_with("sweep:");
  return !is_selector && word.find('=') != std::string::npos;
}

absl::Status AddLabel(const std::string& word, v1::LabelRunsRequest* request) {
  const auto pair = ParsePair("label", word);
  if (!pair.ok()) return pair.status();
  const auto [place, is_new] = request->mutable_set()->insert({pair->first, pair->second});
  if (is_new || place->second == pair->second) return absl::OkStatus();
  return Invalid(fmt::format("label {} is both {} and {}, must be one of them", pair->first,
                             place->second, pair->second));
}

absl::StatusOr<v1::LabelRunsRequest> RequestOf(const LabelOptions& options) {
  v1::LabelRunsRequest request;
  std::vector<std::string> selectors;
  for (const std::string& word : options.words) {
    if (!IsLabel(word)) {
      selectors.push_back(word);
    } else if (absl::Status added = AddLabel(word, &request); !added.ok()) {
      return added;
    }
  }
  for (const std::string& key : options.remove) request.add_remove(key);
  auto filter = NamedRuns("label", selectors, "k=v ... or --remove KEY");
  if (!filter.ok()) return filter.status();
  *request.mutable_filter() = *std::move(filter);
  if (request.set().empty() && request.remove().empty()) {
    return Invalid("label needs a label: k=v to set it, --remove KEY to take it away");
  }
  return request;
}

}  // namespace

absl::StatusOr<int> Execute(const LabelOptions& options, const Invocation& invocation) {
  const auto request = RequestOf(options);
  if (!request.ok()) return request.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto response = (*channel)->LabelRuns(*request);
  if (!response.ok()) return response.status();
  *invocation.console.out << "labelled " << CountOf(response->jobs(), "job") << "\n";
  if (absl::Status said = FlushStdout(invocation.console); !said.ok()) return said;
  return kExitOk;
}

}  // namespace torchlap::client
