#include "server/rpc/service.h"

#include <utility>

#include "server/rpc/grpc_status.h"
#include "server/rpc/run_streams.h"
#include "server/rpc/stream_writer.h"
#include "server/rpc/watch_stream.h"

namespace torchlap::rpc {

Service::Service(storage::Caller caller, Requests* requests, WorkThreads* storage_threads,
                 WorkThreads* stream_threads)
    : caller_(std::move(caller)),
      requests_(requests),
      storage_threads_(storage_threads),
      stream_threads_(stream_threads) {}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* Service::Answer(
    grpc::CallbackServerContext* context, const Request* request, Response* response,
    absl::Status (Requests::*method)(const storage::Caller&, const Request&, Response*)) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  storage_threads_->Post([this, reactor, request, response, method] {
    reactor->Finish(ToGrpc((requests_->*method)(caller_, *request, response)));
  });
  return reactor;
}

grpc::ServerUnaryReactor* Service::SubmitJobs(grpc::CallbackServerContext* context,
                                              const v1::SubmitJobsRequest* request,
                                              v1::SubmitJobsResponse* response) {
  return Answer(context, request, response, &Requests::Submit);
}

grpc::ServerUnaryReactor* Service::GetJob(grpc::CallbackServerContext* context,
                                          const v1::GetJobRequest* request,
                                          v1::GetJobResponse* response) {
  return Answer(context, request, response, &Requests::GetJob);
}

grpc::ServerUnaryReactor* Service::ListJobs(grpc::CallbackServerContext* context,
                                            const v1::ListJobsRequest* request,
                                            v1::ListJobsResponse* response) {
  return Answer(context, request, response, &Requests::ListJobs);
}

grpc::ServerUnaryReactor* Service::CancelJobs(grpc::CallbackServerContext* context,
                                              const v1::CancelJobsRequest* request,
                                              v1::CancelJobsResponse* response) {
  return Answer(context, request, response, &Requests::Cancel);
}

grpc::ServerWriteReactor<v1::WatchJobsResponse>* Service::WatchJobs(
    grpc::CallbackServerContext* /*context*/, const v1::WatchJobsRequest* request) {
  return WatchStream::Open(requests_, storage_threads_, caller_, *request);
}

grpc::ServerUnaryReactor* Service::ListRuns(grpc::CallbackServerContext* context,
                                            const v1::ListRunsRequest* request,
                                            v1::ListRunsResponse* response) {
  return Answer(context, request, response, &Requests::ListRuns);
}

template <typename Request, typename Response>
grpc::ServerWriteReactor<Response>* Service::Stream(
    const Request* request,
    absl::Status (*produce)(const Requests&, const storage::Caller&, const Request&,
                            const std::function<bool(Response)>&)) {
  auto* stream = new StreamWriter<Response>();
  stream_threads_->Post([this, stream, produce, request = *request] {
    stream->End(ToGrpc(produce(*requests_, caller_, request, [stream](Response message) {
      return stream->Write(std::move(message));
    })));
  });
  return stream;
}

grpc::ServerWriteReactor<v1::GetRunResponse>* Service::GetRun(
    grpc::CallbackServerContext* /*context*/, const v1::GetRunRequest* request) {
  return Stream(request, &StreamRun);
}

grpc::ServerWriteReactor<v1::ExportRunsResponse>* Service::ExportRuns(
    grpc::CallbackServerContext* /*context*/, const v1::ExportRunsRequest* request) {
  return Stream(request, &StreamExport);
}

grpc::ServerWriteReactor<v1::ReadTraceResponse>* Service::ReadTrace(
    grpc::CallbackServerContext* /*context*/, const v1::ReadTraceRequest* request) {
  return Stream(request, &StreamTrace);
}

grpc::ServerUnaryReactor* Service::CompareWarmups(grpc::CallbackServerContext* context,
                                                  const v1::CompareWarmupsRequest* request,
                                                  v1::CompareWarmupsResponse* response) {
  return Answer(context, request, response, &Requests::CompareWarmups);
}

grpc::ServerUnaryReactor* Service::ListDevices(grpc::CallbackServerContext* context,
                                               const v1::ListDevicesRequest* request,
                                               v1::ListDevicesResponse* response) {
  return Answer(context, request, response, &Requests::ListDevices);
}

grpc::ServerUnaryReactor* Service::ListPresets(grpc::CallbackServerContext* context,
                                               const v1::ListPresetsRequest* request,
                                               v1::ListPresetsResponse* response) {
  return Answer(context, request, response, &Requests::ListPresets);
}

grpc::ServerUnaryReactor* Service::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                   const v1::GetDaemonStatusRequest* request,
                                                   v1::GetDaemonStatusResponse* response) {
  return Answer(context, request, response, &Requests::GetStatus);
}

grpc::ServerUnaryReactor* Service::Doctor(grpc::CallbackServerContext* context,
                                          const v1::DoctorRequest* request,
                                          v1::DoctorResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Not on the storage threads: nobody's submit shall wait for a driver that wakes its devices.
  stream_threads_->Post([this, reactor, request, response] {
    reactor->Finish(ToGrpc(requests_->Doctor(caller_, *request, response)));
  });
  return reactor;
}

}  // namespace torchlap::rpc
