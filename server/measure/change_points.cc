#include "server/measure/change_points.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "server/measure/comparison.h"
#include "server/measure/statistics.h"

namespace torchlap::measure {
namespace {

constexpr size_t kFewestInSegment = 2;
// Median of |x - y| of independent normal x and y with standard deviation 1.
constexpr double kNeighbourDifference = 0.9538725524;

std::vector<double> Logarithms(std::span<const double> times) {
  std::vector<double> logs;
  logs.reserve(times.size());
  for (const double time : times) logs.push_back(std::log(time));
  return logs;
}

double Noise(const std::vector<double>& logs) {
  std::vector<double> differences;
  differences.reserve(logs.size());
  for (size_t i = 1; i < logs.size(); ++i) {
    differences.push_back(std::abs(logs[i] - logs[i - 1]));
  }
  return Median(std::move(differences)).value_or(0) / kNeighbourDifference;
}

double Penalty(const std::vector<double>& logs, double log_min_effect) {
  return std::max(kPenaltyPerNoise * Noise(logs), 2 * log_min_effect);
}

std::vector<double> DistinctLevels(std::vector<double> logs) {
  std::sort(logs.begin(), logs.end());
  logs.erase(std::unique(logs.begin(), logs.end()), logs.end());
  return logs;
}

// The walk: for each level the least cost of the points so far whose last segment has that level
// and two points or more, and where that segment begins.
class LevelWalk {
 public:
  LevelWalk(std::vector<double> levels, double penalty)
      : levels_(std::move(levels)),
        penalty_(penalty),
        costs_(levels_.size(), std::numeric_limits<double>::infinity()),
        starts_(levels_.size(), 0) {}

  // Takes the next point. Returns where the last segment of the best segmentation up to it begins.
  size_t Take(double point) {
    double best = std::numeric_limits<double>::infinity();
    size_t best_level = 0;
    for (size_t k = 0; k < levels_.size(); ++k) {
      // A segment that began at the point before has its second one now.
      const double begun = entry_ + std::abs(last_ - levels_[k]);
      if (begun < costs_[k]) {
        costs_[k] = begun;
        starts_[k] = last_index_;
      }
      costs_[k] += std::abs(point - levels_[k]);
      if (costs_[k] < best) {
        best = costs_[k];
        best_level = k;
      }
    }
    BeginAt(point, best);
    return starts_[best_level];
  }

 private:
  // The next segment may begin at this point, after the best of what was before it: nothing before
  // the first point, and never a single one.
  void BeginAt(double point, double best) {
    last_index_ = points_++;
    last_ = point;
    entry_ = last_index_ == 0 ? 0 : best_before_ + penalty_;
    best_before_ = best;
  }

  const std::vector<double> levels_;
  const double penalty_;
  std::vector<double> costs_;
  std::vector<uint32_t> starts_;
  uint32_t points_ = 0;
  uint32_t last_index_ = 0;
  double last_ = 0;
  // What a segment that begins at the last point starts from; infinity: none can.
  double entry_ = std::numeric_limits<double>::infinity();
  double best_before_ = std::numeric_limits<double>::infinity();
};

// Where the segments begin, the first at 0.
std::vector<size_t> BestSegments(const std::vector<double>& logs, double penalty) {
  LevelWalk walk(DistinctLevels(logs), penalty);
  std::vector<size_t> start_of_last;
  start_of_last.reserve(logs.size());
  for (const double point : logs) start_of_last.push_back(walk.Take(point));
  std::vector<size_t> starts;
  for (size_t end = logs.size(); end > 0; end = starts.back()) {
    starts.push_back(start_of_last[end - 1]);
  }
  std::reverse(starts.begin(), starts.end());
  return starts;
}

class Segments {
 public:
  Segments(std::span<const double> times, std::vector<size_t> starts)
      : times_(times), starts_(std::move(starts)) {
    for (size_t i = 0; i < starts_.size(); ++i) medians_.push_back(MedianOf(i));
  }

  // Makes one of the two neighbours that differ least, as long as that is less than the effect.
  void MergeBelow(double log_min_effect) {
    while (starts_.size() > 1) {
      size_t least = 1;
      for (size_t i = 2; i < starts_.size(); ++i) {
        if (Difference(i) < Difference(least)) least = i;
      }
      if (Difference(least) >= log_min_effect) return;
      starts_.erase(starts_.begin() + static_cast<std::ptrdiff_t>(least));
      medians_.erase(medians_.begin() + static_cast<std::ptrdiff_t>(least));
      medians_[least - 1] = MedianOf(least - 1);
    }
  }

  std::vector<ChangePoint> Steps() const {
    std::vector<ChangePoint> steps;
    for (size_t i = 1; i < starts_.size(); ++i) {
      steps.push_back({starts_[i], medians_[i - 1], medians_[i]});
    }
    return steps;
  }

 private:
  double MedianOf(size_t segment) const {
    const size_t begin = starts_[segment];
    const size_t end = segment + 1 < starts_.size() ? starts_[segment + 1] : times_.size();
    const auto values = times_.subspan(begin, end - begin);
    return Median({values.begin(), values.end()}).value_or(0);
  }
  double Difference(size_t segment) const {
    return std::abs(std::log(medians_[segment] / medians_[segment - 1]));
  }

  const std::span<const double> times_;
  std::vector<size_t> starts_;
  std::vector<double> medians_;
};

}  // namespace

std::vector<ChangePoint> FindChangePoints(std::span<const double> times, double min_effect) {
  if (times.size() < 2 * kFewestInSegment) return {};
  const std::vector<double> logs = Logarithms(times);
  const double log_min_effect = std::log1p(min_effect);
  Segments segments(times, BestSegments(logs, Penalty(logs, log_min_effect)));
  segments.MergeBelow(log_min_effect);
  return segments.Steps();
}

std::vector<double> OverTheirLevels(std::vector<double> times) {
  const std::vector<ChangePoint> steps = FindChangePoints(times, kLeastLearnedMinEffect);
  if (steps.empty()) return times;
  size_t passed = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    while (passed < steps.size() && steps[passed].point <= i) ++passed;
    times[i] /= passed == 0 ? steps.front().before : steps[passed - 1].after;
  }
  return times;
}

}  // namespace torchlap::measure
