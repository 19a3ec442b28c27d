// What each unary RPC does, without gRPC: check, call storage or the devices, fill the answer.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "server/host/configuration.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "storage/job_store.h"
#include "storage/run_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// What requests work on. Everything outlives them.
struct RequestSetting {
  const host::Configuration* configuration = nullptr;
  storage::Database* database = nullptr;
  storage::JobStore* jobs = nullptr;
  storage::RunStore* runs = nullptr;
  run::DeviceFleet* fleet = nullptr;
  run::EventHub* hub = nullptr;
  std::filesystem::path worker_program;
  std::string torch_problem;  // one line if no worker can start; empty: none known
  std::string user;           // account of the daemon
  int64_t started_at_ns = 0;
};

// Thread-safe. May block on the database: not for gRPC's own threads. Errors are the RPCs'
// (service.proto).
class Requests {
 public:
  explicit Requests(RequestSetting setting);

  // From now on submits are UNAVAILABLE.
  void RefuseJobs() { stopping_ = true; }

  absl::Status Submit(const storage::Caller& caller, const v1::SubmitJobsRequest& request,
                      v1::SubmitJobsResponse* response);
  absl::Status GetJob(const storage::Caller& caller, const v1::GetJobRequest& request,
                      v1::GetJobResponse* response);
  absl::Status ListJobs(const storage::Caller& caller, const v1::ListJobsRequest& request,
                        v1::ListJobsResponse* response);
  absl::Status Cancel(const storage::Caller& caller, const v1::CancelJobsRequest& request,
                      v1::CancelJobsResponse* response);
  absl::Status ListRuns(const storage::Caller& caller, const v1::ListRunsRequest& request,
                        v1::ListRunsResponse* response);
  absl::Status CompareWarmups(const storage::Caller& caller,
                              const v1::CompareWarmupsRequest& request,
                              v1::CompareWarmupsResponse* response);
  absl::Status ListDevices(const storage::Caller& caller, const v1::ListDevicesRequest& request,
                           v1::ListDevicesResponse* response);
  absl::Status ListPresets(const storage::Caller& caller, const v1::ListPresetsRequest& request,
                           v1::ListPresetsResponse* response);
  absl::Status GetStatus(const storage::Caller& caller, const v1::GetDaemonStatusRequest& request,
                         v1::GetDaemonStatusResponse* response);
  // Waits for the driver to wake its devices, a second or so.
  absl::Status Doctor(const storage::Caller& caller, const v1::DoctorRequest& request,
                      v1::DoctorResponse* response);

  // All jobs that a selector names, without runs; no more than the selector names.
  absl::StatusOr<std::vector<v1::Job>> SelectedJobs(const storage::Caller& caller,
                                                    const v1::Selector& selector) const;
  // Says of each queued job why it waits.
  absl::Status ExplainWaiting(std::vector<v1::Job>* jobs) const;

  const RequestSetting& setting() const { return setting_; }

 private:
  absl::Status CheckSubmit(const v1::SubmitJobsRequest& request) const;

  const RequestSetting setting_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace torchlap::rpc
