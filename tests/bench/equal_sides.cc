// equal_sides: how often server/measure/comparison.h calls equal sides faster or slower, of 10,000
// made-up comparisons, once and under the repeated looks of `compare --until-decided`. A Markdown
// table; seconds.
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include "server/measure/comparison.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

constexpr int kComparisons = 10'000;
constexpr double kSpreads[] = {0.005, 0.02, 0.15};
// A launch of a busy machine: one in so many takes up to half as long again.
constexpr double kOutlierShare = 1.0 / 12;
constexpr double kLargestOutlier = 0.5;

struct Launches {
  double spread;
  bool has_outliers;
};

class MadeUpLaunches {
 public:
  MadeUpLaunches(const Launches& launches, uint64_t seed) : launches_(launches), made_(seed) {}

  std::vector<double> Side(size_t count) {
    std::vector<double> medians = made_.LogNormal(count, 1e6, launches_.spread * 1e6);
    if (!launches_.has_outliers) return medians;
    for (double& median : medians) {
      if (made_.Uniform() < kOutlierShare) median *= 1 + kLargestOutlier * made_.Uniform();
    }
    return medians;
  }

 private:
  Launches launches_;
  MadeUpTimes made_;
};

bool IsAlarm(Verdict verdict) { return verdict == Verdict::kFaster || verdict == Verdict::kSlower; }

bool OnceAlarms(MadeUpLaunches* made, uint32_t launches) {
  const std::vector<double> a = made->Side(launches);
  return IsAlarm(Compare(a, made->Side(launches)).verdict);
}

// The first look that decides ends it.
bool LooksAlarm(MadeUpLaunches* made) {
  const std::vector<double> a = made->Side(kLooks.back());
  const std::vector<double> b = made->Side(kLooks.back());
  for (const uint32_t look : kLooks) {
    const Verdict verdict = Compare(std::span(a).first(look), std::span(b).first(look),
                                    {.false_alarm_rate = kLookLevel})
                                .verdict;
    if (verdict != Verdict::kInconclusive) return IsAlarm(verdict);
  }
  return false;
}

// Its share, with the interval of Clopper and Pearson.
template <typename Alarms>
void PrintShare(const Launches& launches, Alarms alarms) {
  MadeUpLaunches made(launches, /*seed=*/1);
  int seen = 0;
  for (int i = 0; i < kComparisons; ++i) seen += alarms(&made) ? 1 : 0;
  using Binomial = boost::math::binomial_distribution<>;
  std::printf(" %.2f %% (%.2f to %.2f) |", 100.0 * seen / kComparisons,
              100 * Binomial::find_lower_bound_on_p(kComparisons, seen, 0.025),
              100 * Binomial::find_upper_bound_on_p(kComparisons, seen, 0.025));
}

void PrintRow(const Launches& launches) {
  std::printf("| %.1f %%%s |", 100 * launches.spread,
              launches.has_outliers ? ", a launch in 12 up to half as long again" : "");
  PrintShare(launches, [](MadeUpLaunches* made) { return OnceAlarms(made, 4); });
  PrintShare(launches, [](MadeUpLaunches* made) { return OnceAlarms(made, 7); });
  PrintShare(launches, LooksAlarm);
  std::printf("\n");
}

}  // namespace
}  // namespace torchlap::measure

int main() {
  std::printf(
      "Of %d comparisons of equal sides each, called faster or slower (95 %% interval):\n\n",
      torchlap::measure::kComparisons);
  std::printf(
      "| launches scatter by | 4 a side | 7 a side | --until-decided |\n|---|---|---|---|\n");
  for (const bool has_outliers : {false, true}) {
    for (const double spread : torchlap::measure::kSpreads) {
      torchlap::measure::PrintRow({spread, has_outliers});
    }
  }
  return 0;
}
