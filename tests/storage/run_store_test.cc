#include "storage/run_store.h"

#include <SQLiteCpp/Database.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/util/message_differencer.h>

#include <map>
#include <utility>

#include "proto/columns.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> Ids(const RunRows& runs) {
  std::vector<std::string> ids;
  for (const v1::Run& run : runs) ids.push_back(run.run_id());
  return ids;
}

class RunStoreTest : public StoreTest {
 protected:
  RunPage List(const v1::RunFilter& filter, uint32_t size = 50, const std::string& token = "",
               bool ascending = false, const JobFilter& selected = JobFilter()) {
    absl::StatusOr<RunPage> page = runs_->List(filter, selected, ascending, size, token);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *page : RunPage();
  }
  std::vector<std::string> Matching(const v1::RunFilter& filter,
                                    const JobFilter& selected = JobFilter()) {
    return Ids(List(filter, 50, "", true, selected).runs);
  }
  std::vector<std::vector<std::string>> Export(const v1::RunFilter& filter,
                                               const JobFilter& selected = JobFilter()) {
    std::vector<std::vector<std::string>> batches;
    absl::Status status = runs_->Export(filter, selected, false, [&](const RunRows& runs) {
      batches.push_back(Ids(runs));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return batches;
  }
  // `<job> <run id or -> <state of the job>` of an export with unfinished jobs.
  std::vector<std::string> Rows(const v1::RunFilter& filter, const JobFilter& selected) {
    std::vector<std::string> texts;
    absl::Status status = runs_->Export(filter, selected, true, [&](const RunRows& rows) {
      for (const v1::Run& row : rows) {
        texts.push_back(std::to_string(row.job_id()) + " " +
                        (row.run_id().empty() ? "-" : row.run_id()) + " " +
                        v1::JobState_Name(row.job_state()).substr(10));
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return texts;
  }
  // A run of a job with these differences from the usual one, ended.
  std::string Add(
      const std::function<void(NewJob*)>& asked,
      const std::function<void(FinishedRun*)>& ended = [](FinishedRun*) {}) {
    NewJob job = MakeJob();
    asked(&job);
    job.workload_hash = job.spec.workload().ShortDebugString();
    const StartedRun started = Start(SubmitOne(job));
    FinishedRun finished = Ended(started);
    finished.run.set_workload_hash(job.workload_hash);
    ended(&finished);
    Finish(finished, LaunchDone());
    return started.run.run_id();
  }
};

// A value of its own for every column, so that no two can be mixed up.
void FillEveryColumn(v1::Run* run) {
  int next = 1000;
  for (const RunColumn& column : RunColumns()) {
    Message* message = run;
    for (size_t i = 0; i + 1 < column.path.size(); ++i) {
      message = message->GetReflection()->MutableMessage(message, column.path[i]);
    }
    const FieldDescriptor* field = column.path.back();
    const auto& reflection = *message->GetReflection();
    ++next;
    if (field->is_map() || (!field->has_presence() && reflection.HasField(*message, field))) {
      continue;  // fixed by the job
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(message, field, column.stored_name + " text");
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection.SetEnumValue(message, field, 2);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(message, field, next + 0.1);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.SetInt32(message, field, next);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection.SetUInt32(message, field, static_cast<uint32_t>(next));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(message, field, (int64_t{1} << 40) + next);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(message, field, (uint64_t{1} << 40) + static_cast<uint64_t>(next));
        break;
      default:
        FAIL() << field->full_name();
    }
  }
}

TEST_F(RunStoreTest, EveryColumnComesBackAsItWasStored) {
  NewJob job = MakeJob();
  job.spec.mutable_workload()->mutable_transformer_lm()->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  job.spec.mutable_workload()->mutable_transformer_lm()->set_optimizer(v1::OPTIMIZER_FUSED);
  job.spec.mutable_plan()->set_seed(~uint64_t{0});
  job.spec.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
  job.spec.mutable_plan()->set_memory_fraction(0.25);
  job.spec.mutable_plan()->set_target_precision(0.01);
  (*job.spec.mutable_labels())["k"] = "it's \"v\"";
  const StartedRun started = Start(Submit({job}, "", "sweep").job_ids[0]);
  FinishedRun finished;
  finished.run = started.run;
  FillEveryColumn(&finished.run);
  // Fixed by the job.
  finished.run.set_launch(started.run.launch());
  *finished.run.mutable_workload() = started.run.workload();
  *finished.run.mutable_plan() = started.run.plan();
  finished.environment.emplace();
  Finish(finished, TryAgain(1, 1));
  finished.run.set_job_state(v1::JOB_STATE_QUEUED);              // of its job now
  Break("UPDATE job SET host = '" + finished.run.host() + "'");  // as an import sets it
  const v1::Run stored = runs_->Get(started.run.run_id())->run();
  EXPECT_TRUE(MessageDifferencer::Equals(stored, finished.run))
      << stored.DebugString() << finished.run.DebugString();
  for (const RunColumn& column : RunColumns()) {
    EXPECT_FALSE(std::holds_alternative<std::monostate>(ReadColumn(stored, column)))
        << column.stored_name << " was not tried";
  }
}

TEST_F(RunStoreTest, WhatTheDaemonMadeOfARunComesBackWithIt) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  FinishedRun finished = Ended(started);
  v1::Assessment& assessment = *finished.run.mutable_assessment();
  v1::Evidence& evidence = *assessment.add_evidence();
  evidence.set_reason(v1::REASON_FOREIGN_CPU);
  evidence.set_first_step(3);
  evidence.set_process("stress-ng");
  assessment.add_advice()->set_code(v1::ADVICE_NEIGHBOUR);
  finished.readings.add_device()->set_sm_mhz(1980);
  finished.readings.set_load_average(0.5);
  Finish(finished, LaunchDone());
  const v1::RunDetail detail = *runs_->Get(started.run.run_id());
  EXPECT_TRUE(MessageDifferencer::Equals(detail.run().assessment(), assessment));
  EXPECT_TRUE(MessageDifferencer::Equals(detail.readings(), finished.readings));
}

TEST_F(RunStoreTest, TheFastestSiblingIsOfTheSameKindAndNoLarger) {
  const auto finish = [&](const NewJob& job, double flops_per_s, double step_ns,
                          uint32_t steps = 10) {
    FinishedRun finished = Ended(Start(SubmitOne(job)));
    finished.run.set_flops_per_s(flops_per_s);
    finished.run.set_actual_measure_steps(steps);
    finished.run.mutable_step()->set_mean_ns(step_ns);
    Finish(finished, LaunchDone());
    return finished.run;
  };
  const v1::Run slow = finish(MakeJob("medium"), 1e9, 4e9);  // 4 GFLOP in 4 s
  finish(MakeJob("small"), 5e9, 1e9);                        // 5 GFLOP: more
  NewJob other = MakeJob("small", 2, 64);
  other.spec.mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_BF16);
  other.workload_hash = HashOf(other.spec.workload());
  finish(other, 9e9, 1e8);
  // Of too few steps, however many of them there are.
  for (int i = 0; i < 3; ++i) finish(MakeJob("medium"), 2e9, 2e9, i == 0 ? 1 : 9);
  EXPECT_EQ(runs_->BestSibling(slow, 10)->value().run_id, slow.run_id());
  EXPECT_EQ(runs_->BestSibling(slow, 9)->value().flops_per_s, 2e9);
  const v1::Run best = finish(MakeJob("small", 1, 64), 3e9, 1e9);
  const std::optional<RunStore::Sibling> found = *runs_->BestSibling(slow, 10);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->run_id, best.run_id());
  EXPECT_EQ(found->flops_per_s, 3e9);
  v1::Run elsewhere = slow;
  elsewhere.set_device_uuid("CPU-9");
  EXPECT_FALSE(runs_->BestSibling(elsewhere, 10)->has_value());
}

TEST_F(RunStoreTest, AFrontierIsAPairOfAFittingAndATooLargeFit) {
  const auto fit = [&](uint32_t batch, v1::Outcome outcome) {
    NewJob job = MakeJob("small", batch, 256);
    job.spec.set_purpose(v1::PURPOSE_FIT);
    Finish(Ended(Start(SubmitOne(job)), outcome), LaunchDone());
  };
  const v1::Run asked = Start(SubmitOne(MakeJob("small", 32, 256))).run;
  fit(8, v1::OUTCOME_OK);
  EXPECT_FALSE(runs_->FindFrontier(asked)->has_value());
  fit(16, v1::OUTCOME_OUT_OF_MEMORY);
  fit(12, v1::OUTCOME_OK);
  fit(10, v1::OUTCOME_OK);
  const std::optional<RunStore::Frontier> frontier = *runs_->FindFrontier(asked);
  ASSERT_TRUE(frontier.has_value());
  EXPECT_EQ(frontier->batch_size, 12u);
  EXPECT_EQ(frontier->context_length, 256u);
  EXPECT_EQ(frontier->too_big_batch_size, 16u);
  EXPECT_EQ(frontier->too_big_run_id, "3.1");
  // A size that nothing is known against is tried.
  EXPECT_FALSE(runs_->FindFrontier(Start(SubmitOne(MakeJob("small", 12, 256))).run)->has_value());
  v1::Run other = asked;
  other.mutable_workload()->mutable_transformer_lm()->set_precision(v1::PRECISION_BF16);
  EXPECT_FALSE(runs_->FindFrontier(other)->has_value());
}

TEST_F(RunStoreTest, TheNewestCalibrationOfADeviceIsFound) {
  EXPECT_FALSE(runs_->LatestCalibration("CPU-0")->has_value());
  NewJob job = MakeJob();
  job.spec.mutable_workload()->mutable_calibration()->set_matrix_size(64);
  job.spec.set_purpose(v1::PURPOSE_CALIBRATE);
  job.workload_hash = "c0ffee";
  const auto calibrate = [&](double flops_per_s, v1::Validity validity) {
    const StartedRun started = Start(SubmitOne(job));
    EXPECT_EQ(started.run.workload().calibration().matrix_size(), 64u);
    FinishedRun finished;
    finished.run = started.run;
    finished.run.set_outcome(v1::OUTCOME_OK);
    finished.run.mutable_calibration()->add_matmul_peaks()->set_flops_per_s(flops_per_s);
    finished.run.set_validity(validity);
    Finish(finished, LaunchDone());
  };
  calibrate(5e8, v1::VALIDITY_CONTAMINATED);
  EXPECT_FALSE(runs_->LatestCalibration("CPU-0")->has_value());
  calibrate(1e9, v1::VALIDITY_UNSPECIFIED);  // of a daemon that gave calibrations no verdict
  EXPECT_TRUE(runs_->LatestCalibration("CPU-0")->has_value());
  calibrate(2e9, v1::VALIDITY_UNVERIFIED);
  calibrate(4e8, v1::VALIDITY_CONTAMINATED);
  const std::optional<v1::Run> latest = *runs_->LatestCalibration("CPU-0");
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->run_id(), "3.1");
  EXPECT_EQ(latest->calibration().matmul_peaks(0).flops_per_s(), 2e9);
  EXPECT_TRUE(latest->workload().has_calibration());
  EXPECT_FALSE(runs_->LatestCalibration("CPU-1")->has_value());
}

TEST_F(RunStoreTest, WhatIsUnknownStaysUnset) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  FinishedRun finished;
  finished.run = started.run;
  finished.run.set_outcome(v1::OUTCOME_CRASHED);
  Finish(finished, JobFailed("signal 9"));
  finished.run.set_job_state(v1::JOB_STATE_FAILED);
  const v1::RunDetail detail = *runs_->Get(started.run.run_id());
  EXPECT_TRUE(MessageDifferencer::Equals(detail.run(), finished.run)) << detail.DebugString();
  EXPECT_FALSE(detail.run().has_failure());
  EXPECT_FALSE(detail.has_environment());
  EXPECT_FALSE(detail.has_readings());
  EXPECT_EQ(runs_->Samples(started.run.run_id())->step_ns_size(), 0);
}

