#include "server/host/configuration.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "server/host/nvml_library.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr int64_t kDayNs = 86'400'000'000'000;
using Cores = std::vector<int>;

HostResources Host(Cores cores) { return {std::move(cores), 16 * kGib, 10 * kGib, "Test CPU"}; }

class ConfigurationTest : public testing::Test {
 protected:
  ConfigurationTest() {
    setenv("HOME", "/home/ann", 1);
    setenv("XDG_CONFIG_HOME", folder_.path().c_str(), 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    unsetenv("XDG_STATE_HOME");
  }

  absl::StatusOr<Configuration> Load(const std::string& text,
                                     const HostResources& host = Host({0, 1, 2, 3})) {
    file_ = folder_.Write("given.toml", text);
    return LoadConfiguration({file_, false}, host);
  }

  // The message without the file's name in front.
  std::string Refusal(const std::string& text, const HostResources& host = Host({0, 1, 2, 3})) {
    const auto configuration = Load(text, host);
    EXPECT_EQ(configuration.status().code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string message(configuration.status().message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    if (message.rfind(file_.string() + ":", 0) != 0) return message;
    return message.substr(file_.string().size() + 1);
  }

  TemporaryFolder folder_;
  std::filesystem::path file_;
};

TEST_F(ConfigurationTest, WithoutAFileThereAreDefaults) {
  const auto configuration = LoadConfiguration({}, Host({0, 1}));
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  EXPECT_EQ(configuration->file, "");
  EXPECT_EQ(configuration->state_folder, "/home/ann/.local/state/torchlap");
  EXPECT_EQ(configuration->runtime_folder, "/run/user/7/torchlap");
  EXPECT_EQ(configuration->socket_path, "/run/user/7/torchlap/torchlapd.sock");
  EXPECT_EQ(configuration->max_interruptions, 10U);
  EXPECT_EQ(configuration->max_time_limit_ns, 7 * kDayNs) << "all that a job can ask for";
  EXPECT_EQ(configuration->max_queued_jobs, 100000U);
  EXPECT_EQ(configuration->max_queued_launches, 200000U);
  EXPECT_EQ(configuration->max_queued_launches_per_user, 100000U);
  EXPECT_EQ(configuration->min_queued_launches_per_user, 100U);
  EXPECT_EQ(configuration->nvml_library, "libnvidia-ml.so.1");
  EXPECT_EQ(configuration->grace, std::chrono::seconds(3));
  EXPECT_EQ(configuration->torch_folder, "");
  EXPECT_EQ(configuration->worker_path, "");
  EXPECT_TRUE(configuration->cuda_devices.empty());
}

TEST_F(ConfigurationTest, TheDefaultDeviceHasAllCoresWhereThereAreFewAndMostOfTheMemory) {
  const auto configuration = LoadConfiguration({}, Host({0, 1, 5}));
  ASSERT_TRUE(configuration.ok());
  ASSERT_EQ(configuration->cpu_devices.size(), 1U);
  const DeviceSettings& device = configuration->cpu_devices[0];
  EXPECT_EQ(device.name, "cpu0");
  EXPECT_EQ(device.kind, v1::DEVICE_KIND_CPU);
  EXPECT_EQ(device.cores, (Cores{0, 1, 5}));
  EXPECT_EQ(device.threads, 3U);
  EXPECT_EQ(device.memory_bytes, 8 * kGib);
  EXPECT_EQ(configuration->daemon_cores, Cores{});
}

TEST_F(ConfigurationTest, WithFourCoresTheLowestIsLeftToTheDaemon) {
  const auto configuration = LoadConfiguration({}, Host({2, 3, 4, 5}));
  ASSERT_TRUE(configuration.ok());
  EXPECT_EQ(configuration->cpu_devices[0].cores, (Cores{3, 4, 5}));
  EXPECT_EQ(configuration->default_cores, (Cores{3, 4, 5}));
  EXPECT_EQ(configuration->daemon_cores, Cores{2});
}

TEST_F(ConfigurationTest, TheSystemsDaemonHasTheSystemsFolders) {
  const auto configuration = LoadConfiguration({{}, true}, Host({0}));
  ASSERT_TRUE(configuration.ok());
  EXPECT_TRUE(configuration->system);
  EXPECT_EQ(configuration->state_folder, "/var/lib/torchlap");
  EXPECT_EQ(configuration->socket_path, "/run/torchlap/torchlapd.sock");
  EXPECT_EQ(configuration->max_time_limit_ns, kDayNs);
}

TEST_F(ConfigurationTest, TheUsersFileIsReadUnlessAnotherIsNamed) {
  folder_.Write("torchlap/torchlapd.toml", "max_interruptions = 3");
  EXPECT_EQ(LoadConfiguration({}, Host({0}))->max_interruptions, 3U);
  EXPECT_EQ(Load("max_interruptions = 4")->max_interruptions, 4U);
}

TEST_F(ConfigurationTest, EveryKeyIsRead) {
  const auto configuration = Load(R"(
state_folder = "/data/state"
runtime_folder = "/data/run"
socket = "/data/run/s.sock"
max_interruptions = 0
max_time_limit = "90m"
max_queued_jobs = 5
max_queued_launches = 70
max_queued_launches_per_user = 60
min_queued_launches_per_user = 0
daemon_cores = "0"
cores_per_gpu = 3
torch = "/opt/torch"
worker = "build/worker"
nvml_library = "fakes/libnvml.so"
grace_ms = 50
admins = ["root", "not-there-now", "uid:54321"]
canary = { every = "2h", idle_s = 5 }
private = true
[[device]]
name = "left"
kind = "cpu"
cores = "1"
memory = "1200MiB"
[[device]]
name = "right"
kind = "cpu"
cores = "2-3"
memory = 1048576
threads = 1
[[device]]
name = "cuda:0"
kind = "cuda"
cores = "0-1"
)");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  EXPECT_EQ(configuration->file, file_);
  EXPECT_EQ(configuration->state_folder, "/data/state");
  EXPECT_EQ(configuration->runtime_folder, "/data/run");
  EXPECT_EQ(configuration->socket_path, "/data/run/s.sock");
  EXPECT_EQ(configuration->max_interruptions, 0U);
  EXPECT_EQ(configuration->canary->every_ns, kDayNs / 12);
  EXPECT_EQ(configuration->canary->idle_ns, 5'000'000'000);
  EXPECT_EQ(configuration->max_time_limit_ns, kDayNs / 16);
  EXPECT_EQ(configuration->max_queued_jobs, 5U);
  EXPECT_EQ(configuration->admins, (std::set<std::string>{"not-there-now", "root", "uid:54321"}));
  EXPECT_TRUE(configuration->is_private);
  EXPECT_EQ(configuration->max_queued_launches, 70U);
  EXPECT_EQ(configuration->max_queued_launches_per_user, 60U);
  EXPECT_EQ(configuration->min_queued_launches_per_user, 0U);
  EXPECT_EQ(configuration->daemon_cores, Cores{0});
  EXPECT_EQ(configuration->cores_per_gpu, 3U);
  EXPECT_EQ(configuration->torch_folder, "/opt/torch");
  EXPECT_EQ(configuration->worker_path, folder_.path() / "build/worker")
      << "relative to the file's folder";
  EXPECT_EQ(configuration->nvml_library, (folder_.path() / "fakes/libnvml.so").string());
  EXPECT_EQ(configuration->grace, std::chrono::milliseconds(50));
  ASSERT_EQ(configuration->cpu_devices.size(), 2U);
  EXPECT_EQ(configuration->cpu_devices[0].name, "left");
  EXPECT_EQ(configuration->cpu_devices[0].memory_bytes, 1258291200U);
  EXPECT_EQ(configuration->cpu_devices[0].threads, 1U);
  EXPECT_EQ(configuration->cpu_devices[1].cores, (Cores{2, 3}));
  EXPECT_EQ(configuration->cpu_devices[1].memory_bytes, 1048576U);
  EXPECT_EQ(configuration->cpu_devices[1].threads, 1U);
  ASSERT_EQ(configuration->cuda_devices.size(), 1U);
  EXPECT_EQ(configuration->cuda_devices[0].cores, (Cores{0, 1}));
  EXPECT_EQ(configuration->cuda_devices[0].threads, 2U);
}

TEST_F(ConfigurationTest, WhatNobodySaidIsMarked) {
  const auto configuration = Load(
      "[[device]]\nname='a'\nkind='cpu'\ncores='2'\n[[device]]\nname='b'\nkind='cpu'\n"
      "threads=1\n[[device]]\nname='cuda:0'\nkind='cuda'\n");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  EXPECT_FALSE(configuration->cpu_devices[0].has_default_cores);
  EXPECT_TRUE(configuration->cpu_devices[0].has_default_threads);
  EXPECT_TRUE(configuration->cpu_devices[1].has_default_cores);
  EXPECT_FALSE(configuration->cpu_devices[1].has_default_threads);
  EXPECT_TRUE(configuration->cuda_devices[0].has_default_cores);
  EXPECT_TRUE(LoadConfiguration({}, Host({0, 1}))->cpu_devices[0].has_default_cores);
}

TEST_F(ConfigurationTest, TheCoresOfAGpusWorkerAreTwoUnlessSaidOtherwise) {
  EXPECT_EQ(Load("")->cores_per_gpu, 2U);
  EXPECT_EQ(Load("cores_per_gpu = 0")->cores_per_gpu, 0U);
  EXPECT_EQ(Refusal("cores_per_gpu = 65"), "1: cores_per_gpu is 65, must be 0 to 64");
  EXPECT_EQ(Refusal("cores_per_gpu = '2'"), "1: cores_per_gpu is a string, must be a whole number");
}

TEST_F(ConfigurationTest, ADaemonIsPrivateOnlyWhereThatIsSaid) {
  EXPECT_FALSE(LoadConfiguration({}, Host({0}))->is_private);
  EXPECT_FALSE(Load("admins = ['root']")->is_private);
  EXPECT_FALSE(Load("private = false")->is_private);
  EXPECT_TRUE(Load("private = true")->is_private);
  EXPECT_EQ(Refusal("private = 'yes'"), "1: private is a string, must be true or false");
  EXPECT_EQ(Refusal("\nprivate = 1"), "2: private is a whole number, must be true or false");
}

TEST_F(ConfigurationTest, ABareLibraryNameIsLeftToTheDynamicLinker) {
  EXPECT_EQ(Load("nvml_library = 'libother.so'")->nvml_library, "libother.so");
}

TEST_F(ConfigurationTest, ASocketOfItsOwnPlaceTakesTheRuntimeFolderWithIt) {
  EXPECT_EQ(Load("socket = '/data/x.sock'")->runtime_folder, "/data");
}

TEST_F(ConfigurationTest, AnEntryForACudaDeviceLeavesTheDefaultCpuDevice) {
  const auto configuration = Load("[[device]]\nname='cuda:0'\nkind='cuda'\n");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  ASSERT_EQ(configuration->cpu_devices.size(), 1U);
  EXPECT_EQ(configuration->cpu_devices[0].name, "cpu0");
  EXPECT_EQ(configuration->cuda_devices[0].cores, (Cores{1, 2, 3}));
}

TEST_F(ConfigurationTest, DevicesWithoutCoresOrMemoryShareWhatIsLeft) {
  const auto configuration =
      Load("[[device]]\nname='a'\nkind='cpu'\ncores='2'\n[[device]]\nname='b'\nkind='cpu'\n");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  EXPECT_EQ(configuration->cpu_devices[0].memory_bytes, 4 * kGib);
  EXPECT_EQ(configuration->cpu_devices[1].memory_bytes, 4 * kGib);
  EXPECT_EQ(configuration->cpu_devices[1].cores, (Cores{1, 3}));
  EXPECT_EQ(configuration->daemon_cores, Cores{0});
}

TEST_F(ConfigurationTest, TheDaemonsCoresAreNotGivenToDevicesByDefault) {
  EXPECT_EQ(Load("daemon_cores = '3'")->cpu_devices[0].cores, (Cores{0, 1, 2}));
  EXPECT_EQ(Load("daemon_cores = '0-3'")->cpu_devices[0].cores, (Cores{0, 1, 2, 3}))
      << "a device needs some";
}

TEST_F(ConfigurationTest, AVendorsPeaksAreByPrecision) {
  const auto configuration = Load(
      "[[device]]\nname = \"cuda:0\"\nkind = \"cuda\"\n"
      "vendor_peak_tflops = { tf32 = 494.7, bf16 = 989 }\n");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  const VendorPeaks& peaks = configuration->cuda_devices.at(0).vendor_peaks;
  EXPECT_DOUBLE_EQ(peaks.at(v1::PRECISION_TF32), 494.7e12);
  EXPECT_DOUBLE_EQ(peaks.at(v1::PRECISION_BF16), 989e12);
  const auto refused = [&](const std::string& value) {
    return Refusal("[[device]]\nname = \"cuda:0\"\nkind = \"cuda\"\nvendor_peak_tflops = " + value);
  };
  EXPECT_EQ(refused("{ fp8 = 1 }"),
            "4: vendor_peak_tflops has fp8, must be of fp32, tf32, bf16, fp16, bf16-weights");
  EXPECT_EQ(refused("{ bf16 = -1 }"),
            "4: vendor_peak_tflops of bf16 must be a number above 0, in TFLOP/s");
}

TEST_F(ConfigurationTest, AGpuIsLeftAsItIsUnlessSaidOtherwise) {
  const auto configuration = Load("[[device]]\nname = 'cuda:0'\nkind = 'cuda'\n");
  ASSERT_TRUE(configuration.ok()) << configuration.status();
  EXPECT_FALSE(configuration->cuda_devices.at(0).wanted.any());
  EXPECT_FALSE(configuration->cuda_devices.at(0).settle);
}

TEST_F(ConfigurationTest, CanariesAreThereWhereTheyAreAskedFor) {
  EXPECT_FALSE(Load("")->canary);
  const auto load = [&](const std::string& value) { return *Load("canary = " + value)->canary; };
  EXPECT_EQ(load("{}").every_ns, kDayNs / 4);
  EXPECT_EQ(load("{}").idle_ns, 60'000'000'000);
  EXPECT_EQ(load("{ every = '10m', idle_s = 1 }").every_ns, 600'000'000'000);
  EXPECT_EQ(load("{ every = '10m', idle_s = 1 }").idle_ns, 1'000'000'000);
  EXPECT_EQ(load("{ every = '7d' }").every_ns, 7 * kDayNs);
  EXPECT_EQ(load("{ idle_s = 86400 }").idle_ns, kDayNs);
}

TEST_F(ConfigurationTest, CanariesThatCannotBeAreRefused) {
  EXPECT_EQ(Refusal("canary = true"),
            "1: canary is true or false, must be a table, like { every = \"6h\", idle_s = 60 }");
  EXPECT_EQ(Refusal("canary = '6h'"),
            "1: canary is a string, must be a table, like { every = \"6h\", idle_s = 60 }");
  EXPECT_EQ(Refusal("canary = { every = '9m' }"), "1: every of canary is 9m, must be at least 10m");
  EXPECT_EQ(Refusal("canary = { every = 6 }"),
            "1: every is a whole number, must be a time in quotes, like \"24h\"");
  EXPECT_EQ(Refusal("\ncanary = { every = '8d' }"),
            "2: every is '8d', must be a time like 90m, 24h or 7d, which is the most");
  EXPECT_EQ(Refusal("canary = { idle_s = 0 }"), "1: idle_s is 0, must be 1 to 86400");
  EXPECT_EQ(Refusal("canary = { idle = 60 }"),
            "1: unknown key idle of canary, must be one of every, idle_s");
}

TEST_F(ConfigurationTest, HowAGpuIsToBeBeforeARun) {
  const auto load = [&](const std::string& keys) {
    return Load("[[device]]\nname = 'cuda:0'\nkind = 'cuda'\n" + keys)->cuda_devices.at(0);
  };
  const DeviceSettings all = load(
      "lock_clocks = 1410\npower_limit_watts = 300\npersistence = true\n"
      "settle = { below_celsius = 50, idle_s = 10, at_most_s = 60 }\n");
  EXPECT_EQ(all.wanted.lock_clocks_mhz, 1410U);
  EXPECT_EQ(all.wanted.power_limit_watts, 300U);
  EXPECT_EQ(all.wanted.persistence, true);
  EXPECT_EQ(all.settle->below_celsius, 50U);
  EXPECT_EQ(all.settle->idle_ns, 10'000'000'000);
  EXPECT_EQ(all.settle->at_most_ns, 60'000'000'000);
  EXPECT_EQ(load("lock_clocks = 'base'").wanted.lock_clocks_mhz, kBaseClocks);
  EXPECT_EQ(load("persistence = false").wanted.persistence, false);
  const SettleWindow cool = *load("settle = { below_celsius = 45 }").settle;
  EXPECT_EQ(cool.idle_ns, 0);
  EXPECT_EQ(cool.at_most_ns, 300'000'000'000) << "five minutes where nobody says";
  EXPECT_FALSE(load("settle = { idle_s = 3 }").settle->below_celsius);
}

TEST_F(ConfigurationTest, WhatAGpuCannotBeIsRefused) {
  const auto refused = [&](const std::string& keys) {
    return Refusal("[[device]]\nname = 'cuda:0'\nkind = 'cuda'\n" + keys);
  };
  EXPECT_EQ(refused("lock_clocks = 'fast'"),
            "4: lock_clocks is 'fast', must be \"base\" or a number of MHz");
  EXPECT_EQ(refused("lock_clocks = true"),
            "4: lock_clocks is true or false, must be \"base\" or a number of MHz");
  EXPECT_EQ(refused("lock_clocks = 0"), "4: lock_clocks is 0, must be 1 to 10000");
  EXPECT_EQ(refused("power_limit_watts = 0"), "4: power_limit_watts is 0, must be 1 to 10000");
  EXPECT_EQ(refused("persistence = 1"), "4: persistence is a whole number, must be true or false");
  EXPECT_EQ(refused("settle = 50"),
            "4: settle is a whole number, must be a table, like { below_celsius = 50, idle_s = 10, "
            "at_most_s = 300 }");
  EXPECT_EQ(refused("settle = { below = 50 }"),
            "4: unknown key below of settle, must be one of below_celsius, idle_s, at_most_s");
  EXPECT_EQ(refused("settle = { below_celsius = 200 }"),
            "4: below_celsius is 200, must be 25 to 110");
  EXPECT_EQ(refused("settle = { idle_s = 0 }"), "4: idle_s is 0, must be 1 to 3600");
  EXPECT_EQ(refused("settle = { idle_s = 1, at_most_s = 3601 }"),
            "4: at_most_s is 3601, must be 1 to 3600");
  EXPECT_EQ(refused("settle = { at_most_s = 60 }"),
            "4: settle has neither below_celsius nor idle_s, must have one of them");
  EXPECT_EQ(refused("settle = { idle_s = 90, at_most_s = 60 }"),
            "4: idle_s of settle is 90, must be at most its at_most_s, 60");
}

TEST_F(ConfigurationTest, ACpuDeviceHasNothingToSettle) {
  const std::string settings[] = {"lock_clocks = 'base'", "power_limit_watts = 300",
                                  "persistence = true", "settle = { below_celsius = 50 }"};
  for (const std::string& setting : settings) {
    const std::string key = setting.substr(0, setting.find(' '));
    EXPECT_EQ(Refusal("[[device]]\nname = 'a'\nkind = 'cpu'\ncores = '1'\n" + setting),
              "5: " + key + " of a cannot be set, it is for a CUDA device only");
    EXPECT_EQ(Refusal("[[device]]\n" + setting + "\nname = 'a'\nkind = 'cpu'"),
              "2: " + key + " of a cannot be set, it is for a CUDA device only");
  }
}

TEST_F(ConfigurationTest, AnUnknownKeyIsRefusedWithItsLine) {
  EXPECT_EQ(Refusal("max_interruptions = 1\nmax_interuptions = 2")
                .rfind("2: unknown key max_interuptions, must be one of state_folder,", 0),
            0U);
  EXPECT_EQ(Refusal("[[device]]\nname = 'a'\nkind = 'cpu'\nmemry = '1GiB'"),
            "4: unknown key memry of a device, must be one of name, kind, cores, memory, threads, "
            "vendor_peak_tflops, lock_clocks, power_limit_watts, persistence, settle");
}

TEST_F(ConfigurationTest, AWrongTypeIsRefused) {
  EXPECT_EQ(Refusal("max_interruptions = 'many'"),
            "1: max_interruptions is a string, must be a whole number");
  EXPECT_EQ(Refusal("\ngrace_ms = 1.5"), "2: grace_ms is a decimal number, must be a whole number");
  EXPECT_EQ(Refusal("state_folder = 7"),
            "1: state_folder is a whole number, must be a string in quotes");
  EXPECT_EQ(Refusal("socket = true"), "1: socket is true or false, must be a string in quotes");
  EXPECT_EQ(Refusal("daemon_cores = [0, 1]"),
            "1: daemon_cores is a list, must be a list in quotes, like \"0,2-5\"");
  EXPECT_EQ(Refusal("device = 'cpu0'"), "1: device is a string, must be written as [[device]]");
  EXPECT_EQ(Refusal("[device]\nname = 'a'"), "1: device is a table, must be written as [[device]]");
  EXPECT_EQ(Refusal("[[device]]\nname = 'a'\nkind = 'cpu'\nmemory = 1.5"),
            "4: memory is a decimal number, must be an amount in quotes, like \"2GiB\", or a "
            "number of bytes");
}

TEST_F(ConfigurationTest, AdminsThatCannotBeAccountsAreRefused) {
  EXPECT_EQ(Refusal("\nadmins = ['root', '']"),
            "2: an entry of admins is empty, leave it out instead");
  for (const std::string number : {"uid:", "uid:x", "uid:-1", "uid:1x", "uid:4294967296"}) {
    EXPECT_EQ(Refusal("admins = ['" + number + "']"),
              "1: admins has " + number + ", must be names of accounts, or uid:N");
  }
  EXPECT_EQ(Refusal("admins = 'root'"),
            "1: admins is a string, must be a list of accounts, like [\"ann\", \"uid:1001\"]");
  EXPECT_EQ(Refusal("admins = [0]"),
            "1: an entry of admins is a whole number, must be a string in quotes");
}

TEST_F(ConfigurationTest, ANumberOutOfRangeIsRefused) {
  EXPECT_EQ(Refusal("max_interruptions = -1"), "1: max_interruptions is -1, must be 0 to 10000000");
  EXPECT_EQ(Refusal("max_queued_jobs = 0"), "1: max_queued_jobs is 0, must be 1 to 10000000");
  for (const std::string key : {"max_queued_launches", "max_queued_launches_per_user"}) {
    EXPECT_EQ(Refusal(key + " = 0"), "1: " + key + " is 0, must be 1 to 10000000");
  }
  EXPECT_EQ(Refusal("min_queued_launches_per_user = 100001"),
            "1: min_queued_launches_per_user is 100001, must be 0 to 100000");
  EXPECT_EQ(Refusal("grace_ms = 600001"), "1: grace_ms is 600001, must be 0 to 600000");
  EXPECT_EQ(Refusal("torch = ''"), "1: torch is empty, leave it out instead");
}

TEST_F(ConfigurationTest, ATimeLimitIsATimeWithItsUnit) {
  EXPECT_EQ(Load("max_time_limit = '1h'")->max_time_limit_ns, kDayNs / 24);
  EXPECT_EQ(Load("max_time_limit = '7d'")->max_time_limit_ns, 7 * kDayNs);
  for (const std::string text : {"", "24", "8d", "0h", "a day"}) {
    EXPECT_EQ(Refusal("\nmax_time_limit = '" + text + "'"),
              "2: max_time_limit is '" + text +
                  "', must be a time like 90m, 24h or 7d, which is the most");
  }
  EXPECT_EQ(Refusal("max_time_limit = 24"),
            "1: max_time_limit is a whole number, must be a time in quotes, like \"24h\"");
}

TEST_F(ConfigurationTest, WhatIsNoTomlIsRefusedWithItsLine) {
  EXPECT_EQ(Refusal("a = 1\nb = = 2").rfind("2: ", 0), 0U);
  EXPECT_EQ(Refusal("a = 1\na = 2").rfind("2: ", 0), 0U);
}

TEST_F(ConfigurationTest, CoresThatAreNotThereAreRefused) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\ncores='1-4'"),
            "4: cores is 1-4, but core 4 is not among those that this daemon may run on, 0-3");
  EXPECT_EQ(Refusal("daemon_cores = '9'"),
            "1: daemon_cores is 9, but core 9 is not among those that this daemon may run on, 0-3");
  EXPECT_EQ(Refusal("daemon_cores = 'x'"),
            "1: core list is 'x', must be like 0,2-5 with cores from 0 to 4095");
}

TEST_F(ConfigurationTest, CoresOfTwoCpuDevicesMustNotOverlap) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\ncores='1-2'\n"
                    "[[device]]\nname='b'\nkind='cpu'\ncores='2-3'"),
            "8: core 2 of b belongs to another CPU device, must be in one only");
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\n[[device]]\nname='b'\nkind='cpu'\n"),
            "4: no core is left for b, other CPU devices have them all");
}

TEST_F(ConfigurationTest, MoreMemoryThanTheMachineHasIsRefused) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\nmemory='17GiB'"),
            "4: memory is 17.0 GiB, this machine has 16.0 GiB");
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\nmemory='lots'"),
            "4: memory is 'lots', must be like 2GiB, 1200MiB or a number of bytes");
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\nmemory=-1"),
            "4: memory is '-1', must be like 2GiB, 1200MiB or a number of bytes");
}

