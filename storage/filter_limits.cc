#include "storage/filter_limits.h"

#include <absl/strings/str_cat.h>

namespace torchlap::storage {
namespace {

// The first that is refused.
absl::Status First(std::initializer_list<absl::Status> checks) {
  absl::Status status;
  for (const absl::Status& check : checks) status.Update(check);
  return status;
}

}  // namespace

absl::Status CheckLimit(const char* field, int entries, int most) {
  if (entries <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", entries, " entries, must have at most ", most));
}

absl::Status CheckLimits(const v1::Selector& selector) {
  return First({CheckLimit("job_ids", selector.job_ids_size(), kMostIds),
                CheckLimit("run_ids", selector.run_ids_size(), kMostIds),
                CheckLimit("sweep_ids", selector.sweep_ids_size(), kMostIds),
                CheckLimit("sweep_names", selector.sweep_names_size(), kMostNames)});
}

absl::Status CheckLimits(const v1::RunFilter& filter) {
  return First({CheckLimits(filter.selector()),
                CheckLimit("labels", filter.labels_size(), kMostLabels),
                CheckLimit("model_sizes", filter.model_sizes_size(), kMostNames),
                CheckLimit("devices", filter.devices_size(), kMostNames),
                CheckLimit("users", filter.users_size(), kMostNames),
                CheckLimit("pass_types", filter.pass_types_size(), kMostNames),
                CheckLimit("timings", filter.timings_size(), kMostNames),
                CheckLimit("precisions", filter.precisions_size(), kMostNames),
                CheckLimit("attentions", filter.attentions_size(), kMostNames),
                CheckLimit("outcomes", filter.outcomes_size(), kMostNames),
                CheckLimit("purposes", filter.purposes_size(), kMostNames),
                CheckLimit("validities", filter.validities_size(), kMostNames)});
}

}  // namespace torchlap::storage
