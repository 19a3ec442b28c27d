// SUITE.toml: named sweeps in the words of the flags of `run`.
//
//   name = "night"                      # else the file's
//   device = "cuda"                     # defaults of all sweeps
//   launches = 3
//   labels = { card = "A" }
//   [sweep.main]
//   model-size = ["small", "medium"]
//   context-length = "128..512*2"
//   baseline = "baseline"               # what it is compared with after it ran
//   [sweep.bf16]
//   model-size = "small"
//   precision = "bf16"
//   baseline = "sweep:main"             # of this file, or any selector
//   by = "precision=fp32"               # as of compare: what differs, and its reference
//
// baseline and by are for `run --file`: what the daemon runs of a suite it holds against the
// owner's baseline or the past.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

struct FileSweep {
  // With the name of its table, without request_id. Each job has the label `suite`.
  v1::SubmitJobsRequest request;
  std::optional<std::string> baseline;  // a selector
  std::optional<std::string> by;        // what `compare` is told; alone: within the sweep
  uint32_t line = 0;                    // of its table
  std::map<std::string, uint32_t> key_lines = {};  // of what it says, or all

  const std::string& name() const { return request.sweep_name(); }
};

struct SuiteFile {
  std::string file;
  std::string name;
  std::vector<FileSweep> sweeps;  // at least one, in the file's order

  // `night.toml:7: sweep main: MESSAGE`, with the line of that key; without one, or where the key
  // is not given, that of the table, or of the size where the message is about a preset.
  std::string Placed(const FileSweep& sweep, const std::string& message,
                     const std::string& key = "") const;
};

// `name`: instead of the one in the file. INVALID_ARGUMENT in one line, with the line of the file:
// it is no regular file or cannot be read, is no TOML, has a key that is unknown (with the nearest
// that is known, if one is near) or of the wrong type, or what BuildSweep (client/axes.h) refuses.
absl::StatusOr<SuiteFile> ReadSuiteFile(const std::string& file,
                                        const std::optional<std::string>& name = std::nullopt);
// The same of a text.
absl::StatusOr<SuiteFile> ParseSuiteFile(const std::string& file, const std::string& text,
                                         const std::optional<std::string>& name = std::nullopt);

// All keys of a sweep.
std::vector<std::string> SuiteKeys();

}  // namespace torchlap::client