TEST_F(RunStoreTest, SamplesComeBackFromStepZero) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  FinishedRun finished = Ended(started);
  v1::SampleBlock& samples = finished.samples;
  samples.Clear();
  samples.set_warmup_steps(5);
  for (int64_t i = 0; i < 15; ++i) {
    samples.add_start_ns(123'456'789'000'000 + i * 31'000'000);
    samples.add_forward_ns(10'000'000 + i);
    samples.add_step_ns(31'000'000 + i);
  }
  finished.readings.set_load_average(0.5);
  Finish(finished, LaunchDone());
  const absl::StatusOr<v1::SampleBlock> stored = runs_->Samples(started.run.run_id());
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*stored, samples));
  const v1::RunDetail detail = *runs_->Get(started.run.run_id());
  EXPECT_EQ(detail.readings().load_average(), 0.5);
  EXPECT_FALSE(detail.readings().has_temperature_celsius());
}

TEST_F(RunStoreTest, ARunIdThatIsNoneIsRefused) {
  RunToEnd(MakeJob());
  EXPECT_TRUE(runs_->Get("1.1").ok());
  EXPECT_EQ(runs_->Get("1.2").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(runs_->Get("1.2").status().message(), "there is no run 1.2");
  EXPECT_EQ(runs_->Samples("1.2").status().code(), absl::StatusCode::kNotFound);
  for (const char* bad : {"", "1", "1.", ".1", "x.1", "1.x", "01.1", "1.1.1", "0.1", "1.0", "-1.1",
                          " 1.1", "1.99999999999"}) {
    EXPECT_EQ(runs_->Get(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST_F(RunStoreTest, ARunThatIsNotFinishedIsFoundByItsIdButNotListed) {
  const StartedRun started = Start(SubmitOne(MakeJob()));
  EXPECT_TRUE(runs_->Get(started.run.run_id()).ok());
  EXPECT_THAT(List({}).runs, IsEmpty());
  EXPECT_THAT(Export({}), IsEmpty());
}

TEST_F(RunStoreTest, ListsAreNewestFirstUnlessAskedOtherwise) {
  for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
  EXPECT_THAT(Ids(List({}).runs), ElementsAre("3.1", "2.1", "1.1"));
  EXPECT_THAT(Ids(List({}, 50, "", true).runs), ElementsAre("1.1", "2.1", "3.1"));
}

TEST_F(RunStoreTest, PagesHaveNoDuplicatesWhileRunsAreAdded) {
  for (int i = 0; i < 7; ++i) RunToEnd(MakeJob());
  std::vector<std::string> seen;
  std::string token;
  do {
    const RunPage page = List({}, 3, token);
    for (const std::string& id : Ids(page.runs)) seen.push_back(id);
    token = page.next_page_token;
    RunToEnd(MakeJob());
  } while (!token.empty());
  EXPECT_THAT(seen, ElementsAre("7.1", "6.1", "5.1", "4.1", "3.1", "2.1", "1.1"));
}

// Copies of run 1.1 by SQL, as so many commits would take a minute.
TEST_F(RunStoreTest, RunsOfALabelThatManyJobsHaveAreListedInOrderWhereverTheyAre) {
  NewJob job = MakeJob();
  (*job.spec.mutable_labels())["card"] = "A";
  Submit(std::vector<NewJob>(4200, job));
  const uint64_t unlabelled = SubmitOne(MakeJob());
  const uint64_t failed = SubmitOne(job);
  Finish(Ended(Start(1)), LaunchDone());
  Finish(Ended(Start(failed), v1::OUTCOME_OUT_OF_MEMORY), LaunchDone());
  const auto copy = [this](const std::string& job_and_number, const std::string& start,
                           const std::string& jobs) {
    ASSERT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      database.exec(absl::StrCat(
                          "INSERT INTO run (launch, owner_id, device_id, asked_workload_id, "
                          "outcome, kind_id, job_id, number, started_at_ns) SELECT run.launch, "
                          "run.owner_id, run.device_id, asked_workload_id, outcome, kind_id, ",
                          job_and_number, ", run.started_at_ns + ", start,
                          " FROM run, job WHERE run.id = 1 AND ", jobs));
                      return absl::OkStatus();
                    })
                    .ok());
  };
  v1::RunFilter filter;
  (*filter.mutable_labels())["card"] = "A";
  const auto expect_in_order = [&] {
    for (const bool ascending : {false, true}) {
      const std::string order = ascending ? "ASC" : "DESC";
      std::string token;
      std::vector<std::string> ids;
      for (int page = 0; page < 3; ++page) {
        const RunPage listed = List(filter, 40, token, ascending);
        for (const std::string& id : Ids(listed.runs)) ids.push_back(id);
        token = listed.next_page_token;
      }
      EXPECT_EQ(
          absl::StrJoin(ids, " "),
          SelectText(absl::StrCat(
              "SELECT group_concat(id, ' ') FROM (SELECT job_id || '.' || number AS id "
              "FROM run WHERE job_id <> ",
              unlabelled, " ORDER BY started_at_ns ", order, ", run.id ", order, " LIMIT 120)")));
    }
  };
  copy("job.id, 1", "job.id * 7919 % 5000", "job.id BETWEEN 2 AND 4200");
  expect_in_order();
  // Of which no run has ended.
  NewJob medium = MakeJob("medium");
  (*medium.spec.mutable_labels())["card"] = "A";
  const uint64_t queued = SubmitOne(medium);
  v1::RunFilter of_medium = filter;
  of_medium.add_model_sizes("medium");
  EXPECT_THAT(Rows(of_medium, {}), ElementsAre(absl::StrCat(queued, " - QUEUED")));
  EXPECT_THAT(Matching(of_medium), IsEmpty());
  // More of others before and behind them than are looked at one by one.
  copy(absl::StrCat(unlabelled, ", job.id"), "10000 + job.id", "job.id BETWEEN 1 AND 4200");
  copy(absl::StrCat(unlabelled, ", 5000 + job.id"), "-10000 + job.id", "job.id BETWEEN 1 AND 4200");
  expect_in_order();
  filter.add_outcomes(v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_THAT(Matching(filter), ElementsAre(absl::StrCat(failed, ".1")));
  filter.add_outcomes(v1::OUTCOME_OK);
  (*filter.mutable_labels())["card"] = "B";
  EXPECT_THAT(Matching(filter), IsEmpty());
}

TEST_F(RunStoreTest, PagesSplitRunsOfTheSameStart) {
  for (int i = 0; i < 5; ++i) {
    now_ns_ = 1'700'000'000'000'000'000;
    const uint64_t id = SubmitOne(MakeJob());
    now_ns_ = 1'700'000'000'000'000'000;
    Finish(Ended(Start(id)), LaunchDone());
  }
  for (const bool ascending : {false, true}) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const RunPage page = List({}, 2, token, ascending);
      for (const std::string& id : Ids(page.runs)) seen.push_back(id);
      token = page.next_page_token;
    } while (!token.empty());
    EXPECT_THAT(seen, UnorderedElementsAre("1.1", "2.1", "3.1", "4.1", "5.1"));
  }
}

TEST_F(RunStoreTest, AnExactlyFullPageIsTheLast) {
  for (int i = 0; i < 4; ++i) RunToEnd(MakeJob());
  EXPECT_EQ(List({}, 4).next_page_token, "");
  EXPECT_NE(List({}, 3).next_page_token, "");
}

TEST_F(RunStoreTest, AForeignPageTokenIsRefused) {
  for (const char* token : {"x", "1", "1.x", "1.2.3", " 1.2"}) {
    const absl::Status status = runs_->List({}, {}, false, 10, token).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_THAT(std::string(status.message()), HasSubstr("page_token"));
  }
}

TEST_F(RunStoreTest, EachFilterNarrows) {
  const auto usual = [](NewJob*) {};
  const std::string plain = Add(usual);
  const auto model = [](NewJob* job) {
    return job->spec.mutable_workload()->mutable_transformer_lm();
  };
  const std::string medium = Add([&](NewJob* job) { model(job)->set_preset("medium"); });
  const std::string newer = Add([&](NewJob* job) { model(job)->set_edition("cs336-2026"); });
  const std::string train =
      Add([&](NewJob* job) { model(job)->set_pass_type(v1::PASS_TYPE_TRAIN_STEP); });
  const std::string bf16 = Add([&](NewJob* job) { model(job)->set_precision(v1::PRECISION_BF16); });
  const std::string sdpa = Add([&](NewJob* job) { model(job)->set_attention(v1::ATTENTION_SDPA); });
  const std::string combined =
      Add([](NewJob* job) { job->spec.mutable_plan()->set_timing(v1::TIMING_COMBINED); });
  const std::string warmup = Add([](NewJob* job) { job->spec.set_purpose(v1::PURPOSE_WARMUP); });
  const std::string labelled = Add([](NewJob* job) { (*job->spec.mutable_labels())["k"] = "v"; });
  const std::string crashed =
      Add(usual, [](FinishedRun* run) { run->run.set_outcome(v1::OUTCOME_CRASHED); });
  const std::string dirty =
      Add(usual, [](FinishedRun* run) { run->run.set_validity(v1::VALIDITY_CONTAMINATED); });

  v1::RunFilter filter;
  filter.add_model_sizes("medium");
  EXPECT_THAT(Matching(filter), ElementsAre(medium));
  filter.add_model_sizes("cs336-2026/small");
  EXPECT_THAT(Matching(filter), ElementsAre(medium, newer));
  filter.Clear();
  filter.add_model_sizes("nano");
  EXPECT_THAT(Matching(filter), IsEmpty());
  filter.Clear();
  filter.add_pass_types(v1::PASS_TYPE_TRAIN_STEP);
  EXPECT_THAT(Matching(filter), ElementsAre(train));
  filter.Clear();
  filter.add_precisions(v1::PRECISION_BF16);
  EXPECT_THAT(Matching(filter), ElementsAre(bf16));
  filter.Clear();
  filter.add_attentions(v1::ATTENTION_SDPA);
  EXPECT_THAT(Matching(filter), ElementsAre(sdpa));
  filter.Clear();
  filter.add_timings(v1::TIMING_COMBINED);
  EXPECT_THAT(Matching(filter), ElementsAre(combined));
  filter.Clear();
  filter.add_purposes(v1::PURPOSE_WARMUP);
  EXPECT_THAT(Matching(filter), ElementsAre(warmup));
  filter.Clear();
  (*filter.mutable_labels())["k"] = "v";
  EXPECT_THAT(Matching(filter), ElementsAre(labelled));
  (*filter.mutable_labels())["other"] = "v";
  EXPECT_THAT(Matching(filter), IsEmpty());
  filter.Clear();
  filter.add_outcomes(v1::OUTCOME_CRASHED);
  EXPECT_THAT(Matching(filter), ElementsAre(crashed));
  filter.Clear();
  filter.add_validities(v1::VALIDITY_CONTAMINATED);
  EXPECT_THAT(Matching(filter), ElementsAre(dirty));
  filter.add_outcomes(v1::OUTCOME_CRASHED);
  EXPECT_THAT(Matching(filter), IsEmpty());
  filter.Clear();
  filter.set_exclude_contaminated(true);
  EXPECT_EQ(Matching(filter).size(), 10u);
  EXPECT_THAT(Matching(filter), testing::Not(testing::Contains(dirty)));
  filter.add_attentions(v1::ATTENTION_EXPLICIT);
  filter.add_outcomes(v1::OUTCOME_OK);
  filter.add_purposes(v1::PURPOSE_MEASURE);
  filter.add_timings(v1::TIMING_SEPARATE);
  filter.add_model_sizes("small");
  filter.add_pass_types(v1::PASS_TYPE_FORWARD_BACKWARD);
  filter.add_precisions(v1::PRECISION_FP32);
  EXPECT_THAT(Matching(filter), ElementsAre(plain, newer, labelled));
}

TEST_F(RunStoreTest, UserDeviceAndTimeNarrow) {
  const std::string anns = std::to_string(RunToEnd(MakeJob())) + ".1";
  const uint64_t bobs = jobs_->Submit(bob_, "", "", "", {MakeJob()}, {0}, now_ns_)->job_ids[0];
  const absl::StatusOr<StartedRun> started = jobs_->Start(bobs, 0, cpu1_, ++now_ns_);
  const int64_t bobs_start = now_ns_;
  Finish(Ended(*started), LaunchDone());
  const std::string of_bob = started->run.run_id();
  for (const char* name : {"bob", "uid:1001"}) {
    v1::RunFilter filter;
    filter.add_users(name);
    EXPECT_THAT(Matching(filter), ElementsAre(of_bob)) << name;
  }
  for (const char* name : {"cpu1", "CPU-1"}) {
    v1::RunFilter filter;
    filter.add_devices(name);
    EXPECT_THAT(Matching(filter), ElementsAre(of_bob)) << name;
  }
  v1::RunFilter filter;
  filter.set_since_ns(bobs_start);
  EXPECT_THAT(Matching(filter), ElementsAre(of_bob));
  filter.Clear();
  filter.set_until_ns(bobs_start);
  EXPECT_THAT(Matching(filter), ElementsAre(anns));
}

TEST_F(RunStoreTest, ANameThatIsNotThereMatchesNothing) {
  RunToEnd(MakeJob());
  v1::RunFilter by_user;
  by_user.add_users("nobody");
  v1::RunFilter by_device;
  by_device.add_devices("cuda:9");
  v1::RunFilter by_size;
  by_size.add_model_sizes("nano");
  JobFilter selected;
  selected.job_ids = {1};
  for (const v1::RunFilter& filter : {by_user, by_device, by_size}) {
    EXPECT_THAT(Matching(filter), IsEmpty());
    EXPECT_THAT(Matching(filter, selected), IsEmpty());
    EXPECT_THAT(Export(filter), IsEmpty());
    EXPECT_THAT(Export(filter, selected), IsEmpty());
  }
}

TEST_F(RunStoreTest, ManyWorkloadsAreListedAsFewAre) {
  std::vector<std::string> all;
  for (uint32_t batch = 1; batch <= 30; ++batch) {
    RunToEnd(MakeJob("small", batch, 128));
    all.push_back(std::to_string(batch) + ".1");
  }
  v1::RunFilter filter;
  filter.add_model_sizes("small");
  EXPECT_EQ(Matching(filter), all);
  EXPECT_EQ(Export(filter), std::vector<std::vector<std::string>>{all});
}

TEST_F(RunStoreTest, SelectedJobsSweepsAndRunsAreAUnion) {
  const uint64_t job = SubmitOne(MakeJob());
  Finish(Ended(Start(job), v1::OUTCOME_OUT_OF_MEMORY), TryAgain(2, 256));
  Finish(Ended(Start(job)), LaunchDone());
  for (int i = 0; i < 3; ++i) RunToEnd(MakeJob());
  v1::RunFilter filter;
  filter.mutable_selector()->add_run_ids("1.2");
  EXPECT_THAT(Matching(filter), ElementsAre("1.2"));
  JobFilter selected;
  selected.job_ids = {2};
  EXPECT_THAT(Matching(filter, selected), ElementsAre("1.2", "2.1"));
  selected.sweep_ids = {3};
  EXPECT_THAT(Matching(filter, selected), ElementsAre("1.2", "2.1", "3.1"));
  EXPECT_THAT(Matching({}, selected), ElementsAre("2.1", "3.1"));
  EXPECT_THAT(Export(filter, selected), ElementsAre(ElementsAre("1.2", "2.1", "3.1")));
  filter.add_outcomes(v1::OUTCOME_OUT_OF_MEMORY);
  EXPECT_THAT(Matching(filter, selected), IsEmpty());
}

TEST_F(RunStoreTest, ExportGoesThroughJobsAndTheirRunsInOrderBatchByBatch) {
  // Runs are made in another order than that of their jobs; by SQL, as 600 commits would take
  // seconds.
  const Submitted sweep = Submit(std::vector<NewJob>(600, MakeJob()));
  Finish(Ended(Start(1)), LaunchDone());
  ASSERT_TRUE(database_
                  ->Write([](SQLite::Database& database) {
                    database.exec(
                        "INSERT INTO run (launch, owner_id, device_id, asked_workload_id, "
                        "started_at_ns, outcome, job_id, number) "
                        "SELECT launch, run.owner_id, run.device_id, asked_workload_id, "
                        "run.started_at_ns, outcome, job.id, n "
                        "FROM run, job, (SELECT 1 AS n UNION SELECT 2) "
                        "WHERE run.id = 1 AND (job.id > 1 OR n = 2) AND (n = 1 OR job.id <= 10) "
                        "ORDER BY job.id DESC, n DESC");
                    return absl::OkStatus();
                  })
                  .ok());
  std::vector<std::string> expected;
  for (const uint64_t id : sweep.job_ids) {
    expected.push_back(std::to_string(id) + ".1");
    if (id <= 10) expected.push_back(std::to_string(id) + ".2");
  }
  const std::vector<std::vector<std::string>> batches = Export({});
  ASSERT_GE(batches.size(), 2u);
  std::vector<std::string> all;
  for (size_t i = 0; i < batches.size(); ++i) {
    if (i + 1 < batches.size()) {
      EXPECT_GE(batches[i].size(), 100u);
    }
    all.insert(all.end(), batches[i].begin(), batches[i].end());
  }
  EXPECT_EQ(all, expected);
}

TEST_F(RunStoreTest, JobsWithoutAFinishedRunAreRowsOfAnExportThatNamesThem) {
  const Submitted sweep = Submit(std::vector<NewJob>(4, MakeJob()), "", "night");
  const Submitted other = Submit({MakeJob()});
  Finish(Ended(Start(sweep.job_ids[1])), LaunchDone());
  Start(sweep.job_ids[2]);
  ASSERT_TRUE(jobs_->Cancel({sweep.job_ids[3]}, ann_, ++now_ns_).ok());
  JobFilter selected;
  selected.sweep_ids = {sweep.sweep_id};
  EXPECT_THAT(Rows({}, selected),
              ElementsAre("1 - QUEUED", "2 2.1 SUCCEEDED", "3 - RUNNING", "4 - CANCELLED"));
  selected.job_ids = {other.job_ids[0], sweep.job_ids[0]};
  EXPECT_THAT(Rows({}, selected), ElementsAre("1 - QUEUED", "2 2.1 SUCCEEDED", "3 - RUNNING",
                                              "4 - CANCELLED", "5 - QUEUED"))
      << "each once";
  EXPECT_THAT(Rows({}, {}), ElementsAre("2 2.1 SUCCEEDED")) << "nothing was selected";
}

TEST_F(RunStoreTest, ARowWithoutARunSaysWhatTheJobAsksForAndWhyItEnded) {
  NewJob job = MakeJob("medium", 8, 512);
  (*job.spec.mutable_labels())["k"] = "v";
  const Submitted sweep = Submit({job}, "", "night");
  ASSERT_TRUE(jobs_->Cancel(sweep.job_ids, ann_, ++now_ns_).ok());
  JobFilter selected;
  selected.sweep_ids = {sweep.sweep_id};
  RunRows rows;
  ASSERT_TRUE(runs_
                  ->Export({}, selected, true,
                           [&](RunRows batch) {
                             rows = std::move(batch);
                             return absl::OkStatus();
                           })
                  .ok());
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].run_id(), "");
  EXPECT_EQ(rows[0].outcome(), v1::OUTCOME_UNSPECIFIED);
  EXPECT_EQ(rows[0].sweep_name(), "night");
  EXPECT_EQ(rows[0].user(), "ann");
  EXPECT_EQ(rows[0].requested_batch_size(), 8u);
  EXPECT_EQ(rows[0].requested_context_length(), 512u);
  EXPECT_EQ(rows[0].workload().transformer_lm().preset(), "medium");
  EXPECT_EQ(rows[0].plan().measure_steps(), 10u);
  EXPECT_EQ(rows[0].purpose(), v1::PURPOSE_MEASURE);
  EXPECT_EQ(rows[0].labels().at("k"), "v");
  EXPECT_EQ(rows[0].failure().detail(), Get(sweep.job_ids[0]).reason());
}

