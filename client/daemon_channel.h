// The calls of the service, without gRPC in the header. Every error is a status whose message is a
// line for the user; UNAVAILABLE says which address was tried.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

using Deadline = std::optional<std::chrono::system_clock::time_point>;

// Thread-compatible: one thread at a time.
class DaemonChannel {
 public:
  // Connects, or fails at the first refusal: a socket whose daemon is gone is an error at once.
  // UNAVAILABLE: nobody there, or no answer within `patience`. A call that answers with one message
  // is given up after `call_patience`: a daemon that hangs must not hang the user. Not so what
  // works as long as there are rows, which would go on without anybody who learns of it: PruneRuns,
  // and the last piece of ImportRuns.
  static absl::StatusOr<std::unique_ptr<DaemonChannel>> Open(
      const std::string& address, std::chrono::milliseconds patience = std::chrono::seconds(5),
      std::chrono::milliseconds call_patience = std::chrono::seconds(60));

  virtual ~DaemonChannel() = default;

  // Connects anew, after the daemon went away. On failure the old channel stays, broken.
  virtual absl::Status Reopen() = 0;

  virtual const std::string& address() const = 0;

  // Rows that answers so far had to leave out, as the daemon's database is damaged: of all lists,
  // or of the one stream that had most, as the same rows may be asked for twice.
  virtual uint64_t unreadable_rows() const = 0;

  virtual absl::StatusOr<v1::SubmitJobsResponse> SubmitJobs(
      const v1::SubmitJobsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetJobResponse> GetJob(const v1::GetJobRequest& request) = 0;
  virtual absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request) = 0;
  virtual absl::StatusOr<v1::CancelJobsResponse> CancelJobs(
      const v1::CancelJobsRequest& request) = 0;
  virtual absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::ListSweepsResponse> ListSweeps(
      const v1::ListSweepsRequest& request) = 0;
  virtual absl::StatusOr<v1::ListDevicesResponse> ListDevices() = 0;
  virtual absl::StatusOr<v1::ListPresetsResponse> ListPresets() = 0;
  virtual absl::StatusOr<v1::GetDaemonStatusResponse> GetDaemonStatus() = 0;
  virtual absl::StatusOr<v1::DoctorResponse> Doctor() = 0;
  virtual absl::StatusOr<v1::CompareWarmupsResponse> CompareWarmups(
      const v1::CompareWarmupsRequest& request) = 0;

  virtual absl::StatusOr<v1::CompareRunsResponse> CompareRuns(
      const v1::CompareRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetTrendResponse> GetTrend(const v1::GetTrendRequest& request) = 0;
  virtual absl::StatusOr<v1::SetBaselineResponse> SetBaseline(
      const v1::SetBaselineRequest& request) = 0;
  virtual absl::StatusOr<v1::ListBaselinesResponse> ListBaselines(
      const v1::ListBaselinesRequest& request) = 0;
  virtual absl::StatusOr<v1::ClearBaselineResponse> ClearBaseline(
      const v1::ClearBaselineRequest& request) = 0;
  virtual absl::StatusOr<v1::LabelRunsResponse> LabelRuns(const v1::LabelRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::NoteRunsResponse> NoteRuns(const v1::NoteRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::InvalidateRunsResponse> InvalidateRuns(
      const v1::InvalidateRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::PruneRunsResponse> PruneRuns(const v1::PruneRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::ForecastJobsResponse> ForecastJobs(
      const v1::ForecastJobsRequest& request) = 0;
  virtual absl::StatusOr<v1::ImportRunsResponse> ImportRuns(
      const v1::ImportRunsRequest& request) = 0;
  virtual absl::StatusOr<v1::AddSuiteResponse> AddSuite(const v1::AddSuiteRequest& request) = 0;
  virtual absl::StatusOr<v1::ListSuitesResponse> ListSuites(
      const v1::ListSuitesRequest& request) = 0;
  virtual absl::StatusOr<v1::RemoveSuiteResponse> RemoveSuite(
      const v1::RemoveSuiteRequest& request) = 0;
  virtual absl::StatusOr<v1::ListFindingsResponse> ListFindings(
      const v1::ListFindingsRequest& request) = 0;
  virtual absl::StatusOr<v1::SetFindingResponse> SetFinding(
      const v1::SetFindingRequest& request) = 0;
  virtual absl::StatusOr<v1::GetDigestResponse> GetDigest(const v1::GetDigestRequest& request) = 0;

  // Calls on_part for each message, in order, on this thread.
  virtual absl::Status GetRun(const v1::GetRunRequest& request,
                              const std::function<void(const v1::GetRunResponse&)>& on_part) = 0;
  // The same, until on_part returns false (OK).
  virtual absl::Status ExportRuns(
      const v1::ExportRunsRequest& request,
      const std::function<bool(const v1::ExportRunsResponse&)>& on_part) = 0;
  virtual absl::Status ReadLog(const v1::ReadLogRequest& request,
                               const std::function<bool(const v1::ReadLogResponse&)>& on_part) = 0;
  virtual absl::Status QuerySql(
      const v1::QuerySqlRequest& request,
      const std::function<bool(const v1::QuerySqlResponse&)>& on_part) = 0;
  virtual absl::Status BackupDatabase(
      const v1::BackupDatabaseRequest& request,
      const std::function<bool(const v1::BackupDatabaseResponse&)>& on_part) = 0;
  // The pieces of a Chrome trace, in order.
  virtual absl::Status ReadTrace(
      const v1::ReadTraceRequest& request,
      const std::function<void(const v1::ReadTraceResponse&)>& on_part) = 0;
  // Until the service ends the stream (OK), on_change returns false (OK), `stop` is requested
  // (CANCELLED), or `deadline` passes (DEADLINE_EXCEEDED).
  virtual absl::Status WatchJobs(const v1::WatchJobsRequest& request,
                                 const std::function<bool(const v1::WatchJobsResponse&)>& on_change,
                                 std::stop_token stop, Deadline deadline) = 0;
};

}  // namespace torchlap::client
