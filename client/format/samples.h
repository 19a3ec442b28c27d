// The steps of runs, a row each: `export --samples`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// `run_id step warmup start_ns forward_ns ...`: every column that a step may have.
std::vector<std::string> SampleNames();

// Makes rows of the messages of an export with samples, in order. A phase that was not timed is
// unknown.
class SampleRows {
 public:
  explicit SampleRows(const Rows::Take& take) : take_(take) {}

  // False: no more can be taken.
  bool Take(const v1::ExportRunsResponse& part);

  size_t runs() const { return runs_; }
  size_t count() const { return count_; }

 private:
  bool TakeSteps(const v1::SampleBlock& block);

  const Rows::Take& take_;
  std::string run_id_;
  std::vector<Value> row_;
  size_t runs_ = 0;
  size_t count_ = 0;
};

}  // namespace torchlap::client::format
