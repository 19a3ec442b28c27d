// Whole commands against a service that the test plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "client/daemon_channel.h"
#include "client/follow.h"
#include "client/program.h"
#include "tests/client/child_process.h"
#include "tests/client/fake_service.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

v1::WatchJobsResponse Snapshot(const std::vector<v1::Job>& jobs, uint64_t sequence) {
  v1::WatchJobsResponse response;
  for (const v1::Job& job : jobs) *response.mutable_snapshot()->add_jobs() = job;
  response.mutable_snapshot()->set_sequence(sequence);
  return response;
}

v1::WatchJobsResponse Ended(uint64_t sequence, uint64_t job_id, v1::JobState state) {
  v1::WatchJobsResponse response;
  response.mutable_event()->set_sequence(sequence);
  response.mutable_event()->set_job_id(job_id);
  response.mutable_event()->set_state(state);
  return response;
}

class Commands : public testing::Test {
 protected:
  Commands() {
    service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
      response->set_sweep_id(3);
      response->add_job_ids(17);
      return grpc::Status::OK;
    };
    service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                           FakeService::WatchWriter* writer) {
      writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
      writer->Write(Ended(6, 17, v1::JOB_STATE_SUCCEEDED));
      return grpc::Status::OK;
    };
    service_.on_export = [](const v1::ExportRunsRequest&) {
      return std::vector<v1::Run>{SmallRun(), ScaledRun("medium", 423'183'360, 18, 3)};
    };
    console_.out = &out_;
    console_.err = &err_;
  }

  int Program(std::vector<std::string> words) {
    out_.str("");
    err_.str("");
    words.insert(words.begin(), {"--address", service_.address()});
    return RunProgram(words, console_);
  }

  // Watches that stay open after the snapshot.
  void HoldWatches() {
    service_.on_watch = [this](const v1::WatchJobsRequest&, grpc::ServerContext* context,
                               FakeService::WatchWriter* writer) {
      writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_RUNNING)}, 5));
      service_.HoldUntilCancelled(context);
      return grpc::Status::CANCELLED;
    };
  }

  FakeService service_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_;
};

