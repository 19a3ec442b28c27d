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
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

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
  EXPECT_EQ(err_.str(),
            "torchlap: the daemon at " + service_.address() +
                " is not available: the daemon is stopping; it may have been "
                "accepted: the same command again within 10 minutes makes no second sweep\n");
}

TEST_F(Commands, ASubmitWithoutAnAnswerIsSentUnderTheSameIdByTheSameCommand) {
  bool answers = false;
  grpc::StatusCode code = grpc::StatusCode::DEADLINE_EXCEEDED;
  service_.on_submit = [&](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
    if (!answers) return grpc::Status(code, "");
    response->set_sweep_id(3);
    return grpc::Status::OK;
  };
  for (const auto silent : {grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::UNAVAILABLE,
                            grpc::StatusCode::CANCELLED}) {
    const size_t before = service_.submits().size();
    answers = false;
    code = silent;
    EXPECT_NE(Program({"submit", "--model-sizes", "small"}), 0);
    EXPECT_THAT(err_.str(), HasSubstr("it may have been accepted"));
    EXPECT_NE(Program({"submit", "--model-sizes", "medium"}), 0);
    answers = true;
    EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0) << err_.str();
    EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 0) << err_.str();
    const auto submits = service_.submits();
    const std::string first = submits[before].request_id();
    EXPECT_EQ(submits[submits.size() - 2].request_id(), first) << "the same command";
    EXPECT_NE(submits.back().request_id(), first) << "it was answered";
    for (const auto& request : submits) {
      if (request.jobs(0).workload().transformer_lm().preset() == "medium") {
        EXPECT_NE(request.request_id(), first) << "another command";
      }
    }
  }
}

TEST_F(Commands, ARefusedSubmitIsAnswered) {
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*) {
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full");
  };
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: the queue is full\n");
  EXPECT_EQ(Program({"submit", "--model-sizes", "small"}), 4);
  EXPECT_NE(service_.submits()[0].request_id(), service_.submits()[1].request_id());
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

TEST_F(Commands, WaitKnowsALabelThatNobodyCanTypeByWhatListsShow) {
  service_.on_list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    *response->add_jobs() = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
    v1::Job job = SmallJob(18, v1::JOB_STATE_SUCCEEDED);
    (*job.mutable_spec()->mutable_labels())["card"] = "A\x1b[1m";
    *response->add_jobs() = job;
    return grpc::Status::OK;
  };
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(18, v1::JOB_STATE_SUCCEEDED)}, 5));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"wait", "label:card=A\\x1b[1m"}), 0) << err_.str();
  EXPECT_THAT(service_.watches()[0].selector().job_ids(), ElementsAre(18));
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

