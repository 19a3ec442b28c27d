#include "client/suite_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "client/arguments.h"
#include "client/axes.h"
#include "client/commands/suite_run.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

SuiteFile Parsed(const std::string& text) {
  auto suite = ParseSuiteFile("a/night.toml", text);
  EXPECT_TRUE(suite.ok()) << suite.status();
  return suite.ok() ? *std::move(suite) : SuiteFile();
}

std::string Error(const std::string& text) {
  const auto suite = ParseSuiteFile("night.toml", text);
  EXPECT_TRUE(absl::IsInvalidArgument(suite.status())) << suite.status();
  return std::string(suite.status().message());
}

// As BuildSweep has them, of the same words as flags.
std::string Jobs(const v1::SubmitJobsRequest& request) {
  v1::SubmitJobsRequest jobs = request;
  jobs.clear_sweep_name();
  for (v1::JobSpec& job : *jobs.mutable_jobs()) job.mutable_labels()->erase("suite");
  return jobs.DebugString();
}

std::string JobsOf(const SweepWords& words) {
  const auto request = BuildSweep(words);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.ok() ? Jobs(*request) : "";
}

std::vector<std::string> Names(const SuiteFile& suite) {
  std::vector<std::string> names;
  for (const FileSweep& sweep : suite.sweeps) names.push_back(sweep.name());
  return names;
}

TEST(SuiteFile, SweepsStandInTheFilesOrder) {
  const SuiteFile suite = Parsed(
      "[sweep.zeta]\nmodel-size = \"small\"\n[sweep.alpha]\nmodel-size = \"xl\"\n"
      "[sweep.\"a b\"]\nmodel-size = \"medium\"\n");
  EXPECT_THAT(Names(suite), ElementsAre("zeta", "alpha", "a b"));
  EXPECT_EQ(suite.sweeps[1].line, 3U);
  EXPECT_EQ(suite.Placed(suite.sweeps[1], "no"), "a/night.toml:3: sweep alpha: no");
}

TEST(SuiteFile, IsCalledAsTheFileUnlessSomethingSaysOtherwise) {
  const std::string sweep = "[sweep.a]\nmodel-size = \"small\"\n";
  EXPECT_EQ(Parsed(sweep).name, "night");
  EXPECT_EQ(Parsed("name = \"mine\"\n" + sweep).name, "mine");
  const auto named = ParseSuiteFile("night.toml", "name = \"mine\"\n" + sweep, "other");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->name, "other");
  EXPECT_EQ(named->sweeps[0].request.jobs(0).labels().at("suite"), "other");
}

TEST(SuiteFile, KeysMeanWhatTheFlagsMean) {
  const SuiteFile suite = Parsed(R"(
[sweep.all]
model-size = ["small", "medium"]
pass-type = "forward"
batch-size = [1, "2..8*2"]
context-length = 128
precision = ["fp32", "bf16"]
attention = "sdpa"
warmup-steps = 2
measure-steps = 12
cell = ["size=xl,batch=1,context=64,precision=bf16"]
timing = "combined"
device = "cpu0"
if-busy = "run"
launches = 3
priority = -5
time-limit = "15m"
min-batch = 1
min-context = 32
seed = 7
oom-retry = false
target-precision = 0.02
max-steps = 50
max-seconds = 30
telemetry = "edges"
retry-contaminated = 2
memory-fraction = 0.5
cuda-graph = true
labels = { card = "A", slot = 3 }
)");
  SweepWords words;
  words.model_sizes = {"small", "medium"};
  words.pass_types = {"forward"};
  words.batch_sizes = {"1", "2..8*2"};
  words.context_lengths = {"128"};
  words.precisions = {"fp32", "bf16"};
  words.attentions = {"sdpa"};
  words.warmup_steps = {"2"};
  words.measure_steps = {"12"};
  words.cells = {"size=xl,batch=1,context=64,precision=bf16"};
  words.timing = "combined";
  words.device = "cpu0";
  words.if_busy = "run";
  words.launches = "3";
  words.priority = "-5";
  words.time_limit = "15m";
  words.min_batch = "1";
  words.min_context = "32";
  words.seed = "7";
  words.oom_retry = false;
  words.target_precision = "0.02";
  words.max_steps = "50";
  words.max_seconds = "30";
  words.telemetry = "edges";
  words.retry_contaminated = "2";
  words.memory_fraction = "0.5";
  words.cuda_graph = true;
  words.labels = {"card=A", "slot=3"};
  ASSERT_EQ(suite.sweeps.size(), 1U);
  EXPECT_EQ(Jobs(suite.sweeps[0].request), JobsOf(words));
}

