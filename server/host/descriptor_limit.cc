#include "server/host/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace torchlap::host {
namespace {

// As it was before it was raised; rlim_max 0: it was not.
rlimit inherited = {};

}  // namespace

size_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kDescriptorsWanted);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const rlimit raised = {wanted, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return limit.rlim_cur;
  inherited = limit;
  return wanted;
}

void RestoreDescriptorLimit() {
  if (inherited.rlim_max != 0) ::setrlimit(RLIMIT_NOFILE, &inherited);
}

}  // namespace torchlap::host
