#include "server/run/event_check.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <vector>

#include "proto/base/visible_text.h"
#include "proto/samples.h"

namespace torchlap::run {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Matmul peaks, variables: a worker has a handful.
constexpr int kMostEntries = 256;
constexpr uint64_t kLargestInteger = std::numeric_limits<int64_t>::max();
// Where a plan has no time limit: as long as the longest that it may have.
constexpr int64_t kLongestRunNs = int64_t{7} * 24 * 3600 * 1'000'000'000;
// Times that add up over threads or cores may be larger than what the clock on the wall says.
constexpr int64_t kMostCores = 4096;

// Of a warm-up that lasts a given time: what is shorter than this is no step of a model, and more
// than so many steps are not kept in memory (13 columns of 8 bytes each).
constexpr int64_t kShortestStepNs = 5'000;
constexpr uint64_t kMostStepsByTime = 1'000'000;
// Products and copies: a thousand for each of a handful of speeds.
constexpr uint64_t kMostStepsOfCalibration = 16'000;

using Problem = std::optional<std::string>;

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// Below the first line of a failure stands where in a library it happened.
std::string Shown(const Message& message, const std::string& text) {
  const bool is_failure = message.GetDescriptor() == v1::Failure::descriptor();
  return VisibleUpTo(kMostTextBytes, is_failure ? FirstLine(text) : text);
}

Problem CheckNumber(const std::string& path, double value) {
  if (std::isfinite(value) && value >= 0) return std::nullopt;
  return fmt::format("{} is {}, must be a number from 0 on", path, value);
}

Problem CheckInteger(const std::string& path, int64_t value) {
  if (value >= 0) return std::nullopt;
  return fmt::format("{} is {}, must be 0 or more", path, value);
}

Problem CheckUnsigned(const std::string& path, uint64_t value) {
  if (value <= kLargestInteger) return std::nullopt;
  return fmt::format("{} is {}, must be at most {}", path, value, kLargestInteger);
}

Problem CheckEnum(const std::string& path, const FieldDescriptor* field, int value) {
  if (field->enum_type()->FindValueByNumber(value) != nullptr) return std::nullopt;
  return fmt::format("{} is {}, must be a value of {}", path, value, field->enum_type()->name());
}

Problem Walk(const std::string& path, Message* message);

// Entry `i`. A map is a list of messages, too.
Problem WalkEntry(const std::string& path, Message* message, const FieldDescriptor* field, int i) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Walk(path, reflection->MutableRepeatedMessage(message, field, i));
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckEnum(path, field, reflection->GetRepeatedEnumValue(*message, field, i));
    default:
      return fmt::format("{} has entries of a kind that this program does not check", path);
  }
}

Problem WalkEntries(const std::string& path, Message* message, const FieldDescriptor* field) {
  const int entries = message->GetReflection()->FieldSize(*message, field);
  if (entries > kMostEntries) {
    return fmt::format("{} has {} entries, must have at most {}", path, entries, kMostEntries);
  }
  for (int i = 0; i < entries; ++i) {
    if (Problem problem = WalkEntry(path, message, field, i)) return problem;
  }
  return std::nullopt;
}

