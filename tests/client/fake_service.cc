#include "tests/client/fake_service.h"

#include <stdlib.h>

#include <chrono>

namespace torchlap::client {
namespace {

constexpr std::chrono::seconds kPatience{30};

grpc::Status NoHook() { return {grpc::StatusCode::UNIMPLEMENTED, "the test has no hook for this"}; }

}  // namespace

// What clients keep of requests is the test's own.
FakeService::FakeService() {
  ::setenv("XDG_STATE_HOME", folder_.path().c_str(), 1);
  Start();
}

FakeService::~FakeService() { Stop(); }

std::string FakeService::address() const {
  return "unix:" + (folder_.path() / "torchlapd.sock").native();
}

void FakeService::Start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

void FakeService::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void FakeService::HoldUntilCancelled(grpc::ServerContext* context) {
  // gRPC's synchronous API tells of the end of a call only when asked.
  std::unique_lock lock(mutex_);
  while (!context->IsCancelled()) changed_.wait_for(lock, std::chrono::milliseconds(1));
}

bool FakeService::WaitForWatches(size_t begun) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return watches_.size() >= begun; });
}

bool FakeService::WaitForCancelledWatches(size_t cancelled) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return cancelled_watches_ >= cancelled; });
}

std::vector<v1::SubmitJobsRequest> FakeService::submits() const {
  const std::lock_guard lock(mutex_);
  return submits_;
}

std::vector<v1::WatchJobsRequest> FakeService::watches() const {
  const std::lock_guard lock(mutex_);
  return watches_;
}

std::vector<v1::CancelJobsRequest> FakeService::cancels() const {
  const std::lock_guard lock(mutex_);
  return cancels_;
}

std::vector<v1::ExportRunsRequest> FakeService::exports() const {
  const std::lock_guard lock(mutex_);
  return exports_;
}

size_t FakeService::exported_rows() const {
  const std::lock_guard lock(mutex_);
  return exported_rows_;
}

grpc::Status FakeService::SubmitJobs(grpc::ServerContext*, const v1::SubmitJobsRequest* request,
                                     v1::SubmitJobsResponse* response) {
  Record(*request, &submits_);
  return on_submit ? on_submit(*request, response) : NoHook();
}

grpc::Status FakeService::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                                 v1::GetJobResponse* response) {
  return on_get_job ? on_get_job(*request, response) : NoHook();
}

grpc::Status FakeService::GetDaemonStatus(grpc::ServerContext* /*context*/,
                                          const v1::GetDaemonStatusRequest* /*request*/,
                                          v1::GetDaemonStatusResponse* response) {
  if (!on_get_status) return NoHook();
  *response = on_get_status();
  return grpc::Status::OK;
}

grpc::Status FakeService::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                                   v1::ListJobsResponse* response) {
  return on_list_jobs ? on_list_jobs(*request, response) : NoHook();
}

grpc::Status FakeService::CancelJobs(grpc::ServerContext*, const v1::CancelJobsRequest* request,
                                     v1::CancelJobsResponse* response) {
  Record(*request, &cancels_);
  return on_cancel ? on_cancel(*request, response) : NoHook();
}

grpc::Status FakeService::ListRuns(grpc::ServerContext*, const v1::ListRunsRequest* request,
                                   v1::ListRunsResponse* response) {
  return on_list_runs ? on_list_runs(*request, response) : NoHook();
}

grpc::Status FakeService::ListSweeps(grpc::ServerContext*, const v1::ListSweepsRequest* request,
                                     v1::ListSweepsResponse* response) {
  return on_list_sweeps ? on_list_sweeps(*request, response) : NoHook();
}

