#include "client/commands/known_words.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>

#include "client/daemon_channel.h"
#include "client/run_command.h"

namespace torchlap::client {
namespace {

using Words = std::vector<std::string>;

void AddPlain(const std::string& word, Words* words) {
  if (!word.empty() && ShellWord(word) == word) words->push_back(word);
}

Words Presets(DaemonChannel* channel) {
  Words words;
  const auto response = channel->ListPresets();
  if (!response.ok()) return words;
  for (const v1::Preset& preset : response->presets()) {
    AddPlain(preset.is_default() ? preset.name() : preset.edition() + "/" + preset.name(), &words);
  }
  return words;
}

Words Devices(DaemonChannel* channel) {
  Words words;
  const auto response = channel->ListDevices();
  if (!response.ok()) return words;
  for (const v1::Device& device : response->devices()) AddPlain(device.name(), &words);
  return words;
}

Words Selectors(DaemonChannel* channel) {
  constexpr uint32_t kSweeps = 20;
  v1::ListSweepsRequest request;
  request.set_page_size(kSweeps);
  Words words;
  const auto response = channel->ListSweeps(request);
  if (!response.ok()) return words;
  std::map<std::string, int> sweeps_of;
  for (const v1::Sweep& sweep : response->sweeps()) ++sweeps_of[sweep.name()];
  for (const v1::Sweep& sweep : response->sweeps()) {
    words.push_back(fmt::format("sweep:{}", sweep.sweep_id()));
    // A name that several have is refused.
    const bool is_name = !sweep.name().empty() && sweeps_of[sweep.name()] == 1;
    if (is_name) AddPlain("sweep:" + sweep.name(), &words);
  }
  return words;
}

// Of the latest runs: k=v.
Words Labels(DaemonChannel* channel) {
  constexpr uint32_t kRuns = 50;
  v1::ListRunsRequest request;
  request.set_page_size(kRuns);
  const auto response = channel->ListRuns(request);
  if (!response.ok()) return {};
  std::set<std::string> labels;
  for (const v1::Run& run : response->runs()) {
    for (const auto& [key, value] : run.labels()) labels.insert(fmt::format("{}={}", key, value));
  }
  Words words;
  for (const std::string& label : labels) AddPlain(label, &words);
  return words;
}

Words Suites(DaemonChannel* channel) {
  Words words;
  const auto response = channel->ListSuites(v1::ListSuitesRequest());
  if (!response.ok()) return words;
  for (const v1::Suite& suite : response->suites()) AddPlain(suite.name(), &words);
  return words;
}

}  // namespace

Words AskDaemon(const std::string& address, Known known, std::chrono::milliseconds patience) {
  // Half of it for either: to connect, and to be answered.
  const auto channel = DaemonChannel::Open(address, patience / 2, patience / 2);
  if (!channel.ok()) return {};
  switch (known) {
    case Known::kPresets:
      return Presets(channel->get());
    case Known::kDevices:
      return Devices(channel->get());
    case Known::kSelectors:
      return Selectors(channel->get());
    case Known::kLabels:
      return Labels(channel->get());
    case Known::kSuites:
      return Suites(channel->get());
  }
  return {};
}

}  // namespace torchlap::client
