#include "storage/filter_limits.h"

#include <absl/strings/str_cat.h>

namespace torchlap::storage {
namespace {

absl::Status AtMost(const char* field, int entries, int most) {
  if (entries <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", entries, " entries, must have at most ", most));
}

// The first that is refused.
absl::Status First(std::initializer_list<absl::Status> checks) {
  absl::Status status;
  for (const absl::Status& check : checks) status.Update(check);
  return status;
}

}  // namespace

absl::Status CheckLimits(const v1::Selector& selector) {
  return First({AtMost("job_ids", selector.job_ids_size(), kMostIds),
                AtMost("run_ids", selector.run_ids_size(), kMostIds),
                AtMost("sweep_ids", selector.sweep_ids_size(), kMostIds),
                AtMost("sweep_names", selector.sweep_names_size(), kMostNames)});
}

absl::Status CheckLimits(const v1::RunFilter& filter) {
  return First({CheckLimits(filter.selector()), AtMost("labels", filter.labels_size(), kMostLabels),
                AtMost("model_sizes", filter.model_sizes_size(), kMostNames),
                AtMost("devices", filter.devices_size(), kMostNames),
                AtMost("users", filter.users_size(), kMostNames),
                AtMost("pass_types", filter.pass_types_size(), kMostNames),
                AtMost("timings", filter.timings_size(), kMostNames),
                AtMost("precisions", filter.precisions_size(), kMostNames),
                AtMost("attentions", filter.attentions_size(), kMostNames),
                AtMost("outcomes", filter.outcomes_size(), kMostNames),
                AtMost("purposes", filter.purposes_size(), kMostNames),
                AtMost("validities", filter.validities_size(), kMostNames)});
}

}  // namespace torchlap::storage
