// What `export` asks for, and the files that come of it.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

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
  for (const char* selector : {"17", "17.2", "sweep:3", "sweep:x", "last", "label:a=1"}) {
    EXPECT_EQ(Program({"export", selector}), 0);
    EXPECT_THAT(service_.exports().back().filter().purposes(), testing::IsEmpty()) << selector;
  }
}

TEST_F(Commands, ExportOfAllLeavesOutWhatTheDaemonRanByItself) {
  const auto purposes_of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"export", "all"});
    EXPECT_EQ(Program(words), 0) << err_.str();
    const v1::RunFilter filter = service_.exports().back().filter();
    return std::vector<int>(filter.purposes().begin(), filter.purposes().end());
  };
  EXPECT_THAT(purposes_of({}), ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT,
                                           v1::PURPOSE_CALIBRATE, v1::PURPOSE_TRACE));
  EXPECT_THAT(purposes_of({"--purpose", "canary"}), ElementsAre(v1::PURPOSE_CANARY));
  EXPECT_THAT(purposes_of({"--user", "torchlapd"}), testing::IsEmpty());
  EXPECT_THAT(purposes_of({"17"}), testing::IsEmpty()) << "a job may be a canary";
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
  for (const char* format :
       {"table", "markdown", "writeup", "latex", "typst", "csv", "json", "jsonl"}) {
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

TEST_F(Commands, ExportOfASelectorThatNothingHasSaysWhichItIs) {
  service_.on_export = [](const v1::ExportRunsRequest&) { return std::vector<v1::Run>(); };
  const auto error_of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "export");
    EXPECT_EQ(Program(words), 4);
    return err_.str();
  };
  EXPECT_EQ(error_of({"label:a=b"}), "torchlap: no run has the label a=b\n");
  EXPECT_EQ(error_of({"label:x=1", "label:a=b", "--format", "csv"}),
            "torchlap: no run has the labels a=b, x=1\n");
  EXPECT_EQ(error_of({"17", "label:a=b"}), "torchlap: no run of the selector has the label a=b\n");
  EXPECT_EQ(error_of({"17", "18.1"}), "torchlap: no run matches the selector\n");
  EXPECT_EQ(error_of({"all"}), "torchlap: no run matches: there is none yet\n");
  EXPECT_EQ(error_of({"all", "label:a=b"}), "torchlap: no run has the label a=b\n");
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
  for (const std::string format :
       {"table", "markdown", "writeup", "latex", "typst", "csv", "json", "jsonl"}) {
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

}  // namespace
}  // namespace torchlap::client
