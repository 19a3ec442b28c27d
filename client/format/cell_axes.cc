#include "client/format/cell_axes.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "client/format/run_columns.h"
#include "client/format/subject.h"
#include "client/format/traits.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr char kSize[] = "size";
constexpr char kExecution[] = "execution";
constexpr std::string_view kLabel = "label:";

// Titles are for people.
std::string NameOf(const Trait& trait) {
  const std::string title = trait.title;
  return title == "warm-up" ? "warmup" : title;
}

// Null: none.
const Trait* TraitOf(const std::string& axis) {
  const auto& traits = Traits();
  const auto place = std::find_if(traits.begin(), traits.end(),
                                  [&axis](const Trait& trait) { return NameOf(trait) == axis; });
  return place == traits.end() ? nullptr : &*place;
}

bool IsLabel(const std::string& axis) {
  return axis.size() > kLabel.size() && axis.rfind(kLabel, 0) == 0;
}

std::string KeyOf(const std::string& axis) { return axis.substr(kLabel.size()); }

std::string LabelValue(const std::string& key, const v1::Run& run) {
  const auto place = run.labels().find(key);
  return place == run.labels().end() ? kNotApplicable : place->second;
}

// Captions leave `eager` out; a column must name it.
std::string ExecutionValue(const v1::Run& run) {
  const v1::Execution execution = run.plan().execution();
  return std::string(
      Word(execution == v1::EXECUTION_UNSPECIFIED ? v1::EXECUTION_EAGER : execution));
}

bool Differ(const std::string& axis, const std::vector<v1::Run>& runs) {
  std::set<std::string> values;
  for (const v1::Run& run : runs) values.insert(AxisValue(axis, run));
  values.erase(kNotApplicable);
  return values.size() > 1;
}

}  // namespace

std::vector<std::string> CellAxisNames() {
  std::vector<std::string> names = {kSize};
  for (const Trait& trait : Traits()) names.push_back(NameOf(trait));
  return names;
}

bool IsCellAxis(const std::string& name) {
  return name == kSize || IsLabel(name) || TraitOf(name) != nullptr;
}

std::string AxisValue(const std::string& axis, const v1::Run& run) {
  if (IsLabel(axis)) return LabelValue(KeyOf(axis), run);
  if (axis == kExecution) return ExecutionValue(run);
  const Trait* trait = TraitOf(axis);
  const std::string value = trait == nullptr ? SubjectName(run.workload()) : trait->value(run);
  return value.empty() ? kNotApplicable : value;
}

std::string AxisWords(const std::string& axis, const std::string& value) {
  if (IsLabel(axis)) return KeyOf(axis) + " " + value;
  const Trait* trait = TraitOf(axis);
  if (trait != nullptr && value != kNotApplicable) {
    const std::string caption = trait->caption(value);
    return caption.empty() ? value : caption;
  }
  return value == kNotApplicable ? "no " + axis : value;
}

std::vector<std::string> AxesThatDiffer(const std::vector<v1::Run>& runs) {
  std::vector<std::string> axes = CellAxisNames();
  std::set<std::string> labels;
  for (const v1::Run& run : runs) {
    for (const auto& [key, value] : run.labels()) labels.insert(std::string(kLabel) + key);
  }
  axes.insert(axes.end(), labels.begin(), labels.end());
  const auto is_same = [&runs](const std::string& axis) { return !Differ(axis, runs); };
  axes.erase(std::remove_if(axes.begin(), axes.end(), is_same), axes.end());
  return axes;
}

}  // namespace torchlap::client::format
