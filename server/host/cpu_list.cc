#include "server/host/cpu_list.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>

namespace torchlap::host {
namespace {

absl::Status NotAList(const std::string& text) {
  return absl::InvalidArgumentError("core list is '" + text +
                                    "', must be like 0,2-5 with cores from 0 to " +
                                    std::to_string(kMaxCore));
}

// Reads a core's number from the front of *text; -1 if there is none.
int TakeCore(std::string_view* text) {
  int core = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), core);
  if (error != std::errc() || core < 0 || core > kMaxCore) return -1;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return core;
}

bool TakeCharacter(char wanted, std::string_view* text) {
  if (text->empty() || text->front() != wanted) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text) {
  std::vector<int> cores;
  std::string_view rest = text;
  do {
    const int first = TakeCore(&rest);
    if (first < 0) return NotAList(text);
    const int last = TakeCharacter('-', &rest) ? TakeCore(&rest) : first;
    if (last < first) return NotAList(text);
    for (int core = first; core <= last; ++core) cores.push_back(core);
  } while (TakeCharacter(',', &rest));
  if (!rest.empty()) return NotAList(text);
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

std::string PrintCpuList(std::vector<int> cores) {
  std::sort(cores.begin(), cores.end());
  std::string text;
  for (size_t i = 0; i < cores.size();) {
    size_t end = i + 1;
    while (end < cores.size() && cores[end] <= cores[end - 1] + 1) ++end;
    if (!text.empty()) text += ",";
    text += std::to_string(cores[i]);
    if (cores[end - 1] != cores[i]) text += "-" + std::to_string(cores[end - 1]);
    i = end;
  }
  return text;
}

std::vector<int> CoresWithout(const std::vector<int>& cores, const std::vector<int>& others) {
  std::vector<int> rest;
  std::copy_if(cores.begin(), cores.end(), std::back_inserter(rest), [&](int core) {
    return std::find(others.begin(), others.end(), core) == others.end();
  });
  return rest;
}

std::vector<int> CoresAlsoIn(const std::vector<int>& cores, const std::vector<int>& others) {
  return CoresWithout(cores, CoresWithout(cores, others));
}

}  // namespace torchlap::host
