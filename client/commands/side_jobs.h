// Jobs that measure the sides of a comparison again (until_decided.h). Pure.
#pragma once

#include <optional>
#include <string>

#include "torchlap/v1/job.pb.h"

namespace torchlap::client {

// What was asked for, on the device that it ran on.
v1::JobSpec Again(const v1::Job& job);

// How long it is measured is as for A. How the steps run is what is compared, and B's own; so is
// the timing where it is the axis.
void TakePlan(const v1::JobSpec& a, const std::string& by, v1::JobSpec* b);

// How a job runs what it computes: where, and how its steps do.
struct SideSetting {
  std::string device;
  v1::Execution execution = v1::EXECUTION_EAGER;
  std::optional<double> memory_fraction;

  bool operator==(const SideSetting&) const = default;
};

SideSetting SideSettingOf(const v1::JobSpec& spec);
void TakeSideSetting(const SideSetting& setting, v1::JobSpec* spec);

// Makes of one side's job the other's, of which there is none. False: jobs do not say such things.
bool SetAxisValue(const std::string& by, const std::string& value, v1::JobSpec* spec);

// Whether the daemon would do the same for both.
bool AskForTheSame(v1::JobSpec a, v1::JobSpec b);

}  // namespace torchlap::client