TEST_F(Commands, RunSubmitsFollowsAndPrintsTheTable) {
  EXPECT_EQ(Program({"run", "--model-sizes", "small", "--name", "nightly"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("cs336-2025, forward-backward, separate timing"));
  EXPECT_THAT(out_.str(), HasSubstr("| medium |"));
  EXPECT_THAT(err_.str(),
              HasSubstr("17 small, forward-backward, batch 4, context 256: SUCCEEDED (1 of 1)"));
  ASSERT_THAT(service_.submits(), SizeIs(1));
  EXPECT_EQ(service_.submits()[0].sweep_name(), "nightly");
  EXPECT_THAT(service_.watches()[0].selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(service_.exports()[0].filter().selector().sweep_ids(), ElementsAre(3));
  EXPECT_EQ(service_.exports()[0].rows(), v1::ROW_KIND_CELL);
}

TEST_F(Commands, ATableSaysWhatStandsBehindItsDevice) {
  service_.on_get_run = [](const v1::GetRunRequest& request) {
    v1::GetRunResponse part;
    *part.mutable_detail()->mutable_run() = SmallRun();
    part.mutable_detail()->mutable_environment()->set_torch_version("2.11.0+" + request.run_id());
    return std::vector<v1::GetRunResponse>{part};
  };
  EXPECT_EQ(Program({"export"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("torch 2.11.0+17.1"));
  service_.on_get_run = nullptr;
  EXPECT_EQ(Program({"export"}), 0) << "a daemon that has it no more";
  EXPECT_THAT(out_.str(), HasSubstr("not of the mean; CV is the largest"));
}

TEST_F(Commands, RunWritesOneRowARunToACsvFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "results" / "a.csv";
  EXPECT_EQ(Program({"run", "--model-sizes", "small", "-o", path}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(service_.exports()[0].rows(), v1::ROW_KIND_RUN);
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  EXPECT_THAT(line, StartsWith("run_id,job_id,"));
}

TEST_F(Commands, RunExitsWith2IfAJobFailed) {
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_FAILED)}, 5));
    return grpc::Status::OK;
  };
  service_.on_export = [](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{SkippedRun()};
  };
  EXPECT_EQ(Program({"run", "--model-sizes", "2.7B"}), 2);
  EXPECT_THAT(out_.str(), HasSubstr("SKIPPED: needs 25.4 GiB, device has 14.9 GiB"));
}

TEST_F(Commands, RunAndWaitWriteTheTracesOfTheirJobs) {
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    v1::Run run = SmallRun();
    if (request.filter().purposes_size() == 1 &&
        request.filter().purposes(0) == v1::PURPOSE_TRACE) {
      run.set_run_id("17.2");
    }
    return std::vector<v1::Run>{run};
  };
  service_.on_read_trace = [](const v1::ReadTraceRequest& request) {
    EXPECT_EQ(request.run_id(), "17.2");
    return std::vector<std::string>{"{\"traceEvents\":", "[]}"};
  };
  for (const std::string command : {"run", "wait"}) {
    const TemporaryFolder folder;
    const std::string traces = folder.path() / "new" / "traces";
    std::vector<std::string> words = {command, "--trace", traces};
    if (command == "run") words.insert(words.end(), {"--model-sizes", "small"});
    EXPECT_EQ(Program(words), 0) << err_.str();
    EXPECT_THAT(err_.str(), HasSubstr("wrote " + traces + "/17.2.json"));
    std::ifstream file(traces + "/17.2.json");
    std::string text;
    std::getline(file, text);
    EXPECT_EQ(text, "{\"traceEvents\":[]}");
  }
  EXPECT_TRUE(service_.submits().at(0).jobs(0).plan().trace());
}

TEST_F(Commands, ATraceFolderThatCannotBeMadeIsSaidBeforeAnythingRuns) {
  EXPECT_EQ(Program({"run", "--model-sizes", "small", "--trace", "/dev/null/x"}), 6);
  EXPECT_EQ(err_.str(),
            "torchlap: --trace is /dev/null/x, must be a folder that can be made and written to\n");
  EXPECT_THAT(service_.submits(), SizeIs(0));
}

TEST_F(Commands, BadWordsReachNoService) {
  EXPECT_EQ(Program({"run", "--model-sizes", "small", "--context-length", "abc"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: --context-length is abc, must be"));
  EXPECT_THAT(service_.submits(), SizeIs(0));
}

TEST_F(Commands, WhatTheServiceRefusesIsOneLineAndTheCodeOfItsStatus) {
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "batch_size is 0, must be 1 to 65536");
  };
  EXPECT_EQ(Program({"run", "--model-sizes", "small", "--batch-size", "0"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: batch_size is 0, must be 1 to 65536\n");
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no device cuda:9");
  };
  EXPECT_EQ(Program({"submit", "--model-sizes", "small", "--device", "cuda:9"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no device cuda:9\n");
}

TEST_F(Commands, SubmitPrintsTheSweepAndItsJobs) {
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0);
  EXPECT_EQ(out_.str(), "sweep:3 job 17\n");
  EXPECT_EQ(Program({"submit", "--model-sizes", "small", "--format", "json"}), 0);
  EXPECT_EQ(out_.str(), "{\"sweep_id\":3,\"job_ids\":[17]}\n");
  EXPECT_EQ(Program({"submit", "--model-sizes", "small", "--format", "csv"}), 0);
  EXPECT_EQ(out_.str(), "sweep_id,job_id\n3,17\n");
}

TEST_F(Commands, ASubmitThatBrokeIsSentAgainUnderTheSameId) {
  service_.on_submit = [this](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
    if (service_.submits().size() == 1) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
    }
    response->set_sweep_id(3);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0) << err_.str();
  ASSERT_THAT(service_.submits(), SizeIs(2));
  EXPECT_NE(service_.submits()[0].request_id(), "");
  EXPECT_EQ(service_.submits()[0].request_id(), service_.submits()[1].request_id());
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0);
  EXPECT_NE(service_.submits()[2].request_id(), service_.submits()[0].request_id());
}

TEST_F(Commands, AStoppingServiceIsExitCode3) {
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the daemon is stopping");
  };
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 3);
  EXPECT_EQ(err_.str(), "torchlap: the daemon at " + service_.address() +
                            " is not available: the daemon is stopping\n");
}

TEST_F(Commands, ABrokenWatchIsResumedAfterTheLastChange) {
  service_.on_watch = [this](const v1::WatchJobsRequest& request, grpc::ServerContext*,
                             FakeService::WatchWriter* writer) {
    if (!request.has_after_sequence()) {
      writer->Write(
          Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED), SmallJob(18, v1::JOB_STATE_QUEUED)}, 5));
      writer->Write(Ended(7, 17, v1::JOB_STATE_SUCCEEDED));
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
    }
    writer->Write(Ended(9, 18, v1::JOB_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"wait"}), 0) << err_.str();
  const auto watches = service_.watches();
  ASSERT_THAT(watches, SizeIs(2));
  EXPECT_TRUE(watches[0].selector().last());
  EXPECT_EQ(watches[1].after_sequence(), 7u);
  EXPECT_FALSE(watches[1].selector().last()) << "the latest sweep may be another one by now";
  EXPECT_THAT(watches[1].selector().job_ids(), ElementsAre(17, 18));
}

TEST_F(Commands, ANumberThatIsTooOldGetsASnapshotAgain) {
  service_.on_watch = [this](const v1::WatchJobsRequest& request, grpc::ServerContext*,
                             FakeService::WatchWriter* writer) {
    if (request.has_after_sequence()) {
      return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "sequence 5 is not kept any more");
    }
    const bool first = service_.watches().size() == 1;
    writer->Write(
        Snapshot({SmallJob(17, first ? v1::JOB_STATE_QUEUED : v1::JOB_STATE_SUCCEEDED)}, 5));
    return first ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed") : grpc::Status::OK;
  };
  EXPECT_EQ(Program({"wait", "17"}), 0) << err_.str();
  EXPECT_THAT(service_.watches(), SizeIs(3));
}

TEST_F(Commands, FollowingSurvivesADaemonThatIsStartedAgain) {
  HoldWatches();
  ChildProcess child({"--address", service_.address(), "run", "--model-sizes", "small"});
  ASSERT_TRUE(service_.WaitForWatches(1));
  service_.Stop();
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_SUCCEEDED)}, 6));
    return grpc::Status::OK;
  };
  service_.Start();
  EXPECT_EQ(child.Wait(), 0) << child.err();
  EXPECT_THAT(child.err(), HasSubstr("lost the daemon at " + service_.address()));
  EXPECT_THAT(child.out(), HasSubstr("| small"));
}

