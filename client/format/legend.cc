#include "client/format/legend.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchlap::client::format {
namespace {

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }
bool HasNoise(const v1::Run& run) { return IsOk(run) && run.step().has_std_ns(); }
bool IsPooled(const v1::Run& run) { return HasNoise(run) && run.pooled_launches() > 1; }
bool IsSingle(const v1::Run& run) { return HasNoise(run) && run.pooled_launches() <= 1; }

bool Any(const std::vector<v1::Run>& rows, bool (*is)(const v1::Run&)) {
  return std::any_of(rows.begin(), rows.end(), is);
}

std::string NoiseClause(const std::vector<v1::Run>& rows) {
  if (!Any(rows, HasNoise)) return "";
  if (!Any(rows, IsPooled)) {
    return "± is the standard deviation of the measured steps, not of the mean";
  }
  const char* others = Any(rows, IsSingle) ? " (of the measured steps where there was one)" : "";
  return fmt::format(
      "times are means of the launches' medians{}, ± is the standard deviation of those, not of "
      "the mean",
      others);
}

const char* CvClause(CvKind cv) {
  switch (cv) {
    case CvKind::kLargestOfRow:
      return "CV is the largest of the row's columns";
    case CvKind::kEach:
      return "CV is ± over the mean";
    default:
      return "";
  }
}

std::string ThreadsWords(const v1::Environment& environment) {
  // Of a GPU they say nothing.
  if (environment.threads() == 0 || !environment.gpu_model().empty()) return "";
  return fmt::format(" ({} {})", environment.threads(),
                     environment.threads() == 1 ? "thread" : "threads");
}

std::string VersionWords(const v1::Environment& environment) {
  if (environment.torch_version().empty()) return "";
  std::string words = ", torch " + environment.torch_version();
  if (!environment.cuda_version().empty()) words += ", CUDA " + environment.cuda_version();
  return words;
}

// `cpu0: AMD EPYC (1 thread), torch 2.11.0`; empty if no more than the name is known.
std::string DeviceClause(const DeviceNote& note) {
  const v1::Environment& environment = note.environment;
  std::string model = note.run.device_model();
  if (model.empty()) model = environment.gpu_model();
  if (model.empty()) model = environment.cpu_model();
  const std::string words = model + ThreadsWords(environment) + VersionWords(environment);
  return note.run.device().empty() || words.empty()
             ? ""
             : fmt::format("{}: {}", note.run.device(), words);
}

}  // namespace

std::vector<v1::Run> RowOfEachDevice(const std::vector<v1::Run>& rows) {
  std::vector<v1::Run> chosen;
  for (const v1::Run& row : rows) {
    const auto place = std::find_if(chosen.begin(), chosen.end(), [&row](const v1::Run& other) {
      return other.device() == row.device();
    });
    if (place == chosen.end()) {
      chosen.push_back(row);
    } else if (!IsOk(*place) && IsOk(row)) {
      *place = row;
    }
  }
  return chosen;
}

std::vector<DeviceNote> NotesOf(const std::vector<v1::Run>& rows) {
  std::vector<DeviceNote> notes;
  for (const v1::Run& row : rows) notes.push_back({row, {}});
  return notes;
}

std::string LegendLine(const std::vector<v1::Run>& rows, const std::vector<DeviceNote>& devices,
                       CvKind cv) {
  std::vector<std::string> clauses;
  const auto add = [&clauses](const std::string& clause) {
    if (!clause.empty()) clauses.push_back(clause);
  };
  add(NoiseClause(rows));
  if (Any(rows, HasNoise)) add(CvClause(cv));
  for (const DeviceNote& device : devices) add(DeviceClause(device));
  return fmt::format("{}", fmt::join(clauses, "; "));
}

}  // namespace torchlap::client::format
