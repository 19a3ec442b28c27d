#include "server/rpc/job_choice.h"

#include <fmt/format.h>

#include "server/rpc/text_check.h"
#include "storage/visibility.h"

namespace torchlap::rpc {

bool NamesSomething(const v1::Selector& selector) { return selector.ByteSizeLong() > 0; }

absl::Status CheckNoBaseline(const v1::Selector& selector) {
  if (!selector.baseline()) return absl::OkStatus();
  return absl::InvalidArgumentError("`baseline` is runs, must be a job or a sweep");
}

storage::JobFilter EveryJob(const storage::Caller& caller) {
  storage::JobFilter filter;
  filter.only_owner = storage::OnlyOwner(caller);
  return filter;
}

absl::StatusOr<storage::JobFilter> ChosenOrAll(const storage::JobStore& jobs,
                                               const storage::Caller& caller,
                                               const v1::Selector& selector) {
  if (!NamesSomething(selector)) return EveryJob(caller);
  if (absl::Status texts = CheckTexts(selector); !texts.ok()) return texts;
  return jobs.Resolve(selector, caller);
}

absl::StatusOr<storage::JobFilter> ChosenJobs(const storage::JobStore& jobs,
                                              const storage::Caller& caller,
                                              const v1::Selector& selector) {
  if (absl::Status texts = CheckTexts(selector); !texts.ok()) return texts;
  if (selector.run_ids_size() > 0) {
    return absl::InvalidArgumentError(
        fmt::format("`{}` is a run, must be a job or a sweep", selector.run_ids(0)));
  }
  if (absl::Status jobs_alone = CheckNoBaseline(selector); !jobs_alone.ok()) return jobs_alone;
  if (!NamesSomething(selector)) {
    return absl::InvalidArgumentError("selector is empty, must name jobs or sweeps");
  }
  return jobs.Resolve(selector, caller);
}

}  // namespace torchlap::rpc
