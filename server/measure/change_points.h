// Steps in a series of times: where its level changed and stayed. Pure.
//
// The levels are those that minimise
//
//   sum |x - level of its segment| + penalty * number of steps,   x = log(time),
//
// with at least two points a segment (the L1 Potts functional; Weinmann, Storath and Demaret, The
// L1-Potts Functional for Robust Jump-Sparse Reconstruction, 2015). Absolute values, as a single
// far point must not pull a level: one outlier never makes a step, as a segment has two points and
// the outlier costs its distance in each of them. Logarithms, as times differ by shares.
//
// The minimum is exact for every length: the best level of a segment is one of its own values, so
// that a walk over the points that keeps the best sum for each value sees all segmentations, in
// points x values looks (some 0.3 s for 10,000 different ones).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace torchlap::measure {

// Told with the steps of a trend, in the answer and in all that is written of it: grows when the
// same series would get other steps. It is not stored, and neither are steps: each question looks
// for them anew. A finding keeps what a step showed when it was made.
inline constexpr uint32_t kChangePointsVersion = 1;

// A step costs so many times the noise: the median absolute difference of neighbours over 0.954,
// which is the standard deviation of independent normal values, and which a few steps or outliers
// do not move. Among flat series of independent normal noise, with no effect too small, 1 to 2 of
// 100 get a step, whether they have 4, 20, 100 or 300 points (at 6: 2 to 4, at 5: 2 to 9);
// tests/bench/planted_steps.cc counts them, and the steps that are found.
inline constexpr double kPenaltyPerNoise = 7;

struct ChangePoint {
  // The first point of the new level.
  size_t point = 0;
  // Medians of the segments before and after it.
  double before = 0;
  double after = 0;
};

// `times` above 0, in order of time. min_effect: above 0, a share: neighbouring segments whose
// medians differ by less than 1 + min_effect are one, those that differ least first; and a step
// costs twice as much at least, so that a series without noise has no steps of its own. Fewer than
// four points have no step.
std::vector<ChangePoint> FindChangePoints(std::span<const double> times, double min_effect);

// Each time as a multiple of its level, so that the steps are no part of what launches scatter by:
// min_effect is learned from that (LearnedMinEffect). Steps are looked for down to the least that
// it can be.
std::vector<double> OverTheirLevels(std::vector<double> times);

}  // namespace torchlap::measure
