#include "server/daemon/device_care.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "server/daemon/lock_file.h"
#include "tests/server/host/fake_machine.h"

namespace torchlap::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class DeviceCareTest : public testing::Test {
 protected:
  DeviceCareTest() {
    configuration_.state_folder = machine_.root() / "state";
    configuration_.nvml_library = TORCHLAP_FAKE_NVML_LIBRARY;
    std::filesystem::create_directory(configuration_.state_folder);
    machine_.Describe(
        "gpu GPU-1 40960 A\npower-limit-mw 400000\nset GPU-1 power-limit-mw 300000\n");
  }

  std::unique_ptr<host::DeviceSettingsJournal> Journal(const std::string& boot_id = "boot") const {
    return *host::DeviceSettingsJournal::Open(configuration_.state_folder, boot_id);
  }
  void LeaveChange() const {
    ASSERT_TRUE(Journal()->Add({"GPU-1", host::NvmlSetting::kPowerLimitMw, 400000, 300000}).ok());
  }
  CareReport Restore() const { return RestoreDevices(configuration_, "boot"); }
  uint32_t PowerLimit() const {
    const auto nvml = host::NvmlLibrary::Open(TORCHLAP_FAKE_NVML_LIBRARY);
    const auto gpu = (*nvml)->DeviceOf("GPU-1");
    return (*nvml)->Setting(*gpu, host::NvmlSetting::kPowerLimitMw)->value_or(0);
  }

  host::FakeMachine machine_;
  host::Configuration configuration_;
};

TEST_F(DeviceCareTest, WhereNothingIsLeftNothingIsRestored) {
  configuration_.nvml_library = "/nowhere/libnvidia-ml.so";
  const std::string text = configuration_.state_folder.string() + ": nothing is to be restored\n";
  EXPECT_EQ(Restore().text, text);
  EXPECT_EQ(Restore().exit_status, kCareDone);
  std::filesystem::remove_all(configuration_.state_folder);
  EXPECT_EQ(Restore().text, text);
  EXPECT_FALSE(std::filesystem::exists(configuration_.state_folder)) << "none is made for that";
}

TEST_F(DeviceCareTest, WhatAKilledDaemonLeftIsRestoredOnce) {
  LeaveChange();
  EXPECT_EQ(PowerLimit(), 300000U);
  const CareReport report = Restore();
  EXPECT_EQ(report.exit_status, kCareDone);
  EXPECT_EQ(report.text, "restored: GPU-1 power_limit_watts: 400 W\n");
  EXPECT_EQ(PowerLimit(), 400000U);
  EXPECT_THAT(Restore().text, HasSubstr("nothing is to be restored"));
}

TEST_F(DeviceCareTest, WhatSomebodyElseHasChangedIsLeft) {
  LeaveChange();
  machine_.Describe("gpu GPU-1 40960 A\npower-limit-mw 400000\nset GPU-1 power-limit-mw 250000\n");
  const CareReport report = Restore();
  EXPECT_EQ(report.exit_status, kCareDone);
  EXPECT_EQ(report.text,
            "left: GPU-1 power_limit_watts: somebody else has changed it since, left as it is\n");
  EXPECT_EQ(PowerLimit(), 250000U);
}

TEST_F(DeviceCareTest, WhatCannotBeRestoredFailsAndIsKept) {
  LeaveChange();
  machine_.Describe("init-error 9\n");
  const CareReport report = Restore();
  EXPECT_EQ(report.exit_status, kCareFailed);
  EXPECT_THAT(report.text, HasSubstr("cannot restore GPU-1 power_limit_watts: "));
  EXPECT_THAT(report.text, HasSubstr("Driver Not Loaded"));
  EXPECT_EQ(Journal()->changes().size(), 1U);
}

TEST_F(DeviceCareTest, ADaemonThatRunsRestoresThemItself) {
  LeaveChange();
  const auto lock = LockFile::Acquire(configuration_.state_folder / "torchlap.db", "database");
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_EQ(Restore().exit_status, kCareFailed);
  EXPECT_EQ(PowerLimit(), 300000U);
}

TEST_F(DeviceCareTest, AtTheNextStartTheSameIsDone) {
  LeaveChange();
  const auto journal = Journal();
  EXPECT_EQ(RestoreLeft(TORCHLAP_FAKE_NVML_LIBRARY, journal.get()).restored.size(), 1U);
  EXPECT_THAT(journal->changes(), IsEmpty());
  EXPECT_THAT(RestoreLeft("/nowhere", journal.get()).failed, IsEmpty()) << "nothing is opened";
}

}  // namespace
}  // namespace torchlap::daemon