grpc::Status FakeService::ExportRuns(grpc::ServerContext*, const v1::ExportRunsRequest* request,
                                     grpc::ServerWriter<v1::ExportRunsResponse>* writer) {
  Record(*request, &exports_);
  if (!on_export) return NoHook();
  const auto write_samples = [&] {
    for (const v1::SampleBlock& block : exported_samples) {
      v1::ExportRunsResponse response;
      *response.mutable_samples() = block;
      writer->Write(response);
    }
  };
  // One row a message: the client must put several together.
  const std::vector<v1::Run> runs = on_export(*request);
  for (size_t i = 0; i < runs.size() * export_times; ++i) {
    v1::ExportRunsResponse response;
    *response.add_rows() = runs[i % runs.size()];
    if (!writer->Write(response)) return {grpc::StatusCode::CANCELLED, "the client is gone"};
    if (samples_behind_each_row) write_samples();
    const std::lock_guard lock(mutex_);
    ++exported_rows_;
  }
  if (!samples_behind_each_row) write_samples();
  return grpc::Status::OK;
}

grpc::Status FakeService::GetRun(grpc::ServerContext*, const v1::GetRunRequest* request,
                                 grpc::ServerWriter<v1::GetRunResponse>* writer) {
  if (!on_get_run) return NoHook();
  for (const v1::GetRunResponse& part : on_get_run(*request)) writer->Write(part);
  return grpc::Status::OK;
}

grpc::Status FakeService::ReadTrace(grpc::ServerContext*, const v1::ReadTraceRequest* request,
                                    grpc::ServerWriter<v1::ReadTraceResponse>* writer) {
  if (!on_read_trace) return NoHook();
  for (const std::string& piece : on_read_trace(*request)) {
    v1::ReadTraceResponse part;
    part.set_data(piece);
    writer->Write(part);
  }
  return grpc::Status::OK;
}

grpc::Status FakeService::CompareWarmups(grpc::ServerContext*,
                                         const v1::CompareWarmupsRequest* request,
                                         v1::CompareWarmupsResponse* response) {
  if (!on_compare_warmups) return NoHook();
  *response = on_compare_warmups(*request);
  return grpc::Status::OK;
}

grpc::Status FakeService::WatchJobs(grpc::ServerContext* context,
                                    const v1::WatchJobsRequest* request, WatchWriter* writer) {
  Record(*request, &watches_);
  const grpc::Status status = on_watch ? on_watch(*request, context, writer) : NoHook();
  if (context->IsCancelled()) {
    const std::lock_guard lock(mutex_);
    ++cancelled_watches_;
    changed_.notify_all();
  }
  return status;
}

grpc::Status FakeService::CompareRuns(grpc::ServerContext*, const v1::CompareRunsRequest* request,
                                      v1::CompareRunsResponse* response) {
  return on_compare_runs ? on_compare_runs(*request, response) : NoHook();
}

grpc::Status FakeService::GetTrend(grpc::ServerContext*, const v1::GetTrendRequest* request,
                                   v1::GetTrendResponse* response) {
  return on_get_trend ? on_get_trend(*request, response) : NoHook();
}

grpc::Status FakeService::SetBaseline(grpc::ServerContext*, const v1::SetBaselineRequest* request,
                                      v1::SetBaselineResponse* response) {
  return on_set_baseline ? on_set_baseline(*request, response) : NoHook();
}

grpc::Status FakeService::ListBaselines(grpc::ServerContext*,
                                        const v1::ListBaselinesRequest* request,
                                        v1::ListBaselinesResponse* response) {
  return on_list_baselines ? on_list_baselines(*request, response) : NoHook();
}

grpc::Status FakeService::ClearBaseline(grpc::ServerContext*,
                                        const v1::ClearBaselineRequest* request,
                                        v1::ClearBaselineResponse* response) {
  return on_clear_baseline ? on_clear_baseline(*request, response) : NoHook();
}

grpc::Status FakeService::LabelRuns(grpc::ServerContext*, const v1::LabelRunsRequest* request,
                                    v1::LabelRunsResponse* response) {
  return on_label_runs ? on_label_runs(*request, response) : NoHook();
}

