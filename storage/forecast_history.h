// What was seen before of jobs that are asked about and not run yet (ForecastJobs). Of this machine
// alone: imported runs count nowhere here. Runs that were declared invalid are not there. Where
// `only_owner` is given, the runs of that principal alone are there. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::storage {

// A run that ended OK and computed what it was asked for.
struct PastLaunch {
  std::string run_id;  // `17.2`
  std::string series_key;
  std::string device_uuid;
  std::string environment_hash;  // empty: not known
  v1::Purpose purpose = v1::PURPOSE_UNSPECIFIED;
  v1::Validity validity = v1::VALIDITY_UNSPECIFIED;
  int64_t started_at_ns = 0;
  std::optional<int64_t> duration_ns;
  double step_mean_ns = 0;     // 0: not known
  uint32_t warmup_steps = 0;   // that were done
  uint32_t measure_steps = 0;  // that were done
  std::optional<double> target_precision;
  uint64_t peak_bytes = 0;  // largest memory held; 0: not known
};

// As much of the past as is looked at for each workload and kind of run (run_kind), newest first.
inline constexpr int kMostPastOfAKind = 2000;

using LaunchesByWorkload = std::map<std::string, std::vector<PastLaunch>>;

// By the hash of their workload, newest first; of purpose measure, warmup, fit or canary. A hash
// without runs is left out. A few look-ups a workload: ask for some hundred at a time, which is one
// transaction.
absl::StatusOr<LaunchesByWorkload> ReadPastLaunches(const Database& database,
                                                    const std::set<std::string>& workload_hashes,
                                                    const std::string& only_owner);

// The time of a run of any model.
struct PastTime {
  v1::TransformerLm model;  // shape, pass, precision and sizes
  int64_t duration_ns = 0;
  double step_mean_ns = 0;
  uint32_t steps = 0;  // that were done, warm-up among them
};

inline constexpr int kMostPastTimes = 200;

// Of the newest OK runs of models on the device, newest first, of purpose measure or warmup.
absl::StatusOr<std::vector<PastTime>> ReadPastTimes(const Database& database,
                                                    const std::string& device_uuid,
                                                    const std::string& only_owner);

// A run that ran out of memory by its own fault (own_fault.h).
struct PastShortage {
  v1::TransformerLm model;  // with the sizes that it had
  std::string run_id;
  int64_t started_at_ns = 0;
  uint64_t total_bytes = 0;    // of the device, or its limit; 0: not known
  double memory_fraction = 1;  // of them that it was allowed
};

inline constexpr int kMostPastShortages = 5000;

// Of the device, newest first.
absl::StatusOr<std::vector<PastShortage>> ReadPastShortages(const Database& database,
                                                            const std::string& device_uuid,
                                                            const std::string& only_owner);

// Of the newest run on the device that told it, whoever's. Nothing: there is none, or it is
// damaged.
absl::StatusOr<std::optional<v1::Environment>> ReadNewestEnvironment(const Database& database,
                                                                     const DeviceIdentity& device);

}  // namespace torchlap::storage
