// From the words of `run` and `submit` to the jobs of a sweep. Pure. What the user did not give
// stays unset: defaults, presets and the ranges of sizes are the daemon's.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// As they were typed; nothing is checked yet.
struct SweepWords {
  // Axes: each word may be a list or, where numbers are meant, a range.
  std::vector<std::string> model_sizes;
  std::vector<std::string> pass_types;
  std::vector<std::string> batch_sizes;
  std::vector<std::string> context_lengths;
  std::vector<std::string> precisions;
  std::vector<std::string> attentions;
  std::vector<std::string> warmup_steps;
  std::vector<std::string> measure_steps;
  // `k=v,...`, one single cell each.
  std::vector<std::string> cells;
  // A shape in place of a preset.
  std::optional<std::string> layers;
  std::optional<std::string> heads;
  std::optional<std::string> d_model;
  std::optional<std::string> d_ff;
  std::optional<std::string> vocab;
  // The same for all cells.
  std::optional<std::string> timing;
  std::optional<std::string> device;
  std::optional<std::string> launches;
  std::optional<std::string> priority;
  std::optional<std::string> name;
  std::optional<std::string> time_limit;
  std::optional<std::string> min_batch;
  std::optional<std::string> min_context;
  std::optional<std::string> optimizer;
  std::optional<std::string> seed;
  std::vector<std::string> labels;
  std::optional<bool> oom_retry;
  std::optional<std::string> plan;
  std::optional<std::string> target_precision;
  std::optional<std::string> max_steps;
  std::optional<std::string> max_seconds;
  std::optional<std::string> telemetry;
  std::optional<std::string> retry_contaminated;
  std::optional<std::string> memory_fraction;
  std::optional<std::string> trace;  // folder
  bool cuda_graph = false;
};

// Words and comma lists to their values, in order, each once. INVALID_ARGUMENT: an empty value.
absl::StatusOr<std::vector<std::string>> ParseList(const std::string& what,
                                                   const std::vector<std::string>& words);

// The same for numbers, with the ranges `1..4`, `128..1024+128` and `128..1024*2`; the end is in
// the range when the steps reach it. INVALID_ARGUMENT: not a number from 0 to 2^32 - 1, an empty
// range, more than 10,000 values.
absl::StatusOr<std::vector<uint32_t>> ParseNumbers(const std::string& what,
                                                   const std::vector<std::string>& words);

// The whole sweep, without request_id: the product of the axes, sizes outermost, then pass,
// precision, attention, batch, context, warm-up and steps; then the single cells, which take from
// the axes what they do not say themselves. INVALID_ARGUMENT: the first word that is wrong, neither
// size nor shape nor cell, or more than 10,000 cells.
absl::StatusOr<v1::SubmitJobsRequest> BuildSweep(const SweepWords& words);

}  // namespace torchlap::client
