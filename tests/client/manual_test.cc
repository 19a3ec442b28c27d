// `man torchlap`: all of the help, in what man(1) reads.
#include "client/manual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "client/arguments.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string Help(const std::vector<std::string>& words) {
  const auto parsed = ParseArguments(words);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? std::get<InformationText>(*parsed).text : "";
}

// Those that `torchlap --help` lists.
std::vector<std::string> ListedCommands() {
  std::istringstream help(Help({"--help"}));
  std::vector<std::string> commands;
  bool is_list = false;
  for (std::string line; std::getline(help, line);) {
    if (is_list && line.rfind("  ", 0) == 0) {
      commands.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    is_list = line == "Subcommands:" || (is_list && !line.empty());
  }
  return commands;
}

// The part of the page about a command.
std::string PartOf(const std::string& command) {
  const std::string page = ManualPage();
  const size_t begin = page.find(".SS \"" + command + "\"\n");
  if (begin == std::string::npos) return "";
  const size_t next = page.find(".SS ", begin + 1);
  return page.substr(begin, std::min(next, page.find(".SH ", begin)) - begin);
}

TEST(Manual, HasAPartForEveryCommandThatHelpLists) {
  const std::vector<std::string> commands = ListedCommands();
  ASSERT_THAT(commands, Contains("run"));
  ASSERT_THAT(commands, Contains("help"));
  for (const std::string& command : commands) {
    EXPECT_THAT(PartOf(command), HasSubstr("torchlap " + command + " [OPTIONS]")) << command;
  }
}

TEST(Manual, HasEveryFlagWithItsHelp) {
  for (const CommandWords& command : AllCommands()) {
    if (command.name.empty()) continue;
    const std::string part = PartOf(command.name);
    for (const FlagWords& flag : command.flags) {
      if (flag.names.front() == "--help") continue;
      std::string escaped = "\\fB";
      for (const char c : flag.names.front()) {
        escaped += c == '-' ? std::string("\\-") : std::string(1, c);
      }
      EXPECT_THAT(part, HasSubstr(escaped + "\\fR")) << command.name;
    }
  }
  EXPECT_THAT(PartOf("export"), HasSubstr("\\fB\\-\\-output\\fR, \\fB\\-o\\fR \\fIFILE\\fR\n"));
  EXPECT_THAT(PartOf("export"), HasSubstr("torchlap export [OPTIONS] [SELECTOR...]"));
  EXPECT_THAT(PartOf("run"), HasSubstr(".PP\n\\fIMeasuring\\fR\n"));
  EXPECT_THAT(PartOf("compare"), HasSubstr("5 \\-\\-fail\\-on has happened"));
  EXPECT_THAT(PartOf("backup"), HasSubstr("[FILE]"));
}

TEST(Manual, HasTheTopics) {
  const std::string page = ManualPage();
  for (const char* title : {"SELECTORS", "FILTERS", "FORMATS", "SUITES", "EXIT CODES"}) {
    EXPECT_THAT(page, HasSubstr(std::string(".SH \"") + title + "\"\n"));
  }
  EXPECT_THAT(page, HasSubstr("\n  17.2         a run: the second one of job 17\n"));
}

TEST(Manual, IsPrintedForTheBuild) {
  EXPECT_EQ(Help({"help", "--man"}), ManualPage());
  EXPECT_THAT(Help({"--help"}), Not(HasSubstr("--man")));
}

TEST(Manual, IsReadWithoutAWarning) {
  if (std::system("command -v groff >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "groff is not installed (Debian package groff-base)";
  }
  const TemporaryFolder folder;
  const std::string file = folder.path() / "torchlap.1";
  std::ofstream(file) << ManualPage();
  FILE* pipe = popen(("groff -man -Tutf8 -ww -z " + file + " 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  std::array<char, 256> piece{};
  while (fgets(piece.data(), piece.size(), pipe) != nullptr) said += piece.data();
  EXPECT_EQ(pclose(pipe), 0);
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace torchlap::client