TEST(SuiteFile, WhatStandsAboveTheSweepsHoldsUntilASweepSaysOtherwise) {
  const SuiteFile suite = Parsed(R"(
model-size = ["small", "medium"]
launches = 3
labels = { card = "A", set = "x" }
[sweep.a]
[sweep.b]
model-size = "xl"
launches = 1
labels = { set = "y" }
)");
  const v1::SubmitJobsRequest& a = suite.sweeps[0].request;
  EXPECT_EQ(a.jobs_size(), 2);
  EXPECT_EQ(a.jobs(0).plan().launches(), 3U);
  EXPECT_EQ(a.jobs(0).labels().at("set"), "x");
  const v1::SubmitJobsRequest& b = suite.sweeps[1].request;
  ASSERT_EQ(b.jobs_size(), 1);
  EXPECT_EQ(b.jobs(0).workload().transformer_lm().preset(), "xl");
  EXPECT_EQ(b.jobs(0).plan().launches(), 1U);
  EXPECT_EQ(b.jobs(0).labels().at("set"), "y");
  EXPECT_EQ(b.jobs(0).labels().at("card"), "A");
}

TEST(SuiteFile, AShapeTakesThePlaceOfPresetsAndPresetsThatOfAShape) {
  const std::string shape = "layers = 1\nheads = 2\nd-model = 16\nd-ff = 32\n";
  const SuiteFile with_shape = Parsed("model-size = \"small\"\n[sweep.a]\n" + shape);
  EXPECT_EQ(with_shape.sweeps[0].request.jobs(0).workload().transformer_lm().layers(), 1U);
  const SuiteFile with_preset = Parsed(shape + "[sweep.a]\nmodel-size = \"small\"\n[sweep.b]\n");
  const auto model = [&](size_t sweep) {
    return with_preset.sweeps[sweep].request.jobs(0).workload().transformer_lm();
  };
  EXPECT_EQ(model(0).preset(), "small");
  EXPECT_EQ(model(0).layers(), 0U);
  EXPECT_EQ(model(1).layers(), 1U);
}

TEST(SuiteFile, ABaselineOfAllLeavesOutTheSweepThatItIs) {
  const SuiteFile suite = Parsed(
      "model-size = \"small\"\nbaseline = \"sweep:a\"\n[sweep.a]\n[sweep.b]\n[sweep.c]\n"
      "baseline = \"17.2\"\n");
  EXPECT_EQ(suite.sweeps[0].baseline, std::nullopt);
  EXPECT_EQ(suite.sweeps[1].baseline, "sweep:a");
  EXPECT_EQ(suite.sweeps[2].baseline, "17.2");
}

struct Wrong {
  std::string text;
  std::string error;
};

