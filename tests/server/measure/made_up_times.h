// Made-up times of steps: the same from the same seed, whatever the library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace torchlap::measure {

class MadeUpTimes {
 public:
  explicit MadeUpTimes(uint64_t seed) : generator_(seed) {}

  // In (0, 1).
  double Uniform() { return (static_cast<double>(generator_() >> 11) + 0.5) / 9007199254740992.0; }

  // Mean 0, standard deviation 1 (Box and Muller).
  double Standard() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }

  std::vector<double> Normal(size_t count, double mean, double std) {
    return Autoregressive(count, mean, std, 0);
  }

  // Stationary from the first on, autocorrelation rho at lag 1.
  std::vector<double> Autoregressive(size_t count, double mean, double std, double rho) {
    std::vector<double> times(count);
    double state = Standard();
    for (double& time : times) {
      time = mean + std * state;
      state = rho * state + std::sqrt(1 - rho * rho) * Standard();
    }
    return times;
  }

  // The logarithm is normal; mean and standard deviation are those of the times.
  std::vector<double> LogNormal(size_t count, double mean, double std) {
    const double variance = std::log1p(std * std / (mean * mean));
    std::vector<double> times(count);
    for (double& time : times) {
      time = mean * std::exp(std::sqrt(variance) * Standard() - variance / 2);
    }
    return times;
  }

  // Normal around `low`, or, with a chance of `share`, around `high`.
  std::vector<double> Bimodal(size_t count, double low, double high, double share, double std) {
    std::vector<double> times(count);
    for (double& time : times) time = (Uniform() < share ? high : low) + std * Standard();
    return times;
  }

 private:
  std::mt19937_64 generator_;
};

}  // namespace torchlap::measure
