// What `run` and its likes say before, while and after they follow a sweep.
#include "client/commands/followed_sweep.h"

#include <gmock/gmock.h>

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/child_process.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A sweep of jobs 4 to 3 + `cells`, found finished.
void Submit(uint64_t cells, FakeService* service) {
  service->on_submit = [cells](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
    response->set_sweep_id(19);
    for (uint64_t id = 4; id < 4 + cells; ++id) response->add_job_ids(id);
    return grpc::Status::OK;
  };
}

TEST_F(Commands, RunSaysAtOnceWhatItFollows) {
  for (const auto& [cells, line] : {std::pair{1, "sweep:19, job 4: 1 cell\n"},
                                    {4, "sweep:19, jobs 4 to 7: 4 cells\n"},
                                    {897, "sweep:19, jobs 4 to 900: 897 cells\n"}}) {
    Submit(static_cast<uint64_t>(cells), &service_);
    EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
    EXPECT_THAT(err_.str(), StartsWith(line));
    EXPECT_THAT(out_.str(), Not(HasSubstr(line)));
  }
}

TEST_F(Commands, SubmitSaysHowManyCellsWhereTheyAreVeryMany) {
  for (const auto& [cells, line] :
       {std::pair{1, ""}, {100, ""}, {101, "sweep:19, jobs 4 to 104: 101 cells\n"}}) {
    Submit(static_cast<uint64_t>(cells), &service_);
    EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0);
    EXPECT_EQ(err_.str(), line);
    EXPECT_THAT(out_.str(), StartsWith("sweep:19 job"));
  }
}

v1::WaitReason NextOn(const std::string& run_id) {
  v1::WaitReason reason;
  reason.set_code(v1::WaitReason::CODE_RUNNING);
  reason.set_device("cpu0");
  reason.set_run_id(run_id);
  return reason;
}

// Job 17 waits for one reason after the other, then it is done.
void WaitFor(const std::vector<v1::WaitReason>& reasons, FakeService* service) {
  service->on_watch = [reasons](const v1::WatchJobsRequest&, grpc::ServerContext*,
                                FakeService::WatchWriter* writer) {
    v1::Job job = SmallJob(17, v1::JOB_STATE_QUEUED);
    *job.mutable_wait() = reasons.front();
    writer->Write(Snapshot({job}, 5));
    for (size_t i = 1; i < reasons.size(); ++i) {
      v1::WatchJobsResponse change;
      change.mutable_waiting()->set_job_id(17);
      *change.mutable_waiting()->mutable_reason() = reasons[i];
      writer->Write(change);
    }
    writer->Write(Ended(6, 17, v1::JOB_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
}

TEST_F(Commands, RunSaysWhyItsFirstJobWaits) {
  WaitFor({NextOn("949.1")}, &service_);
  EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), StartsWith("sweep:3, job 17: 1 cell\n"
                                     "17 waits: next on cpu0, which runs 949.1\n"));
  console_.live = true;
  EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), Not(HasSubstr("17 waits"))) << "the line that is redrawn says it";
  console_.live = false;
  EXPECT_EQ(Program({"wait", "17"}), 0);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Commands, RunFollowsWhatItsJobWaitsFor) {
  v1::WaitReason starting;
  starting.set_code(v1::WaitReason::CODE_STARTING);
  WaitFor({starting}, &service_);
  EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), Not(HasSubstr("waits")));
  WaitFor({starting, NextOn("2.1"), NextOn("5.1")}, &service_);
  EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("17 waits: next on cpu0, which runs 2.1\n"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("5.1"))) << "a line that stays is said once";
  console_.live = true;
  EXPECT_EQ(Program({"run", "--model-sizes", "small"}), 0) << err_.str();
  const size_t first = err_.str().find("waiting: next on cpu0, which runs 2.1");
  EXPECT_NE(first, std::string::npos) << err_.str();
  EXPECT_NE(err_.str().find("waiting: next on cpu0, which runs 5.1", first), std::string::npos);
}

TEST_F(Commands, WhatDetachesNamesTheCommandThatWritesTheFile) {
  HoldWatches();
  const TemporaryFolder folder;
  const std::string path = folder.path() / "it's a.csv";
  const std::string plain = folder.path() / "b";
  const std::vector<std::vector<std::string>> commands = {
      {"run", "--model-sizes", "small", "-o", plain, "--format", "jsonl"},
      {"watch", "sweep:3", "-o", path},
      {"watch", "17", "18", "-o", plain},
  };
  const std::string quoted = folder.path() / "it'\\''s a.csv";
  const std::vector<std::string> written = {
      "torchlap export sweep:3 -o " + plain + " --format jsonl;",
      "torchlap export sweep:3 -o '" + quoted + "';",
      "torchlap export 17 18 -o " + plain + ";",
  };
  for (size_t i = 0; i < commands.size(); ++i) {
    std::vector<std::string> words = commands[i];
    words.insert(words.begin(), {"--address", service_.address()});
    const size_t before = service_.watches().size();
    ChildProcess child(words);
    ASSERT_TRUE(service_.WaitForWatches(before + 1));
    child.Interrupt();
    EXPECT_EQ(child.Wait(), 130);
    EXPECT_THAT(child.err(), HasSubstr(written[i]));
  }
}

