#include "client/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>

#include "client/exit_code.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using format::Content;
using testing::HasSubstr;

std::string Content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

size_t FilesIn(const std::filesystem::path& folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(Files, AreReplacedWholeAndNothingElseIsLeft) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a.csv";
  ASSERT_TRUE(WriteFileWhole(path, "one\n").ok());
  EXPECT_EQ(Content(path), "one\n");
  ASSERT_TRUE(WriteFileWhole(path, "two\n").ok());
  EXPECT_EQ(Content(path), "two\n");
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(Files, HaveThePermissionsOfANewFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a.csv";
  const mode_t before = umask(027);
  ASSERT_TRUE(WriteFileWhole(path, "x").ok());
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Files, ThatCannotBeWrittenStayAsTheyWere) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "missing" / "a.csv";
  const absl::Status status = WriteFileWhole(path, "x");
  EXPECT_THAT(MessageOf(status), HasSubstr("cannot write " + path + ": No such file"));
  EXPECT_EQ(ExitCodeOf(status), kExitOutput);
  EXPECT_EQ(FilesIn(folder.path()), 0u);
}

TEST(Files, OnAFullDeviceAreAnError) {
  const absl::Status status = WriteFileWhole("/dev/full", "x");
  EXPECT_EQ(MessageOf(status), "cannot write /dev/full: No space left on device");
  EXPECT_EQ(ExitCodeOf(status), kExitOutput);
}

// A program may be started without one: the next file that is opened gets its number.
class NoStandardInput {
 public:
  NoStandardInput() : kept_(dup(STDIN_FILENO)) { close(STDIN_FILENO); }
  ~NoStandardInput() {
    if (kept_ < 0) return;
    dup2(kept_, STDIN_FILENO);
    close(kept_);
  }
  NoStandardInput(const NoStandardInput&) = delete;
  NoStandardInput& operator=(const NoStandardInput&) = delete;

 private:
  const int kept_;
};

TEST(Files, AreWrittenWithoutStandardInput) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a.csv";
  const NoStandardInput none;
  EXPECT_TRUE(WriteFileWhole(path, "one\n").ok());
  EXPECT_TRUE(WriteFileWhole("/dev/null", "one\n").ok());
  EXPECT_TRUE(ChooseOutput({"csv", path}, Content::kRuns).ok());
  EXPECT_EQ(Content(path), "one\n");
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(Files, BehindALinkAreReplacedAndTheLinkStays) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "a.csv";
  ASSERT_TRUE(WriteFileWhole(path, "one\n").ok());
  const std::filesystem::path link = folder.path() / "link.csv";
  std::filesystem::create_symlink(path, link);
  ASSERT_TRUE(WriteFileWhole(link, "two\n").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Content(path), "two\n");
}

TEST(Files, InAFolderThatWasNotThereSayThatItWasMade) {
  const TemporaryFolder folder;
  const std::string made = folder.path() / "typo" / "deeper";
  std::ostringstream err;
  Console console;
  console.err = &err;
  for (const bool is_new : {true, false}) {
    const auto output = ChooseOutput({"csv", made + "/a.csv"}, Content::kRuns);
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_EQ(output->made_folder, is_new ? made : "");
    EXPECT_TRUE(CheckWritable(made + "/b.csv", console).ok());
    EXPECT_EQ(err.str(), "") << "it is there";
  }
  EXPECT_TRUE(CheckWritable(made + "/more/b.csv", console).ok());
  EXPECT_EQ(err.str(), "made the folder " + made + "/more\n");
}

TEST(Choice, IsATableOnStdoutWithoutWords) {
  const auto output = ChooseOutput({}, Content::kRuns);
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->format, &format::kTable);
  EXPECT_EQ(output->file, "");
}

TEST(Choice, FollowsTheFilesEndingUnlessAFormatIsNamed) {
  const TemporaryFolder folder;
  const auto format_of = [&](const char* name, std::optional<std::string> format) {
    const auto output = ChooseOutput({std::move(format), folder.path() / name}, Content::kRuns);
    EXPECT_TRUE(output.ok()) << output.status();
    return output->format->name;
  };
  EXPECT_EQ(format_of("a.csv", {}), "csv");
  EXPECT_EQ(format_of("a.json", {}), "json");
  EXPECT_EQ(format_of("a.jsonl", {}), "jsonl");
  EXPECT_EQ(format_of("a.md", {}), "markdown");
  EXPECT_EQ(format_of("a.txt", {}), "table");
  EXPECT_EQ(format_of("a.tex", {}), "latex");
  EXPECT_EQ(format_of("a.typ", {}), "typst");
  EXPECT_EQ(format_of("a.csv", "writeup"), "writeup");
}

