#include "client/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "tests/client/golden.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string TextOf(const std::vector<std::string>& words) {
  const auto parsed = ParseArguments(words);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return std::get<InformationText>(*parsed).text;
}

Arguments Parsed(const std::vector<std::string>& words) {
  const auto parsed = ParseArguments(words);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? std::get<Arguments>(*parsed) : Arguments();
}

std::string Refusal(const std::vector<std::string>& words) {
  const auto parsed = ParseArguments(words);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

TEST(Help, OfEveryCommandIsAsTheManualHasIt) {
  ExpectGolden("help.txt", TextOf({"--help"}));
  for (const char* command :
       {"run",   "submit",     "warmup", "fit",     "calibrate", "wait",       "watch",    "cancel",
        "queue", "show",       "runs",   "export",  "compare",   "trend",      "baseline", "rerun",
        "plot",  "report",     "sql",    "label",   "note",      "invalidate", "logs",     "backup",
        "prune", "completion", "sweeps", "presets", "devices",   "status",     "doctor"}) {
    ExpectGolden(std::string("help_") + command + ".txt", TextOf({command, "--help"}));
  }
}

TEST(Help, OfWhatMayFailOnItsResultHasTheExitCode) {
  for (const char* command : {"compare", "trend"}) {
    EXPECT_THAT(TextOf({command, "--help"}), HasSubstr("5 --fail-on has")) << command;
  }
}

TEST(Help, IsACommandToo) {
  EXPECT_EQ(TextOf({"help"}), TextOf({"--help"}));
  for (const char* command : {"run", "wait", "doctor"}) {
    EXPECT_EQ(TextOf({"help", command}), TextOf({command, "--help"}));
    EXPECT_EQ(TextOf({"--address", "unix:/x", "help", command}), TextOf({command, "--help"}));
  }
  EXPECT_THAT(TextOf({"help", "--help"}), HasSubstr("torchlap help"));
  EXPECT_EQ(Refusal({"help", "frob"}), "frob is not a command, see torchlap help");
  EXPECT_EQ(Refusal({"help", "run", "fit"}), "help takes one command, got run and fit");
}

TEST(Help, OfTrendSaysThatEachTryOfALaunchIsAPoint) {
  // Wherever its lines end.
  std::istringstream help(TextOf({"trend", "--help"}));
  const std::vector<std::string> words{std::istream_iterator<std::string>(help), {}};
  const std::vector<std::string> wanted = {"disturbed:", "each", "try", "of", "a", "launch"};
  EXPECT_NE(std::search(words.begin(), words.end(), wanted.begin(), wanted.end()), words.end());
}

TEST(Help, HasTopicsBesideTheCommands) {
  EXPECT_THAT(TextOf({"help", "selectors"}), HasSubstr("sweep:NAME"));
  EXPECT_THAT(TextOf({"help", "selectors"}), HasSubstr("report and compare --by. "));
  EXPECT_THAT(TextOf({"help", "filters"}), HasSubstr("OK, OUT_OF_MEMORY"));
  EXPECT_THAT(TextOf({"help", "filters"}),
              HasSubstr("compare \"since=14d until=7d\" \"since=7d\""));
  EXPECT_THAT(TextOf({"help", "formats"}), HasSubstr("  latex     .tex    runs, lists, "));
  EXPECT_THAT(TextOf({"help", "exit-codes"}), HasSubstr("  124  wait --timeout passed\n"));
  EXPECT_THAT(TextOf({"help"}), HasSubstr("selectors, filters, formats, suites, exit-codes"));
}

TEST(Version, IsTheProjects) {
  EXPECT_EQ(TextOf({"--version"}), "torchlap " TORCHLAP_VERSION "\n");
}

TEST(Axes, TakeSeveralWordsUpToTheNextFlag) {
  const auto run = std::get<RunOptions>(
      Parsed({"run", "--model-sizes", "small", "medium", "--context-length", "32", "64",
              "--batch-size=1", "--warmup-steps", "1", "-o", "x.csv"})
          .command);
  EXPECT_THAT(run.sweep.model_sizes, ElementsAre("small", "medium"));
  EXPECT_THAT(run.sweep.context_lengths, ElementsAre("32", "64"));
  EXPECT_THAT(run.sweep.batch_sizes, ElementsAre("1"));
  EXPECT_EQ(run.output.file, "x.csv");
  EXPECT_FALSE(run.sweep.oom_retry.has_value());
}

TEST(Axes, ModelSizeIsModelSizes) {
  const auto run = std::get<RunOptions>(Parsed({"run", "--model-size", "small"}).command);
  EXPECT_THAT(run.sweep.model_sizes, ElementsAre("small"));
}

TEST(Axes, OfWarmupAndFitTakeOneValue) {
  const auto warmup = std::get<WarmupOptions>(
      Parsed({"warmup", "--model-size", "small", "--steps", "0", "4", "--measure-steps", "8"})
          .command);
  EXPECT_THAT(warmup.sweep.model_sizes, ElementsAre("small"));
  EXPECT_THAT(warmup.steps, ElementsAre("0", "4"));
  EXPECT_THAT(warmup.sweep.measure_steps, ElementsAre("8"));
  const auto fit =
      std::get<FitOptions>(Parsed({"fit", "--model-size", "small", "--axis", "context"}).command);
  EXPECT_EQ(fit.axis, "context");
  EXPECT_EQ(Refusal({"fit", "--model-size", "small", "medium"}),
            "--model-size takes one value, got small and medium");
  EXPECT_EQ(Refusal({"warmup", "--batch-size", "1", "--batch-size", "2"}),
            "--batch-size is given 2 times, must be given once");
}

TEST(Calibrate, TakesNoModel) {
  const auto calibrate = std::get<CalibrateOptions>(
      Parsed({"calibrate", "--device", "cpu0", "--matrix-size", "512"}).command);
  EXPECT_EQ(calibrate.sweep.device, "cpu0");
  EXPECT_EQ(calibrate.matrix_size, "512");
  EXPECT_EQ(Refusal({"calibrate", "--model-size", "small"}),
            "--model-size is not a flag of calibrate, see torchlap calibrate --help");
}

TEST(Flags, ThatMayBeRepeatedAreCollected) {
  const auto submit =
      std::get<SubmitOptions>(Parsed({"submit", "--cell", "size=xl,batch=2", "--cell", "size=small",
                                      "--label", "a=1", "--label", "b=2"})
                                  .command);
  EXPECT_THAT(submit.sweep.cells, ElementsAre("size=xl,batch=2", "size=small"));
  EXPECT_THAT(submit.sweep.labels, ElementsAre("a=1", "b=2"));
}

TEST(Flags, TakeNegativeNumbers) {
  const auto run =
      std::get<RunOptions>(Parsed({"run", "--model-sizes", "small", "--priority", "-5"}).command);
  EXPECT_EQ(run.sweep.priority, "-5");
}

TEST(Flags, OomRetryHasANo) {
  const auto retry = [](const char* flag) {
    return std::get<RunOptions>(Parsed({"run", "--model-sizes", "small", flag}).command)
        .sweep.oom_retry;
  };
  EXPECT_EQ(retry("--oom-retry"), true);
  EXPECT_EQ(retry("--no-oom-retry"), false);
  EXPECT_THAT(Refusal({"run", "--oom-retry", "--no-oom-retry"}), HasSubstr("excludes"));
}

TEST(AddressFlag, MayStandBeforeOrBehindTheCommand) {
  EXPECT_EQ(Parsed({"--address", "unix:/x", "queue"}).address, "unix:/x");
  EXPECT_EQ(Parsed({"queue", "--address", "unix:/x"}).address, "unix:/x");
  EXPECT_FALSE(Parsed({"queue"}).address.has_value());
}

TEST(Selectors, AreTheWordsOfTheCommand) {
  EXPECT_THAT(std::get<CancelOptions>(Parsed({"cancel", "17", "sweep:3"}).command).selectors,
              ElementsAre("17", "sweep:3"));
  EXPECT_THAT(std::get<WaitOptions>(Parsed({"wait", "--timeout", "5m", "last"}).command).selectors,
              ElementsAre("last"));
  EXPECT_EQ(std::get<ShowOptions>(Parsed({"show", "17.2"}).command).id, "17.2");
  const auto runs = std::get<RunsOptions>(
      Parsed({"runs", "17", "--model-size", "small,medium", "--limit", "5"}).command);
  EXPECT_THAT(runs.filter.selectors, ElementsAre("17"));
  EXPECT_EQ(runs.filter.model_size, "small,medium");
  EXPECT_EQ(runs.limit, "5");
}

TEST(Usage, ErrorsAreOneLineThatSaysWhatWouldBeRight) {
  EXPECT_EQ(Refusal({}), "no command is given, see torchlap --help");
  EXPECT_EQ(Refusal({"frob"}), "frob is not a command, see torchlap --help");
  EXPECT_EQ(Refusal({"sute"}), "sute is not a command; close to it: suite");
  EXPECT_EQ(Refusal({"help", "exprt"}), "exprt is not a command; close to it: export");
  EXPECT_EQ(Refusal({"--frob"}), "--frob is not a flag, see torchlap --help");
  EXPECT_EQ(Refusal({"run", "--model-sizes", "small", "--frob", "paper"}),
            "--frob is not a flag of run, see torchlap run --help");
  EXPECT_EQ(Refusal({"run", "--model-sizes", "small", "--timing", "combined", "separate"}),
            "--timing takes one value, got combined and separate");
  EXPECT_EQ(Refusal({"run", "--launches", "1", "--launches", "2"}),
            "--launches is given 2 times, must be given once");
  EXPECT_EQ(Refusal({"run", "--timing"}), "--timing has no value, must have one");
  EXPECT_EQ(Refusal({"run", "--model-sizes"}), "--model-sizes has no value, must have one");
  EXPECT_EQ(Refusal({"show", "1", "2"}), "show takes no word 2 here, see torchlap show --help");
  EXPECT_EQ(Refusal({"queue", "17"}), "queue takes no word 17 here, see torchlap queue --help");
}

}  // namespace
}  // namespace torchlap::client
