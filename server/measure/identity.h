// What makes runs the same, comparable, or made under the same conditions
// (server/measure/README.md, section 3). The canonical texts are versioned; hashes of a version
// never change (tests/server/measure/identity_test.cc holds them).
#pragma once

#include <string>
#include <string_view>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::measure {

// First 128 bits of SHA-256 as 32 hexadecimal digits.
std::string Digest(std::string_view text);

// `torchlap.workload.1 transformer-lm vocab=10000 d_model=768 ... pass=forward batch=4
// context=256`. Fields at their default (precision fp32, attention explicit, optimizer course) are
// left out, so that new fields do not change old hashes. Names of presets and the seed are not in
// it.
std::string CanonicalWorkload(const v1::Workload& workload);
std::string WorkloadHash(const v1::Workload& workload);

// Workload hash, timing, warm-up, threads and device model.
std::string SeriesKey(const v1::Run& run);

// `torchlap.environment.1`, then a line for each field that is set, but environment_hash itself:
// `kernel="6.1.0"`. Version 2 where a setting of a GPU is among them, 3 where the width of its PCIe
// link is, which in version 2 was the one in use: what had none keeps its hash.
std::string CanonicalEnvironment(const v1::Environment& environment);
std::string EnvironmentHash(const v1::Environment& environment);

}  // namespace torchlap::measure
