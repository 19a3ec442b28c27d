#include "server/run/settle_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace torchlap::run {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

double Seconds(int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kSecondNs); }

v1::Evidence Waited(const SettleLook& look, bool has_settled, int64_t waited_ns) {
  v1::Evidence evidence;
  evidence.set_reason(has_settled ? v1::REASON_SETTLED : v1::REASON_NOT_SETTLED);
  evidence.set_value(Seconds(waited_ns));
  if (!has_settled) evidence.set_threshold(Seconds(look.window->at_most_ns));
  if (look.celsius) evidence.set_celsius(*look.celsius);
  return evidence;
}

v1::Evidence SettingsMissing() {
  v1::Evidence evidence;
  evidence.set_reason(v1::REASON_SETTINGS_MISSING);
  return evidence;
}

}  // namespace

void SettleWait::NotIdle(int64_t now_ns) { idle_since_ns_ = now_ns; }

std::string SettleWait::WhyNot(const SettleLook& look, int64_t now_ns) const {
  const host::SettleWindow& window = *look.window;
  if (window.below_celsius && look.celsius.value_or(0) >= *window.below_celsius) {
    return fmt::format("it cools down: {} C, a run begins below {} C", *look.celsius,
                       *window.below_celsius);
  }
  if (now_ns - *idle_since_ns_ >= window.idle_ns) return "";
  return fmt::format("it rests: a run begins when it was idle for {} s",
                     window.idle_ns / kSecondNs);
}

SettleWait::Verdict SettleWait::Look(const SettleLook& look, int64_t now_ns) {
  evidence_.clear();
  if (!look.not_in_force.empty()) evidence_.push_back(SettingsMissing());
  if (!look.window) return {};
  if (!idle_since_ns_) idle_since_ns_ = now_ns - look.others_worked_ns_ago.value_or(0);
  if (look.others_worked_ns_ago) {
    idle_since_ns_ = std::max(*idle_since_ns_, now_ns - *look.others_worked_ns_ago);
  }
  if (!asked_since_ns_) asked_since_ns_ = now_ns;
  const int64_t waited_ns = now_ns - *asked_since_ns_;
  const std::string why = WhyNot(look, now_ns);
  const bool gives_up = look.is_beside_others || waited_ns >= look.window->at_most_ns;
  if (why.empty() || gives_up) {
    evidence_.push_back(Waited(look, why.empty(), waited_ns));
    return {};
  }
  Verdict verdict{why, now_ns + kSettleLookNs};
  const int64_t rested_ns = *idle_since_ns_ + look.window->idle_ns;
  if (rested_ns > now_ns) verdict.look_again_ns = std::min(verdict.look_again_ns, rested_ns);
  verdict.look_again_ns =
      std::min(verdict.look_again_ns, *asked_since_ns_ + look.window->at_most_ns);
  return verdict;
}

std::vector<v1::Evidence> SettleWait::Take() {
  asked_since_ns_.reset();
  return std::exchange(evidence_, {});
}

}  // namespace torchlap::run
