// Words that may follow, and the scripts that ask for them.
#include "client/completion.h"

#include <gmock/gmock.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "client/arguments.h"
#include "client/commands/known_words.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> Completed(const std::vector<std::string>& words) {
  return CompleteWords(words, [](Known known) -> std::vector<std::string> {
    switch (known) {
      case Known::kPresets:
        return {"small", "medium", "cs336-2026/xl"};
      case Known::kDevices:
        return {"cpu0"};
      case Known::kLabels:
        return {"card=A", "card=B"};
      case Known::kSuites:
        return {"night", "spare"};
      default:
        return {"sweep:3", "sweep:lr"};
    }
  });
}

TEST(Completion, KnowsTheCommands) {
  EXPECT_THAT(Completed({""}), testing::IsSupersetOf({"run", "export", "completion", "help"}));
  EXPECT_THAT(Completed({"exp"}), ElementsAre("export"));
  EXPECT_THAT(Completed({"frob", ""}), IsEmpty());
  EXPECT_THAT(Completed({}), IsEmpty());
}

TEST(Completion, KnowsWhatStandsBeforeTheCommand) {
  EXPECT_THAT(Completed({"--a"}), ElementsAre("--address"));
  EXPECT_THAT(Completed({"--address", ""}), IsEmpty());
  EXPECT_THAT(Completed({"--address", "unix:/x", "exp"}), ElementsAre("export"));
  EXPECT_THAT(Completed({"--address", "unix:/x", "export", "--capt"}), ElementsAre("--caption"));
}

TEST(Completion, KnowsTheFlagsOfACommand) {
  EXPECT_THAT(Completed({"export", "--pi"}), ElementsAre("--pivot"));
  EXPECT_THAT(Completed({"export", "--"}), testing::IsSupersetOf({"--format", "--output"}));
  EXPECT_THAT(Completed({"wait", "--"}), Not(Contains("--format")));
  EXPECT_THAT(Completed({"run", "--no-o"}), ElementsAre("--no-oom-retry"));
}

TEST(Completion, KnowsTheValuesThatHelpLists) {
  EXPECT_THAT(Completed({"export", "--format", "t"}), ElementsAre("table", "typst"));
  EXPECT_THAT(Completed({"export", "--format=js"}), ElementsAre("--format=json", "--format=jsonl"));
  EXPECT_THAT(Completed({"devices", "--format", "w"}), IsEmpty()) << "a list is no writeup";
  EXPECT_THAT(Completed({"runs", "--order", ""}), ElementsAre("newest", "oldest"));
  EXPECT_THAT(Completed({"runs", "--precision", "fp32,bf"}),
              ElementsAre("fp32,bf16", "fp32,bf16-weights"));
  EXPECT_THAT(Completed({"run", "--plan", ""}), ElementsAre("course", "paper"));
  EXPECT_THAT(Completed({"run", "--if-busy", ""}), ElementsAre("wait", "run", "fail"));
  EXPECT_THAT(Completed({"fit", "--axis", ""}), ElementsAre("batch", "context"));
  EXPECT_THAT(Completed({"completion", "z"}), ElementsAre("zsh"));
  EXPECT_THAT(Completed({"findings", "--state", "new,f"}), ElementsAre("new,fixed"));
  EXPECT_THAT(Completed({"compare", "--fail-on", ""}),
              ElementsAre("slower", "inconclusive", "incomparable"));
  EXPECT_THAT(Completed({"trend", "--fail-on", ""}), ElementsAre("step"));
}

