// Whose job is next. Pure.
#pragma once

#include <vector>

#include "storage/job_store.h"

namespace torchlap::run {

// The head to start: largest priority, then the owner who used least device time lately, then the
// earliest place in the queue. nullptr if there is none; points into `heads` otherwise.
const storage::QueueHead* ChooseNext(const std::vector<storage::QueueHead>& heads);

}  // namespace torchlap::run