TEST_F(Commands, WatchPrintsTheTableOfWhatItFollowed) {
  EXPECT_EQ(Program({"watch", "sweep:nightly"}), 0) << err_.str();
  EXPECT_THAT(service_.watches()[0].selector().sweep_names(), ElementsAre("nightly"));
  EXPECT_THAT(service_.exports()[0].filter().selector().job_ids(), ElementsAre(17));
  EXPECT_THAT(out_.str(), HasSubstr("| small"));
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
      sweep->add_models()->set_preset("small");
      sweep->add_pass_types(v1::PASS_TYPE_FORWARD);
      sweep->add_batch_sizes(4);
      for (const uint32_t context : {64, 128, 256, 512}) sweep->add_context_lengths(context);
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
  EXPECT_THAT(out_.str(),
              HasSubstr("| 7     | part-b | 2026-01-31 12:00 | small; forward; batch 4; "
                        "context 64 128 256 512 | 1 failed, 3 succeeded | 2 clean "));
  console_.out_is_terminal = true;
  requests.clear();
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(Program({"sweeps", "--limit", "3"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("| 1 failed of 4 | "));
  EXPECT_THAT(out_.str(), HasSubstr("| context 64.…"));
  requests.clear();
  EXPECT_EQ(Program({"sweeps", "--limit", "3", "--wide"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("context 64 128 256 512 | 1 failed, 3 succeeded |"));
  requests.clear();
  EXPECT_EQ(Program({"sweeps", "--limit", "1", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "sweep_id,name,user,submitted_at,purpose,queued_jobs,running_jobs,succeeded_jobs,"
            "failed_jobs,cancelled_jobs,clean_runs,unverified_runs,suspect_runs,contaminated_runs,"
            "what\n"
            "7,part-b,ann,2026-01-31T12:00:00.000000Z,measure,0,0,3,1,0,2,0,0,0,small; forward; "
            "batch 4; context 64 128 256 512\n");
  for (const char* limit : {"0", "-1", "x", "1x", "", "4294967296", "99999999999"}) {
    EXPECT_EQ(Program({"sweeps", "--limit", limit}), 1) << limit;
    EXPECT_THAT(err_.str(), HasSubstr("must be a whole number from 1")) << limit;
  }
}

TEST_F(Commands, SweepsOfNobodyAreNamedAsSuch) {
  service_.on_list_sweeps = [](const v1::ListSweepsRequest&, v1::ListSweepsResponse*) {
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"sweeps", "--user", "nosuch"}), 0);
  EXPECT_EQ(err_.str(), "no sweeps of nosuch\n");
  EXPECT_EQ(Program({"sweeps"}), 0);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Commands, RunsShowsCanariesWhereTheyAreAskedFor) {
  v1::RunFilter asked;
  service_.on_list_runs = [&](const v1::ListRunsRequest& request, v1::ListRunsResponse*) {
    asked = request.filter();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs"}), 0) << err_.str();
  EXPECT_THAT(asked.purposes(),
              testing::ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT,
                                   v1::PURPOSE_CALIBRATE, v1::PURPOSE_TRACE));
  EXPECT_EQ(Program({"runs", "--purpose", "canary"}), 0) << err_.str();
  EXPECT_THAT(asked.purposes(), testing::ElementsAre(v1::PURPOSE_CANARY));
  for (const char* selector : {"17", "17.1", "all", "last"}) {
    EXPECT_EQ(Program({"runs", selector}), 0) << err_.str();
    EXPECT_THAT(asked.purposes(), testing::IsEmpty()) << selector;
  }
  EXPECT_EQ(Program({"runs", "--user", "torchlapd"}), 0) << err_.str();
  EXPECT_THAT(asked.purposes(), testing::IsEmpty());
}

TEST_F(Commands, RowsThatTheDaemonCouldNotReadAreSaidBesideTheRest) {
  service_.on_list_runs = [](const v1::ListRunsRequest& request, v1::ListRunsResponse* response) {
    *response->add_runs() = SmallRun();
    response->set_unreadable_runs(request.page_token().empty() ? 2 : 1);
    if (request.page_token().empty()) response->set_next_page_token("more");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs", "--columns", "run_id", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "run_id\n17.1\n17.1\n");
  EXPECT_THAT(err_.str(), HasSubstr("3 rows could not be read, as the daemon's database is "
                                    "damaged; torchlapd --check tells more\n"));
}

TEST_F(Commands, ASweepIsShownWithTheNumberOfItsJobsThatCouldNotBeRead) {
  int readable = 2;
  service_.on_list_jobs = [&](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    for (int i = 0; i < readable; ++i) {
      *response->add_jobs() = SmallJob(17 + static_cast<uint64_t>(i), v1::JOB_STATE_SUCCEEDED);
    }
    response->set_unreadable_jobs(3);
    return grpc::Status::OK;
  };
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(request.job_id(), v1::JOB_STATE_SUCCEEDED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"show", "sweep:3"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("3 rows could not be read"));
  readable = 0;
  EXPECT_EQ(Program({"show", "sweep:3"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("3 rows could not be read")) << "not that it has no jobs";
}

TEST_F(Commands, WaitIsNoSuccessWhereAJobCouldNotBeRead) {
  for (const auto& [state, status] :
       {std::pair(v1::JOB_STATE_SUCCEEDED, 4), {v1::JOB_STATE_FAILED, 2}}) {
    service_.on_watch = [state = state](const v1::WatchJobsRequest&, grpc::ServerContext*,
                                        FakeService::WatchWriter* writer) {
      v1::WatchJobsResponse snapshot = Snapshot({SmallJob(17, state)}, 5);
      snapshot.mutable_snapshot()->set_unreadable_jobs(2);
      writer->Write(snapshot);
      return grpc::Status::OK;
    };
    EXPECT_EQ(Program({"wait", "sweep:3"}), status) << err_.str();
    EXPECT_THAT(err_.str(), HasSubstr("2 rows could not be read, as the daemon's database is"));
  }
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

TEST_F(Commands, AResultThatCannotBeWrittenIsNotReadToItsEnd) {
  service_.on_export = [](const v1::ExportRunsRequest&) { return std::vector{SmallRun()}; };
  service_.export_times = 100'000;
  for (const char* format : {"csv", "json", "jsonl"}) {
    ChildProcess child({"--address", service_.address(), "export", "all", "--format", format},
                       "/dev/full");
    EXPECT_EQ(child.Wait(), 6) << format;
    EXPECT_EQ(child.err(),
              "torchlap: cannot write the result to standard output: No space left on device\n");
    EXPECT_EQ(Program({"export", "all", "--format", format, "-o", "/dev/full"}), 6) << format;
    EXPECT_THAT(err_.str(), HasSubstr("cannot write /dev/full: No space left on device"));
  }
  service_.Stop();
  EXPECT_LT(service_.exported_rows(), service_.export_times);
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
