#include "client/experiments.h"

#include <fmt/format.h>

#include <vector>

#include "client/axes.h"
#include "client/parse_words.h"
#include "client/sweep_plan.h"
#include "client/value_list.h"
#include "proto/ranges.h"

namespace torchlap::client {
namespace {

constexpr char kUsualWarmups[] = "0,1,2,5,10";

struct AxisWords {
  const char* flag;
  const std::vector<std::string>& words;
};

// An axis of several values would be a sweep.
absl::Status CheckOneValue(const AxisWords& axis) {
  const bool is_one = axis.words.empty() || (axis.words.size() == 1 &&
                                             axis.words.front().find(',') == std::string::npos &&
                                             axis.words.front().find("..") == std::string::npos);
  if (is_one) return absl::OkStatus();
  return Invalid(fmt::format("{} is {}, must be one value", axis.flag, fmt::join(axis.words, " ")));
}

// The only cell of the words.
absl::StatusOr<v1::SubmitJobsRequest> BuildCell(const SweepWords& words) {
  const AxisWords axes[] = {
      {"--model-size", words.model_sizes},    {"--pass-type", words.pass_types},
      {"--batch-size", words.batch_sizes},    {"--context-length", words.context_lengths},
      {"--precision", words.precisions},      {"--attention", words.attentions},
      {"--warmup-steps", words.warmup_steps}, {"--measure-steps", words.measure_steps}};
  for (const AxisWords& axis : axes) {
    if (absl::Status status = CheckOneValue(axis); !status.ok()) return status;
  }
  return BuildSweep(words);
}

}  // namespace

absl::StatusOr<v1::SubmitJobsRequest> BuildWarmups(const SweepWords& words,
                                                   const std::vector<std::string>& steps) {
  const std::vector<std::string> usual = {kUsualWarmups};
  auto numbers = ParseNumbers("--steps", steps.empty() ? usual : steps);
  if (!numbers.ok()) return numbers.status();
  if (numbers->size() < 2) {
    return Invalid(fmt::format("--steps is {}, must be two numbers or more to compare, such as {}",
                               fmt::join(steps, " "), kUsualWarmups));
  }
  auto cell = BuildCell(words);
  if (!cell.ok()) return cell;
  v1::JobSpec spec = cell->jobs(0);
  spec.set_purpose(v1::PURPOSE_WARMUP);
  cell->clear_jobs();
  for (const uint32_t number : *numbers) {
    spec.mutable_plan()->set_warmup_steps(number);
    *cell->add_jobs() = spec;
  }
  cell->set_shuffle(true);
  return cell;
}

absl::StatusOr<v1::SubmitJobsRequest> BuildFit(const SweepWords& words,
                                               const std::optional<std::string>& axis) {
  v1::FitAxis grows = v1::FIT_AXIS_BATCH;
  if (axis) {
    const absl::Status status = Assign(ParseOneWord<v1::FitAxis>("--axis", *axis), &grows);
    if (!status.ok()) return status;
  }
  auto cell = BuildCell(words);
  if (!cell.ok()) return cell;
  cell->mutable_jobs(0)->set_purpose(v1::PURPOSE_FIT);
  cell->mutable_jobs(0)->set_fit_axis(grows);
  return cell;
}

absl::StatusOr<v1::SubmitJobsRequest> BuildCalibration(
    const SweepWords& words, const std::optional<std::string>& matrix_size) {
  uint32_t size = 0;  // the daemon chooses
  if (matrix_size) {
    const absl::Status status =
        Assign(ParseInteger<uint32_t>("--matrix-size", *matrix_size), &size);
    if (!status.ok()) return status;
    const Range sizes = RangeOf<v1::Calibration>(v1::Calibration::kMatrixSizeFieldNumber);
    if (size < sizes.min || size > sizes.max) {
      return Invalid(fmt::format("--matrix-size is {}, must be {:.15g} to {:.15g}", size, sizes.min,
                                 sizes.max));
    }
  }
  auto spec = ParseShared(words, std::nullopt);
  if (!spec.ok()) return spec.status();
  spec->mutable_workload()->mutable_calibration()->set_matrix_size(size);
  spec->set_purpose(v1::PURPOSE_CALIBRATE);
  v1::SubmitJobsRequest request;
  if (words.name) request.set_sweep_name(*words.name);
  *request.add_jobs() = *std::move(spec);
  return request;
}

}  // namespace torchlap::client