TEST(Completion, OffersActionsWhereOneStandsAndTheirWordsBehindThem) {
  EXPECT_THAT(Completed({"baseline", "s"}), ElementsAre("set", "show"));
  EXPECT_THAT(Completed({"baseline", "set", "s"}), ElementsAre("sweep:3", "sweep:lr"));
  EXPECT_THAT(Completed({"findings", ""}), ElementsAre("set"));
  EXPECT_THAT(Completed({"findings", "set", ""}), IsEmpty()) << "a number";
  EXPECT_THAT(Completed({"findings", "set", "3", ""}),
              ElementsAre("new", "ignored", "confirmed", "fixed"));
  EXPECT_THAT(Completed({"findings", "--why", "odd", "set", "3", "ig"}), ElementsAre("ignored"));
  EXPECT_THAT(Completed({"findings", "set", "3", "fixed", ""}), IsEmpty());
  EXPECT_THAT(Completed({"findings", "put", "3", ""}), IsEmpty());
  EXPECT_THAT(Completed({"suite", ""}), ElementsAre("check", "add", "list", "remove"));
  EXPECT_THAT(Completed({"suite", "check", ""}), IsEmpty()) << "a file";
  EXPECT_THAT(Completed({"suite", "--when", "idle", "add", ""}), IsEmpty()) << "a file";
  EXPECT_THAT(Completed({"suite", "list", ""}), IsEmpty());
  EXPECT_THAT(Completed({"suite", "remove", "n"}), ElementsAre("night"));
  EXPECT_THAT(Completed({"completion", "zsh", ""}), IsEmpty());
}

TEST(Completion, KnowsTheAxesAndColumnsThatHelpHasNoRoomFor) {
  EXPECT_THAT(Completed({"compare", "last", "--by", "dev"}), ElementsAre("device", "device-model"));
  EXPECT_THAT(Completed({"compare", "--by", ""}),
              testing::IsSupersetOf({"precision", "torchlap", "driver", "host"}));
  EXPECT_THAT(Completed({"compare", "--by", "label:"}), ElementsAre("label:card"));
  EXPECT_THAT(Completed({"compare", "--by=prec"}), ElementsAre("--by=precision"));
  EXPECT_THAT(Completed({"plot", "--by", ""}),
              testing::IsSupersetOf({"context", "precision", "host"}));
  EXPECT_THAT(Completed({"plot", "--by", "torchl"}), IsEmpty()) << "of compare alone";
  EXPECT_THAT(Completed({"plot", "--x", "conte"}), testing::IsSupersetOf({"context"}));
  EXPECT_THAT(Completed({"plot", "--y", "step_median_m"}), ElementsAre("step_median_ms"));
  EXPECT_THAT(Completed({"export", "--pivot", "rows=si"}), ElementsAre("rows=size"));
  EXPECT_THAT(Completed({"export", "--pivot", "rows=size,columns=conte"}),
              ElementsAre("rows=size,columns=context"));
  EXPECT_THAT(Completed({"export", "--pivot", "value=backw"}), Contains("value=backward"));
  EXPECT_THAT(Completed({"runs", "--columns", "run_id,step_median_m"}),
              ElementsAre("run_id,step_median_ms"));
  EXPECT_THAT(Completed({"trend", "--min-effect", ""}), ElementsAre("learned"));
}

TEST(Completion, LeavesFilesAndFreeTextToTheShell) {
  EXPECT_THAT(Completed({"export", "-o", ""}), IsEmpty());
  EXPECT_THAT(Completed({"run", "--trace", ""}), IsEmpty());
  EXPECT_THAT(Completed({"export", "--caption", ""}), IsEmpty());
  EXPECT_THAT(Completed({"run", "--name", "--"}), IsEmpty());
}

TEST(Completion, GoesOnWithTheValuesOfAnAxis) {
  EXPECT_THAT(Completed({"run", "--precision", "fp32", "tf"}), ElementsAre("tf32"));
  EXPECT_THAT(Completed({"run", "--precision", "fp32", "--timi"}), ElementsAre("--timing"));
  EXPECT_THAT(Completed({"run", "--timing", "combined", "se"}), IsEmpty());
}

TEST(Completion, AsksTheDaemonForNames) {
  EXPECT_THAT(Completed({"run", "--model-sizes", ""}),
              ElementsAre("small", "medium", "cs336-2026/xl"));
  EXPECT_THAT(Completed({"runs", "--model-size", "small,m"}), ElementsAre("small,medium"));
  EXPECT_THAT(Completed({"run", "--device", ""}), ElementsAre("cpu0", "cpu", "cuda", "any"));
  EXPECT_THAT(Completed({"wait", "sweep:l"}), ElementsAre("sweep:lr"));
  EXPECT_THAT(Completed({"export", ""}),
              ElementsAre("sweep:3", "sweep:lr", "last", "baseline", "all"));
  EXPECT_THAT(Completed({"wait", "17", "a"}), IsEmpty()) << "not of jobs";
  EXPECT_THAT(Completed({"prune", "--runs", "la"}), ElementsAre("last"));
  EXPECT_THAT(Completed({"trend", ""}),
              ElementsAre("sweep:3", "sweep:lr", "last", "baseline", "all"));
  EXPECT_THAT(Completed({"logs", ""}), IsEmpty()) << "a sweep has no log";
}

