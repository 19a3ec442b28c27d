#include "server/rpc/service.h"

#include <string>
#include <utility>

#include "proto/message_size.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/stream_writer.h"
#include "server/rpc/watch_stream.h"

namespace torchlap::rpc {
namespace {

// A message that the other side would not take is refused in words of ours.
template <typename Call, typename Request, typename Response>
absl::Status AnswerOf(Call* call, const storage::Caller& caller, const Request& request,
                      Response* response) {
  const std::string request_line = RequestTooLarge(request.ByteSizeLong());
  if (!request_line.empty()) return absl::InvalidArgumentError(request_line);
  if (absl::Status status = call->Answer(caller, request, response); !status.ok()) return status;
  const std::string answer_line = AnswerTooLarge(response->ByteSizeLong());
  if (answer_line.empty()) return absl::OkStatus();
  response->Clear();
  return absl::ResourceExhaustedError(answer_line);
}

}  // namespace

Service::Service(storage::Caller caller, Calls* calls, WorkThreads* storage_threads,
                 WorkThreads* stream_threads)
    : caller_(std::move(caller)),
      calls_(calls),
      storage_threads_(storage_threads),
      stream_threads_(stream_threads) {}

template <typename Call, typename Request, typename Response>
grpc::ServerUnaryReactor* Service::Answer(grpc::CallbackServerContext* context, Call* call,
                                          const Request* request, Response* response,
                                          WorkThreads* threads) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  threads->Post([this, reactor, call, request, response] {
    reactor->Finish(ToGrpc(AnswerOf(call, caller_, *request, response)));
  });
  return reactor;
}

template <typename Response, typename Call, typename Request>
grpc::ServerWriteReactor<Response>* Service::Stream(const Call* call, const Request* request) {
  auto* stream = new StreamWriter<Response>(stream_threads_);
  stream_threads_->Post([this, stream, call, request = *request] {
    stream->End(ToGrpc(call->Stream(caller_, request, [stream](Response message) {
      return stream->Write(std::move(message));
    })));
  });
  return stream;
}

grpc::ServerUnaryReactor* Service::SubmitJobs(grpc::CallbackServerContext* context,
                                              const v1::SubmitJobsRequest* request,
                                              v1::SubmitJobsResponse* response) {
  return Answer(context, &calls_->submit_jobs, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::GetJob(grpc::CallbackServerContext* context,
                                          const v1::GetJobRequest* request,
                                          v1::GetJobResponse* response) {
  return Answer(context, &calls_->get_job, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListJobs(grpc::CallbackServerContext* context,
                                            const v1::ListJobsRequest* request,
                                            v1::ListJobsResponse* response) {
  return Answer(context, &calls_->list_jobs, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::CancelJobs(grpc::CallbackServerContext* context,
                                              const v1::CancelJobsRequest* request,
                                              v1::CancelJobsResponse* response) {
  return Answer(context, &calls_->cancel_jobs, request, response, storage_threads_);
}

grpc::ServerWriteReactor<v1::WatchJobsResponse>* Service::WatchJobs(
    grpc::CallbackServerContext* /*context*/, const v1::WatchJobsRequest* request) {
  auto* stream = new WatchStream(calls_->watch_jobs, storage_threads_, caller_, *request);
  stream->StartWriting();
  return stream;
}

grpc::ServerUnaryReactor* Service::ListRuns(grpc::CallbackServerContext* context,
                                            const v1::ListRunsRequest* request,
                                            v1::ListRunsResponse* response) {
  return Answer(context, &calls_->list_runs, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListSweeps(grpc::CallbackServerContext* context,
                                              const v1::ListSweepsRequest* request,
                                              v1::ListSweepsResponse* response) {
  return Answer(context, &calls_->list_sweeps, request, response, storage_threads_);
}

grpc::ServerWriteReactor<v1::GetRunResponse>* Service::GetRun(
    grpc::CallbackServerContext* /*context*/, const v1::GetRunRequest* request) {
  return Stream<v1::GetRunResponse>(&calls_->get_run, request);
}

grpc::ServerWriteReactor<v1::ExportRunsResponse>* Service::ExportRuns(
    grpc::CallbackServerContext* /*context*/, const v1::ExportRunsRequest* request) {
  return Stream<v1::ExportRunsResponse>(&calls_->export_runs, request);
}

grpc::ServerWriteReactor<v1::ReadTraceResponse>* Service::ReadTrace(
    grpc::CallbackServerContext* /*context*/, const v1::ReadTraceRequest* request) {
  return Stream<v1::ReadTraceResponse>(&calls_->read_trace, request);
}

grpc::ServerUnaryReactor* Service::CompareWarmups(grpc::CallbackServerContext* context,
                                                  const v1::CompareWarmupsRequest* request,
                                                  v1::CompareWarmupsResponse* response) {
  return Answer(context, &calls_->compare_warmups, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListDevices(grpc::CallbackServerContext* context,
                                               const v1::ListDevicesRequest* request,
                                               v1::ListDevicesResponse* response) {
  return Answer(context, &calls_->list_devices, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListPresets(grpc::CallbackServerContext* context,
                                               const v1::ListPresetsRequest* request,
                                               v1::ListPresetsResponse* response) {
  return Answer(context, &calls_->list_presets, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                   const v1::GetDaemonStatusRequest* request,
                                                   v1::GetDaemonStatusResponse* response) {
  return Answer(context, &calls_->get_daemon_status, request, response, storage_threads_);
}

grpc::ServerUnaryReactor* Service::Doctor(grpc::CallbackServerContext* context,
                                          const v1::DoctorRequest* request,
                                          v1::DoctorResponse* response) {
  // Not on the storage threads: nobody's submit shall wait for a driver that wakes its devices.
  return Answer(context, &calls_->doctor, request, response, stream_threads_);
}

}  // namespace torchlap::rpc
