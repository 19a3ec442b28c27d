#include "server/host/torch_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "server/host/program_answer.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kVersionHeader[] =
    "#define TORCH_VERSION_MAJOR 2\n"
    "#define TORCH_VERSION_MINOR 11\n"
    "#define TORCH_VERSION_PATCH 0\n";

TEST(TorchVersionTest, ThePythonFileSaysItWithoutTheLocalPart) {
  EXPECT_EQ(VersionOfPythonFile("__all__ = ['x']\n__version__ = '2.11.0+cu130'\ncuda = '13.0'\n"),
            "2.11.0");
  EXPECT_EQ(VersionOfPythonFile("__version__ = \"2.5.1\"\n"), "2.5.1");
  EXPECT_EQ(VersionOfPythonFile("__version__: Final[str] = '2.6.0'\n"), "2.6.0");
  EXPECT_EQ(VersionOfPythonFile("version = '1'\n"), "");
}

TEST(TorchVersionTest, TheHeaderSaysItInThreeParts) {
  EXPECT_EQ(VersionOfHeader(kVersionHeader), "2.11.0");
  EXPECT_EQ(VersionOfHeader("#define TORCH_VERSION_MAJOR 2\n"), "");
}

TEST(MissingLibrariesTest, AreThoseThatTheDynamicLinkerDoesNotFindEachOnce) {
  EXPECT_THAT(MissingLibraries("\tlinux-vdso.so.1 (0x1)\n"
                               "\tlibtorch_cpu.so => not found\n"
                               "\tlibc.so.6 => /lib/libc.so.6 (0x2)\n"
                               "\tlibc10.so => not found\n"
                               "\tlibtorch_cpu.so => not found\n"),
              ElementsAre("libtorch_cpu.so", "libc10.so"));
  EXPECT_THAT(MissingLibraries(""), IsEmpty());
}

TEST(LibraryPathTest, NamesTheCudaLibrariesOfTheWheelsBesideTorch) {
  EXPECT_EQ(LibraryPath("/p/torch"),
            "/p/torch/lib:/p/nvidia/cu13/lib:/p/nvidia/cudnn/lib:/p/nvidia/cusparselt/lib:"
            "/p/nvidia/nccl/lib:/p/nvidia/nvshmem/lib");
}

TEST(AskTest, GivesWhatTheProgramWroteToStdout) {
  EXPECT_EQ(Ask({{"sh", "-c", "echo $WORD; echo noise >&2"}, {"WORD=yes", "PATH=/usr/bin:/bin"}}),
            "yes\n");
}

TEST(AskTest, GivesNothingWhereTheProgramFailedOrIsNotThere) {
  EXPECT_EQ(Ask({{"sh", "-c", "echo yes; exit 3"}, {}}), std::nullopt);
  EXPECT_EQ(Ask({{"/nowhere/program"}, {}}), std::nullopt);
}

TEST(AskTest, KillsTheProgramAtTheDeadline) {
  using std::chrono::milliseconds;
  // The second one closes its stdout: that is not its end.
  EXPECT_EQ(Ask({{"sh", "-c", "sleep 1000"}, {"PATH=/usr/bin:/bin"}, milliseconds(50)}),
            std::nullopt);
  EXPECT_EQ(Ask({{"sh", "-c", "exec >&-; sleep 1000"}, {"PATH=/usr/bin:/bin"}, milliseconds(50)}),
            std::nullopt);
}

// A program that is linked to a stand-in of libtorch_cpu without a run path.
class ChooseTorchTest : public testing::Test {
 protected:
  ChooseTorchTest() {
    question_.worker_program = TORCHLAP_PROGRAM_WITHOUT_TORCH;
    question_.python = Python("");
  }

  // A stand-in for python3 that answers with this folder.
  std::string Python(const std::filesystem::path& folder) {
    const auto file = folder_.Write("python3", "#!/bin/sh\necho " + folder.string() + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
  }

  std::filesystem::path Torch(const std::string& version) {
    folder_.Write("site/torch/version.py", "__version__ = '" + version + "'\n");
    const std::filesystem::path torch = folder_.path() / "site" / "torch";
    std::filesystem::create_directories(torch / "lib");
    return torch;
  }

  std::filesystem::path CompleteTorch(const std::string& version) {
    const std::filesystem::path torch = Torch(version);
    std::filesystem::copy_file(TORCHLAP_STAND_IN_TORCH, torch / "lib" / "libtorch_cpu.so");
    return torch;
  }

  TemporaryFolder folder_;
  TorchQuestion question_;
};

TEST_F(ChooseTorchTest, TheNamedFolderIsTakenWithoutAskingPython) {
  question_.named = CompleteTorch("2.11.0+cu130");
  question_.python = "/nowhere/python3";
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->folder, question_.named);
  EXPECT_EQ(choice->problem, "");
}

TEST_F(ChooseTorchTest, TheFolderAboveTheNamedOneWillDo) {
  const std::filesystem::path torch = CompleteTorch("2.11.0");
  question_.named = torch.parent_path();
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->folder, torch);
}

TEST_F(ChooseTorchTest, TheHeaderTellsTheVersionWhereThePythonPartIsLeftOut) {
  folder_.Write("site/torch/include/torch/headeronly/version.h", kVersionHeader);
  question_.named = CompleteTorch("");
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
}

TEST_F(ChooseTorchTest, ANamedFolderOfAnotherVersionIsRefusedWithTheVersionWanted) {
  question_.named = CompleteTorch("2.5.1+cu121");
  EXPECT_EQ(ChooseTorch(question_).status().message(),
            "torch: " + question_.named.string() + " holds torch 2.5.1, must be torch 2.11.0");
}

TEST_F(ChooseTorchTest, ANamedFolderWithoutTorchIsRefused) {
  question_.named = folder_.path() / "empty";
  EXPECT_EQ(ChooseTorch(question_).status().message(),
            "torch: " + question_.named.string() + " holds no torch, must be torch 2.11.0");
}

TEST_F(ChooseTorchTest, ANamedFolderThatLacksALibraryIsRefused) {
  question_.named = Torch("2.11.0");
  EXPECT_EQ(
      ChooseTorch(question_).status().message(),
      "torch: with " + question_.named.string() + " torchlap-worker does not find libtorch_cpu.so");
}

TEST_F(ChooseTorchTest, AWorkerThatFindsItByItselfNeedsNone) {
  question_.worker_program = "/bin/sh";
  question_.python = Python(CompleteTorch("2.11.0"));
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->folder, "");
  EXPECT_EQ(choice->problem, "");
}

TEST_F(ChooseTorchTest, ElseItIsTheTorchOfPython) {
  const std::filesystem::path torch = CompleteTorch("2.11.0+cu130");
  question_.python = Python(torch);
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->folder, torch);
}

TEST_F(ChooseTorchTest, AnotherVersionOfPythonIsAProblemThatNamesBothVersions) {
  question_.python = Python(CompleteTorch("2.5.1"));
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->folder, "");
  EXPECT_THAT(choice->problem, HasSubstr("holds torch 2.5.1, must be torch 2.11.0"));
  EXPECT_THAT(choice->problem, Not(HasSubstr("\n")));
}

TEST_F(ChooseTorchTest, WithNoneTheProblemSaysWhatToDo) {
  const auto choice = ChooseTorch(question_);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->problem, "no LibTorch: torchlap-worker does not find libtorch_cpu.so, and " +
                                 question_.python +
                                 " has no torch; start torchlapd with --torch DIR, the torch "
                                 "folder of torch 2.11.0");
}

}  // namespace
}  // namespace torchlap::host