TEST(Detached, WithoutAFileNamesNoExport) {
  EXPECT_EQ(DetachedWords("it goes on", "sweep:3", {}),
            "detached: it goes on; follow it: torchlap watch sweep:3; cancel it: torchlap cancel "
            "sweep:3");
  EXPECT_THAT(DetachedWords("it goes on", "17", {std::nullopt, "a.md"}),
              HasSubstr("write a.md when it has ended: torchlap export 17 -o a.md; cancel it"));
}

TEST(Detached, FromSeveralSweepsSpeaksOfThem) {
  EXPECT_EQ(SweepsDetachedWords({3}, {}, ""),
            "detached: sweep:3 goes on; follow it: torchlap watch sweep:3; cancel it: torchlap "
            "cancel sweep:3");
  EXPECT_EQ(SweepsDetachedWords({3, 4}, {std::nullopt, "a.md"}, ""),
            "detached: sweep:3 sweep:4 go on; follow them: torchlap watch sweep:3 sweep:4; write "
            "a.md when they have ended: torchlap export sweep:3 sweep:4 -o a.md; cancel them: "
            "torchlap cancel sweep:3 sweep:4");
}

TEST(Detached, NamesTheCommandThatCompares) {
  EXPECT_THAT(SweepsDetachedWords({3}, {}, "torchlap compare 31 32"),
              HasSubstr("watch sweep:3; compare when it has ended: torchlap compare 31 32; cancel "
                        "it: "));
}

TEST_F(Commands, SigtermDetachesAtOnceWithItsExitCode) {
  HoldWatches();
  for (const char* command : {"run", "watch", "wait"}) {
    const size_t before = service_.watches().size();
    std::vector<std::string> words = {"--address", service_.address(), command};
    if (std::string(command) == "run") words.insert(words.end(), {"--model-sizes", "small"});
    ChildProcess child(words);
    ASSERT_TRUE(service_.WaitForWatches(before + 1));
    child.Signal(SIGTERM);
    EXPECT_EQ(child.Wait(), 143) << command;
    EXPECT_THAT(child.err(), HasSubstr("goes on; follow it: torchlap watch ")) << command;
    EXPECT_THAT(child.err(), Not(HasSubstr("Ctrl-C"))) << "nobody is there to press it";
  }
  EXPECT_TRUE(service_.cancels().empty());
}

TEST_F(Commands, ASigtermAfterCtrlCDoesNotCancel) {
  HoldWatches();
  ChildProcess child({"--address", service_.address(), "run", "--model-sizes", "small"});
  ASSERT_TRUE(service_.WaitForWatches(1));
  child.Interrupt();
  ASSERT_TRUE(service_.WaitForCancelledWatches(1));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait(), 143);
  EXPECT_TRUE(service_.cancels().empty());
}

TEST_F(Commands, WaitTellsCancelledFromFailed) {
  std::vector<v1::Job> jobs;
  service_.on_watch = [&jobs](const v1::WatchJobsRequest&, grpc::ServerContext*,
                              FakeService::WatchWriter* writer) {
    writer->Write(Snapshot(jobs, 5));
    return grpc::Status::OK;
  };
  const v1::Job cancelled = SmallJob(17, v1::JOB_STATE_CANCELLED);
  const v1::Job failed = SmallJob(18, v1::JOB_STATE_FAILED);
  const v1::Job succeeded = SmallJob(19, v1::JOB_STATE_SUCCEEDED);
  jobs = {cancelled};
  EXPECT_EQ(Program({"wait"}), 2);
  EXPECT_EQ(err_.str(), "done: 1 of 1 jobs finished, 1 cancelled\n");
  jobs = {cancelled, failed, succeeded};
  EXPECT_EQ(Program({"wait"}), 2);
  EXPECT_EQ(err_.str(), "done: 3 of 3 jobs finished, 1 failed, 1 cancelled\n");
  jobs = {failed};
  EXPECT_EQ(Program({"wait"}), 2);
  EXPECT_EQ(err_.str(), "done: 1 of 1 jobs finished, 1 failed\n");
  jobs = {succeeded};
  EXPECT_EQ(Program({"wait"}), 0);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Commands, AFileInAFolderThatTakesNoneIsRefusedBeforeAnythingIsSubmitted) {
  for (const char* command : {"run", "submit", "warmup", "fit"}) {
    EXPECT_EQ(Program({command, "--model-size", "small", "-o", "/proc/x.json"}), 6);
    EXPECT_THAT(err_.str(), StartsWith("torchlap: -o /proc/x.json: cannot write into /proc: "));
  }
  EXPECT_TRUE(service_.submits().empty());
}

}  // namespace
}  // namespace torchlap::client
