#include "server/worker/core_affinity.h"

#include <sched.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "server/worker/errors.h"

namespace torchlap::worker {
namespace {

[[noreturn]] void RefuseList(std::string_view list) {
  throw InvalidRequest("device.cores is \"" + std::string(list) +
                       "\", must be a list of cores such as 2-5,8");
}

std::optional<int> ParseCore(std::string_view text) {
  int core = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), core);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (core < 0 || core >= CPU_SETSIZE) return std::nullopt;
  return core;
}

}  // namespace

std::vector<int> ParseCoreList(std::string_view list) {
  std::vector<int> cores;
  std::string_view rest = list;
  bool more = true;
  while (more) {
    const size_t comma = rest.find(',');
    const std::string_view range = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    const size_t dash = range.find('-');
    const std::optional<int> first = ParseCore(range.substr(0, dash));
    const std::optional<int> last =
        dash == std::string_view::npos ? first : ParseCore(range.substr(dash + 1));
    if (!first || !last || *first > *last) RefuseList(list);
    for (int core = *first; core <= *last; ++core) cores.push_back(core);
  }
  return cores;
}

void PinToCores(std::string_view list) {
  if (list.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : ParseCoreList(list)) CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return;
  throw InvalidRequest("device.cores is " + std::string(list) +
                       ", must be cores that this process may use: " + std::strerror(errno));
}

}  // namespace torchlap::worker
