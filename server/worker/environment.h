// What the worker knows of the conditions that a run is made under.
#pragma once

#include "server/worker/device.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::worker {

// Versions, cores and threads of the grant, the instruction set in force, and the variables of the
// allow-list (OMP_*, GOMP_*, MKL_*, KMP_*, MALLOC_*) that this process has. What belongs to the
// host is the daemon's to fill.
v1::Environment DescribeEnvironment(const v1::DeviceGrant& grant, const Device& device);

}  // namespace torchlap::worker
