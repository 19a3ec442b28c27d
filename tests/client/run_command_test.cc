#include "client/run_command.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/arguments.h"
#include "client/axes.h"
#include "proto/ranges.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ShellWord, IsReadBackByAShellAsItIsShown) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cuda:0.1", "cuda:0.1"},
      {"cs336-2026/xl", "cs336-2026/xl"},
      {"", "''"},
      {"a b", "'a b'"},
      {"x;rm -rf ~", "'x;rm -rf ~'"},
      {"$(id)`id`", "'$(id)`id`'"},
      {"it's", "'it'\\''s'"},
      {"=ls", "'=ls'"},
      {"a=b", "a=b"},
      {"Käthe", "'Käthe'"},
      {"a\nrm -rf ~", "'a\\nrm -rf ~'"},
      {"\x1b[2K\u202e", "'\\x1b[2K\\u202e'"},
  };
  for (const auto& [word, shown] : cases) EXPECT_EQ(ShellWord(word), shown);
}

TEST(FitCommand, KeepsTheOtherSizeAndWhatTakesMemory) {
  v1::Run run = SmallRun();
  v1::TransformerLm* model = run.mutable_workload()->mutable_transformer_lm();
  model->set_batch_size(8);
  model->set_context_length(64);
  model->set_precision(v1::PRECISION_BF16);
  run.mutable_plan()->set_measure_steps(300);
  EXPECT_EQ(FitCommand(run, v1::FIT_AXIS_BATCH),
            "torchlap fit --model-sizes small --context-length 64 --precision bf16 --device cpu0");
  EXPECT_EQ(FitCommand(run, v1::FIT_AXIS_CONTEXT),
            "torchlap fit --axis context --model-sizes small --batch-size 8 --precision bf16 "
            "--device cpu0");
}

v1::TransformerLm* ModelOf(v1::Run* run) {
  return run->mutable_workload()->mutable_transformer_lm();
}

// As the daemon completes a job.
v1::JobSpec Completed(v1::JobSpec spec) {
  v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
  if (model->pass_type() == v1::PASS_TYPE_UNSPECIFIED) {
    model->set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  }
  if (model->precision() == v1::PRECISION_UNSPECIFIED) model->set_precision(v1::PRECISION_FP32);
  if (model->attention() == v1::ATTENTION_UNSPECIFIED) model->set_attention(v1::ATTENTION_EXPLICIT);
  if (model->pass_type() == v1::PASS_TYPE_TRAIN_STEP &&
      model->optimizer() == v1::OPTIMIZER_UNSPECIFIED) {
    model->set_optimizer(v1::OPTIMIZER_COURSE);
  }
  if (!model->has_batch_size()) model->set_batch_size(4);
  if (!model->has_context_length()) model->set_context_length(256);
  if (model->preset().empty() && model->vocab_size() == 0) model->set_vocab_size(10000);
  v1::Plan* plan = spec.mutable_plan();
  FillDefaults(plan);
  if (plan->timing() == v1::TIMING_UNSPECIFIED) plan->set_timing(v1::TIMING_SEPARATE);
  if (plan->telemetry() == v1::TELEMETRY_UNSPECIFIED) {
    const bool is_cuda = spec.device().rfind("cuda", 0) == 0;
    plan->set_telemetry(is_cuda ? v1::TELEMETRY_SAMPLED : v1::TELEMETRY_EDGES);
  }
  if (plan->execution() == v1::EXECUTION_UNSPECIFIED) plan->set_execution(v1::EXECUTION_EAGER);
  return spec;
}

v1::JobSpec ParsedBack(const std::string& command) {
  std::istringstream text(command);
  std::vector<std::string> words(std::istream_iterator<std::string>(text), {});
  EXPECT_EQ(words.at(0), "torchlap");
  words.erase(words.begin());
  const auto parsed = ParseArguments(words);
  EXPECT_TRUE(parsed.ok()) << command << ": " << parsed.status();
  if (!parsed.ok()) return {};
  const auto& run = std::get<RunOptions>(std::get<Arguments>(*parsed).command);
  const auto request = BuildSweep(run.sweep);
  EXPECT_TRUE(request.ok()) << command << ": " << request.status();
  if (!request.ok() || request->jobs_size() != 1) return {};
  return Completed(request->jobs(0));
}

