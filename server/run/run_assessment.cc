#include "server/run/run_assessment.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/host/xid_words.h"
#include "server/measure/advice.h"
#include "server/measure/device_busy.h"
#include "server/measure/validity.h"
#include "server/measure/workload_kind.h"

namespace torchlap::run {
namespace {

constexpr int kAmpere = 80;  // has TF32 and bf16

// Weights in bf16 are multiplied as autocast's are.
v1::Precision MatmulPrecision(v1::Precision precision) {
  return precision == v1::PRECISION_BF16_WEIGHTS ? v1::PRECISION_BF16 : precision;
}

v1::Precision PrecisionOf(const v1::Run& run) {
  return measure::KindOf(run.workload()).Precision(run.workload());
}

std::optional<measure::EfficiencyReference> PeakOf(const v1::Run& calibration,
                                                   v1::Precision precision) {
  for (const v1::MatmulPeak& peak : calibration.calibration().matmul_peaks()) {
    if (peak.precision() != MatmulPrecision(precision) || peak.flops_per_s() <= 0) continue;
    return measure::EfficiencyReference{peak.flops_per_s(), calibration.run_id()};
  }
  return std::nullopt;
}

// An emulated format has no peak that a calibration could find.
bool HasNoPeak(const v1::Run& calibration, v1::Precision precision) {
  const auto& emulated = calibration.calibration().emulated();
  return std::find(emulated.begin(), emulated.end(), MatmulPrecision(precision)) != emulated.end();
}

// Load average when the run was made; nothing: not known.
std::optional<double> LoadOf(const storage::RunStore& runs, const std::string& run_id) {
  const auto detail = runs.Get(run_id);
  if (!detail.ok() || !detail->readings().has_load_average()) return std::nullopt;
  return detail->readings().load_average();
}

absl::StatusOr<std::optional<measure::EfficiencyReference>> FindSibling(
    const storage::RunStore& runs, const v1::Run& run) {
  if (!run.has_flops_per_s()) return std::nullopt;
  const auto sibling = runs.BestSibling(run, measure::ValidityThresholds::kFewestForEfficiency);
  if (!sibling.ok()) return sibling.status();
  if (!*sibling) return std::nullopt;
  return measure::EfficiencyReference{(*sibling)->flops_per_s, (*sibling)->run_id};
}

void SetPeakRatio(const std::optional<measure::EfficiencyReference>& peak, v1::Run* run) {
  if (!peak || !run->has_flops_per_s()) return;
  run->set_matmul_peak_ratio(run->flops_per_s() / peak->flops_per_s);
  run->set_calibration_run_id(peak->run_id);
}

void SetMfu(const host::VendorPeaks& peaks, v1::Run* run) {
  const auto peak = peaks.find(MatmulPrecision(PrecisionOf(*run)));
  if (peak == peaks.end() || !run->has_flops_per_s()) return;
  run->set_mfu(run->flops_per_s() / peak->second);
}

std::vector<measure::UseStretch> StretchesOf(const host::ProcessUse& use) {
  std::vector<measure::UseStretch> stretches;
  for (const host::UseStretch& stretch : use.stretches) {
    stretches.push_back({stretch.from_ns, stretch.at_ns, stretch.sm_ratio});
  }
  return stretches;
}

measure::ForeignUse ForeignUseOf(const host::ProcessUse& use) {
  measure::ForeignUse foreign;
  foreign.pid = static_cast<int32_t>(use.pid);
  foreign.process = use.who.name;
  foreign.user = use.who.user;
  foreign.computes = use.computes;
  foreign.stretches = StretchesOf(use);
  return foreign;
}

// Our own worker is no neighbour.
measure::GpuProcesses ProcessesOf(const GpuSurroundings& gpu) {
  measure::GpuProcesses processes;
  processes.tells_use = gpu.use.tells_use;
  processes.has_own_pids = gpu.use.has_own_pids;
  for (const host::ProcessLook& look : gpu.use.looks) {
    processes.looks.push_back({look.at_ns, look.processes, look.hidden_bytes});
  }
  for (const host::ProcessUse& use : gpu.use.processes) {
    if (use.pid == gpu.worker_pid) {
      processes.has_worker = true;
      processes.of_worker = StretchesOf(use);
    } else {
      processes.foreign.push_back(ForeignUseOf(use));
    }
  }
  return processes;
}

// A run that ended well was not hurt by them, and one that was cancelled did not end by them.
void AddXids(const std::vector<uint64_t>& xids, v1::Run* run) {
  const bool failed = run->outcome() != v1::OUTCOME_OK && run->outcome() != v1::OUTCOME_CANCELLED;
  if (xids.empty() || !failed) return;
  std::string* detail = run->mutable_failure()->mutable_detail();
  if (!detail->empty()) *detail += "; ";
  *detail += "the driver reported " + host::XidWords(xids);
}

}  // namespace

absl::Status Assess(const host::HostDevice& device, const GpuSurroundings& gpu,
                    const storage::RunStore& runs, storage::FinishedRun* finished) {
  v1::Run* run = &finished->run;
  AddXids(gpu.xids, run);
  measure::Surroundings around;
  around.is_cuda = device.kind == v1::DEVICE_KIND_CUDA;
  around.cores = static_cast<uint32_t>(std::max<size_t>(1, device.cores.size()));
  around.readings = finished->readings;
  around.gpu = ProcessesOf(gpu);
  around.before = gpu.before;
  const auto sibling = FindSibling(runs, *run);
  const auto found = runs.LatestCalibration(run->device_uuid());
  const std::optional<v1::Run> calibration = found.ok() ? *found : std::nullopt;
  around.sibling = sibling.value_or(std::nullopt);
  if (calibration) around.calibration = PeakOf(*calibration, PrecisionOf(*run));
  SetPeakRatio(around.calibration, run);
  SetMfu(device.vendor_peaks, run);
  measure::Judge(finished->samples, around, run);

  measure::AdviceContext context;
  context.is_cuda = around.is_cuda;
  context.has_tf32 = context.has_bf16 = gpu.compute_capability.value_or(0) >= kAmpere;
  context.is_calibrated =
      around.calibration || (calibration && HasNoPeak(*calibration, PrecisionOf(*run)));
  if (run->matmul_peak_ratio() > 1) {
    context.calibration_load = LoadOf(runs, run->calibration_run_id());
  }
  context.device_memory_bytes = device.memory_bytes;
  if (around.is_cuda) {
    context.device_busy_ratio = measure::DeviceBusyRatio(finished->samples, finished->readings);
  }
  measure::Advise(finished->samples, context, run);
  return sibling.ok() ? found.status() : sibling.status();
}

}  // namespace torchlap::run
