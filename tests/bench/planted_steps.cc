// planted_steps: which steps server/measure/change_points.h finds in series of 100 made-up launches
// whose medians scatter normally, and how many it sees where there are none. Two Markdown tables;
// seconds.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "server/measure/change_points.h"
#include "server/measure/comparison.h"
#include "tests/server/measure/made_up_times.h"

namespace torchlap::measure {
namespace {

constexpr int kSeries = 1000;
constexpr size_t kPoints = 100;
constexpr size_t kTolerance = 2;
constexpr double kNoises[] = {0.005, 0.01, 0.02, 0.15};
constexpr double kSteps[] = {0.02, 0.05, 0.10};

std::vector<double> Flat(MadeUpTimes* made, double noise) {
  return made->LogNormal(kPoints, 1e6, noise * 1e6);
}

bool IsNear(size_t point, size_t place) {
  return point + kTolerance >= place && point <= place + kTolerance;
}

// Of series with one step, in the middle three fifths.
double ShareFound(double step, double noise) {
  MadeUpTimes made(1);
  int found = 0;
  for (int series = 0; series < kSeries; ++series) {
    std::vector<double> times = Flat(&made, noise);
    const auto place = static_cast<size_t>(20 + 60 * made.Uniform());
    for (size_t i = place; i < times.size(); ++i) times[i] *= 1 + step;
    for (const ChangePoint& change : FindChangePoints(times, kDefaultMinEffect)) {
      if (!IsNear(change.point, place)) continue;
      ++found;
      break;
    }
  }
  return static_cast<double>(found) / kSeries;
}

double FalseSteps(double noise, double min_effect) {
  MadeUpTimes made(2);
  size_t steps = 0;
  for (int series = 0; series < kSeries; ++series) {
    steps += FindChangePoints(Flat(&made, noise), min_effect).size();
  }
  return 100 * static_cast<double>(steps) / kSeries;
}

void PrintFound() {
  std::printf("| launch noise | step of 2 %% | of 5 %% | of 10 %% |\n|---|---|---|---|\n");
  for (const double noise : kNoises) {
    std::printf("| %.1f %% |", 100 * noise);
    for (const double step : kSteps) std::printf(" %.1f %% |", 100 * ShareFound(step, noise));
    std::printf("\n");
  }
}

void PrintFalseSteps() {
  std::printf("| launch noise | false steps in 100 flat series | with no effect too small |\n");
  std::printf("|---|---|---|\n");
  for (const double noise : kNoises) {
    std::printf("| %.1f %% | %.1f | %.1f |\n", 100 * noise, FalseSteps(noise, kDefaultMinEffect),
                FalseSteps(noise, 1e-6));
  }
}

}  // namespace
}  // namespace torchlap::measure

int main() {
  std::printf(
      "Steps found within 2 points of their place, of 1000 series of 100 launches each:\n\n");
  torchlap::measure::PrintFound();
  std::printf("\n");
  torchlap::measure::PrintFalseSteps();
  return 0;
}
