#include "client/format/calibration.h"

#include <fmt/format.h>

#include "client/format/numbers.h"
#include "client/format/sheet.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

Grid PeakGrid(const v1::Run& run) {
  Grid grid;
  grid.caption = fmt::format("{} ({}), run {}: products of square matrices of random numbers",
                             run.device(), run.device_model(), run.run_id());
  grid.titles = {"precision", "TFLOP/s", "matrix size", "measured (s)"};
  for (const v1::MatmulPeak& peak : run.calibration().matmul_peaks()) {
    grid.rows.push_back({std::string(Word(peak.precision())),
                         Significant(peak.flops_per_s() / 1e12, 3),
                         std::to_string(peak.matrix_size()),
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

Sheet PeakSheet(const v1::Run& run) {
  const v1::CalibrationResult& result = run.calibration();
  Sheet sheet;
  sheet.names = {"run_id",      "device",      "device_uuid", "device_model", "started_at",
                 "precision",   "flops_per_s", "matrix_size", "measured_s",   "memory_bytes_per_s",
                 "copied_bytes"};
  for (const v1::MatmulPeak& peak : result.matmul_peaks()) {
    Value bandwidth;
    if (result.has_memory_bytes_per_s()) bandwidth = result.memory_bytes_per_s();
    sheet.rows.push_back({run.run_id(), run.device(), run.device_uuid(), run.device_model(),
                          Rfc3339(run.started_at_ns()), std::string(Word(peak.precision())),
                          peak.flops_per_s(), uint64_t{peak.matrix_size()},
                          static_cast<double>(peak.measured_ns()) / 1e9, bandwidth,
                          uint64_t{result.copied_bytes()}});
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

std::vector<Block> CalibrationBlocks(const v1::Run& run) {
  return {PeakGrid(run), Lines{BandwidthLine(run.calibration())}};
}

Document ShowCalibration(const v1::Run& run) {
  Document document;
  document.blocks = [run] { return CalibrationBlocks(run); };
  document.rows = RowsOf(PeakSheet(run));
  document.object = CalibratedObject(run);
  return document;
}

}  // namespace torchlap::client::format
