#include "client/format/samples.h"

#include "proto/samples.h"

namespace torchlap::client::format {

std::vector<std::string> SampleNames() {
  std::vector<std::string> names = {"run_id", "step", "warmup"};
  for (const SampleColumn& column : SampleColumns()) names.emplace_back(column.name);
  return names;
}

bool SampleRows::Take(const v1::ExportRunsResponse& part) {
  for (const v1::Run& run : part.rows()) {
    run_id_ = run.run_id();
    ++runs_;
  }
  return TakeSteps(part.samples());
}

bool SampleRows::TakeSteps(const v1::SampleBlock& block) {
  for (int i = 0; i < block.step_ns_size(); ++i) {
    const uint32_t step = block.first_step() + static_cast<uint32_t>(i);
    row_.clear();
    row_.emplace_back(run_id_);
    row_.emplace_back(uint64_t{step});
    row_.emplace_back(step < block.warmup_steps());
    for (const SampleColumn& column : SampleColumns()) {
      const SampleTimes& times = (block.*column.times)();
      if (i < times.size()) {
        row_.emplace_back(times[i]);
      } else {
        row_.emplace_back();
      }
    }
    ++count_;
    if (!take_(row_)) return false;
  }
  return true;
}

}  // namespace torchlap::client::format
