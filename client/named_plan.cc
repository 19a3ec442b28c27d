#include "client/named_plan.h"

namespace torchlap::client {
namespace {

constexpr std::string_view kCourse = "course";
constexpr std::string_view kPaper = "paper";

constexpr uint32_t kPaperLaunches = 7;
constexpr double kPaperPrecision = 0.01;
constexpr int64_t kPaperWarmupNs = 3'000'000'000;

v1::Plan PaperPlan() {
  v1::Plan plan;
  plan.set_warmup_until_settled(true);
  plan.set_min_warmup_ns(kPaperWarmupNs);
  plan.set_target_precision(kPaperPrecision);
  plan.set_launches(kPaperLaunches);
  return plan;
}

}  // namespace

std::optional<v1::Plan> NamedPlan(std::string_view name) {
  if (name == kCourse) return v1::Plan();
  if (name == kPaper) return PaperPlan();
  return std::nullopt;
}

std::string_view PlanNames() { return "course, paper"; }

std::string_view NearestPlanName(const v1::Plan& plan) {
  return plan.warmup_until_settled() && plan.has_target_precision() ? kPaper : kCourse;
}

}  // namespace torchlap::client
