#include "server/host/device_settings_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tests/server/host/child_process.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const SettingChange kPower = {"GPU-1", NvmlSetting::kPowerLimitMw, 400000, 300000};
const SettingChange kClocks = {"GPU-1", NvmlSetting::kLockedMhz, std::nullopt, 1410};
const SettingChange kPersistence = {"GPU-2", NvmlSetting::kPersistence, 0, 1};

class DeviceSettingsJournalTest : public testing::Test {
 protected:
  std::unique_ptr<DeviceSettingsJournal> Open(const std::string& boot_id = "boot-1") const {
    auto journal = DeviceSettingsJournal::Open(folder_.path(), boot_id);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  std::filesystem::path file() const { return folder_.path() / "device_settings.journal"; }
  std::string Text() const {
    std::ifstream stream(file());
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::string Refusal(const std::string& text) const {
    folder_.Write("device_settings.journal", text);
    ::chmod(file().c_str(), 0600);
    const auto journal = DeviceSettingsJournal::Open(folder_.path(), "boot-1");
    EXPECT_EQ(Text(), text) << "what is not understood stays";
    return journal.ok() ? "" : std::string(journal.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(DeviceSettingsJournalTest, IsNoFileWhileNothingIsChanged) {
  const auto journal = Open();
  EXPECT_THAT(journal->changes(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(file()));
  ASSERT_TRUE(journal->Add(kPower).ok());
  EXPECT_TRUE(std::filesystem::exists(file()));
  ASSERT_TRUE(journal->Remove(kPower).ok());
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_TRUE(journal->Remove(kPower).ok()) << "as after a kill";
}

TEST_F(DeviceSettingsJournalTest, KeepsChangesInTheirOrder) {
  for (const SettingChange& change : {kPower, kClocks, kPersistence}) {
    ASSERT_TRUE(Open()->Add(change).ok());
  }
  EXPECT_EQ(Text(),
            "torchlap device settings 1 boot-1\n"
            "GPU-1 power-limit-mw 400000 300000\n"
            "GPU-1 locked-mhz - 1410\n"
            "GPU-2 persistence 0 1\n");
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower, kClocks, kPersistence));
  ASSERT_TRUE(Open()->Remove(kClocks).ok());
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower, kPersistence));
}

TEST_F(DeviceSettingsJournalTest, OutlivesAKill) {
  ChildProcess child([this] { return Open()->Add(kPower).ok() && Open()->Add(kClocks).ok(); });
  ASSERT_TRUE(child.acted());
  child.Kill();
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower, kClocks));
}

TEST_F(DeviceSettingsJournalTest, AWriteThatWasCutShortLeavesTheOldOne) {
  ASSERT_TRUE(Open()->Add(kPower).ok());
  const auto fresh =
      folder_.Write("device_settings.journal.new", "torchlap device settings 1 boot-1\nGPU-1 pow");
  ::chmod(fresh.c_str(), 0600);
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower));
  ASSERT_TRUE(Open()->Add(kClocks).ok());
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower, kClocks));
}

TEST_F(DeviceSettingsJournalTest, ForgetsWhatWasBeforeABoot) {
  ASSERT_TRUE(Open("boot-1")->Add(kPower).ok());
  EXPECT_THAT(Open("boot-2")->changes(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(file()));
  ASSERT_TRUE(Open("")->Add(kPower).ok());
  EXPECT_THAT(Open("")->changes(), ElementsAre(kPower));
  EXPECT_THAT(Open("boot-1")->changes(), IsEmpty());
}

TEST_F(DeviceSettingsJournalTest, IsNotBegunAnewWhereItIsNotUnderstood) {
  EXPECT_THAT(Refusal("x\n"), HasSubstr(file().string() + ", line 1 is 'x'"));
  EXPECT_THAT(Refusal(""), HasSubstr("line 1 is ''"));
  EXPECT_THAT(Refusal("torchlap device settings 2 boot-1\n"), HasSubstr("line 1 is"));
  const std::string heading = "torchlap device settings 1 boot-1\n";
  const std::string lines[] = {"GPU-1 power-limit-mw 400000",
                               "GPU-1 power-limit-mw 400000 300000 1",
                               "GPU-1 power-limit-mw 4e5 300000",
                               "GPU-1 power-limit-mw 400000 -",
                               "GPU-1 power-limit-mw -1 300000",
                               "GPU-1 fan 400000 300000",
                               ""};
  for (const std::string& line : lines) {
    EXPECT_THAT(Refusal(heading + "GPU-1 locked-mhz - 0\n" + line + "\n"),
                HasSubstr("line 3 is '" + line + "'"));
  }
}

TEST_F(DeviceSettingsJournalTest, OthersFilesAreNotRead) {
  folder_.Write("theirs", "torchlap device settings 1 boot-1\nGPU-1 power-limit-mw 1 2\n");
  std::filesystem::create_symlink(folder_.path() / "theirs", file());
  const auto journal = DeviceSettingsJournal::Open(folder_.path(), "boot-1");
  EXPECT_TRUE(absl::IsPermissionDenied(journal.status())) << journal.status();
}

TEST_F(DeviceSettingsJournalTest, WhatCannotBeWrittenIsNotTaken) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Add(kPower).ok());
  // Nothing can be written through a folder.
  std::filesystem::create_directories(file().string() + ".new");
  EXPECT_FALSE(journal->Add(kClocks).ok());
  EXPECT_THAT(journal->changes(), ElementsAre(kPower));
  EXPECT_THAT(Open()->changes(), ElementsAre(kPower));
}

}  // namespace
}  // namespace torchlap::host
