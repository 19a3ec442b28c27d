// The hashes here were computed by sha256sum from the texts as written. They never change: past
// runs would no longer be found beside new ones. A new definition gets a new version in its text,
// and its tests beside these.
#include "server/measure/identity.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace torchlap::measure {
namespace {

v1::Workload Small() {
  v1::Workload workload;
  v1::TransformerLm& model = *workload.mutable_transformer_lm();
  model.set_edition("cs336-2025");
  model.set_preset("small");
  model.set_vocab_size(10000);
  model.set_d_model(768);
  model.set_d_ff(3072);
  model.set_layers(12);
  model.set_heads(12);
  model.set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  model.set_precision(v1::PRECISION_FP32);
  model.set_attention(v1::ATTENTION_EXPLICIT);
  model.set_batch_size(4);
  model.set_context_length(256);
  return workload;
}

v1::Run SmallRun() {
  v1::Run run;
  *run.mutable_workload() = Small();
  run.mutable_plan()->set_timing(v1::TIMING_SEPARATE);
  run.mutable_plan()->set_warmup_steps(5);
  run.set_threads(1);
  run.set_device_model("AMD EPYC 7763 64-Core Processor");
  return run;
}

v1::Environment SomeEnvironment() {
  v1::Environment environment;
  environment.set_torchlap_version("0.1.0");
  environment.set_torch_version("2.11.0");
  environment.set_kernel("6.1.0-18-amd64");
  environment.set_cpu_model("AMD EPYC");
  environment.set_os("Debian GNU/Linux 12 (bookworm)");
  environment.set_cores("1-3");
  environment.set_threads(3);
  environment.set_cpu_capability("AVX2");
  (*environment.mutable_variables())["OMP_NUM_THREADS"] = "3";
  (*environment.mutable_variables())["MALLOC_ARENA_MAX"] = "1";
  return environment;
}

TEST(Digest, IsTheFirstHalfOfSha256) {
  // NIST's example "abc".
  EXPECT_EQ(Digest("abc"), "ba7816bf8f01cfea414140de5dae2223");
}

TEST(WorkloadHash, OfVersion1NeverChanges) {
  EXPECT_EQ(CanonicalWorkload(Small()),
            "torchlap.workload.1 transformer-lm vocab=10000 d_model=768 d_ff=3072 layers=12 "
            "heads=12 pass=forward-backward batch=4 context=256");
  EXPECT_EQ(WorkloadHash(Small()), "7d16a0efa11e74215c08ae3d9a2a2c67");
}

TEST(WorkloadHash, OfVersion1WithEveryFieldNeverChanges) {
  v1::Workload workload;
  v1::TransformerLm& model = *workload.mutable_transformer_lm();
  model.set_vocab_size(10000);
  model.set_d_model(2560);
  model.set_d_ff(10240);
  model.set_layers(32);
  model.set_heads(32);
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  model.set_precision(v1::PRECISION_BF16);
  model.set_attention(v1::ATTENTION_SDPA);
  model.set_optimizer(v1::OPTIMIZER_FUSED);
  model.set_batch_size(1);
  model.set_context_length(128);
  EXPECT_EQ(CanonicalWorkload(workload),
            "torchlap.workload.1 transformer-lm vocab=10000 d_model=2560 d_ff=10240 layers=32 "
            "heads=32 pass=train-step batch=1 context=128 precision=bf16 attention=sdpa "
            "optimizer=fused");
  EXPECT_EQ(WorkloadHash(workload), "ce52c41f56af2efc817511d158c1c7f4");
}

TEST(SeriesKey, OfVersion1NeverChanges) {
  EXPECT_EQ(SeriesKey(SmallRun()), "776204a9425e13ac82f1e115a536216e");
}

TEST(EnvironmentHash, OfVersion1NeverChanges) {
  EXPECT_EQ(EnvironmentHash({}), "4eccde7a1b91f413e7021de1e8075cc3");
  EXPECT_EQ(EnvironmentHash(SomeEnvironment()), "fe5b86ffbf7bbae23aa8262ff77a33c8");
}

v1::Environment WithGpuSettings() {
  v1::Environment environment;
  environment.set_torch_version("2.11.0");
  environment.set_gpu_model("NVIDIA A100-SXM4-40GB");
  environment.set_gpu_power_limit_mw(400'000);
  environment.set_gpu_ecc("on");
  environment.set_gpu_persistence("off");
  environment.set_gpu_compute_mode("default");
  environment.set_gpu_application_mhz(1410);
  environment.set_gpu_application_memory_mhz(1215);
  environment.set_mig_profile("1g.5gb");
  environment.set_pcie_generation(4);
  environment.set_pcie_width(16);
  return environment;
}

TEST(EnvironmentHash, OfVersion2NeverChanges) {
  v1::Environment environment = WithGpuSettings();
  environment.clear_pcie_width();
  EXPECT_EQ(CanonicalEnvironment(environment),
            "torchlap.environment.2\ntorch_version=\"2.11.0\"\n"
            "gpu_model=\"NVIDIA A100-SXM4-40GB\"\ngpu_power_limit_mw=400000\ngpu_ecc=\"on\"\n"
            "gpu_persistence=\"off\"\ngpu_compute_mode=\"default\"\ngpu_application_mhz=1410\n"
            "gpu_application_memory_mhz=1215\nmig_profile=\"1g.5gb\"\npcie_generation=4");
  EXPECT_EQ(EnvironmentHash(environment), "b31d7ea5350c05b9ad348dc724920398");
}

TEST(EnvironmentHash, OfVersion3NeverChanges) {
  EXPECT_EQ(CanonicalEnvironment(WithGpuSettings()),
            "torchlap.environment.3\ntorch_version=\"2.11.0\"\n"
            "gpu_model=\"NVIDIA A100-SXM4-40GB\"\ngpu_power_limit_mw=400000\ngpu_ecc=\"on\"\n"
            "gpu_persistence=\"off\"\ngpu_compute_mode=\"default\"\ngpu_application_mhz=1410\n"
            "gpu_application_memory_mhz=1215\nmig_profile=\"1g.5gb\"\npcie_generation=4\n"
            "pcie_width=16");
  EXPECT_EQ(EnvironmentHash(WithGpuSettings()), "393cedff6cfda759e17a0c9a49acdb51");
}

TEST(EnvironmentHash, IsOfTheVersionThatFirstHadWhatIsKnown) {
  struct Setting {
    const char* version;
    std::function<void(v1::Environment*)> set;
  };
  const std::vector<Setting> settings = {{"1", [](auto*) {}},
                                         {"2", [](auto* e) { e->set_gpu_power_limit_mw(300'000); }},
                                         {"2", [](auto* e) { e->set_gpu_ecc("off"); }},
                                         {"2", [](auto* e) { e->set_pcie_generation(4); }},
                                         {"3", [](auto* e) { e->set_pcie_width(8); }}};
  for (const Setting& setting : settings) {
    v1::Environment environment = SomeEnvironment();
    setting.set(&environment);
    const std::string begin = std::string("torchlap.environment.") + setting.version + "\n";
    EXPECT_TRUE(CanonicalEnvironment(environment).starts_with(begin)) << begin;
  }
}

TEST(EnvironmentHash, ClocksThatTheDaemonHasLockedAreADifference) {
  v1::Environment locked = WithGpuSettings();
  locked.set_gpu_locked_clocks("base");
  v1::Environment otherwise = WithGpuSettings();
  otherwise.set_gpu_locked_clocks("1410 MHz");
  EXPECT_NE(EnvironmentHash(locked), EnvironmentHash(WithGpuSettings()));
  EXPECT_NE(EnvironmentHash(locked), EnvironmentHash(otherwise));
}

TEST(EnvironmentHash, APowerLimitThatWasLoweredIsADifference) {
  v1::Environment lowered = WithGpuSettings();
  lowered.set_gpu_power_limit_mw(300'000);
  EXPECT_NE(EnvironmentHash(lowered), EnvironmentHash(WithGpuSettings()));
}

TEST(WorkloadHash, DoesNotDependOnNamesOrOnWhetherADefaultIsWritten) {
  v1::Workload bare = Small();
  v1::TransformerLm& model = *bare.mutable_transformer_lm();
  model.clear_edition();
  model.clear_preset();
  model.clear_pass_type();
  model.clear_precision();
  model.clear_attention();
  model.clear_batch_size();
  model.clear_context_length();
  EXPECT_EQ(WorkloadHash(bare), WorkloadHash(Small()));
}

TEST(WorkloadHash, IgnoresAnOptimizerThatDoesNotRun) {
  v1::Workload workload = Small();
  workload.mutable_transformer_lm()->set_optimizer(v1::OPTIMIZER_FUSED);
  EXPECT_EQ(WorkloadHash(workload), WorkloadHash(Small()));
}

TEST(WorkloadHash, DependsOnEverythingThatIsComputed) {
  const std::vector<std::function<void(v1::TransformerLm*)>> changes = {
      [](auto* m) { m->set_vocab_size(9999); },
      [](auto* m) { m->set_d_model(769); },
      [](auto* m) { m->set_d_ff(3073); },
      [](auto* m) { m->set_layers(13); },
      [](auto* m) { m->set_heads(24); },
      [](auto* m) { m->set_pass_type(v1::PASS_TYPE_FORWARD); },
      [](auto* m) { m->set_pass_type(v1::PASS_TYPE_TRAIN_STEP); },
      [](auto* m) { m->set_precision(v1::PRECISION_BF16); },
      [](auto* m) { m->set_attention(v1::ATTENTION_SDPA); },
      [](auto* m) { m->set_batch_size(2); },
      [](auto* m) { m->set_context_length(128); }};
  std::set<std::string> hashes = {WorkloadHash(Small())};
  for (const auto& change : changes) {
    v1::Workload workload = Small();
    change(workload.mutable_transformer_lm());
    EXPECT_TRUE(hashes.insert(WorkloadHash(workload)).second) << CanonicalWorkload(workload);
  }
}

TEST(SeriesKey, DependsOnHowItIsMeasuredButNotOnSeedStepsOrName) {
  const std::vector<std::function<void(v1::Run*)>> other = {
      [](auto* r) { r->mutable_workload()->mutable_transformer_lm()->set_batch_size(2); },
      [](auto* r) { r->mutable_plan()->set_timing(v1::TIMING_COMBINED); },
      [](auto* r) { r->mutable_plan()->set_warmup_steps(0); }, [](auto* r) { r->set_threads(2); },
      [](auto* r) { r->set_device_model("AMD EPYC"); }};
  std::set<std::string> keys = {SeriesKey(SmallRun())};
  for (const auto& change : other) {
    v1::Run run = SmallRun();
    change(&run);
    EXPECT_TRUE(keys.insert(SeriesKey(run)).second);
  }
  v1::Run same = SmallRun();
  same.mutable_plan()->set_seed(7);
  same.mutable_plan()->set_measure_steps(100);
  same.set_device("cpu1");
  same.set_run_id("9.1");
  EXPECT_EQ(SeriesKey(same), SeriesKey(SmallRun()));
}

TEST(SeriesKey, ADeviceModelCannotLookLikeAnotherField) {
  v1::Run plain = SmallRun();
  plain.set_device_model("x");
  v1::Run tricky = SmallRun();
  tricky.set_device_model("x\" y=\"");
  EXPECT_NE(SeriesKey(plain), SeriesKey(tricky));
}

TEST(EnvironmentHash, DependsOnEveryFieldButItself) {
  const auto& type = *v1::Environment::descriptor();
  std::set<std::string> hashes = {EnvironmentHash({})};
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* field = type.field(i);
    v1::Environment environment;
    const auto& reflection = *environment.GetReflection();
    if (field->is_map()) {
      (*environment.mutable_variables())["NAME"] = "value";
    } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      reflection.SetString(&environment, field, "value");
    } else {
      reflection.SetUInt32(&environment, field, 1);
    }
    const bool is_new = hashes.insert(EnvironmentHash(environment)).second;
    EXPECT_EQ(is_new, field->name() != "environment_hash") << field->name();
  }
}

TEST(EnvironmentHash, AVariableWithALineBreakIsNotTwoVariables) {
  v1::Environment one;
  (*one.mutable_variables())["A"] = "1\"\nvariables.\"B\"=\"2";
  v1::Environment two;
  (*two.mutable_variables())["A"] = "1";
  (*two.mutable_variables())["B"] = "2";
  EXPECT_NE(EnvironmentHash(one), EnvironmentHash(two));
}

}  // namespace
}  // namespace torchlap::measure
