// The environment that a run would have now, before it is there. Pure.
#pragma once

#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// `newest`: of the newest run on the device. `told`: what the daemon knows of the environment now,
// whole: driver, kernel, system, processor, cores, clocks policy and the GPU's settings, which an
// empty field says to have none. Of what a worker tells (versions of torchlap, torch and CUDA,
// threads, instructions, variables) `newest` is believed where `told` is silent. With its hash.
v1::Environment EnvironmentInForce(const v1::Environment& newest, const v1::Environment& told);

}  // namespace torchlap::measure