TEST(Completion, NamesLabelsWhereOneIsBegun) {
  EXPECT_THAT(Completed({"runs", "--label", ""}), ElementsAre("card=A", "card=B"));
  EXPECT_THAT(Completed({"run", "--label=card=B"}), ElementsAre("--label=card=B"));
  EXPECT_THAT(Completed({"export", "label:c"}), ElementsAre("label:card=A", "label:card=B"));
  EXPECT_THAT(Completed({"prune", "--runs", "label:card=A"}), ElementsAre("label:card=A"));
  EXPECT_THAT(Completed({"export", "l"}), ElementsAre("last"));
}

TEST(Completion, OfHelpKnowsCommandsAndTopics) {
  EXPECT_THAT(Completed({"help", "ex"}), ElementsAre("export", "exit-codes"));
}

TEST_F(Commands, CompletionTakesTheWordsAsTheyAre) {
  EXPECT_EQ(Program({"completion", "words", "--", "export", "--capt"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "--caption\n");
  EXPECT_EQ(Program({"completion", "words", "--", "help"}), 0);
  EXPECT_EQ(out_.str(), "help\n");
  EXPECT_EQ(Program({"completion", "words", "--"}), 0);
  EXPECT_EQ(out_.str() + err_.str(), "");
}

TEST_F(Commands, CompletionIsSilentWithoutADaemon) {
  service_.Stop();
  EXPECT_EQ(Program({"completion", "words", "--", "wait", "sw"}), 0);
  EXPECT_EQ(out_.str() + err_.str(), "");
  EXPECT_EQ(Program({"completion", "words", "--", "--address", "unix:/nobody", "run",
                     "--model-size", ""}),
            0);
  EXPECT_EQ(out_.str() + err_.str(), "");
}

TEST_F(Commands, CompletionAsksForTheLatestSweeps) {
  service_.on_list_sweeps = [](const v1::ListSweepsRequest& request,
                               v1::ListSweepsResponse* response) {
    EXPECT_EQ(request.page_size(), 20U);
    response->add_sweeps()->set_sweep_id(9);
    v1::Sweep* named = response->add_sweeps();
    named->set_sweep_id(8);
    named->set_name("lr");
    for (const uint64_t night : {6, 5}) {
      v1::Sweep* of_suite = response->add_sweeps();
      of_suite->set_sweep_id(night);
      of_suite->set_name("night");
    }
    v1::Sweep* odd = response->add_sweeps();
    odd->set_sweep_id(7);
    odd->set_name("two words; rm");
    return grpc::Status::OK;
  };
  EXPECT_THAT(AskDaemon(service_.address(), Known::kSelectors, std::chrono::minutes(2)),
              ElementsAre("sweep:9", "sweep:8", "sweep:lr", "sweep:6", "sweep:5", "sweep:7"));
  EXPECT_THAT(AskDaemon(service_.address(), Known::kPresets, std::chrono::minutes(2)), IsEmpty())
      << "an error is no answer";
}

TEST_F(Commands, CompletionAsksTheLatestRunsForTheirLabels) {
  service_.on_list_runs = [](const v1::ListRunsRequest& request, v1::ListRunsResponse* response) {
    EXPECT_EQ(request.page_size(), 50U);
    (*response->add_runs()->mutable_labels())["card"] = "B";
    v1::Run* run = response->add_runs();
    (*run->mutable_labels())["card"] = "A";
    (*run->mutable_labels())["why"] = "two words";
    (*response->add_runs()->mutable_labels())["card"] = "B";
    return grpc::Status::OK;
  };
  EXPECT_THAT(AskDaemon(service_.address(), Known::kLabels, std::chrono::minutes(2)),
              ElementsAre("card=A", "card=B"));
}

TEST_F(Commands, CompletionAsksForSuites) {
  service_.on_list_suites = [](const v1::ListSuitesRequest&, v1::ListSuitesResponse* response) {
    response->add_suites()->set_name("night");
    response->add_suites()->set_name("two words");
    return grpc::Status::OK;
  };
  EXPECT_THAT(AskDaemon(service_.address(), Known::kSuites, std::chrono::minutes(2)),
              ElementsAre("night"));
}

TEST_F(Commands, CompletionHasAScriptForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Program({"completion", shell}), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("torchlap completion words -- ")) << shell;
    EXPECT_THAT(out_.str(), HasSubstr(std::string("torchlap completion ") + shell)) << shell;
  }
  EXPECT_EQ(Program({"completion", "tcsh"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: shell is tcsh, must be bash, zsh or fish\n");
  EXPECT_EQ(Program({"completion"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: completion needs a shell: bash, zsh or fish\n");
}

// What a command prints; its exit status if that is not 0.
std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "no shell";
  std::array<char, 256> piece{};
  while (fgets(piece.data(), piece.size(), pipe) != nullptr) output += piece.data();
  const int status = pclose(pipe);
  return status == 0 ? output : output + "status " + std::to_string(status);
}

bool IsInstalled(const std::string& shell) {
  return OutputOf("command -v " + shell + " >/dev/null").empty();
}

// What bash makes of the script, with a `torchlap` that repeats its words behind those of the line.
class InBash : public testing::Test {
 protected:
  // COMPREPLY for a line whose end the cursor is at, a word in brackets each.
  std::string Replies(const std::string& line) {
    const std::string script = folder_.path() / "complete.sh";
    std::ofstream(script) << "torchlap() { shift 3; printf '%s\\n' \"${*: -1}x\" \"$*\"; }\n"
                          << *CompletionScript("bash") << "COMP_LINE='" << line << "'\n"
                          << "COMP_POINT=${#COMP_LINE}\n_torchlap\n"
                          << "printf '[%s]' \"${COMPREPLY[@]}\"\n";
    return OutputOf("bash " + script);
  }

  const TemporaryFolder folder_;
};

TEST_F(InBash, TheWordsOfTheLineAreHandedOn) {
  EXPECT_EQ(Replies("torchlap export la"), "[lax][export la]");
  EXPECT_EQ(Replies("torchlap export "), "[x][export ]");
  EXPECT_EQ(Replies("torchlap "), "[x][]");
}

// readline takes `sweep:` and `--format=` for words of their own.
TEST_F(InBash, WhatReadlineDoesNotReplaceIsTakenOffTheReply) {
  EXPECT_EQ(Replies("torchlap wait sweep:l"), "[lx][wait sweep:l]");
  EXPECT_EQ(Replies("torchlap export --format=c"), "[cx][export --format=c]");
  EXPECT_EQ(Replies("torchlap export --label=a:b"), "[bx][export --label=a:b]");
}

// What the other shells make of theirs. Their `torchlap` notes the words of the line and answers
// with the last of them and an x, or with nothing where that is `file`.
class InAnotherShell : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_.path() / "file.csv") << "1\n";
    std::ofstream(folder_.path() / "fish.fish") << *CompletionScript("fish");
    std::ofstream(folder_.path() / "zsh.zsh") << *CompletionScript("zsh");
  }

  // Neither this user's settings nor this terminal.
  std::string Run(const std::string& shell, const std::string& script, const std::string& line) {
    const std::string file = folder_.path() / "script";
    std::ofstream(file) << script;
    return OutputOf("cd " + folder_.path().native() + " && env -i PATH=\"$PATH\" TERM=dumb HOME=" +
                    folder_.path().native() + " LINE='" + line + "' " + shell + " " + file);
  }

  std::string Noted() const {
    std::ifstream stream(folder_.path() / "noted");
    std::string words;
    std::getline(stream, words);
    return words;
  }

  const TemporaryFolder folder_;
};

class InFish : public InAnotherShell {
 protected:
  void SetUp() override {
    if (!IsInstalled("fish")) GTEST_SKIP() << "fish is not installed (Debian package fish)";
    InAnotherShell::SetUp();
  }

  // The candidates, a line each.
  std::string Replies(const std::string& line) {
    return Run("fish", R"(
function torchlap
    string join '|' -- $argv[4..-1] >noted
    string match -q -- '*file' $argv[-1]; or printf '%s\n' $argv[-1]x
end
source fish.fish
complete -C "$LINE"
)",
               line);
  }
};

TEST_F(InFish, TheWordsOfTheLineAreHandedOn) {
  EXPECT_EQ(Replies("torchlap export la"), "lax\n");
  EXPECT_EQ(Noted(), "export|la");
  EXPECT_EQ(Replies("torchlap export --pivot \"rows=size x\" --capt"), "--captx\n");
  EXPECT_EQ(Noted(), "export|--pivot|rows=size x|--capt");
  EXPECT_EQ(Replies("torchlap export "), "x\n");
  EXPECT_EQ(Noted(), "export|");
  EXPECT_EQ(Replies("torchlap wait sweep:l"), "sweep:lx\n");
  EXPECT_EQ(Replies("torchlap export --format=c"), "--format=cx\n");
  EXPECT_EQ(Replies("torchlap wait \"sweep:l"), "sweep:lx\n");
}

TEST_F(InFish, WithoutAWordOfOursFilesAreNamed) {
  EXPECT_EQ(Replies("torchlap backup file"), "file.csv\n");
  EXPECT_EQ(Replies("torchlap export -o file"), "file.csv\n");
}

class InZsh : public InAnotherShell {
 protected:
  void SetUp() override {
    if (!IsInstalled("zsh")) GTEST_SKIP() << "zsh is not installed (Debian package zsh)";
    InAnotherShell::SetUp();
  }

  // The line behind a TAB.
  std::string Completed(const std::string& line) {
    std::string text = Run("zsh -f", R"(
zmodload zsh/zpty
zpty -b z 'zsh -f -i'
zpty -w z 'PROMPT=; RPROMPT=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D'
zpty -w z 'torchlap() { shift 3; print -r -- "${(j:|:)@}" >noted; [[ ${@[-1]} == *file ]] || print -r -- "${@[-1]}x" }'
zpty -w z 'source zsh.zsh; show() { print -r -- "@@$BUFFER@@"; BUFFER=; zle accept-line }; zle -N show'
zpty -w z "bindkey '^X' show; bindkey '^I' complete-word; print RE''ADY"
zpty -r z out '*READY*'
zpty -w -n z "$LINE"$'\t\x18'
zpty -r z out '*@@*@@*'
print -r -- "${${out%@@*}##*@@}"
zpty -d z
)",
                           line);
    return text;
  }
};