TEST_F(ConfigurationTest, SoLittleMemoryThatAnotherUnitWasMeantIsRefused) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\nmemory=1000"),
            "4: memory is 1000 bytes, must be at least 1.0 MiB");
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\nmemory='1023KiB'"),
            "4: memory is 1023.0 KiB, must be at least 1.0 MiB");
}

TEST_F(ConfigurationTest, MoreThreadsThanCoresAreRefused) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\ncores='1-2'\nthreads=3"),
            "5: threads is 3, must be 1 to the number of cores of a, 2");
}

TEST_F(ConfigurationTest, NamesAreUniqueAndMeanNothingElse) {
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='cpu'\ncores='1'\n"
                    "[[device]]\nname='a'\nkind='cpu'\ncores='2'"),
            "5: device name a is taken in line 1, must be unique");
  for (const char* name : {"cpu", "cuda", "any", "CPU-0", "GPU-1", "MIG-1", "cuda:0"}) {
    EXPECT_EQ(
        Refusal("[[device]]\nname='" + std::string(name) + "'\nkind='cpu'"),
        "1: device name is " + std::string(name) + ", which means something else; cpu0 would do");
  }
  EXPECT_EQ(Refusal("[[device]]\nname='a b'\nkind='cpu'"),
            "1: device name is 'a b', must be at most 64 letters, digits, '-', '_', '.' or ':'");
  EXPECT_EQ(Refusal("[[device]]\nname='gpu0'\nkind='cuda'"),
            "1: device name is gpu0, must be like cuda:0 for a CUDA device");
}

