#include "server/measure/environment_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchlap::measure {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Environments = std::vector<v1::Environment>;

std::vector<std::string> Changes(const Environments& before, const Environments& after) {
  std::vector<const v1::Environment*> sides[2];
  for (const v1::Environment& environment : before) sides[0].push_back(&environment);
  for (const v1::Environment& environment : after) sides[1].push_back(&environment);
  std::vector<std::string> texts;
  for (const v1::EnvironmentChange& change : EnvironmentChanges(sides[0], sides[1])) {
    texts.push_back(change.name() + ": " + change.before() + " > " + change.after());
  }
  return texts;
}

v1::Environment WithDriver(const std::string& driver) {
  v1::Environment environment;
  environment.set_torch_version("2.9.0");
  environment.set_driver_version(driver);
  return environment;
}

TEST(EnvironmentChanges, OfTheSameEnvironmentAreNone) {
  v1::Environment environment = WithDriver("570");
  (*environment.mutable_variables())["OMP_NUM_THREADS"] = "1";
  EXPECT_THAT(Changes({environment}, {environment}), IsEmpty());
  EXPECT_THAT(Changes({environment, environment}, {environment}), IsEmpty());
  EXPECT_THAT(Changes({}, {}), IsEmpty());
}

TEST(EnvironmentChanges, NameWhatDiffersWithBothValues) {
  EXPECT_THAT(Changes({WithDriver("570")}, {WithDriver("575")}), ElementsAre("driver: 570 > 575"));
}

TEST(EnvironmentChanges, JoinSeveralValuesOfASideInOrder) {
  EXPECT_THAT(
      Changes({WithDriver("575"), WithDriver("570"), WithDriver("575")}, {WithDriver("575")}),
      ElementsAre("driver: 570,575 > 575"));
}

TEST(EnvironmentChanges, TellWhereAValueIsNotKnown) {
  EXPECT_THAT(Changes({WithDriver("")}, {WithDriver("575")}), ElementsAre("driver:  > 575"));
  EXPECT_THAT(Changes({WithDriver(""), WithDriver("575")}, {WithDriver("575")}),
              ElementsAre("driver: -,575 > 575"));
  EXPECT_THAT(Changes({}, {WithDriver("575")}), ElementsAre("torch:  > 2.9.0", "driver:  > 575"));
}

TEST(EnvironmentChanges, HaveAWordForEveryFieldButTheHash) {
  v1::Environment all;
  const auto& type = *v1::Environment::descriptor();
  int fields = 0;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* field = type.field(i);
    if (field->number() == v1::Environment::kEnvironmentHashFieldNumber || field->is_map())
      continue;
    ++fields;
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      all.GetReflection()->SetString(&all, field, "x");
    } else {
      all.GetReflection()->SetUInt32(&all, field, 1000);
    }
  }
  EXPECT_EQ(Changes({{}}, {all}).size(), static_cast<size_t>(fields));
}

TEST(EnvironmentChanges, GiveNumbersTheirUnits) {
  v1::Environment before;
  before.set_gpu_power_limit_mw(87'500);
  before.set_gpu_application_mhz(1410);
  before.set_threads(1);
  v1::Environment after;
  after.set_gpu_power_limit_mw(300'000);
  after.set_gpu_application_mhz(1410);
  after.set_threads(2);
  EXPECT_THAT(Changes({before}, {after}),
              ElementsAre("power limit: 87.5 W > 300 W", "threads: 1 > 2"));
}

TEST(EnvironmentChanges, NameEachVariableThatDiffers) {
  v1::Environment before;
  (*before.mutable_variables())["OMP_NUM_THREADS"] = "1";
  (*before.mutable_variables())["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8";
  v1::Environment after;
  (*after.mutable_variables())["OMP_NUM_THREADS"] = "1";
  (*after.mutable_variables())["TORCH_ALLOW"] = "x";
  EXPECT_THAT(Changes({before}, {after}),
              ElementsAre("env CUBLAS_WORKSPACE_CONFIG: :4096:8 > ", "env TORCH_ALLOW:  > x"));
}

}  // namespace
}  // namespace torchlap::measure