TEST_F(InZsh, TheWordsOfTheLineAreHandedOn) {
  EXPECT_EQ(Completed("torchlap export la"), "torchlap export lax \n");
  EXPECT_EQ(Noted(), "export|la");
  EXPECT_EQ(Completed("torchlap export --pivot \"rows=size x\" --capt"),
            "torchlap export --pivot \"rows=size x\" --captx \n");
  EXPECT_EQ(Noted(), "export|--pivot|rows=size x|--capt");
  EXPECT_EQ(Completed("torchlap export "), "torchlap export x \n");
  EXPECT_EQ(Noted(), "export|");
  EXPECT_EQ(Completed("torchlap wait sweep:l"), "torchlap wait sweep:lx \n");
  EXPECT_EQ(Completed("torchlap export --format=c"), "torchlap export --format=cx \n");
  EXPECT_EQ(Completed("torchlap wait \"sweep:l"), "torchlap wait \"sweep:lx\" \n");
}

TEST_F(InZsh, WithoutAWordOfOursFilesAreNamed) {
  EXPECT_EQ(Completed("torchlap backup file"), "torchlap backup file.csv \n");
  EXPECT_EQ(Completed("torchlap export --output=file"), "torchlap export --output=file.csv \n");
}

}  // namespace
}  // namespace torchlap::client
