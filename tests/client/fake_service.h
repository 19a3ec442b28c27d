// The service on a unix socket, answering what the test says.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/client/temporary_folder.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::client {

// Calls without a hook are UNIMPLEMENTED. Hooks are set before the call comes and run on gRPC's
// threads.
class FakeService : public v1::Torchlap::Service {
 public:
  FakeService();
  ~FakeService() override;

  std::string address() const;
  // The daemon is gone; its socket file may stay.
  void Stop();
  void Start();

  // Holds a stream open until the client ends it.
  void HoldUntilCancelled(grpc::ServerContext* context);
  // Whether, within 30 s, this many WatchJobs calls have begun, or have been cancelled by the
  // client.
  bool WaitForWatches(size_t begun);
  bool WaitForCancelledWatches(size_t cancelled);

  using WatchWriter = grpc::ServerWriter<v1::WatchJobsResponse>;
  std::function<grpc::Status(const v1::SubmitJobsRequest&, v1::SubmitJobsResponse*)> on_submit;
  std::function<grpc::Status(const v1::GetJobRequest&, v1::GetJobResponse*)> on_get_job;
  std::function<grpc::Status(const v1::ListJobsRequest&, v1::ListJobsResponse*)> on_list_jobs;
  std::function<grpc::Status(const v1::CancelJobsRequest&, v1::CancelJobsResponse*)> on_cancel;
  std::function<v1::GetDaemonStatusResponse()> on_get_status;
  std::function<grpc::Status(const v1::ListRunsRequest&, v1::ListRunsResponse*)> on_list_runs;
  std::function<grpc::Status(const v1::ListSweepsRequest&, v1::ListSweepsResponse*)> on_list_sweeps;
  std::function<std::vector<v1::Run>(const v1::ExportRunsRequest&)> on_export;
  // How often its rows are sent.
  size_t export_times = 1;
  // Behind the rows of on_export, a message each.
  std::vector<v1::SampleBlock> exported_samples;
  // Behind each of its rows instead.
  bool samples_behind_each_row = false;
  std::function<std::vector<v1::GetRunResponse>(const v1::GetRunRequest&)> on_get_run;
  std::function<std::vector<std::string>(const v1::ReadTraceRequest&)> on_read_trace;
  std::function<v1::CompareWarmupsResponse(const v1::CompareWarmupsRequest&)> on_compare_warmups;
  std::function<grpc::Status(const v1::CompareRunsRequest&, v1::CompareRunsResponse*)>
      on_compare_runs;
  std::function<grpc::Status(const v1::GetTrendRequest&, v1::GetTrendResponse*)> on_get_trend;
  std::function<grpc::Status(const v1::SetBaselineRequest&, v1::SetBaselineResponse*)>
      on_set_baseline;
  std::function<grpc::Status(const v1::ListBaselinesRequest&, v1::ListBaselinesResponse*)>
      on_list_baselines;
  std::function<grpc::Status(const v1::ClearBaselineRequest&, v1::ClearBaselineResponse*)>
      on_clear_baseline;
  std::function<grpc::Status(const v1::LabelRunsRequest&, v1::LabelRunsResponse*)> on_label_runs;
  std::function<grpc::Status(const v1::NoteRunsRequest&, v1::NoteRunsResponse*)> on_note_runs;
  std::function<grpc::Status(const v1::InvalidateRunsRequest&, v1::InvalidateRunsResponse*)>
      on_invalidate_runs;
  std::function<grpc::Status(const v1::PruneRunsRequest&, v1::PruneRunsResponse*)> on_prune_runs;
  std::function<grpc::Status(const v1::ForecastJobsRequest&, v1::ForecastJobsResponse*)>
      on_forecast_jobs;
  std::function<grpc::Status(const v1::ImportRunsRequest&, v1::ImportRunsResponse*)> on_import_runs;
  std::function<grpc::Status(const v1::AddSuiteRequest&, v1::AddSuiteResponse*)> on_add_suite;
  std::function<grpc::Status(const v1::ListSuitesRequest&, v1::ListSuitesResponse*)> on_list_suites;
  std::function<grpc::Status(const v1::RemoveSuiteRequest&, v1::RemoveSuiteResponse*)>
      on_remove_suite;
  std::function<grpc::Status(const v1::ListFindingsRequest&, v1::ListFindingsResponse*)>
      on_list_findings;
  std::function<grpc::Status(const v1::SetFindingRequest&, v1::SetFindingResponse*)> on_set_finding;
  std::function<grpc::Status(const v1::GetDigestRequest&, v1::GetDigestResponse*)> on_get_digest;
  // Messages of the stream, in order.
  std::function<std::vector<v1::ReadLogResponse>(const v1::ReadLogRequest&)> on_read_log;
  // Messages of the stream, in order.
  std::function<std::vector<v1::QuerySqlResponse>(const v1::QuerySqlRequest&)> on_query_sql;
  grpc::Status sql_end;  // behind them
  // Messages of the stream, in order.
  std::function<std::vector<v1::BackupDatabaseResponse>(const v1::BackupDatabaseRequest&)>
      on_backup_database;
  std::function<grpc::Status(const v1::WatchJobsRequest&, grpc::ServerContext*, WatchWriter*)>
      on_watch;

  // Requests so far.
  std::vector<v1::SubmitJobsRequest> submits() const;
  std::vector<v1::WatchJobsRequest> watches() const;
  std::vector<v1::CancelJobsRequest> cancels() const;
  std::vector<v1::ExportRunsRequest> exports() const;
  // Rows of exports that were sent so far. Stop() waits for those that are being sent.
  size_t exported_rows() const;

