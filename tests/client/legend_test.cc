#include "client/format/legend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/format/runs.h"
#include "client/format/warmup.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client::format {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

v1::Run OnDevice(const std::string& device, const std::string& model) {
  v1::Run run = SmallRun();
  run.set_device(device);
  run.set_device_model(model);
  return run;
}

TEST(Legend, SaysWhatTheNumbersAre) {
  EXPECT_EQ(LegendLine({SmallRun()}, {}),
            "± is the standard deviation of the measured steps, not of the mean; CV is the largest "
            "of the row's columns");
  EXPECT_THAT(LegendLine({SmallRun()}, {}, CvKind::kNone), EndsWith("not of the mean"));
}

TEST(Legend, TellsPooledLaunchesFromOneRun) {
  v1::Run pooled = SmallRun();
  v1::Run alone = SmallRun();
  alone.set_pooled_launches(1);
  for (const uint32_t launches : {2, 7}) {
    pooled.set_pooled_launches(launches);
    EXPECT_THAT(LegendLine({pooled}, {}, CvKind::kNone),
                "times are means of the launches' medians, ± is the standard deviation of "
                "those, not of the mean");
    for (const v1::Run& single : {SmallRun(), alone}) {
      EXPECT_THAT(LegendLine({pooled, single}, {}, CvKind::kNone),
                  HasSubstr("launches' medians (of the measured steps where there was one), ± is"));
    }
  }
  EXPECT_THAT(LegendLine({alone}, {}, CvKind::kNone), HasSubstr("of the measured steps, not of"));
}

TEST(Legend, OfRowsWithoutNoiseNamesTheDeviceAlone) {
  v1::Run one_step = OnDevice("cpu0", "AMD EPYC");
  one_step.mutable_step()->clear_std_ns();
  EXPECT_EQ(LegendLine({one_step, SkippedRun()}, NotesOf({one_step})), "cpu0: AMD EPYC");
  EXPECT_EQ(LegendLine({SkippedRun()}, {}), "");
  EXPECT_EQ(LegendLine({}, {}), "");
}

TEST(Legend, SaysWhatStandsBehindADevicesName) {
  DeviceNote cpu{OnDevice("cpu0", "AMD EPYC"), {}};
  cpu.environment.set_torch_version("2.11.0");
  cpu.environment.set_threads(1);
  DeviceNote gpu{OnDevice("cuda:0", ""), {}};
  gpu.environment.set_gpu_model("NVIDIA H100");
  gpu.environment.set_cpu_model("AMD EPYC");
  gpu.environment.set_torch_version("2.11.0");
  gpu.environment.set_cuda_version("13.0");
  gpu.environment.set_threads(8);
  EXPECT_THAT(LegendLine({}, {cpu, gpu}),
              "cpu0: AMD EPYC (1 thread), torch 2.11.0; cuda:0: NVIDIA H100, torch 2.11.0, CUDA "
              "13.0");
  cpu.environment.set_threads(2);
  EXPECT_THAT(LegendLine({}, {cpu}), HasSubstr("(2 threads)"));
}

TEST(Devices, AreAskedForOnceEachByARowThatRan) {
  v1::Run failed = OutOfMemoryRun();
  failed.set_device("cpu0");
  failed.set_run_id("17.1");
  v1::Run ran = OnDevice("cpu0", "AMD EPYC");
  ran.set_run_id("18.1");
  v1::Run later = OnDevice("cpu0", "AMD EPYC");
  later.set_run_id("19.1");
  const auto rows = RowOfEachDevice({failed, ran, later, OnDevice("cpu1", "AMD EPYC")});
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].run_id(), "18.1");
  EXPECT_EQ(rows[1].device(), "cpu1");
}

TEST(Devices, AreNotAskedForByFormatsOfPrograms) {
  size_t asked = 0;
  const auto find = [&asked] {
    ++asked;
    return std::vector<DeviceNote>();
  };
  for (const Format* format : {&kCsv, &kJson, &kJsonLines}) {
    Printed(*format, ShowResults({SmallRun()}, find));
  }
  EXPECT_EQ(asked, 0u);
  EXPECT_THAT(
      Printed(kMarkdown, ShowResults({SmallRun()}, find)),
      EndsWith("|\n\n± is the standard deviation of the measured steps, not of the mean; CV "
               "is the largest of the row's columns\n"));
  EXPECT_EQ(asked, 1u);
  EXPECT_THAT(Printed(kWriteup, ShowResults({SmallRun()}, find)),
              EndsWith("\n\n± is the standard deviation of the measured steps, not of the mean; CV "
                       "is ± over the mean\n"));
  EXPECT_EQ(asked, 2u);
}

TEST(Legend, StandsUnderAWarmupTableToo) {
  v1::CompareWarmupsResponse comparison;
  *comparison.add_runs() = SmallRun();
  const std::string table = Printed(kTable, ShowWarmups(comparison));
  EXPECT_THAT(table, HasSubstr("|\n± is the standard deviation of the measured steps"));
}

}  // namespace
}  // namespace torchlap::client::format
