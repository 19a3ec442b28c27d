// What `run` and `submit` were told.
#pragma once

#include <optional>
#include <string>
#include <vector>

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
  std::optional<std::string> if_busy;
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
  std::optional<std::string> file;  // SUITE.toml, in place of all others

  bool operator==(const SweepWords&) const = default;
};

}  // namespace torchlap::client
