// The plans that have a name: --plan.
#pragma once

#include <optional>
#include <string_view>

#include "torchlap/v1/workload.pb.h"

namespace torchlap::client {

// `course`: what the daemon does unless told otherwise; `paper`: until settled, then to 1 %, 7
// launches. Only what the word says is set. Nothing: there is no such word.
std::optional<v1::Plan> NamedPlan(std::string_view name);

// `course, paper`: for messages.
std::string_view PlanNames();

// The word to begin with so that other flags can say the rest of the plan: `paper` where it warms
// up until times settle and stops at a precision, as no other flag says the former; else `course`.
// How long such a warm-up takes at least is as the word has it: no flag says that.
std::string_view NearestPlanName(const v1::Plan& plan);

}  // namespace torchlap::client