  grpc::Status SubmitJobs(grpc::ServerContext* context, const v1::SubmitJobsRequest* request,
                          v1::SubmitJobsResponse* response) override;
  grpc::Status GetDaemonStatus(grpc::ServerContext* context,
                               const v1::GetDaemonStatusRequest* request,
                               v1::GetDaemonStatusResponse* response) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status CancelJobs(grpc::ServerContext* context, const v1::CancelJobsRequest* request,
                          v1::CancelJobsResponse* response) override;
  grpc::Status ListRuns(grpc::ServerContext* context, const v1::ListRunsRequest* request,
                        v1::ListRunsResponse* response) override;
  grpc::Status ListSweeps(grpc::ServerContext* context, const v1::ListSweepsRequest* request,
                          v1::ListSweepsResponse* response) override;
  grpc::Status ExportRuns(grpc::ServerContext* context, const v1::ExportRunsRequest* request,
                          grpc::ServerWriter<v1::ExportRunsResponse>* writer) override;
  grpc::Status GetRun(grpc::ServerContext* context, const v1::GetRunRequest* request,
                      grpc::ServerWriter<v1::GetRunResponse>* writer) override;
  grpc::Status ReadTrace(grpc::ServerContext* context, const v1::ReadTraceRequest* request,
                         grpc::ServerWriter<v1::ReadTraceResponse>* writer) override;
  grpc::Status CompareWarmups(grpc::ServerContext* context,
                              const v1::CompareWarmupsRequest* request,
                              v1::CompareWarmupsResponse* response) override;
  grpc::Status CompareRuns(grpc::ServerContext* context, const v1::CompareRunsRequest* request,
                           v1::CompareRunsResponse* response) override;
  grpc::Status GetTrend(grpc::ServerContext* context, const v1::GetTrendRequest* request,
                        v1::GetTrendResponse* response) override;
  grpc::Status SetBaseline(grpc::ServerContext* context, const v1::SetBaselineRequest* request,
                           v1::SetBaselineResponse* response) override;
  grpc::Status ListBaselines(grpc::ServerContext* context, const v1::ListBaselinesRequest* request,
                             v1::ListBaselinesResponse* response) override;
  grpc::Status ClearBaseline(grpc::ServerContext* context, const v1::ClearBaselineRequest* request,
                             v1::ClearBaselineResponse* response) override;
  grpc::Status LabelRuns(grpc::ServerContext* context, const v1::LabelRunsRequest* request,
                         v1::LabelRunsResponse* response) override;
  grpc::Status NoteRuns(grpc::ServerContext* context, const v1::NoteRunsRequest* request,
                        v1::NoteRunsResponse* response) override;
  grpc::Status InvalidateRuns(grpc::ServerContext* context,
                              const v1::InvalidateRunsRequest* request,
                              v1::InvalidateRunsResponse* response) override;
  grpc::Status PruneRuns(grpc::ServerContext* context, const v1::PruneRunsRequest* request,
                         v1::PruneRunsResponse* response) override;
  grpc::Status ReadLog(grpc::ServerContext* context, const v1::ReadLogRequest* request,
                       grpc::ServerWriter<v1::ReadLogResponse>* writer) override;
  grpc::Status QuerySql(grpc::ServerContext* context, const v1::QuerySqlRequest* request,
                        grpc::ServerWriter<v1::QuerySqlResponse>* writer) override;
  grpc::Status BackupDatabase(grpc::ServerContext* context,
                              const v1::BackupDatabaseRequest* request,
                              grpc::ServerWriter<v1::BackupDatabaseResponse>* writer) override;
  grpc::Status ForecastJobs(grpc::ServerContext* context, const v1::ForecastJobsRequest* request,
                            v1::ForecastJobsResponse* response) override;
  grpc::Status ImportRuns(grpc::ServerContext* context, const v1::ImportRunsRequest* request,
                          v1::ImportRunsResponse* response) override;
  grpc::Status AddSuite(grpc::ServerContext* context, const v1::AddSuiteRequest* request,
                        v1::AddSuiteResponse* response) override;
  grpc::Status ListSuites(grpc::ServerContext* context, const v1::ListSuitesRequest* request,
                          v1::ListSuitesResponse* response) override;
  grpc::Status RemoveSuite(grpc::ServerContext* context, const v1::RemoveSuiteRequest* request,
                           v1::RemoveSuiteResponse* response) override;
  grpc::Status ListFindings(grpc::ServerContext* context, const v1::ListFindingsRequest* request,
                            v1::ListFindingsResponse* response) override;
  grpc::Status SetFinding(grpc::ServerContext* context, const v1::SetFindingRequest* request,
                          v1::SetFindingResponse* response) override;
  grpc::Status GetDigest(grpc::ServerContext* context, const v1::GetDigestRequest* request,
                         v1::GetDigestResponse* response) override;
  grpc::Status WatchJobs(grpc::ServerContext* context, const v1::WatchJobsRequest* request,
                         WatchWriter* writer) override;

 private:
  template <typename Request>
  void Record(const Request& request, std::vector<Request>* requests) {
    const std::lock_guard lock(mutex_);
    requests->push_back(request);
    changed_.notify_all();
  }

  const TemporaryFolder folder_;
  std::unique_ptr<grpc::Server> server_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<v1::SubmitJobsRequest> submits_;
  std::vector<v1::WatchJobsRequest> watches_;
  std::vector<v1::CancelJobsRequest> cancels_;
  std::vector<v1::ExportRunsRequest> exports_;
  size_t exported_rows_ = 0;
  size_t cancelled_watches_ = 0;
};

}  // namespace torchlap::client
