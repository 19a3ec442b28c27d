// The service as gRPC sees it, for one user. Thin: what an RPC does is in its call (calls.h); an
// error is mapped in one place.
#pragma once

#include <sys/types.h>

#include "server/rpc/calls.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/work_threads.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::rpc {

// Handlers never block gRPC's threads: `storage_threads` do what touches the database,
// `stream_threads` what may wait for a reader. A call whose caller is gone is not begun. All
// arguments outlive the service.
class Service final : public v1::Torchlap::CallbackService {
 public:
  Service(uid_t uid, storage::Caller caller, Calls* calls, WorkThreads* storage_threads,
          WorkThreads* stream_threads);

  grpc::ServerUnaryReactor* SubmitJobs(grpc::CallbackServerContext* context,
                                       const v1::SubmitJobsRequest* request,
                                       v1::SubmitJobsResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJobs(grpc::CallbackServerContext* context,
                                       const v1::CancelJobsRequest* request,
                                       v1::CancelJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobsResponse>* WatchJobs(
      grpc::CallbackServerContext* context, const v1::WatchJobsRequest* request) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* response) override;
  grpc::ServerUnaryReactor* ListSweeps(grpc::CallbackServerContext* context,
                                       const v1::ListSweepsRequest* request,
                                       v1::ListSweepsResponse* response) override;
  grpc::ServerWriteReactor<v1::GetRunResponse>* GetRun(grpc::CallbackServerContext* context,
                                                       const v1::GetRunRequest* request) override;
  grpc::ServerWriteReactor<v1::ExportRunsResponse>* ExportRuns(
      grpc::CallbackServerContext* context, const v1::ExportRunsRequest* request) override;
  grpc::ServerUnaryReactor* CompareWarmups(grpc::CallbackServerContext* context,
                                           const v1::CompareWarmupsRequest* request,
                                           v1::CompareWarmupsResponse* response) override;
  grpc::ServerUnaryReactor* ListDevices(grpc::CallbackServerContext* context,
                                        const v1::ListDevicesRequest* request,
                                        v1::ListDevicesResponse* response) override;
  grpc::ServerUnaryReactor* ListPresets(grpc::CallbackServerContext* context,
                                        const v1::ListPresetsRequest* request,
                                        v1::ListPresetsResponse* response) override;
  grpc::ServerUnaryReactor* GetDaemonStatus(grpc::CallbackServerContext* context,
                                            const v1::GetDaemonStatusRequest* request,
                                            v1::GetDaemonStatusResponse* response) override;
  grpc::ServerUnaryReactor* Doctor(grpc::CallbackServerContext* context,
                                   const v1::DoctorRequest* request,
                                   v1::DoctorResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadTraceResponse>* ReadTrace(
      grpc::CallbackServerContext* context, const v1::ReadTraceRequest* request) override;

 private:
  using Size = WorkThreads::Size;

  template <typename Call, typename Request, typename Response>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Call* call,
                                   const Request* request, Response* response, Size size,
                                   WorkThreads* threads);
  template <typename Response, typename Call, typename Request>
  grpc::ServerWriteReactor<Response>* Stream(const Call* call, const Request* request, Size size);

  const uid_t uid_;
  const storage::Caller caller_;
  Calls* const calls_;
  CallsInProgress in_progress_;
  WorkThreads* const storage_threads_;
  WorkThreads* const stream_threads_;
};

}  // namespace torchlap::rpc
