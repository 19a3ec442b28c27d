#include "storage/schema.h"

namespace torchlap::storage {

const std::vector<Migration>& Migrations() {
  static const std::vector<Migration> migrations = {
      {1, kFirstSchema},   {2, kMeasurement}, {3, kHomeOfLaunches}, {4, kQueueWithOwners},
      {5, kDeviceSummary}, {6, kHistory},     {7, kSuites},
  };
  return migrations;
}

}  // namespace torchlap::storage