TEST_F(RunStoreTest, WhatOnlyAFinishedRunHasNarrowsRowsWithoutOneAway) {
  NewJob medium = MakeJob("medium", 4, 256);
  (*medium.spec.mutable_labels())["k"] = "v";
  const Submitted sweep = Submit({MakeJob(), medium});
  JobFilter selected;
  selected.sweep_ids = {sweep.sweep_id};
  EXPECT_THAT(Rows({}, selected), ElementsAre("1 - QUEUED", "2 - QUEUED"));
  v1::RunFilter filter;
  filter.add_model_sizes("medium");
  EXPECT_THAT(Rows(filter, selected), ElementsAre("2 - QUEUED"));
  filter.Clear();
  filter.add_purposes(v1::PURPOSE_FIT);
  EXPECT_THAT(Rows(filter, selected), IsEmpty());
  filter.Clear();
  (*filter.mutable_labels())["k"] = "v";
  EXPECT_THAT(Rows(filter, selected), ElementsAre("2 - QUEUED"));
  EXPECT_THAT(Rows(filter, {}), ElementsAre("2 - QUEUED")) << "labels name jobs, too";
  (*filter.mutable_labels())["other"] = "v";
  EXPECT_THAT(Rows(filter, {}), IsEmpty());
  filter.Clear();
  filter.set_exclude_contaminated(true);
  EXPECT_EQ(Rows(filter, selected).size(), 2u);
  filter.Clear();
  filter.add_outcomes(v1::OUTCOME_OK);
  EXPECT_THAT(Rows(filter, selected), IsEmpty());
  filter.Clear();
  filter.add_validities(v1::VALIDITY_CLEAN);
  EXPECT_THAT(Rows(filter, selected), IsEmpty());
  filter.Clear();
  filter.set_since_ns(1);
  EXPECT_THAT(Rows(filter, selected), IsEmpty());
}

