#include "server/worker/core_counters.h"

#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

namespace torchlap::worker {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr size_t kSmallestText = size_t{1} << 12;
constexpr size_t kLargestText = size_t{1} << 20;

std::optional<int64_t> Difference(const std::optional<int64_t>& earlier,
                                  const std::optional<int64_t>& later) {
  if (!earlier || !later) return std::nullopt;
  return *later - *earlier;
}

// Takes the next number off the front of `text`.
template <typename Number>
std::optional<Number> TakeNumber(std::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(' '), text->size()));
  Number number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return number;
}

// Of `user nice system idle iowait irq softirq steal ...`; kernels before 2.6.11 end sooner.
std::optional<CoreUse> ParseTicks(std::string_view line, int64_t tick_ns) {
  std::array<int64_t, 8> ticks = {};
  size_t count = 0;
  while (count < ticks.size()) {
    const auto number = TakeNumber<int64_t>(&line);
    if (!number) break;
    ticks[count++] = *number;
  }
  if (count < 4) return std::nullopt;
  const auto [user, nice, system, idle, iowait, irq, softirq, steal] = ticks;
  return CoreUse{(user + nice + system + irq + softirq) * tick_ns, steal * tick_ns};
}

int OpenToRead(const std::filesystem::path& file) {
  return ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
}

// The second number of a schedstat: time on a run queue.
std::optional<int64_t> ReadRunDelayOf(int file) {
  std::array<char, 96> text;
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  if (size <= 0) return std::nullopt;
  std::string_view rest(text.data(), static_cast<size_t>(size));
  if (!TakeNumber<int64_t>(&rest)) return std::nullopt;
  return TakeNumber<int64_t>(&rest);
}

}  // namespace

CoreTimes Between(const CoreTimes& earlier, const CoreTimes& later) {
  return {Difference(earlier.foreign_cpu_ns, later.foreign_cpu_ns),
          Difference(earlier.run_delay_ns, later.run_delay_ns)};
}

std::optional<CoreUse> ParseCoreUse(std::string_view stat, const std::vector<int>& cores,
                                    int64_t tick_ns) {
  CoreUse sum;
  size_t found = 0;
  while (stat.starts_with("cpu")) {
    const size_t end = stat.find('\n');
    if (end == std::string_view::npos) break;  // cut off
    std::string_view line = stat.substr(3, end - 3);
    stat.remove_prefix(end + 1);
    if (line.starts_with(' ')) continue;  // of all cores together
    const auto core = TakeNumber<int>(&line);
    if (!core || std::find(cores.begin(), cores.end(), *core) == cores.end()) continue;
    const std::optional<CoreUse> use = ParseTicks(line, tick_ns);
    if (!use) return std::nullopt;
    sum.busy_ns += use->busy_ns;
    sum.steal_ns += use->steal_ns;
    ++found;
  }
  if (found == 0 || found != cores.size()) return std::nullopt;
  return sum;
}

int64_t ForeignTime::Add(const CoreUse& cores, int64_t own_cpu_ns) {
  if (!first_) first_ = Reading{cores, own_cpu_ns};
  const int64_t busy_ns = cores.busy_ns - first_->cores.busy_ns;
  const int64_t steal_ns = cores.steal_ns - first_->cores.steal_ns;
  const int64_t own_ns = own_cpu_ns - first_->own_cpu_ns;
  // Kernels without CONFIG_PARAVIRT_TIME_ACCOUNTING count stolen time as the worker's own as well:
  // it must not vanish in the difference.
  largest_ns_ = std::max({largest_ns_, busy_ns + steal_ns - own_ns, steal_ns});
  return largest_ns_;
}

int64_t OwnCpuNs() {
  timespec time = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * kSecondNs + time.tv_nsec;
}

std::vector<int> AllowedCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

CoreCounters::CoreCounters(std::vector<int> cores, const std::filesystem::path& root, Clock own_cpu)
    : cores_(std::move(cores)),
      tasks_(root / "proc/self/task"),
      own_cpu_(own_cpu),
      tick_ns_(kSecondNs / ::sysconf(_SC_CLK_TCK)),
      stat_file_(OpenToRead(root / "proc/stat")),
      text_(kSmallestText, '\0') {
  FindThreads();
}

CoreCounters::~CoreCounters() {
  if (stat_file_ >= 0) ::close(stat_file_);
  for (const auto& [id, thread] : threads_) ::close(thread.file);
}

void CoreCounters::FindThreads() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(tasks_, ignored)) {
    const std::string name = entry.path().filename();
    std::string_view text = name;
    const auto id = TakeNumber<int>(&text);
    if (!id || threads_.contains(*id)) continue;
    const int file = OpenToRead(entry.path() / "schedstat");
    if (file >= 0) threads_.emplace(*id, Thread{file});
  }
}

CoreTimes CoreCounters::Read(int64_t now_ns) {
  if (!foreign_read_at_ns_ || now_ns - *foreign_read_at_ns_ >= tick_ns_) ReadForeign(now_ns);
  ReadRunDelay();
  first_reading_ = false;
  return times_;
}

void CoreCounters::ReadForeign(int64_t now_ns) {
  foreign_read_at_ns_ = now_ns;
  if (stat_file_ < 0 || (!first_reading_ && !times_.foreign_cpu_ns)) return;
  while (true) {
    const int64_t own_cpu_ns = own_cpu_();
    const ssize_t size = ::pread(stat_file_, text_.data(), text_.size(), 0);
    if (size <= 0) return;
    const std::string_view text(text_.data(), static_cast<size_t>(size));
    if (const auto use = ParseCoreUse(text, cores_, tick_ns_)) {
      times_.foreign_cpu_ns = foreign_.Add(*use, own_cpu_ns);
      return;
    }
    if (text.size() < text_.size() || text_.size() >= kLargestText) return;
    text_.resize(text_.size() * 2);  // only ever at the first reading
  }
}

void CoreCounters::ReadRunDelay() {
  if (threads_.empty() || (!first_reading_ && !times_.run_delay_ns)) return;
  int64_t sum = 0;
  bool any = false;
  for (auto& [id, thread] : threads_) {
    if (const auto delay = ReadRunDelayOf(thread.file)) {
      thread.run_delay_ns = *delay;
      any = true;
    }
    sum += thread.run_delay_ns;
  }
  if (any) times_.run_delay_ns = sum;
}

}  // namespace torchlap::worker
