#include "tests/storage/store_fixture.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

void FillSummary(double mean_ns, v1::PhaseSummary* summary) {
  summary->set_mean_ns(mean_ns);
  summary->set_std_ns(mean_ns / 100);
  summary->set_cv(0.01);
}

void FillResult(v1::Run* run) {
  FillSummary(10e6, run->mutable_forward());
  FillSummary(20e6, run->mutable_backward());
  FillSummary(31e6, run->mutable_step());
  run->set_backward_forward_ratio(2.0);
  run->set_statistics_version(1);
}

AfterRun Next(AfterRun::Next next) {
  AfterRun after;
  after.next = next;
  return after;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = testing::TempDir() + "torchlap-storage-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::string HashOf(const v1::Workload& workload) {
  const v1::TransformerLm& model = workload.transformer_lm();
  return "hash-" + std::to_string(model.d_model()) + "-" + std::to_string(model.pass_type()) + "-" +
         std::to_string(model.batch_size()) + "-" + std::to_string(model.context_length());
}

NewJob MakeJob(const std::string& size, uint32_t batch, uint32_t context) {
  NewJob job;
  v1::TransformerLm* model = job.spec.mutable_workload()->mutable_transformer_lm();
  model->set_edition("cs336-2025");
  model->set_preset(size);
  model->set_vocab_size(10'000);
  model->set_d_model(size == "small" ? 768 : 1024);
  model->set_d_ff(3072);
  model->set_layers(12);
  model->set_heads(12);
  model->set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
  model->set_precision(v1::PRECISION_FP32);
  model->set_attention(v1::ATTENTION_EXPLICIT);
  model->set_batch_size(batch);
  model->set_context_length(context);
  v1::Plan* plan = job.spec.mutable_plan();
  plan->set_warmup_steps(5);
  plan->set_measure_steps(10);
  plan->set_timing(v1::TIMING_SEPARATE);
  plan->set_launches(1);
  plan->set_time_limit_ns(900'000'000'000);
  job.spec.set_purpose(v1::PURPOSE_MEASURE);
  job.device_key = "class:cpu";
  job.parameters = 128'625'408;
  job.workload_hash = HashOf(job.spec.workload());
  job.workload_canonical = "canonical " + job.workload_hash;
  return job;
}

NewJob MakeJob(const std::string& size, uint32_t launches) {
  NewJob job = MakeJob(size, 4, 256);
  job.spec.mutable_plan()->set_launches(launches);
  return job;
}

FinishedRun Ended(const StartedRun& started, v1::Outcome outcome) {
  FinishedRun finished;
  finished.run = started.run;
  finished.run.set_outcome(outcome);
  finished.run.set_duration_ns(1'000'000'000);
  if (outcome == v1::OUTCOME_OK) FillResult(&finished.run);
  finished.run.set_workload_hash(HashOf(started.run.workload()));
  finished.run.set_series_key("series-" + finished.run.workload_hash());
  finished.workload_canonical = "canonical " + finished.run.workload_hash();
  finished.samples.set_warmup_steps(1);
  for (const int64_t step_ns : {35'000'000, 31'000'000}) finished.samples.add_step_ns(step_ns);
  return finished;
}

AfterRun LaunchDone() { return Next(AfterRun::Next::kLaunchDone); }

AfterRun TryAgain(uint32_t batch, uint32_t context) {
  AfterRun after = Next(AfterRun::Next::kTryAgain);
  after.batch_size = batch;
  after.context_length = context;
  return after;
}

AfterRun JobFailed(const std::string& reason) {
  AfterRun after = Next(AfterRun::Next::kJobFailed);
  after.reason = reason;
  return after;
}

AfterRun JobCancelled(const std::string& reason) {
  AfterRun after = Next(AfterRun::Next::kJobCancelled);
  after.reason = reason;
  return after;
}

AfterRun Interrupted() { return Next(AfterRun::Next::kInterrupted); }

void StoreTest::SetUp() {
  file_ = folder_.path() / "torchlap.db";
  Reopen();
}

void StoreTest::Reopen(uint32_t max_interruptions, uint32_t max_queued_jobs) {
  Reopen(QueueLimits{.jobs = max_queued_jobs}, max_interruptions);
}

void StoreTest::Reopen(const QueueLimits& limits, uint32_t max_interruptions) {
  Close();
  absl::StatusOr<std::unique_ptr<Database>> opened = Database::Open(file_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  database_ = std::move(*opened);
  jobs_ = std::make_unique<JobStore>(database_.get(), "boot-1", max_interruptions, limits);
  runs_ = std::make_unique<RunStore>(database_.get());
}

void StoreTest::Close() {
  runs_.reset();
  jobs_.reset();
  database_.reset();
}

void StoreTest::Break(const std::string& sql) {
  SQLite::Database raw(file_.string(), SQLite::OPEN_READWRITE, 10'000);
  raw.exec("PRAGMA foreign_keys = OFF");
  raw.exec(sql);
}

Submitted StoreTest::Submit(const std::vector<NewJob>& jobs, const std::string& request_id,
                            const std::string& sweep_name) {
  absl::StatusOr<Submitted> submitted =
      jobs_->Submit(ann_, request_id, "digest", sweep_name, jobs, {42}, ++now_ns_);
  EXPECT_TRUE(submitted.ok()) << submitted.status();
  return submitted.ok() ? *submitted : Submitted{0, std::vector<uint64_t>(jobs.size())};
}

uint64_t StoreTest::SubmitOne(const NewJob& job) { return Submit({job}).job_ids[0]; }

StartedRun StoreTest::Start(uint64_t job_id, uint32_t launch) {
  absl::StatusOr<StartedRun> started = jobs_->Start(job_id, launch, cpu0_, ++now_ns_);
  EXPECT_TRUE(started.ok()) << started.status();
  return started.ok() ? *started : StartedRun();
}

v1::JobState StoreTest::Finish(const FinishedRun& finished, const AfterRun& after) {
  absl::StatusOr<v1::JobState> state = jobs_->FinishRun(finished, after, ++now_ns_);
  EXPECT_TRUE(state.ok()) << state.status();
  return state.ok() ? *state : v1::JOB_STATE_UNSPECIFIED;
}

uint64_t StoreTest::RunToEnd(const NewJob& job, v1::Outcome outcome) {
  const uint64_t id = SubmitOne(job);
  Finish(Ended(Start(id), outcome),
         outcome == v1::OUTCOME_OK ? LaunchDone() : JobFailed("it failed"));
  return id;
}

v1::Job StoreTest::Get(uint64_t job_id) {
  absl::StatusOr<v1::Job> job = jobs_->Get(job_id);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : v1::Job();
}

std::vector<QueueHead> StoreTest::Heads() {
  absl::StatusOr<std::vector<QueueHead>> heads =
      jobs_->Heads({"uuid:CPU-0", "class:cpu", "any"}, now_ns_);
  EXPECT_TRUE(heads.ok()) << heads.status();
  return heads.ok() ? *heads : std::vector<QueueHead>();
}

std::map<uint64_t, std::string> StoreTest::KeysOfJobs() {
  std::map<uint64_t, std::string> keys;
  const absl::StatusOr<Queued> queued = jobs_->Queue();
  EXPECT_TRUE(queued.ok()) << queued.status();
  if (!queued.ok()) return keys;
  for (const Queued::Entry& entry : queued->entries) keys[entry.job_id] = queued->keys[entry.key];
  return keys;
}

int64_t StoreTest::SelectInt(const std::string& sql) {
  std::optional<int64_t> value;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    value = storage::SelectInt(database, sql);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(value.has_value()) << "no value for " << sql;
  return value.value_or(-1);
}

std::string StoreTest::SelectText(const std::string& sql) {
  std::string text;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    Query query(database, sql);
    EXPECT_TRUE(query.Step()) << "no row for " << sql;
    text = query.Text(0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return text;
}

std::string StoreTest::Integrity() { return SelectText("PRAGMA integrity_check"); }

}  // namespace torchlap::storage