// What the daemon makes of the run: the preset's edition and shape are its own doing.
v1::JobSpec Expected(const v1::Run& run) {
  v1::JobSpec spec;
  *spec.mutable_workload() = run.workload();
  *spec.mutable_plan() = run.plan();
  v1::TransformerLm* model = spec.mutable_workload()->mutable_transformer_lm();
  if (!model->preset().empty()) {
    if (model->edition() != "cs336-2025") {
      model->set_preset(model->edition() + "/" + model->preset());
    }
    model->clear_edition();
    model->set_vocab_size(0);
    model->set_d_model(0);
    model->set_d_ff(0);
    model->set_layers(0);
    model->set_heads(0);
  }
  spec.set_device(run.device());
  return Completed(spec);
}

void ExpectSame(const v1::Run& run) {
  const std::string command = RunCommand(run);
  v1::JobSpec parsed = ParsedBack(command);
  parsed.clear_oom();
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(parsed, Expected(run))) << command << "\n" << difference;
}

TEST(RunCommand, LeavesOutWhatIsAtItsDefault) {
  EXPECT_EQ(RunCommand(SmallRun()), "torchlap run --model-sizes small --device cpu0");
}

TEST(RunCommand, ParsedBackIsTheSameWorkloadAndPlan) {
  ExpectSame(SmallRun());
  ExpectSame(ShrunkRun());
  v1::Run run = SmallRun();
  ModelOf(&run)->set_edition("cs336-2026");
  ModelOf(&run)->set_preset("xl");
  ModelOf(&run)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  ModelOf(&run)->set_optimizer(v1::OPTIMIZER_FUSED);
  ModelOf(&run)->set_precision(v1::PRECISION_BF16_WEIGHTS);
  ModelOf(&run)->set_attention(v1::ATTENTION_SDPA);
  ModelOf(&run)->set_batch_size(1);
  ModelOf(&run)->set_context_length(1024);
  run.set_device("cuda:0");
  v1::Plan* plan = run.mutable_plan();
  plan->set_timing(v1::TIMING_COMBINED);
  plan->set_warmup_steps(0);
  plan->set_measure_steps(25);
  plan->set_launches(7);
  plan->set_seed(12345678901);
  plan->set_execution(v1::EXECUTION_CUDA_GRAPH);
  plan->set_memory_fraction(0.123456789);
  plan->set_time_limit_ns(90'500'000'000);
  plan->set_retry_contaminated(3);
  ExpectSame(run);
}

TEST(RunCommand, OfAStoppingRuleHasItsLimits) {
  v1::Run run = SmallRun();
  run.mutable_plan()->set_target_precision(0.005);
  run.mutable_plan()->set_max_steps(2000);
  run.mutable_plan()->set_max_measure_ns(60'000'000'000);
  ExpectSame(run);
  EXPECT_THAT(RunCommand(run), HasSubstr("--target-precision 0.005 --max-steps 2000"));
}

// A run on the device that somebody asked for with these flags.
v1::Run RunAskedFor(const std::string& flags, const std::string& device = "cpu0") {
  v1::Run run = SmallRun();
  run.set_device(device);
  run.set_device_uuid(device == "cpu0" ? "CPU-1-3" : "GPU-1");
  const std::string command = "torchlap run --model-sizes small " + flags + " --device " + device;
  *run.mutable_plan() = ParsedBack(command).plan();
  return run;
}

TEST(RunCommand, IsOfTheSamePlanWhateverFlagsMadeIt) {
  for (const char* flags : {
           "",
           "--plan course",
           "--plan course --launches 7",
           "--plan paper",
           "--plan paper --target-precision 0.5%",
           "--plan paper --max-seconds 90",
           "--plan paper --max-steps 500 --launches 1",
           "--plan paper --warmup-steps 20 --measure-steps 30",
           "--plan paper --timing combined --seed 7 --retry-contaminated 3 --time-limit 1h",
           "--target-precision 1% --launches 7",
           "--target-precision 2% --max-seconds 2m --max-steps 50",
           "--warmup-steps 0 --measure-steps 40",
           "--telemetry off",
           "--telemetry edges",
           "--plan paper --telemetry sampled",
       }) {
    for (const char* device : {"cpu0", "cuda:0"}) {
      SCOPED_TRACE(flags);
      ExpectSame(RunAskedFor(flags, device));
    }
  }
}

TEST(RunCommand, NamesAPlanAndWhatDiffersFromIt) {
  const std::string begin = "torchlap run --model-sizes small";
  EXPECT_EQ(RunCommand(RunAskedFor("--plan course")), begin + " --device cpu0");
  EXPECT_EQ(RunCommand(RunAskedFor("--plan paper")), begin + " --plan paper --device cpu0");
  v1::Run run = RunAskedFor("--plan paper");
  EXPECT_TRUE(ParsedBack(RunCommand(run)).plan().warmup_until_settled());
  run.mutable_plan()->set_launches(1);
  EXPECT_EQ(RunCommand(run), begin + " --plan paper --launches 1 --device cpu0");
  run.mutable_plan()->set_target_precision(0.005);
  EXPECT_EQ(RunCommand(run),
            begin + " --plan paper --target-precision 0.005 --launches 1 --device cpu0");
  // Which no flags make.
  run.mutable_plan()->clear_target_precision();
  EXPECT_EQ(RunCommand(run), begin + " --device cpu0");
}

TEST(RunCommand, OfATelemetryThatIsNotTheDevicesOwnSaysIt) {
  EXPECT_THAT(RunCommand(RunAskedFor("--telemetry off")), HasSubstr("--telemetry off"));
  EXPECT_THAT(RunCommand(RunAskedFor("--telemetry edges")), Not(HasSubstr("--telemetry")));
  EXPECT_THAT(RunCommand(RunAskedFor("--telemetry edges", "cuda:0")),
              HasSubstr("--telemetry edges"));
  EXPECT_THAT(RunCommand(RunAskedFor("", "cuda:0")), Not(HasSubstr("--telemetry")));
}

TEST(RunCommand, OfADeclaredShapeGivesItsNumbers) {
  v1::Run run = SmallRun();
  ModelOf(&run)->clear_preset();
  ModelOf(&run)->clear_edition();
  ExpectSame(run);
  EXPECT_THAT(RunCommand(run), HasSubstr("--layers 12 --heads 12 --d-model 768 --d-ff 3072"));
  EXPECT_THAT(RunCommand(run), Not(HasSubstr("--vocab")));
  ModelOf(&run)->set_vocab_size(5000);
  ExpectSame(run);
}

TEST(RunCommand, OverSeveralValuesHasThemWhereTheFlagIs) {
  const v1::Run run = SmallRun();
  EXPECT_EQ(RunCommandOver(run, "--precision", {"fp32", "bf16"}),
            "torchlap run --model-sizes small --precision fp32 bf16 --device cpu0");
  EXPECT_EQ(RunCommandOver(run, "--model-sizes", {"small", "cs336-2026/xl"}),
            "torchlap run --model-sizes small cs336-2026/xl --device cpu0");
  EXPECT_EQ(RunCommandOver(run, "--context-length", {"64", "256"}),
            "torchlap run --model-sizes small --context-length 64 256 --device cpu0");
}

TEST(RunCommand, IsQuotedForAShell) {
  v1::Run run = SmallRun();
  run.set_device("it's a; device");
  EXPECT_THAT(RunCommand(run), HasSubstr("--device 'it'\\''s a; device'"));
}

}  // namespace
}  // namespace torchlap::client
