// The models whose numbers the Python peer recorded (tests/bench/eager_reference.py, `vectors`):
// shape and batch stand in a file of vectors, parameters and tokens follow a closed formula.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::worker {

// Throws std::runtime_error if it cannot be read.
nlohmann::json ReadVectors(const std::string& file);

// A train step in fp32, with explicit attention and the course's AdamW, which is what was recorded.
v1::TransformerLm OracleWorkload(const nlohmann::json& vectors);

// Fills the parameter with this number, from 1 in order of declaration.
void FillOracleParameter(int64_t number, const at::Tensor& parameter);

// (B, T), int64, on the CPU.
at::Tensor OracleIds(const v1::TransformerLm& model);
at::Tensor OracleTargets(const v1::TransformerLm& model);

}  // namespace torchlap::worker