grpc::Status FakeService::NoteRuns(grpc::ServerContext*, const v1::NoteRunsRequest* request,
                                   v1::NoteRunsResponse* response) {
  return on_note_runs ? on_note_runs(*request, response) : NoHook();
}

grpc::Status FakeService::InvalidateRuns(grpc::ServerContext*,
                                         const v1::InvalidateRunsRequest* request,
                                         v1::InvalidateRunsResponse* response) {
  return on_invalidate_runs ? on_invalidate_runs(*request, response) : NoHook();
}

grpc::Status FakeService::PruneRuns(grpc::ServerContext*, const v1::PruneRunsRequest* request,
                                    v1::PruneRunsResponse* response) {
  return on_prune_runs ? on_prune_runs(*request, response) : NoHook();
}

grpc::Status FakeService::ReadLog(grpc::ServerContext*, const v1::ReadLogRequest* request,
                                  grpc::ServerWriter<v1::ReadLogResponse>* writer) {
  if (!on_read_log) return NoHook();
  for (const v1::ReadLogResponse& part : on_read_log(*request)) writer->Write(part);
  return grpc::Status::OK;
}

grpc::Status FakeService::QuerySql(grpc::ServerContext*, const v1::QuerySqlRequest* request,
                                   grpc::ServerWriter<v1::QuerySqlResponse>* writer) {
  if (!on_query_sql) return NoHook();
  for (const v1::QuerySqlResponse& part : on_query_sql(*request)) writer->Write(part);
  return sql_end;
}

grpc::Status FakeService::BackupDatabase(grpc::ServerContext*,
                                         const v1::BackupDatabaseRequest* request,
                                         grpc::ServerWriter<v1::BackupDatabaseResponse>* writer) {
  if (!on_backup_database) return NoHook();
  for (const v1::BackupDatabaseResponse& part : on_backup_database(*request)) writer->Write(part);
  return grpc::Status::OK;
}

grpc::Status FakeService::ForecastJobs(grpc::ServerContext*, const v1::ForecastJobsRequest* request,
                                       v1::ForecastJobsResponse* response) {
  return on_forecast_jobs ? on_forecast_jobs(*request, response) : NoHook();
}

grpc::Status FakeService::ImportRuns(grpc::ServerContext*, const v1::ImportRunsRequest* request,
                                     v1::ImportRunsResponse* response) {
  return on_import_runs ? on_import_runs(*request, response) : NoHook();
}

grpc::Status FakeService::AddSuite(grpc::ServerContext*, const v1::AddSuiteRequest* request,
                                   v1::AddSuiteResponse* response) {
  return on_add_suite ? on_add_suite(*request, response) : NoHook();
}

grpc::Status FakeService::ListSuites(grpc::ServerContext*, const v1::ListSuitesRequest* request,
                                     v1::ListSuitesResponse* response) {
  return on_list_suites ? on_list_suites(*request, response) : NoHook();
}

grpc::Status FakeService::RemoveSuite(grpc::ServerContext*, const v1::RemoveSuiteRequest* request,
                                      v1::RemoveSuiteResponse* response) {
  return on_remove_suite ? on_remove_suite(*request, response) : NoHook();
}

grpc::Status FakeService::ListFindings(grpc::ServerContext*, const v1::ListFindingsRequest* request,
                                       v1::ListFindingsResponse* response) {
  return on_list_findings ? on_list_findings(*request, response) : NoHook();
}

grpc::Status FakeService::SetFinding(grpc::ServerContext*, const v1::SetFindingRequest* request,
                                     v1::SetFindingResponse* response) {
  return on_set_finding ? on_set_finding(*request, response) : NoHook();
}

grpc::Status FakeService::GetDigest(grpc::ServerContext*, const v1::GetDigestRequest* request,
                                    v1::GetDigestResponse* response) {
  return on_get_digest ? on_get_digest(*request, response) : NoHook();
}

}  // namespace torchlap::client