TEST_F(Commands, FollowingGivesUpOnADaemonThatDoesNotComeBack) {
  auto channel = DaemonChannel::Open(service_.address());
  ASSERT_TRUE(channel.ok());
  service_.Stop();
  Interrupts interrupts;
  SweepProgress progress;
  ProgressDisplay display(console_);
  FollowOptions options;
  options.patience = std::chrono::milliseconds(20);
  options.retry_pause = std::chrono::milliseconds(1);
  v1::Selector selector;
  selector.set_last(true);
  const auto end = Follow(selector, options, channel->get(), &interrupts, &progress, &display);
  EXPECT_EQ(end.status().code(), absl::StatusCode::kUnavailable) << end.status();
}

TEST_F(Commands, WaitEndsWith124AfterItsTimeout) {
  HoldWatches();
  EXPECT_EQ(Program({"wait", "17", "--timeout", "300ms"}), 124) << err_.str();
  EXPECT_EQ(err_.str(), "timed out: 0 of 1 jobs finished, 0 failed\n");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(Commands, WaitKnowsJobsByTheirLabels) {
  service_.on_list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    v1::Job job = SmallJob(request.page_token().empty() ? 17 : 18, v1::JOB_STATE_SUCCEEDED);
    (*job.mutable_spec()->mutable_labels())["card"] = request.page_token().empty() ? "B" : "A";
    *response->add_jobs() = job;
    if (request.page_token().empty()) response->set_next_page_token("2");
    return grpc::Status::OK;
  };
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(18, v1::JOB_STATE_SUCCEEDED)}, 5));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"wait", "label:card=A"}), 0) << err_.str();
  EXPECT_THAT(service_.watches()[0].selector().job_ids(), ElementsAre(18));
  EXPECT_EQ(Program({"wait", "label:card=C"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no job has the label card=C\n");
}

// Two jobs run, 1,500 wait; pages are answered as the daemon does.
void HoldLongQueue(FakeService* service) {
  service->on_list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    const bool running = request.states(0) == v1::JOB_STATE_RUNNING;
    const uint64_t last = running ? 1201 : 1500;
    uint64_t id = running ? 1200 : 1;
    if (!request.page_token().empty()) id = std::stoull(request.page_token()) + 1;
    for (; id <= last && response->jobs_size() < static_cast<int>(request.page_size()); ++id) {
      if (!running && (id == 1200 || id == 1201)) continue;
      *response->add_jobs() = SmallJob(id, request.states(0));
    }
    if (response->jobs_size() == static_cast<int>(request.page_size())) {
      response->set_next_page_token(std::to_string(id - 1));
    }
    return grpc::Status::OK;
  };
  service->on_get_status = [] {
    v1::GetDaemonStatusResponse status;
    status.set_queued_jobs(1498);
    status.set_running_jobs(2);
    return status;
  };
}

size_t CountOf(const std::string& word, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST_F(Commands, QueueShowsAThousandJobsTheRunningOnesAmongThemAndSaysSo) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 998u);
  EXPECT_EQ(CountOf("RUNNING", out_.str()), 2u);
  EXPECT_EQ(err_.str(), "1000 of 1500 jobs are shown; --limit 0 shows all\n");
}

TEST_F(Commands, QueueShowsAsManyJobsAsAskedFor) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue", "--limit", "3"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 1u);
  EXPECT_EQ(CountOf("RUNNING", out_.str()), 2u);
  EXPECT_EQ(err_.str(), "3 of 1500 jobs are shown; --limit 0 shows all\n");
}

TEST_F(Commands, QueueShowsAllJobsWithLimit0) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue", "--limit", "0"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 1498u);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Commands, QueueRefusesALimitThatIsNoNumber) {
  for (const char* wrong : {"-1", "x", "1.5", "", "99999999999"}) {
    EXPECT_EQ(Program({"queue", "--limit", wrong}), 1) << wrong;
    EXPECT_EQ(err_.str(), "torchlap: --limit is " + std::string(wrong) +
                              ", must be a whole number; 0 shows all\n");
  }
}

TEST_F(Commands, WatchPrintsTheTableOfWhatItFollowed) {
  EXPECT_EQ(Program({"watch", "sweep:nightly"}), 0) << err_.str();
  EXPECT_THAT(service_.watches()[0].selector().sweep_names(), ElementsAre("nightly"));
  EXPECT_THAT(service_.exports()[0].filter().selector().job_ids(), ElementsAre(17));
  EXPECT_THAT(out_.str(), HasSubstr("| small"));
}

TEST_F(Commands, CancelSaysWhatBecameOfEachJob) {
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(18);
    response->add_cancelling_job_ids(17);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "17", "18", "--format", "csv"}), 0);
  EXPECT_EQ(out_.str(), "job_id,result\n18,cancelled\n17,cancelling\n");
  EXPECT_THAT(service_.cancels()[0].selector().job_ids(), ElementsAre(17, 18));
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "job 17 is SUCCEEDED");
  };
  EXPECT_EQ(Program({"cancel", "17"}), 4);
  EXPECT_EQ(Program({"cancel"}), 1);
}