TEST(SuiteFile, ErrorsSayTheLineAndWhatWouldBeRight) {
  const std::string sweep = "[sweep.a]\nmodel-size = \"small\"\n";
  const Wrong cases[] = {
      {sweep + "presicion = \"fp32\"",
       "night.toml:3: unknown key presicion, the nearest known one is precision"},
      {"lanuches = 3\n" + sweep,
       "night.toml:1: unknown key lanuches, the nearest known one is launches"},
      {"sweeps = 3\n" + sweep, "night.toml:1: unknown key sweeps, the nearest known one is sweep"},
      {sweep + "precision = \"fp23\"", "night.toml:3: sweep a: precision is fp23, must be one of "},
      {"precision = \"fp23\"\n\n" + sweep,
       "night.toml:1: sweep a: precision is fp23, must be one of "},
      {sweep + "launches = [1, 2]", "night.toml:3: launches is a list, must be a text or a number"},
      {sweep + "launches = -1", "night.toml:3: sweep a: launches is -1, must be a whole number"},
      {sweep + "launches = true",
       "night.toml:3: launches is true or false, must be a text or a number"},
      {sweep + "cuda-graph = \"yes\"", "night.toml:3: cuda-graph is a text, must be true or false"},
      {sweep + "oom-retry = 1", "night.toml:3: oom-retry is a number, must be true or false"},
      {sweep + "precision = []", "night.toml:3: precision is an empty list, leave it out instead"},
      {sweep + "precision = [\"fp32\", true]",
       "night.toml:3: an entry of precision is true or false, must be a text or a number"},
      {sweep + "labels = \"card=A\"",
       "night.toml:3: labels is a text, must be a table, like { card = \"A\" }"},
      {sweep + "labels = { suite = \"b\" }",
       "night.toml:3: the label suite is the suite's name, must be left out"},
      {sweep + "batch-size = \"8..1\"", "night.toml:3: sweep a: batch-size is 8..1, must be "},
      {"[sweep.a]\nlaunches = 3", "night.toml:1: sweep a: no model is given, must be "},
      {sweep + "layers = 3", "night.toml:1: sweep a: a shape lacks heads, d-model, d-ff"},
      {sweep + "model-size = \"xl\"", "night.toml:3: "},
      {"[sweep.17]\nmodel-size = \"small\"",
       "night.toml:1: sweep 17 is a number, must be a name: sweep:17 is the sweep with that id"},
      {"[sweep.\"\"]\nmodel-size = \"small\"",
       "night.toml:1: a sweep's name has 0 characters, must have 1 to 100"},
      {"sweep = 3", "night.toml:1: sweep is a number, must be tables: [sweep.NAME]"},
      {"[[sweep]]\nmodel-size = \"small\"", "night.toml:1: sweep is a list, must be tables"},
      {"[sweep]\na = 3", "night.toml:2: sweep.a is a number, must be a table: [sweep.NAME]"},
      {"launches = 3", "night.toml: no sweep is there, must have one or more: [sweep.NAME]"},
      {"[sweep]", "night.toml: 0 sweeps are there, must be 1 to 100"},
      {"name = 3\n" + sweep, "night.toml:1: name is a number, must be a text in quotes"},
      {"name = \"\"\n" + sweep,
       "night.toml: the suite's name has 0 characters, must have 1 to 100"},
      {sweep + "baseline = \"last\"",
       "night.toml:3: sweep a: baseline is last, must be baseline, "},
      {sweep + "baseline = \"all\"", "night.toml:3: sweep a: baseline is all, must be baseline, "},
      {sweep + "baseline = \"sweep:a\"",
       "night.toml:3: sweep a: baseline is sweep:a, must be another than itself"},
      {sweep + "launches = ", "night.toml:3: "},
      {sweep + "launches = \"three\"",
       "night.toml:3: sweep a: launches is three, must be a whole number from 1 to 1000"},
      {sweep + "format = \"csv\"",
       "night.toml:3: unknown key format; what keys there are: torchlap help suites"},
      {sweep + "reuse = \"30d\"",
       "night.toml:3: unknown key reuse; what keys there are: torchlap help suites"},
      {"when = \"02:00\"\n" + sweep,
       "night.toml:1: unknown key when: it is said by suite add --when"},
  };
  for (const Wrong& wrong : cases) {
    EXPECT_THAT(Error(wrong.text), StartsWith(wrong.error)) << wrong.text;
    EXPECT_THAT(Error(wrong.text), testing::Not(HasSubstr("\n"))) << wrong.text;
  }
}

TEST(SuiteFile, NamesHaveALengthInCharacters) {
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "\u00fc";
  const auto file = [](const std::string& suite, const std::string& sweep) {
    return "name = \"" + suite + "\"\n[sweep.\"" + sweep + "\"]\nmodel-size = \"small\"";
  };
  EXPECT_TRUE(ParseSuiteFile("night.toml", file(longest, longest)).ok());
  EXPECT_THAT(Error(file(longest + "x", "a")), HasSubstr("name has 101 characters"));
  EXPECT_THAT(Error(file("a", longest + "x")), HasSubstr("name has 101 characters"));
}

TEST(SuiteFile, WhatLacksQuotesIsShownWithThem) {
  const auto error = [](const std::string& line) { return Error("[sweep.a]\n" + line); };
  for (const std::string end : {"", "\n", "  # usual\nlaunches = 3\n", "\r\n"}) {
    EXPECT_THAT(error("model-size = small" + end), StartsWith("night.toml:2: "));
    EXPECT_THAT(error("model-size = small" + end), EndsWith("; a text needs quotes: \"small\""));
    EXPECT_THAT(error("context-length = 128..1024*2" + end),
                EndsWith("; a range is a text: \"128..1024*2\""));
  }
  for (const std::string line :
       {"launches = ", "launches = = 3", "launches", "a = [1", "a = \"b"}) {
    EXPECT_THAT(error(line), testing::Not(HasSubstr("; a "))) << line;
  }
}

TEST(SuiteFile, WhatTheDaemonSaysOfAPresetIsPlacedAtTheSize) {
  const std::string refused = "preset is smal, must be one of small";
  for (const std::string key : {"model-size", "model-sizes"}) {
    const SuiteFile suite = Parsed("[sweep.a]\nlaunches = 3\n" + key + " = \"smal\"\n");
    EXPECT_EQ(suite.Placed(suite.sweeps[0], refused), "a/night.toml:3: sweep a: " + refused);
    EXPECT_EQ(suite.Placed(suite.sweeps[0], "no"), "a/night.toml:1: sweep a: no");
    EXPECT_EQ(suite.Placed(suite.sweeps[0], "no", "launches"), "a/night.toml:2: sweep a: no");
  }
  const SuiteFile all = Parsed("model-size = \"smal\"\n[sweep.a]\n");
  EXPECT_EQ(all.Placed(all.sweeps[0], refused), "a/night.toml:1: sweep a: " + refused);
}