TEST_F(RunStoreTest, ManyUnfinishedJobsComeInBatchesEachOnce) {
  const Submitted sweep = Submit(std::vector<NewJob>(1300, MakeJob()));
  Finish(Ended(Start(700)), LaunchDone());
  JobFilter selected;
  selected.sweep_ids = {sweep.sweep_id};
  size_t batches = 0;
  std::vector<uint64_t> jobs;
  ASSERT_TRUE(runs_
                  ->Export({}, selected, true,
                           [&](const RunRows& rows) {
                             ++batches;
                             for (const v1::Run& row : rows) jobs.push_back(row.job_id());
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_GE(batches, 2u);
  EXPECT_EQ(jobs, sweep.job_ids);
}

TEST_F(RunStoreTest, AJobThatEndsBetweenBatchesIsStillOneRow) {
  const Submitted sweep = Submit(std::vector<NewJob>(900, MakeJob()));
  JobFilter selected;
  selected.sweep_ids = {sweep.sweep_id};
  std::map<uint64_t, int> seen;
  bool is_first = true;
  ASSERT_TRUE(runs_
                  ->Export({}, selected, true,
                           [&](const RunRows& rows) {
                             for (const v1::Run& row : rows) ++seen[row.job_id()];
                             // The last that was seen, and the first that was not.
                             const uint64_t last = rows.rbegin()->job_id();
                             if (std::exchange(is_first, false)) {
                               for (const uint64_t job : {last, last + 1}) {
                                 Finish(Ended(Start(job)), LaunchDone());
                               }
                             }
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_EQ(seen.size(), 900u);
  for (const auto& [job, times] : seen) EXPECT_EQ(times, 1) << job;
}

// Runs of every kind, field by field, and a job without one.
TEST_F(RunStoreTest, EncodedRowsAreTheRowsThatAnExportHas) {
  Add(
      [](NewJob* job) {
        (*job->spec.mutable_labels())["k"] = "v";
        (*job->spec.mutable_labels())["other"] = "";
        job->spec.mutable_plan()->set_target_precision(0.01);
      },
      [](FinishedRun* finished) {
        const v1::Run begun = finished->run;
        FillEveryColumn(&finished->run);
        finished->run.set_launch(begun.launch());
        *finished->run.mutable_workload() = begun.workload();
        *finished->run.mutable_plan() = begun.plan();
        finished->environment.emplace();
        finished->run.mutable_assessment()->add_advice()->set_number(7);
      });
  Add([](NewJob* job) { job->spec.mutable_workload()->mutable_calibration()->set_matrix_size(8); },
      [](FinishedRun* finished) {
        finished->run.mutable_calibration()->add_matmul_peaks()->set_flops_per_s(1e12);
      });
  RunToEnd(MakeJob(), v1::OUTCOME_CRASHED);
  const Submitted waiting = Submit({MakeJob()});
  JobFilter selected;
  selected.job_ids = {1, 2, 3, waiting.job_ids[0]};
  v1::RunFilter filter;
  filter.set_include_invalid(true);  // as the one that has every column is
  v1::ExportRunsResponse expected;
  ASSERT_TRUE(runs_
                  ->Export(filter, selected, true,
                           [&](RunRows rows) {
                             *expected.mutable_rows() = std::move(rows);
                             return absl::OkStatus();
                           })
                  .ok());
  v1::ExportRunsResponse encoded;
  ASSERT_TRUE(runs_
                  ->ExportEncoded(filter, selected, true, RunParts::kAll,
                                  [&](const v1::ExportRunsResponse& part) {
                                    EXPECT_TRUE(encoded.MergeFromString(part.SerializeAsString()));
                                    return absl::OkStatus();
                                  })
                  .ok());
  ASSERT_EQ(expected.rows_size(), 4);
  ASSERT_EQ(encoded.rows_size(), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(encoded.rows(i).DebugString(), expected.rows(i).DebugString());
    EXPECT_TRUE(
        google::protobuf::util::MessageDifferencer::Equals(encoded.rows(i), expected.rows(i)));
  }
}

TEST_F(RunStoreTest, AnExportWithoutAssessmentsHasAllElse) {
  Add([](NewJob*) {},
      [](FinishedRun* finished) {
        finished->run.mutable_step()->set_mean_ns(7e6);
        finished->run.mutable_assessment()->add_advice()->set_number(7);
      });
  std::vector<v1::Run> rows;
  for (const RunParts parts : {RunParts::kAll, RunParts::kWithoutAssessment}) {
    const absl::Status status =
        runs_->ExportEncoded({}, {}, false, parts, [&rows](const v1::ExportRunsResponse& part) {
          v1::ExportRunsResponse parsed;
          EXPECT_TRUE(parsed.ParseFromString(part.SerializeAsString()));
          rows.insert(rows.end(), parsed.rows().begin(), parsed.rows().end());
          return absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status;
  }
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].assessment().advice_size(), 1);
  EXPECT_FALSE(rows[1].has_assessment());
  rows[0].clear_assessment();
  EXPECT_EQ(rows[1].DebugString(), rows[0].DebugString());
}

TEST_F(RunStoreTest, ExportStopsWithTheStatusOfItsConsumer) {
  RunToEnd(MakeJob());
  const absl::Status status =
      runs_->Export({}, {}, false, [](const RunRows&) { return absl::CancelledError("gone"); });
  EXPECT_EQ(status, absl::CancelledError("gone"));
}

TEST_F(RunStoreTest, AConsumerMayWriteWhileItReads) {
  RunToEnd(MakeJob());
  absl::Status status = runs_->Export({}, {}, false, [&](const RunRows&) {
    return jobs_->Submit(ann_, "", "", "", {MakeJob()}, {0}, ++now_ns_).status();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(RunStoreTest, TheLatestCanaryIsTheNewestOneThatEndedOnTheDevice) {
  NewJob canary = MakeJob();
  canary.spec.set_purpose(v1::PURPOSE_CANARY);
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-0"), std::nullopt);
  RunToEnd(MakeJob());
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-0"), std::nullopt) << "another purpose";
  FinishedRun first = Ended(Start(SubmitOne(canary)));
  const int64_t first_ns = first.run.started_at_ns();
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-0"), std::nullopt) << "it has not ended";
  Finish(first, LaunchDone());
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-0"), first_ns);
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-1"), std::nullopt);
  const FinishedRun second = Ended(Start(SubmitOne(canary)), v1::OUTCOME_CRASHED);
  Finish(second, JobFailed("crashed"));
  EXPECT_EQ(*runs_->LatestCanaryNs("CPU-0"), second.run.started_at_ns()) << "whatever its outcome";
  EXPECT_GT(second.run.started_at_ns(), first_ns);
}

}  // namespace
}  // namespace torchlap::storage
