#include "client/format/calibration.h"

#include <fmt/format.h>

#include <utility>

#include "client/format/evidence.h"
#include "client/format/numbers.h"
#include "client/format/run_columns.h"
#include "client/format/sheet.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

Grid PeakGrid(const v1::Run& run) {
  Grid grid;
  grid.caption = fmt::format("{} ({}), run {}: products of square matrices of random numbers",
                             run.device(), run.device_model(), run.run_id());
  grid.titles = {"precision", "TFLOP/s", "matrix size", "products", "measured (s)"};
  for (const v1::MatmulPeak& peak : run.calibration().matmul_peaks()) {
    grid.rows.push_back({std::string(Word(peak.precision())),
                         Significant(peak.flops_per_s() / 1e12, 3),
                         std::to_string(peak.matrix_size()),
                         peak.products() == 0 ? kNotApplicable : std::to_string(peak.products()),
                         Significant(static_cast<double>(peak.measured_ns()) / 1e9, 3)});
  }
  return grid;
}

std::string BandwidthLine(const v1::CalibrationResult& result) {
  if (!result.has_memory_bytes_per_s()) return "memory bandwidth: not measured";
  return fmt::format("memory bandwidth: {} (read and written, by copies of {})",
                     PerSecond(result.memory_bytes_per_s(), "B"),
                     BytesShort(result.copied_bytes()));
}

// `bf16, fp16: emulated, so that they have no peak`; nothing where none is.
std::string EmulatedLine(const v1::CalibrationResult& result) {
  std::string words;
  for (const int precision : result.emulated()) {
    words +=
        fmt::format("{}{}", words.empty() ? "" : ", ", Word(static_cast<v1::Precision>(precision)));
  }
  if (words.empty()) return "";
  return fmt::format("{}: emulated on this device, without a peak", words);
}

// A peak that others slowed down is none; older daemons gave no verdict.
std::string VerdictLine(const v1::Run& run) {
  if (!run.invalid_reason().empty()) return "verdict: " + InvalidWords(run);
  const std::string verdict = VerdictAndCondition(run);
  if (run.validity() != v1::VALIDITY_CONTAMINATED)
    return verdict.empty() ? "" : "verdict: " + verdict;
  return fmt::format(
      "verdict: {}; not used as a peak, calibrate again: torchlap calibrate --device {}", verdict,
      run.device());
}

Lines LinesOf(const v1::Run& run) {
  Lines lines;
  for (std::string line :
       {EmulatedLine(run.calibration()), BandwidthLine(run.calibration()), VerdictLine(run)}) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

Sheet PeakSheet(const v1::Run& run) {
  const v1::CalibrationResult& result = run.calibration();
  Sheet sheet;
  sheet.names = {"run_id",       "device",      "device_uuid", "device_model", "started_at",
                 "precision",    "flops_per_s", "matrix_size", "measured_s",   "memory_bytes_per_s",
                 "copied_bytes", "products",    "validity"};
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    Value bandwidth;
    if (result.has_memory_bytes_per_s()) bandwidth = result.memory_bytes_per_s();
    sheet.rows.push_back({run.run_id(), run.device(), run.device_uuid(), run.device_model(),
                          Rfc3339(run.started_at_ns()), std::string(Word(peak.precision())),
                          peak.flops_per_s(), uint64_t{peak.matrix_size()},
                          static_cast<double>(peak.measured_ns()) / 1e9, bandwidth,
                          uint64_t{result.copied_bytes()}, uint64_t{peak.products()},
                          std::string(Word(run.validity()))});
  }
  return sheet;
}

}  // namespace

std::string PeakWords(const v1::CalibrationResult& result) {
  std::string words;
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", Word(peak.precision()),
                         PerSecond(peak.flops_per_s(), "FLOP"));
  }
  if (!result.has_memory_bytes_per_s()) return words;
  return fmt::format("{}{}memory {}", words, words.empty() ? "" : ", ",
                     PerSecond(result.memory_bytes_per_s(), "B"));
}

std::vector<Block> CalibrationBlocks(const v1::Run& run) { return {PeakGrid(run), LinesOf(run)}; }

Document ShowCalibration(const v1::Run& run) {
  Document document;
  document.blocks = [run] { return CalibrationBlocks(run); };
  document.rows = RowsOf(PeakSheet(run));
  document.object = CalibratedObject(run);
  return document;
}

}  // namespace torchlap::client::format
