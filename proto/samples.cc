#include "proto/samples.h"

#include <algorithm>
#include <string_view>

namespace torchlap {
namespace {

// Every step has a start and a duration.
bool IsAlwaysTimed(const SampleColumn& column) {
  const std::string_view name = column.name;
  return name == "start_ns" || name == "step_ns";
}

// What is wrong with a column that has `entries` where the block gets `steps` more.
std::optional<std::string> CheckColumn(const SampleColumn& column, int entries, int steps,
                                       int before, int steps_before) {
  const bool was_timed = before > 0;
  const bool must_be_timed = IsAlwaysTimed(column) || (was_timed && steps_before > 0);
  const bool must_not_be_timed = !was_timed && steps_before > 0;
  if (entries == steps && !(must_not_be_timed && steps > 0)) return std::nullopt;
  if (entries == 0 && !must_be_timed) return std::nullopt;
  const std::string wanted = must_be_timed       ? std::to_string(steps)
                             : must_not_be_timed ? "0"
                                                 : "0 or " + std::to_string(steps);
  return std::string(column.name) + " has " + std::to_string(entries) + " entries for " +
         std::to_string(steps) + " steps, must have " + wanted;
}

}  // namespace

const std::vector<SampleColumn>& SampleColumns() {
  using Block = v1::SampleBlock;
  static const std::vector<SampleColumn> columns = {
      {"start_ns", &Block::start_ns, &Block::mutable_start_ns},
      {"forward_ns", &Block::forward_ns, &Block::mutable_forward_ns},
      {"loss_ns", &Block::loss_ns, &Block::mutable_loss_ns},
      {"backward_ns", &Block::backward_ns, &Block::mutable_backward_ns},
      {"optimizer_ns", &Block::optimizer_ns, &Block::mutable_optimizer_ns},
      {"step_ns", &Block::step_ns, &Block::mutable_step_ns},
      {"device_forward_ns", &Block::device_forward_ns, &Block::mutable_device_forward_ns},
      {"device_loss_ns", &Block::device_loss_ns, &Block::mutable_device_loss_ns},
      {"device_backward_ns", &Block::device_backward_ns, &Block::mutable_device_backward_ns},
      {"device_optimizer_ns", &Block::device_optimizer_ns, &Block::mutable_device_optimizer_ns},
      {"device_step_ns", &Block::device_step_ns, &Block::mutable_device_step_ns},
      {"foreign_cpu_ns", &Block::foreign_cpu_ns, &Block::mutable_foreign_cpu_ns},
      {"run_delay_ns", &Block::run_delay_ns, &Block::mutable_run_delay_ns},
  };
  return columns;
}

void ForEachColumn(const v1::SampleBlock& block,
                   const std::function<void(const std::string&, const SampleTimes&)>& body) {
  for (const SampleColumn& column : SampleColumns()) body(column.name, (block.*column.times)());
}

std::optional<std::string> Append(const v1::SampleBlock& part, v1::SampleBlock* block) {
  const int steps = part.step_ns_size();
  const int steps_before = block->step_ns_size();
  const uint64_t next_step = uint64_t{block->first_step()} + static_cast<uint64_t>(steps_before);
  if (part.first_step() != next_step) {
    return "first_step is " + std::to_string(part.first_step()) + ", must be " +
           std::to_string(next_step);
  }
  for (const SampleColumn& column : SampleColumns()) {
    auto problem = CheckColumn(column, (part.*column.times)().size(), steps,
                               (block->*column.times)().size(), steps_before);
    if (problem) return problem;
  }
  for (const SampleColumn& column : SampleColumns()) {
    (block->*column.mutable_times)()->MergeFrom((part.*column.times)());
  }
  block->set_warmup_steps(part.warmup_steps());
  return std::nullopt;
}

v1::SampleBlock Slice(const v1::SampleBlock& block, int begin, int end) {
  v1::SampleBlock part;
  const int from = std::max(0, begin);
  part.set_first_step(block.first_step() + static_cast<uint32_t>(from));
  part.set_warmup_steps(block.warmup_steps());
  for (const SampleColumn& column : SampleColumns()) {
    const SampleTimes& times = (block.*column.times)();
    const int until = std::min(end, times.size());
    if (from < until) {
      (part.*column.mutable_times)()->Add(times.begin() + from, times.begin() + until);
    }
  }
  return part;
}

}  // namespace torchlap