TEST(SuiteFile, AnAxisWithoutABaselineMustDifferWithinTheSweep) {
  const auto check = [](const std::string& text) {
    return std::string(CheckComparisons(Parsed(text)).message());
  };
  const std::string by = "[sweep.a]\nmodel-size = \"small\"\nby = \"precision=fp32\"\n";
  const std::string error =
      "a/night.toml:3: sweep a: by is precision=fp32 without a baseline, which compares cells of "
      "the sweep with each other: none differs in precision, must have a baseline";
  EXPECT_EQ(check(by + "precision = \"bf16\"\n"), error);
  EXPECT_EQ(check(by + "batch-size = [1, 2]\n"), error);
  EXPECT_EQ(check(by + "precision = [\"fp32\", \"bf16\"]\n"), "");
  EXPECT_EQ(check(by + "baseline = \"17\"\n"), "");
  EXPECT_EQ(check("[sweep.a]\nmodel-size = \"small\"\nbatch-size = [1, 2]\nby = \"device\"\n"), "");
}

TEST(SuiteFile, ManySweepsAndCellsAreRefused) {
  std::string many;
  for (int i = 0; i < 101; ++i) {
    many += "[sweep.s" + std::to_string(i) + "]\nmodel-size = \"small\"\n";
  }
  EXPECT_EQ(Error(many), "night.toml: 101 sweeps are there, must be 1 to 100");
  std::string large;
  for (const char* name : {"a", "b"}) {
    large +=
        std::string("[sweep.") + name + "]\nmodel-size = \"small\"\nbatch-size = \"1..6000\"\n";
  }
  EXPECT_EQ(Error(large),
            "night.toml: the sweeps have 12000 cells together, must have at most 10000");
}

// Whoever adds a flag adds it here, or says why not.
TEST(SuiteFile, KeysAreTheFlagsOfRun) {
  const std::set<std::string> not_of_a_sweep = {"name",   "label", "trace",   "file", "format",
                                                "output", "help",  "dry-run", "reuse"};
  std::set<std::string> keys = {"no-oom-retry"};
  for (const std::string& key : SuiteKeys()) keys.insert(key);
  const std::vector<CommandWords> commands = AllCommands();
  const auto run = std::find_if(commands.begin(), commands.end(),
                                [](const CommandWords& command) { return command.name == "run"; });
  ASSERT_NE(run, commands.end());
  size_t found = 0;
  for (const FlagWords& flag : run->flags) {
    for (const std::string& name : flag.names) {
      if (name.rfind("--", 0) != 0 || not_of_a_sweep.contains(name.substr(2))) continue;
      EXPECT_TRUE(keys.contains(name.substr(2))) << name;
      ++found;
    }
  }
  EXPECT_GT(found, 30U);
}

TEST(SuiteFile, TheSampleIsValid) {
  const auto suite = ReadSuiteFile(TORCHLAP_SAMPLE_SUITE);
  ASSERT_TRUE(suite.ok()) << suite.status();
  EXPECT_EQ(suite->name, "night");
  EXPECT_THAT(Names(*suite), ElementsAre("main", "bf16", "long"));
  EXPECT_EQ(suite->sweeps[0].request.jobs_size(), 4);
  EXPECT_EQ(suite->sweeps[2].request.jobs_size(), 4);
  EXPECT_EQ(suite->sweeps[1].baseline, "sweep:main");
  EXPECT_EQ(suite->sweeps[1].by, "precision=fp32");
  EXPECT_TRUE(CheckComparisons(*suite).ok());
}

TEST(SuiteFile, WhatCannotBeReadSaysWhy) {
  const auto missing = ReadSuiteFile("/nonexistent/night.toml");
  EXPECT_EQ(missing.status().message(),
            "cannot read /nonexistent/night.toml: No such file or directory");
  EXPECT_EQ(ReadSuiteFile("/").status().message(), "/ is a folder, must be a file (SUITE.toml)");
  EXPECT_EQ(ReadSuiteFile("/dev/zero").status().message(),
            "/dev/zero is no file, must be one (SUITE.toml)");
  const TemporaryFolder folder;
  const std::string pipe = (folder.path() / "night.toml").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(ReadSuiteFile(pipe).status().message(), pipe + " is no file, must be one (SUITE.toml)");
}

}  // namespace
}  // namespace torchlap::client
