#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/commands/named_runs.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/words.h"
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

// Keys to be removed that no chosen job has. Empty, too, where nobody can say.
std::set<std::string> KeysOfNobody(const v1::LabelRunsRequest& request, DaemonChannel* channel) {
  std::set<std::string> keys(request.remove().begin(), request.remove().end());
  if (keys.empty()) return keys;
  v1::ExportRunsRequest chosen;
  *chosen.mutable_filter() = request.filter();
  chosen.mutable_filter()->set_include_invalid(true);
  chosen.set_rows(v1::ROW_KIND_RUN);
  chosen.set_with_unfinished(true);
  const absl::Status status =
      channel->ExportRuns(chosen, [&keys](const v1::ExportRunsResponse& part) {
        for (const v1::Run& row : part.rows()) {
          for (const auto& [key, value] : row.labels()) keys.erase(key);
        }
        return !keys.empty();
      });
  return status.ok() ? keys : std::set<std::string>();
}

// What was changed, or that nothing was.
std::string LabelledWords(const v1::LabelRunsRequest& request, const std::set<std::string>& unknown,
                          uint32_t jobs) {
  const bool is_for_nothing =
      request.set().empty() && !unknown.empty() &&
      std::all_of(request.remove().begin(), request.remove().end(),
                  [&unknown](const std::string& key) { return unknown.count(key) > 0; });
  const std::string none =
      fmt::format("none of {} had the label{} {}", format::Counted(jobs, "job"),
                  unknown.size() == 1 ? "" : "s", fmt::join(unknown, ", "));
  if (is_for_nothing) return none + ": nothing is changed";
  const std::string labelled = "labelled " + format::Counted(jobs, "job");
  return unknown.empty() ? labelled : labelled + "; " + none;
}

}  // namespace

absl::StatusOr<int> Execute(const LabelOptions& options, const Invocation& invocation) {
  const auto request = RequestOf(options);
  if (!request.ok()) return request.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const std::set<std::string> unknown = KeysOfNobody(*request, channel->get());
  const auto response = (*channel)->LabelRuns(*request);
  if (!response.ok()) return response.status();
  *invocation.console.out << LabelledWords(*request, unknown, response->jobs()) << "\n";
  if (absl::Status said = FlushStdout(invocation.console); !said.ok()) return said;
  return kExitOk;
}

}  // namespace torchlap::client
