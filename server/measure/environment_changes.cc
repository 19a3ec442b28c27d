#include "server/measure/environment_changes.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

namespace torchlap::measure {
namespace {

using Side = std::span<const v1::Environment* const>;

std::string Count(uint32_t number) { return number == 0 ? "" : std::to_string(number); }

std::string Megahertz(uint32_t mhz) { return mhz == 0 ? "" : std::to_string(mhz) + " MHz"; }

// `300 W`, `87.5 W`
std::string Watts(uint32_t milliwatts) {
  if (milliwatts == 0) return "";
  std::ostringstream text;
  text << milliwatts / 1000.0 << " W";
  return text.str();
}

struct Field {
  const char* name;
  std::string (*value)(const v1::Environment& environment);
};

constexpr Field kFields[] = {
    {"torchlap", [](const v1::Environment& e) { return e.torchlap_version(); }},
    {"torch", [](const v1::Environment& e) { return e.torch_version(); }},
    {"cuda", [](const v1::Environment& e) { return e.cuda_version(); }},
    {"driver", [](const v1::Environment& e) { return e.driver_version(); }},
    {"gpu", [](const v1::Environment& e) { return e.gpu_model(); }},
    {"power limit", [](const v1::Environment& e) { return Watts(e.gpu_power_limit_mw()); }},
    {"locked clocks", [](const v1::Environment& e) { return e.gpu_locked_clocks(); }},
    {"application clock",
     [](const v1::Environment& e) { return Megahertz(e.gpu_application_mhz()); }},
    {"memory clock",
     [](const v1::Environment& e) { return Megahertz(e.gpu_application_memory_mhz()); }},
    {"ecc", [](const v1::Environment& e) { return e.gpu_ecc(); }},
    {"persistence", [](const v1::Environment& e) { return e.gpu_persistence(); }},
    {"compute mode", [](const v1::Environment& e) { return e.gpu_compute_mode(); }},
    {"mig", [](const v1::Environment& e) { return e.mig_profile(); }},
    {"pcie generation", [](const v1::Environment& e) { return Count(e.pcie_generation()); }},
    {"pcie width", [](const v1::Environment& e) { return Count(e.pcie_width()); }},
    {"cpu", [](const v1::Environment& e) { return e.cpu_model(); }},
    {"capability", [](const v1::Environment& e) { return e.cpu_capability(); }},
    {"cores", [](const v1::Environment& e) { return e.cores(); }},
    {"threads", [](const v1::Environment& e) { return Count(e.threads()); }},
    {"clocks", [](const v1::Environment& e) { return e.clocks_policy(); }},
    {"kernel", [](const v1::Environment& e) { return e.kernel(); }},
    {"os", [](const v1::Environment& e) { return e.os(); }},
};

template <typename Value>
std::vector<std::string> ValuesOf(Side side, const Value& value) {
  std::vector<std::string> values;
  for (const v1::Environment* environment : side) values.push_back(value(*environment));
  return values;
}

std::set<std::string> VariableNames(Side before, Side after) {
  std::set<std::string> names;
  for (const Side side : {before, after}) {
    for (const v1::Environment* environment : side) {
      for (const auto& [name, value] : environment->variables()) names.insert(name);
    }
  }
  return names;
}

}  // namespace

std::string JoinedValues(std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() < 2) return values.empty() ? "" : std::move(values.front());
  std::string joined;
  for (const std::string& value : values) {
    joined += (joined.empty() ? "" : ",") + (value.empty() ? "-" : value);
  }
  return joined;
}

void AddChange(const std::string& name, std::vector<std::string> before,
               std::vector<std::string> after, std::vector<v1::EnvironmentChange>* changes) {
  v1::EnvironmentChange change;
  change.set_name(name);
  change.set_before(JoinedValues(std::move(before)));
  change.set_after(JoinedValues(std::move(after)));
  if (change.before() != change.after()) changes->push_back(std::move(change));
}

std::vector<v1::EnvironmentChange> EnvironmentChanges(Side before, Side after) {
  std::vector<v1::EnvironmentChange> changes;
  for (const Field& field : kFields) {
    AddChange(field.name, ValuesOf(before, field.value), ValuesOf(after, field.value), &changes);
  }
  for (const std::string& name : VariableNames(before, after)) {
    const auto value = [&name](const v1::Environment& environment) {
      const auto found = environment.variables().find(name);
      return found == environment.variables().end() ? std::string() : found->second;
    };
    AddChange("env " + name, ValuesOf(before, value), ValuesOf(after, value), &changes);
  }
  return changes;
}

}  // namespace torchlap::measure