TEST_F(Commands, CancelOfAUserNeedsNoSelector) {
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(18);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "--user", "ann"}), 0) << err_.str();
  EXPECT_EQ(Program({"cancel", "sweep:3", "--user", "uid:7"}), 0) << err_.str();
  ASSERT_THAT(service_.cancels(), SizeIs(2));
  EXPECT_EQ(service_.cancels()[0].user(), "ann");
  EXPECT_EQ(service_.cancels()[0].selector().ByteSizeLong(), 0U);
  EXPECT_EQ(service_.cancels()[1].user(), "uid:7");
  EXPECT_THAT(service_.cancels()[1].selector().sweep_ids(), ElementsAre(3));
  EXPECT_EQ(Program({"cancel", "--user", ""}), 1);
}

TEST_F(Commands, CancelByLabelOfVeryManyJobsIsAskedForInPieces) {
  constexpr uint64_t kJobs = 12'345;
  service_.on_list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    uint64_t id = request.page_token().empty() ? 0 : std::stoull(request.page_token());
    for (uint32_t i = 0; i < request.page_size() && id < kJobs; ++i) {
      v1::Job* job = response->add_jobs();
      job->set_job_id(++id);
      (*job->mutable_spec()->mutable_labels())["k"] = "v";
    }
    if (id < kJobs) response->set_next_page_token(std::to_string(id));
    return grpc::Status::OK;
  };
  std::set<uint64_t> asked;
  service_.on_cancel = [&](const v1::CancelJobsRequest& request, v1::CancelJobsResponse* response) {
    if (request.selector().job_ids_size() > 10'000) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "too many");
    }
    asked.insert(request.selector().job_ids().begin(), request.selector().job_ids().end());
    *response->mutable_cancelled_job_ids() = request.selector().job_ids();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "label:k=v", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(asked.size(), kJobs);
  const std::string out = out_.str();
  EXPECT_EQ(static_cast<uint64_t>(std::count(out.begin(), out.end(), '\n')), kJobs + 1);
}

TEST_F(Commands, CancelSaysWhatAPieceBeforeAnErrorHasDone) {
  service_.on_list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    for (uint64_t id = 1; id <= 6000; ++id) {
      response->add_jobs()->set_job_id(id);
      (*response->mutable_jobs()->rbegin()->mutable_spec()->mutable_labels())["k"] = "v";
    }
    return grpc::Status::OK;
  };
  service_.on_cancel = [](const v1::CancelJobsRequest& request, v1::CancelJobsResponse* response) {
    if (request.selector().job_ids(0) > 1) {
      return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "job 5001 belongs to bob");
    }
    *response->mutable_cancelled_job_ids() = request.selector().job_ids();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"cancel", "label:k=v"}), 4);
  EXPECT_EQ(err_.str(),
            "5000 jobs were cancelled before this error\ntorchlap: job 5001 belongs to bob\n");
}

TEST_F(Commands, ASweepWhoseNameIsANumberIsNotSubmitted) {
  for (const char* name : {"3", "007", "0"}) {
    EXPECT_EQ(Program({"submit", "--model-sizes", "small", "--name", name}), 1);
    EXPECT_EQ(err_.str(), "torchlap: --name is " + std::string(name) +
                              ", must not be a number: sweep:" + name +
                              " is the sweep with that id\n");
  }
  EXPECT_THAT(service_.submits(), SizeIs(0));
}

TEST_F(Commands, ExportMeansTheLatestSweepWhateverItWasFor) {
  EXPECT_EQ(Program({"export", "--format", "json", "--precision", "fp32"}), 0);
  const auto request = service_.exports()[0];
  EXPECT_TRUE(request.filter().selector().last());
  EXPECT_THAT(request.filter().purposes(), ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP,
                                                       v1::PURPOSE_FIT, v1::PURPOSE_CALIBRATE));
  EXPECT_TRUE(request.with_unfinished());
  EXPECT_EQ(request.rows(), v1::ROW_KIND_RUN);
  EXPECT_THAT(out_.str(), StartsWith("[\n  {\"run_id\":\"17.1\""));
}

TEST_F(Commands, ExportTakesSelectorsAndPurposes) {
  EXPECT_EQ(Program({"export", "17", "label:a=1", "--purpose", "warmup"}), 0);
  const auto request = service_.exports()[0];
  EXPECT_FALSE(request.filter().selector().last());
  EXPECT_THAT(request.filter().selector().job_ids(), ElementsAre(17));
  EXPECT_THAT(request.filter().purposes(), ElementsAre(v1::PURPOSE_WARMUP));
  EXPECT_EQ(Program({"export", "label:a=1"}), 0);
  EXPECT_FALSE(service_.exports()[1].filter().has_selector());
  for (const char* selector : {"17", "17.2", "sweep:3", "sweep:x", "last", "all", "label:a=1"}) {
    EXPECT_EQ(Program({"export", selector}), 0);
    EXPECT_THAT(service_.exports().back().filter().purposes(), testing::IsEmpty()) << selector;
  }
}