TEST_F(ConfigurationTest, ADeviceNeedsNameAndKind) {
  EXPECT_EQ(Refusal("[[device]]\nkind='cpu'"), "1: device has no name, like name = \"cpu0\"");
  EXPECT_EQ(Refusal("[[device]]\nname='a'"), "1: device has no kind, must be cpu or cuda");
  EXPECT_EQ(Refusal("[[device]]\nname='a'\nkind='tpu'"), "3: kind is tpu, must be cpu or cuda");
  EXPECT_EQ(Refusal("[[device]]\nname='cuda:0'\nkind='cuda'\nmemory='1GiB'"),
            "1: memory of cuda:0 cannot be set, a CUDA device knows its own");
}

TEST_F(ConfigurationTest, ASocketPathTooLongForTheKernelIsRefused) {
  const std::string path = "/" + std::string(107, 'x');
  EXPECT_EQ(Refusal("socket = '" + path + "'"),
            "socket path " + path + " has 108 bytes, must have at most 107");
}

TEST_F(ConfigurationTest, ANamedFileMustBeThere) {
  const auto missing = LoadConfiguration({folder_.path() / "none.toml", false}, Host({0}));
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.status().message(), "configuration " + (folder_.path() / "none.toml").string() +
                                            ": No such file or directory");
  const auto folder = LoadConfiguration({folder_.path(), false}, Host({0}));
  EXPECT_EQ(folder.status().message(),
            "configuration " + folder_.path().string() + ": Is a directory");
}

TEST_F(ConfigurationTest, AFileThatCannotBeReadIsNotTakenForNone) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const auto file = folder_.Write("torchlap/torchlapd.toml", "max_interruptions = 3");
  chmod(file.c_str(), 0);
  EXPECT_EQ(LoadConfiguration({}, Host({0})).status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace torchlap::host
