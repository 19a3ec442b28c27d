#include <nlohmann/json.hpp>

#include "client/format/json_objects.h"
#include "client/format/trend.h"

namespace torchlap::client::format {
namespace {

constexpr double kMillisecondNs = 1e6;

Json PointObject(const v1::TrendPoint& point, uint32_t segment) {
  Json object = MessageObject(point);
  const Json validity = object.contains("validity") ? object["validity"] : Json();
  return {{"run_id", point.run_id()},
          {"started_at", TimeOrNull(point.started_at_ns())},
          {"median_ms", point.median_ns() / kMillisecondNs},
          {"validity", validity},
          {"segment", segment}};
}

Json StepObject(const v1::TrendSeries& series, const v1::TrendStep& step) {
  Json object = Json::object();
  const bool is_known = step.point() < static_cast<uint32_t>(series.points_size());
  object["run_id"] =
      is_known ? Json(series.points(static_cast<int>(step.point())).run_id()) : Json();
  object["point"] = step.point();
  object["before_ms"] = step.before_ns() / kMillisecondNs;
  object["after_ms"] = step.after_ns() / kMillisecondNs;
  object["change_ratio"] =
      step.before_ns() > 0 ? Json(step.after_ns() / step.before_ns() - 1) : Json();
  object["changes"] = Json::array();
  for (const v1::EnvironmentChange& change : step.changes()) {
    object["changes"].push_back({{"name", change.name()},
                                 {"before", TextOrNull(change.before())},
                                 {"after", TextOrNull(change.after())}});
  }
  return object;
}

Json SeriesObject(const v1::TrendSeries& series, uint32_t method_version,
                  const std::string& phase) {
  Json object = Json::object();
  object["series_key"] = TextOrNull(series.subject().series_key());
  object["phase"] = phase;
  object["method_version"] = method_version;
  object["min_effect"] = series.min_effect();
  object["min_effect_launches"] = series.min_effect_launches();
  object["contaminated_runs"] = series.contaminated_runs();
  object["baseline_ms"] =
      series.has_baseline_ns() ? Json(series.baseline_ns() / kMillisecondNs) : Json();
  object["baseline_run_ids"] = Json::array();
  for (const std::string& run_id : series.baseline_run_ids()) {
    object["baseline_run_ids"].push_back(run_id);
  }
  const std::vector<uint32_t> segments = SegmentsOf(series);
  object["points"] = Json::array();
  for (int i = 0; i < series.points_size(); ++i) {
    object["points"].push_back(PointObject(series.points(i), segments[static_cast<size_t>(i)]));
  }
  object["steps"] = Json::array();
  for (const v1::TrendStep& step : series.steps()) {
    object["steps"].push_back(StepObject(series, step));
  }
  object["subject"] = RunObject(series.subject());
  return object;
}

}  // namespace

MakeObject TrendObject(const v1::GetTrendResponse& response, const std::string& phase) {
  return [response, phase] {
    Json all = Json::array();
    for (const v1::TrendSeries& series : response.series()) {
      all.push_back(SeriesObject(series, response.method_version(), phase));
    }
    return all;
  };
}

}  // namespace torchlap::client::format