TEST_F(Commands, ExportOfNothingWritesNothingAndSaysWhatIsThere) {
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    if (request.filter().purposes_size() > 0) return std::vector<v1::Run>();
    v1::Run queued = SmallRun();
    queued.clear_outcome();
    queued.set_job_state(v1::JOB_STATE_QUEUED);
    return std::vector<v1::Run>{SmallRun(), queued, SmallRun(), OutOfMemoryRun()};
  };
  const TemporaryFolder folder;
  for (const char* format : {"table", "markdown", "writeup", "csv", "json", "jsonl"}) {
    const std::string file = folder.path() / "results";
    EXPECT_EQ(Program({"export", "17", "--purpose", "fit", "--format", format}), 4) << format;
    EXPECT_EQ(out_.str(), "") << format;
    EXPECT_EQ(err_.str(),
              "torchlap: no run matches; without the filters there are: 2 measure OK, 1 measure "
              "OUT_OF_MEMORY, 1 measure QUEUED\n");
    EXPECT_EQ(Program({"export", "17", "--purpose", "fit", "--format", format, "-o", file}), 4);
    EXPECT_FALSE(std::filesystem::exists(file)) << format;
  }
  EXPECT_THAT(service_.exports().back().filter().selector().job_ids(), ElementsAre(17));
  service_.on_export = [](const v1::ExportRunsRequest&) { return std::vector<v1::Run>(); };
  EXPECT_EQ(Program({"export", "all", "--format", "csv"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no run matches: there is none yet\n");
}

// Rows of a sweep of which one cell ended, in each format.
TEST_F(Commands, CellsThatHaveNotEndedAreRowsInEveryFormat) {
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    std::vector<v1::Run> rows = {SmallRun()};
    if (!request.with_unfinished()) return rows;
    for (const v1::JobState state :
         {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLED}) {
      v1::Run& row = rows.emplace_back();
      row.set_job_id(30 + rows.size());
      *row.mutable_workload() = SmallRun().workload();
      row.mutable_workload()->mutable_transformer_lm()->set_context_length(512 * state);
      row.set_requested_batch_size(4);
      row.set_requested_context_length(512 * state);
      *row.mutable_plan() = SmallRun().plan();
      row.set_purpose(v1::PURPOSE_MEASURE);
      row.set_job_state(state);
      if (state == v1::JOB_STATE_CANCELLED) row.mutable_failure()->set_detail("cancelled by bob");
    }
    return rows;
  };
  for (const std::string format : {"table", "markdown", "writeup", "csv", "json", "jsonl"}) {
    EXPECT_EQ(Program({"export", "sweep:3", "--format", format}), 0) << err_.str();
    for (const char* word : {"QUEUED", "RUNNING", "CANCELLED", "cancelled by bob"}) {
      EXPECT_THAT(out_.str(), HasSubstr(word)) << format;
    }
  }
}

TEST_F(Commands, ExportPutsEachTimingAndKindOfDeviceIntoATableOfItsOwn) {
  service_.on_export = [](const v1::ExportRunsRequest&) {
    v1::Run combined = SmallRun();
    combined.mutable_plan()->set_timing(v1::TIMING_COMBINED);
    v1::Run on_gpu = SmallRun();
    on_gpu.set_device_uuid("GPU-1");
    on_gpu.set_device("cuda:0");
    v1::Run queued = SmallRun();
    queued.clear_outcome();
    queued.clear_device_uuid();
    queued.clear_device();
    queued.set_job_state(v1::JOB_STATE_QUEUED);
    return std::vector<v1::Run>{queued, SmallRun(), combined, on_gpu, SmallRun()};
  };
  for (const char* format : {"table", "markdown", "writeup"}) {
    EXPECT_EQ(Program({"export", "all", "--format", format}), 0) << err_.str();
    const std::string text = out_.str();
    const size_t separate = text.find("separate timing");
    const size_t combined = text.find("combined timing");
    const size_t on_gpu = text.find("cuda:0");
    EXPECT_LT(separate, combined) << text;
    EXPECT_LT(combined, on_gpu) << text;
    EXPECT_NE(on_gpu, std::string::npos) << text;
    EXPECT_EQ(text.find("| timing"), std::string::npos) << text;
  }
}

// What `warmup` printed comes again from `export`, in the formats that it has.
TEST_F(Commands, AWarmupSweepIsExportedWithWhatItShows) {
  v1::CompareWarmupsResponse comparison;
  for (const uint32_t steps : {0U, 5U}) {
    v1::Run run = ScaledRun("small", 128'625'408, 40 + steps, 1);
    run.set_purpose(v1::PURPOSE_WARMUP);
    run.mutable_plan()->set_warmup_steps(steps);
    *comparison.add_runs() = run;
  }
  v1::WarmupFinding* finding = comparison.add_findings();
  finding->set_code(v1::WarmupFinding::CODE_FIRST_STEP_SLOW);
  finding->set_value(2.5);
  finding->set_count(1);
  service_.on_compare_warmups = [&](const v1::CompareWarmupsRequest& request) {
    EXPECT_EQ(request.sweep_id(), 3U);
    return comparison;
  };
  service_.on_list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    *response->add_jobs() = SmallJob(40, v1::JOB_STATE_SUCCEEDED);
    response->mutable_jobs(0)->mutable_spec()->set_purpose(v1::PURPOSE_WARMUP);
    return grpc::Status::OK;
  };
  service_.on_export = [&](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>(comparison.runs().begin(), comparison.runs().end());
  };
  for (const std::string format : {"table", "markdown", "writeup"}) {
    EXPECT_EQ(Program({"export", "sweep:3", "--format", format}), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("The first step of a process takes 2.50 times")) << format;
  }
  EXPECT_EQ(Program({"export", "sweep:3", "--format", "json"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\"findings\": ["));
  EXPECT_EQ(Program({"export", "sweep:3", "--format", "csv"}), 0) << err_.str();
  const std::string csv = out_.str();
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  // Of one of its jobs alone nothing is concluded.
  service_.on_export = [&](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{comparison.runs(0)};
  };
  EXPECT_EQ(Program({"export", "40"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::Not(HasSubstr("The first step")));
}

TEST_F(Commands, AFitIsExportedWithWhatItFoundAndItsRunsApart) {
  v1::Job job = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
  job.mutable_spec()->set_purpose(v1::PURPOSE_FIT);
  for (const uint32_t batch : {8U, 16U, 12U}) {
    v1::Run run = SmallRun();
    run.set_run_id("17." + std::to_string(job.runs_size() + 1));
    run.set_purpose(v1::PURPOSE_FIT);
    run.mutable_workload()->mutable_transformer_lm()->set_batch_size(batch);
    if (batch == 16) run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
    *job.add_runs() = run;
  }
  service_.on_get_job = [&](const v1::GetJobRequest&, v1::GetJobResponse* response) {
    *response->mutable_job() = job;
    return grpc::Status::OK;
  };
  service_.on_list_jobs = [&](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    *response->add_jobs() = job;
    return grpc::Status::OK;
  };
  service_.on_export = [&](const v1::ExportRunsRequest& request) {
    const int first = request.filter().selector().run_ids_size() > 0 ? 1 : 0;
    return std::vector<v1::Run>(job.runs().begin() + first, job.runs().end());
  };
  for (const std::string format : {"table", "markdown", "writeup"}) {
    EXPECT_EQ(Program({"export", "17", "--format", format}), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("largest batch that fits: 12")) << format;
  }
  EXPECT_EQ(Program({"export", "17", "--format", "json"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\"too_large\": 16"));
  EXPECT_EQ(Program({"export", "17.2", "17.3"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), testing::Not(HasSubstr("largest batch")));
  EXPECT_THAT(out_.str(), HasSubstr("| 16"));
  EXPECT_THAT(out_.str(), HasSubstr("| 12"));
}

TEST_F(Commands, ExportOfSamplesIsARowAStep) {
  v1::SampleBlock block;
  block.set_warmup_steps(1);
  for (const int64_t ns : {30, 20, 10}) {
    block.add_start_ns(100 - ns);
    block.add_forward_ns(ns / 2);
    block.add_step_ns(ns);
  }
  service_.exported_samples = {block};
  EXPECT_EQ(Program({"export", "17", "--samples", "--format", "csv"}), 0) << err_.str();
  EXPECT_TRUE(service_.exports().back().with_samples());
  EXPECT_THAT(out_.str(), StartsWith("run_id,step,warmup,"));
  EXPECT_THAT(out_.str(), HasSubstr("\n18.1,0,true,"));
  EXPECT_THAT(out_.str(), HasSubstr("\n18.1,2,false,"));
  EXPECT_EQ(Program({"export", "17", "--samples", "--format", "jsonl"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\"step\":1,\"warmup\":false,"));
  EXPECT_THAT(out_.str(), HasSubstr("\"forward_ns\":10,\"loss_ns\":null"));
  EXPECT_EQ(Program({"export", "17", "--samples", "--format", "json"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--format is json, must be one of csv, jsonl"));
  service_.exported_samples.clear();
  EXPECT_EQ(Program({"export", "17", "--samples"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("no steps were measured in the 2 runs chosen"));
}

TEST_F(Commands, SweepsListsWhatWasSubmitted) {
  std::vector<v1::ListSweepsRequest> requests;
  service_.on_list_sweeps = [&](const v1::ListSweepsRequest& request,
                                v1::ListSweepsResponse* response) {
    requests.push_back(request);
    for (uint32_t i = 0; i < std::min(request.page_size(), 2U); ++i) {
      v1::Sweep* sweep = response->add_sweeps();
      sweep->set_sweep_id(9 - 2 * requests.size() - i);
      sweep->set_name(i == 0 ? "part-b" : "");
      sweep->set_user("ann");
      sweep->set_submitted_at_ns(1'769'860'800'000'000'000);
      sweep->set_purpose(v1::PURPOSE_MEASURE);
      sweep->set_succeeded_jobs(3);
      sweep->set_failed_jobs(1);
      sweep->set_clean_runs(2);
      sweep->set_suspect_runs(i);
    }
    response->set_next_page_token("more");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"sweeps", "--limit", "3", "--user", "ann"}), 0) << err_.str();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].user(), "ann");
  EXPECT_EQ(requests[1].page_token(), "more");
  EXPECT_EQ(requests[1].page_size(), 1U);
  EXPECT_THAT(out_.str(), HasSubstr("user ann, purpose measure\n"));
  EXPECT_THAT(out_.str(), HasSubstr("| 7     | part-b | 2026-01-31 12:00 | 3 succeeded, 1 failed | "
                                    "2 clean "));
  EXPECT_EQ(Program({"sweeps", "--limit", "1", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "sweep_id,name,user,submitted_at,purpose,queued_jobs,running_jobs,succeeded_jobs,"
            "failed_jobs,cancelled_jobs,clean_runs,unverified_runs,suspect_runs,contaminated_runs\n"
            "3,part-b,ann,2026-01-31T12:00:00.000000Z,measure,0,0,3,1,0,2,0,0,0\n");
  EXPECT_EQ(Program({"sweeps", "--limit", "0"}), 1);
}

TEST_F(Commands, RunsReadsPagesUpToItsLimit) {
  std::vector<v1::ListRunsRequest> requests;
  service_.on_list_runs = [&](const v1::ListRunsRequest& request, v1::ListRunsResponse* response) {
    requests.push_back(request);
    for (uint32_t i = 0; i < std::min(request.page_size(), 40u); ++i)
      *response->add_runs() = SmallRun();
    response->set_next_page_token("more");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs", "--columns", "run_id,outcome", "--format", "csv"}), 0) << err_.str();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].page_size(), 50u);
  EXPECT_FALSE(requests[0].ascending());
  EXPECT_EQ(requests[1].page_size(), 10u);
  EXPECT_EQ(requests[1].page_token(), "more");
  const std::string csv = out_.str();
  EXPECT_THAT(csv, StartsWith("run_id,outcome\n17.1,OK\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 51);
  EXPECT_EQ(Program({"runs", "--columns", "nonsense"}), 1);
  EXPECT_EQ(Program({"runs", "--order", "best"}), 1);
  EXPECT_EQ(Program({"runs", "--limit", "0"}), 1);
}

TEST_F(Commands, ShowIsOneObjectOfAJobOrARun) {
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_QUEUED);
    return grpc::Status::OK;
  };
  service_.on_get_run = [](const v1::GetRunRequest& request) {
    std::vector<v1::GetRunResponse> parts(2);
    *parts[0].mutable_detail()->mutable_run() = SmallRun();
    parts[0].mutable_detail()->mutable_run()->set_run_id(request.run_id());
    parts[1].mutable_samples()->add_step_ns(5);
    return parts;
  };
  EXPECT_EQ(Program({"show", "17", "--format", "json"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("{\n  \"job_id\": 17,"));
  EXPECT_EQ(Program({"show", "17.2", "--format", "json"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("{\n  \"run_id\": \"17.2\","));
  EXPECT_THAT(out_.str(), HasSubstr("\"step_ns\": 5"));
  EXPECT_EQ(Program({"show", "17", "--format", "csv"}), 1);
}

TEST_F(Commands, ShowOfASweepIsItsJobs) {
  int jobs = 1;
  service_.on_list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    EXPECT_GT(request.selector().ByteSizeLong(), 0U);
    for (int i = 0; i < jobs; ++i) {
      *response->add_jobs() = SmallJob(17 + static_cast<uint64_t>(i), v1::JOB_STATE_QUEUED);
    }
    return grpc::Status::OK;
  };
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_QUEUED);
    return grpc::Status::OK;
  };
  for (const char* word : {"last", "sweep:3", "sweep:night"}) {
    jobs = 1;
    EXPECT_EQ(Program({"show", word, "--format", "json"}), 0) << err_.str();
    EXPECT_THAT(out_.str(), StartsWith("{\n  \"job_id\": 17,")) << "a sweep of one is its job";
    jobs = 2;
    EXPECT_EQ(Program({"show", word, "--format", "json"}), 0) << err_.str();
    EXPECT_THAT(out_.str(), StartsWith("{\n  \"sweep_id\": 3,"));
    EXPECT_EQ(Program({"show", word}), 0) << err_.str();
    EXPECT_THAT(out_.str(), StartsWith("job 17 of sweep:3"));
    EXPECT_THAT(out_.str(), HasSubstr("\n\njob 18 of sweep:3"));
  }
  jobs = 101;
  EXPECT_EQ(Program({"show", "last"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("sweep:3 has more than 100 jobs"));
}

TEST_F(Commands, TheFirstCtrlCDetaches) {
  HoldWatches();
  ChildProcess child({"--address", service_.address(), "run", "--model-sizes", "small"});
  ASSERT_TRUE(service_.WaitForWatches(1));
  child.Interrupt();
  EXPECT_EQ(child.Wait(), 130);
  EXPECT_THAT(child.err(), HasSubstr("torchlap watch sweep:3"));
  EXPECT_THAT(child.err(), HasSubstr("torchlap cancel sweep:3"));
  EXPECT_THAT(service_.cancels(), SizeIs(0));
  EXPECT_EQ(child.out(), "");
}

TEST_F(Commands, TheSecondCtrlCCancels) {
  HoldWatches();
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelling_job_ids(17);
    return grpc::Status::OK;
  };
  ChildProcess child({"--address", service_.address(), "run", "--model-sizes", "small"});
  ASSERT_TRUE(service_.WaitForWatches(1));
  child.Interrupt();
  ASSERT_TRUE(service_.WaitForCancelledWatches(1));
  child.Interrupt();
  EXPECT_EQ(child.Wait(), 130);
  ASSERT_THAT(service_.cancels(), SizeIs(1));
  EXPECT_THAT(service_.cancels()[0].selector().sweep_ids(), ElementsAre(3));
  EXPECT_THAT(child.err(), HasSubstr("cancelled sweep:3 (0 queued, 1 running)"));
}

TEST_F(Commands, CtrlCEndsWaitAndWatchAndLeavesTheJobsAlone) {
  HoldWatches();
  for (const char* command : {"wait", "watch"}) {
    const size_t before = service_.watches().size();
    ChildProcess child({"--address", service_.address(), command, "17"});
    ASSERT_TRUE(service_.WaitForWatches(before + 1));
    child.Interrupt();
    EXPECT_EQ(child.Wait(), 130) << command;
    EXPECT_EQ(child.out(), "");
    EXPECT_THAT(child.err(),
                testing::EndsWith("detached: what was followed goes on; follow it: "
                                  "torchlap watch 17; cancel it: torchlap cancel 17\n"));
  }
  EXPECT_THAT(service_.cancels(), SizeIs(0));
}

TEST_F(Commands, AFullDiskBehindStdoutIsNotASuccess) {
  ChildProcess child({"--address", service_.address(), "export"}, "/dev/full");
  EXPECT_EQ(child.Wait(), 6);
  EXPECT_EQ(child.err(),
            "torchlap: cannot write the result to standard output: No space left on device\n");
}

TEST_F(Commands, WhatWasDoneIsSaidWhereItsResultCannotBeWritten) {
  service_.on_cancel = [](const v1::CancelJobsRequest&, v1::CancelJobsResponse* response) {
    response->add_cancelled_job_ids(17);
    return grpc::Status::OK;
  };
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
    response->set_sweep_id(3);
    for (const uint64_t id : {17, 18, 19}) response->add_job_ids(id);
    return grpc::Status::OK;
  };
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"submit", "--model-sizes", "small"}, "submitted all the same: sweep:3, jobs 17 to 19"},
      {{"run", "--model-sizes", "small"},
       "sweep:3 has ended all the same, print it again: torchlap export sweep:3"},
      {{"cancel", "17"}, "cancelled all the same: 1 queued, 0 running"},
  };
  for (const auto& [words, remark] : cases) {
    std::vector<std::string> all = {"--address", service_.address()};
    all.insert(all.end(), words.begin(), words.end());
    ChildProcess child(all, "/dev/full");
    EXPECT_EQ(child.Wait(), 6) << words[0];
    EXPECT_THAT(child.err(), HasSubstr("standard output: No space left on device; " + remark));
    // The same where a file cannot take it.
    std::vector<std::string> to_file = words;
    to_file.insert(to_file.end(), {"-o", "/dev/full"});
    EXPECT_EQ(Program(to_file), 6);
    EXPECT_THAT(err_.str(),
                HasSubstr("cannot write /dev/full: No space left on device; " + remark));
  }
}

TEST_F(Commands, AFileThatCannotBeMadeIsSaidBeforeAnythingIsSubmitted) {
  for (const char* command : {"run", "submit", "warmup", "fit"}) {
    EXPECT_EQ(Program({command, "--model-size", "small", "-o", "/proc/nowhere/a.json"}), 6);
    EXPECT_THAT(err_.str(), HasSubstr("cannot make the folder /proc/nowhere"));
  }
  EXPECT_THAT(service_.submits(), SizeIs(0));
}

TEST_F(Commands, HelpThatCannotBePrintedIsNotASuccess) {
  ChildProcess child({"--help"}, "/dev/full");
  EXPECT_EQ(child.Wait(), 6);
}

TEST_F(Commands, ATerminalIsShownTheTableBesideTheFile) {
  const TemporaryFolder folder;
  console_.out_is_terminal = true;
  const std::string path = folder.path() / "a.csv";
  for (const std::string command : {"run", "watch"}) {
    const std::vector<std::string> words = command == "run"
                                               ? std::vector<std::string>{"--model-sizes", "small"}
                                               : std::vector<std::string>{"17"};
    std::vector<std::string> all = {command, "-o", path};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(Program(all), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("| medium |")) << command;
    EXPECT_EQ(service_.exports().back().rows(), v1::ROW_KIND_CELL);
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove(path);
  }
}

TEST(NoDaemon, ASocketThatIsNotThereIsNamed) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + (folder.path() / "x.sock").native();
  ChildProcess child({"--address", address, "queue"});
  EXPECT_EQ(child.Wait(), 3);
  EXPECT_EQ(child.err(), "torchlap: no daemon at " + address +
                             " (No such file or directory); start one with: torchlapd --socket " +
                             (folder.path() / "x.sock").native() + "\n");
}

TEST(NoDaemon, ASocketFileThatADeadDaemonLeftFailsAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.sock";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  close(fd);
  // An hour of patience: only the first failure can end this.
  const auto channel = DaemonChannel::Open("unix:" + path, std::chrono::hours(1));
  EXPECT_EQ(channel.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr("(Connection refused)"));
}

TEST(NoDaemon, ASocketThatNobodyServesIsGivenUp) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.sock";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  ASSERT_EQ(listen(fd, 5), 0);
  const auto channel = DaemonChannel::Open("unix:" + path, std::chrono::milliseconds(100));
  EXPECT_EQ(channel.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr("(no answer)"));
  close(fd);
}

}  // namespace
}  // namespace torchlap::client
