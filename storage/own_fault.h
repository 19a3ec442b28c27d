// Whose fault it is that memory ran out: only what a run lacked by its own fault says that its size
// does not fit.
#pragma once

#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

// Own: what was asked for exceeds what was free and what others held together; or others held no
// more than idle devices show (proto/idle_memory.h); or there was room for it, and a limit of the
// run itself was reached. Where it is not known how much was asked for, others that hold more than
// that are at fault.
bool IsOwnFault(const v1::Failure& failure);

// The same as a condition on columns of `run`.
extern const char kOwnFaultSql[];

}  // namespace torchlap::storage
