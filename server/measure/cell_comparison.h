// Runs of two sides against each other, cell by cell: the rows of CompareRuns. Pure.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/measure/compare_axis.h"
#include "server/measure/comparison.h"
#include "torchlap/v1/history.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

inline constexpr size_t kMostComparedCells = 1000;
inline constexpr size_t kMostComparedRuns = 100'000;
inline constexpr int kMostRunIdsOfASide = 100;

// Medians in nanoseconds of each phase, by v1::Phase as a number, 0 the step.
using MediansByPhase = std::array<std::vector<double>, v1::Phase_ARRAYSIZE>;

// What launches of the run's series took that started before `before_ns`.
using PastLaunches =
    std::function<absl::StatusOr<MediansByPhase>(const std::string& run_id, int64_t before_ns)>;

struct CellSetting {
  CompareSetting compare;
  bool include_contaminated = false;
  // With an axis: the value that is A. Empty: fp32, explicit or course, else that of the oldest
  // run.
  std::string reference;
  // Set: min_effect is learned from it (LearnedMinEffect), for each phase of each cell from the
  // launches of A's series before the first of B, each over its level (OverTheirLevels).
  PastLaunches past;
};

// Collects the runs of a comparison, and holds little of each. Not thread-safe.
class ComparedRuns {
 public:
  enum class Side { kA, kB };

  // With an axis there is one side, kA, whose values of the axis are compared.
  explicit ComparedRuns(CompareAxis axis) : axis_(std::move(axis)) {}

  // The runs of one side, by job and number. Traced runs and calibrations measure no workload and
  // are not taken. RESOURCE_EXHAUSTED: more runs, or many times more cells, than a comparison may
  // have.
  absl::Status Add(Side side, const v1::Run& run);

  // Of the runs so far.
  std::set<std::string> EnvironmentHashes() const;

  // A row for each computation under one plan, as B has it too; the order is A's, then B's. Of each
  // launch the last OK run counts (launch_runs.h). Sides that are timed alike on the same device
  // model belong together; where each has one that does not, they are a row that says so. Warm-up,
  // steps, execution, share of the memory and threads, where they differ, are told like an
  // environment; launches of one side that differ in them, but for the steps, are in rows of their
  // own. A size at which memory ran out and nothing was measured has a row only if a job stopped
  // there, or the other side was measured at it.
  //
  // With an axis: a row for each value beside the reference. Runs without a value are left out.
  // INVALID_ARGUMENT: there are not two values (with how another would come), or the reference is
  // none of them. RESOURCE_EXHAUSTED: more than kMostComparedCells rows. Else what `past` returns
  // if not OK.
  absl::StatusOr<std::vector<v1::ComparedCell>> Compare(
      const std::map<std::string, v1::Environment>& environments, const CellSetting& setting) const;

  // What is held of a run.
  struct Attempt {
    std::string run_id;
    std::string environment_hash;
    std::string device;
    std::string device_uuid;
    std::string steps;  // as the plan says it: `20`, `20 or more`
    int64_t started_at_ns = 0;
    std::array<double, v1::Phase_ARRAYSIZE> medians_ns{};  // 0: not timed
    bool is_ok = false;
    bool is_contaminated = false;
    bool is_last_ok = false;   // of its launch
    bool is_followed = false;  // by another run of its launch
  };
  // What must be alike for two sides to be comparable, but for the last five fields.
  struct Conditions {
    v1::Timing timing = v1::TIMING_UNSPECIFIED;
    std::string device_model;
    v1::Execution execution = v1::EXECUTION_UNSPECIFIED;
    uint32_t warmup_steps = 0;
    bool warmup_until_settled = false;
    std::string memory_fraction;
    uint32_t threads = 0;  // 0: not known

    auto operator<=>(const Conditions&) const = default;
  };
  // Runs of one side that computed the same, under the same conditions, at one value of the axis.
  struct Group {
    Side side = Side::kA;
    std::string workload;  // canonical text, without the axis
    Conditions conditions;
    std::string value;  // of the axis; empty: none, or the environment has it
    v1::Run newest;     // as a subject is told
    std::vector<Attempt> attempts;
  };

 private:
  struct Place {
    size_t group = 0;
    size_t attempt = 0;
  };
  struct Launch {
    Place last;
    std::optional<Place> last_ok;
  };

  Conditions ConditionsOf(const v1::Run& run) const;
  size_t GroupOf(Side side, const v1::Run& run);
  void Follow(uint32_t launch, const Place& place);
  Attempt& At(const Place& place) { return groups_[place.group].attempts[place.attempt]; }

  CompareAxis axis_;
  std::vector<Group> groups_;
  std::map<std::string, size_t> group_by_key_;
  size_t runs_ = 0;
  // The job whose runs come now.
  Side side_ = Side::kA;
  uint64_t job_id_ = 0;
  std::map<uint32_t, Launch> launches_;
};

}  // namespace torchlap::measure