TEST(Choice, TakesAnEndingHoweverItIsWrittenAndRefusesAnotherOne) {
  const TemporaryFolder folder;
  const auto of = [&](const std::string& name, std::optional<std::string> format = {}) {
    return ChooseOutput({format, folder.path() / name}, format::Content::kRuns);
  };
  for (const auto& [name, format] : std::map<std::string, std::string>{{"a.CSV", "csv"},
                                                                       {"a.Json", "json"},
                                                                       {"a.b.JSONL", "jsonl"},
                                                                       {"a.txt", "table"},
                                                                       {"a.TXT", "table"},
                                                                       {"no_ending", "table"},
                                                                       {".hidden/x", "table"}}) {
    const auto output = of(name);
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_EQ(output->format->name, format) << name;
  }
  for (const char* name : {"a.xlsx", "a.csv.gz", "a.Csvv", "a.2026"}) {
    EXPECT_EQ(of(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(of(name, "csv").ok()) << "a format that is named needs no ending";
  }
  const std::string path = folder.path() / "a.xlsx";
  EXPECT_EQ(MessageOf(of("a.xlsx").status()),
            "-o " + path +
                " ends in .xlsx, must end in one of .txt, .md, .tex, .typ, .csv, .json, .jsonl, or "
                "--format be one of table, markdown, writeup, latex, typst, csv, json, jsonl");
}

// What is written is not gathered first, and what breaks off leaves no file.
TEST(Files, TakeMoreThanABufferAndNothingOfWhatBreaksOff) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "big";
  const std::string line(99'999, 'x');
  ASSERT_TRUE(WriteFileWhole(path, [&](std::ostream& out) {
                for (int i = 0; i < 5; ++i) out << line << '\n';
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(std::filesystem::file_size(path), 500'000U);
  const auto broken = [&](std::ostream& out) {
    out << line << line;
    return absl::NotFoundError("nothing there");
  };
  EXPECT_EQ(WriteFileWhole(path, broken), absl::NotFoundError("nothing there"));
  EXPECT_EQ(std::filesystem::file_size(path), 500'000U);
  EXPECT_EQ(WriteFileWhole(folder.path() / "new", broken), absl::NotFoundError("nothing there"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Choice, OfAFormatThatIsNotThereIsRefused) {
  EXPECT_EQ(MessageOf(ChooseOutput({"pdf", ""}, Content::kRuns).status()),
            "--format is pdf, must be one of table, markdown, writeup, latex, typst, csv, json, "
            "jsonl");
  EXPECT_THAT(MessageOf(ChooseOutput({"writeup", ""}, Content::kList).status()),
              HasSubstr("--format is writeup, must be one of table, markdown, latex, typst, csv"));
  EXPECT_EQ(MessageOf(ChooseOutput({{}, "x.csv"}, Content::kDetails).status()),
            "-o x.csv asks for csv, must be one of table, json");
}

TEST(Choice, MakesTheFolderOfTheFileBeforeAnythingIsMeasured) {
  const TemporaryFolder folder;
  ASSERT_TRUE(ChooseOutput({{}, folder.path() / "results" / "a.csv"}, Content::kRuns).ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() / "results"));
}

TEST(Choice, OfAFileThatCouldNotBeWrittenIsRefusedAtOnce) {
  const TemporaryFolder folder;
  EXPECT_THAT(MessageOf(ChooseOutput({{}, folder.path()}, Content::kRuns).status()),
              HasSubstr("is a folder, must be a file"));
  std::ofstream(folder.path() / "plain") << "";
  const absl::Status status =
      ChooseOutput({{}, folder.path() / "plain" / "a.csv"}, Content::kRuns).status();
  EXPECT_EQ(ExitCodeOf(status), kExitOutput) << status;
}

TEST(Choice, OfAFileIsTriedAndLeavesNothing) {
  const TemporaryFolder folder;
  const std::string old = folder.path() / "old.csv";
  std::ofstream(old) << "kept";
  for (const std::string& path : {old, (folder.path() / "new.csv").native()}) {
    EXPECT_TRUE(ChooseOutput({{}, path}, Content::kRuns).ok());
    EXPECT_EQ(FilesIn(folder.path()), 1U);
  }
  EXPECT_EQ(Content(old), "kept");
  // Root may write there, and still no file can be made.
  for (const std::string path : {"/proc/x.csv", "/proc/self/x.json"}) {
    const absl::Status status = ChooseOutput({{}, path}, Content::kRuns).status();
    EXPECT_EQ(ExitCodeOf(status), kExitOutput) << path;
    EXPECT_THAT(MessageOf(status), HasSubstr("-o " + path + ": cannot write into /proc"));
  }
  const std::string long_name = folder.path() / (std::string(300, 'x') + ".csv");
  EXPECT_EQ(ExitCodeOf(ChooseOutput({{}, long_name}, Content::kRuns).status()), kExitOutput);
}

TEST(Output, GoesToStdoutOrToTheFile) {
  const TemporaryFolder folder;
  std::ostringstream out;
  std::ostringstream err;
  Console console;
  console.out = &out;
  console.err = &err;
  format::Document document;
  document.rows = format::RowsOf({{"data"}, {}});
  ASSERT_TRUE(WriteOutput({&format::kCsv, ""}, console, document).ok());
  EXPECT_EQ(out.str(), "data\n");
  EXPECT_EQ(err.str(), "");
  out.str("");
  const std::string path = folder.path() / "a.csv";
  ASSERT_TRUE(WriteOutput({&format::kCsv, path}, console, document).ok());
  EXPECT_EQ(out.str(), "");
  EXPECT_EQ(err.str(), "wrote " + path + "\n");
  EXPECT_EQ(Content(path), "data\n");
}

class Advised : public testing::Test {
 protected:
  Advised() {
    console_.out = &out_;
    console_.err = &err_;
    document_.blocks = [] { return std::vector<format::Block>{format::Lines{"a table"}}; };
    document_.paragraphs = [] { return std::vector<format::Lines>{{"a text"}}; };
    document_.hints = [] { return format::Lines{"do this"}; };
    document_.rows = format::RowsOf({{"data"}, {}});
  }

  // What a document in this format writes where, `OUT|ERR`.
  std::string Written(const format::Format& format, const std::string& file = "") {
    out_.str("");
    err_.str("");
    EXPECT_TRUE(WriteOutput({&format, file}, console_, document_).ok());
    return out_.str() + "|" + err_.str();
  }

  const TemporaryFolder folder_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_;
  format::Document document_;
};

TEST_F(Advised, ATableOnStdoutHasItsAdviceBelow) {
  EXPECT_EQ(Written(format::kTable), "a table\ndo this\n|");
}

TEST_F(Advised, WhatIsPastedIntoATextHasItOnStderr) {
  EXPECT_EQ(Written(format::kMarkdown), "a table\n|do this\n");
  EXPECT_EQ(Written(format::kWriteup), "a text\n|do this\n");
}

TEST_F(Advised, ItsLinesDoNotSteerATerminal) {
  document_.hints = [] { return format::Lines{"\x1b]0;t\x07\u202edo this\nand that"}; };
  EXPECT_EQ(Written(format::kMarkdown), "a table\n|\\x1b]0;t\\x07\\u202edo this\\nand that\n");
  EXPECT_EQ(Written(format::kTable), "a table\n\\x1b]0;t\\x07\\u202edo this\\nand that\n|");
}

TEST_F(Advised, NoFileHasIt) {
  for (const format::Format* format : {&format::kTable, &format::kMarkdown, &format::kWriteup}) {
    const std::string path = folder_.path() / std::string(format->name);
    EXPECT_EQ(Written(*format, path), "|wrote " + path + "\ndo this\n");
    EXPECT_THAT(Content(path), testing::Not(HasSubstr("do this")));
  }
}

TEST_F(Advised, ProgramsAreNotAdvised) { EXPECT_EQ(Written(format::kCsv), "data\n|"); }

TEST_F(Advised, ATerminalIsShownTheTableBesideTheFileAndTheAdviceOnce) {
  console_.out_is_terminal = true;
  const std::string path = folder_.path() / "a.md";
  ASSERT_TRUE(WriteOutputAndTable({&format::kMarkdown, path}, console_, document_).ok());
  EXPECT_EQ(Content(path), "a table\n");
  EXPECT_EQ(out_.str(), "a table\ndo this\n");
  EXPECT_EQ(err_.str(), "wrote " + path + "\n");
}

TEST_F(Advised, AProgramBehindAPipeIsNotShownIt) {
  const std::string path = folder_.path() / "a.md";
  ASSERT_TRUE(WriteOutputAndTable({&format::kMarkdown, path}, console_, document_).ok());
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "wrote " + path + "\ndo this\n");
}

TEST(Stdout, ThatIsBrokenIsAnOutputError) {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  Console console;
  console.out = &out;
  format::Document document;
  document.blocks = [] { return std::vector<format::Block>{}; };
  EXPECT_EQ(ExitCodeOf(WriteOutput(Output{}, console, document)), kExitOutput);
}

}  // namespace
}  // namespace torchlap::client