Problem WalkOne(const std::string& path, Message* message, const FieldDescriptor* field) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(message, field,
                            Shown(*message, reflection->GetString(*message, field)));
      return std::nullopt;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      // A loss: it may be negative.
      if (message->GetDescriptor() == v1::WorkerResult::descriptor()) return std::nullopt;
      return CheckNumber(path, reflection->GetDouble(*message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return CheckInteger(path, reflection->GetInt64(*message, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return CheckInteger(path, reflection->GetInt32(*message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return CheckUnsigned(path, reflection->GetUInt64(*message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckEnum(path, field, reflection->GetEnumValue(*message, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Walk(path, reflection->MutableMessage(message, field));
    default:  // uint32 and bool have no value that does harm
      return std::nullopt;
  }
}

Problem Walk(const std::string& path, Message* message) {
  // Its columns have a check of their own, as negative stamps and gaps depend on each other.
  if (message->GetDescriptor() == v1::SampleBlock::descriptor()) return std::nullopt;
  std::vector<const FieldDescriptor*> fields;
  message->GetReflection()->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = path.empty() ? field->name() : path + "." + field->name();
    Problem problem =
        field->is_repeated() ? WalkEntries(name, message, field) : WalkOne(name, message, field);
    if (problem) return problem;
  }
  return std::nullopt;
}

// Training diverges, fp16 overflows: that is no fault of the worker. An unknown number is absent.
void LeaveOutLosses(v1::WorkerResult* result) {
  if (!std::isfinite(result->first_loss())) result->clear_first_loss();
  if (!std::isfinite(result->last_loss())) result->clear_last_loss();
}

// What it cannot know, and what only the daemon may say.
void LeaveOut(v1::WorkerEvent* event) {
  if (event->has_result()) LeaveOutLosses(event->mutable_result());
  if (event->has_failed()) {
    event->mutable_failed()->mutable_failure()->clear_exit_status();
    event->mutable_failed()->mutable_failure()->clear_signal();
  }
}

int64_t LongestNs(const v1::Run& run) {
  const int64_t limit_ns = run.plan().time_limit_ns();
  return limit_ns > 0 ? std::min(limit_ns, kLongestRunNs) : kLongestRunNs;
}

bool IsPhaseOfHost(const std::string& column) {
  return column == "forward_ns" || column == "loss_ns" || column == "backward_ns" ||
         column == "optimizer_ns";
}

struct Limits {
  int64_t least_ns = 0;
  int64_t most_ns = 0;
};

// Of one entry. Steps cannot overlap, so that their sum is bounded by their stamps.
Limits LimitsOf(const v1::Run& run, const std::string& column, int64_t step_ns) {
  const int64_t longest_ns = LongestNs(run);
  if (column == "start_ns") return {0, std::numeric_limits<int64_t>::max() - longest_ns};
  if (column == "step_ns") return {1, longest_ns};
  if (IsPhaseOfHost(column)) return {0, std::clamp<int64_t>(step_ns, 0, longest_ns)};
  const bool adds_up = column == "foreign_cpu_ns" || column == "run_delay_ns";
  return {0, adds_up ? longest_ns * kMostCores : longest_ns};
}

// Of step number `i` of the part.
Problem CheckColumns(const v1::Run& run, const v1::SampleBlock& part, int i) {
  for (const SampleColumn& column : SampleColumns()) {
    const SampleTimes& times = (part.*column.times)();
    if (i >= times.size()) continue;
    const auto [least_ns, most_ns] = LimitsOf(run, column.name, part.step_ns(i));
    if (times[i] >= least_ns && times[i] <= most_ns) continue;
    const uint64_t step = uint64_t{part.first_step()} + static_cast<uint64_t>(i);
    return fmt::format("{} of step {} is {}, must be {} to {}", column.name, step, times[i],
                       least_ns, most_ns);
  }
  return std::nullopt;
}

double SumOf(const SampleTimes& times) { return std::accumulate(times.begin(), times.end(), 0.0); }

// Whoever adds the column up must get a number still: the sum is at most 2^62. Looked at where an
// entry is so large that as many as the plan has steps could pass it; together with entries that
// are not, the sum stays below 2^63. Stamps are not added up.
Problem CheckSums(const v1::Run& run, const v1::SampleBlock& before, const v1::SampleBlock& part) {
  constexpr double kLargestSum = 1ULL << 62;
  const double harmless = kLargestSum / static_cast<double>(std::max<uint64_t>(1, MostSteps(run)));
  for (const SampleColumn& column : SampleColumns()) {
    const SampleTimes& times = (part.*column.times)();
    const auto largest = std::max_element(times.begin(), times.end());
    if (largest == times.end() || static_cast<double>(*largest) <= harmless) continue;
    if (column.name == std::string_view("start_ns")) continue;
    const double sum = SumOf((before.*column.times)()) + SumOf(times);
    if (sum <= kLargestSum) continue;
    return fmt::format("the sum of {} is {:.0f}, must be at most {:.0f}", column.name, sum,
                       kLargestSum);
  }
  return std::nullopt;
}

// When the last step before `part` ended; the first may begin at any time.
int64_t EndOf(const v1::SampleBlock& before) {
  const int steps = std::min(before.step_ns_size(), before.start_ns_size());
  return steps == 0 ? 0 : before.start_ns(steps - 1) + before.step_ns(steps - 1);
}

}  // namespace

Problem MakeFit(v1::WorkerEvent* event) {
  event->DiscardUnknownFields();
  LeaveOut(event);
  return Walk("", event);
}

uint64_t MostSteps(const v1::Run& run) {
  if (run.workload().has_calibration()) return kMostStepsOfCalibration;
  if (!run.workload().has_transformer_lm()) return 0;
  const v1::Plan& plan = run.plan();
  uint64_t warmup = plan.warmup_steps();
  if (plan.warmup_until_settled()) warmup += 10 * warmup + 100;
  // Then time decides, however short the steps are.
  if (plan.warmup_until_settled() && plan.min_warmup_ns() > 0) {
    warmup +=
        std::min(kMostStepsByTime, static_cast<uint64_t>(plan.min_warmup_ns() / kShortestStepNs));
  }
  const uint64_t measured = plan.has_target_precision()
                                ? std::max(plan.max_steps(), plan.measure_steps())
                                : plan.measure_steps();
  return warmup + measured;
}

Problem CheckTimes(const v1::Run& run, const v1::SampleBlock& before, const v1::SampleBlock& part) {
  const uint64_t steps =
      static_cast<uint64_t>(before.step_ns_size()) + static_cast<uint64_t>(part.step_ns_size());
  if (steps > MostSteps(run)) {
    return fmt::format("there are {} steps, must be at most {}", steps, MostSteps(run));
  }
  int64_t end_ns = EndOf(before);
  for (int i = 0; i < part.step_ns_size(); ++i) {
    if (Problem problem = CheckColumns(run, part, i)) return problem;
    if (i >= part.start_ns_size()) continue;
    if (part.start_ns(i) < end_ns) {
      return fmt::format(
          "start_ns of step {} is {}, must be at least {}: the end of the step before",
          uint64_t{part.first_step()} + static_cast<uint64_t>(i), part.start_ns(i), end_ns);
    }
    end_ns = part.start_ns(i) + part.step_ns(i);
  }
  return CheckSums(run, before, part);
}

}  // namespace torchlap::run
