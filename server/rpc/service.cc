#include "server/rpc/service.h"

#include <string>
#include <utility>

#include "proto/message_size.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/stream_writer.h"
#include "server/rpc/unary_answer.h"
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

absl::Status CallerGone() { return absl::CancelledError("the caller is gone"); }

}  // namespace

Service::Service(uid_t uid, storage::Caller caller, Calls* calls, WorkThreads* storage_threads,
                 WorkThreads* stream_threads)
    : uid_(uid),
      caller_(std::move(caller)),
      calls_(calls),
      in_progress_(uid),
      storage_threads_(storage_threads),
      stream_threads_(stream_threads) {}

template <typename Call, typename Request, typename Response>
grpc::ServerUnaryReactor* Service::Answer(grpc::CallbackServerContext* context, Call* call,
                                          const Request* request, Response* response, Size size,
                                          WorkThreads* threads) {
  if (absl::Status status = in_progress_.Begin(); !status.ok()) {
    grpc::ServerUnaryReactor* const refusal = context->DefaultReactor();
    refusal->Finish(ToGrpc(status));
    return refusal;
  }
  auto* const answer = new UnaryAnswer(&in_progress_);
  threads->Post({uid_, size}, [this, answer, call, request, response] {
    if (answer->is_unwanted()) return answer->End(CallerGone(), 0);
    if (absl::Status status = in_progress_.MayAnswer(); !status.ok()) {
      return answer->End(status, 0);
    }
    const absl::Status status = AnswerOf(call, caller_, *request, response);
    answer->End(status, response->ByteSizeLong());
  });
  return answer;
}

template <typename Response, typename Call, typename Request>
grpc::ServerWriteReactor<Response>* Service::Stream(const Call* call, const Request* request,
                                                    Size size) {
  if (absl::Status status = in_progress_.Begin(); !status.ok()) {
    return new RefusedStream<Response>(status);
  }
  const WorkThreads::Share share = {uid_, size};
  auto* const stream = new StreamWriter<Response>(stream_threads_, share, &in_progress_);
  stream_threads_->Post(share, [this, stream, call, request = *request] {
    if (stream->is_unwanted()) return stream->End(ToGrpc(CallerGone()));
    stream->End(ToGrpc(call->Stream(caller_, request, [stream](Response message) {
      return stream->Write(std::move(message));
    })));
  });
  return stream;
}

grpc::ServerUnaryReactor* Service::SubmitJobs(grpc::CallbackServerContext* context,
                                              const v1::SubmitJobsRequest* request,
                                              v1::SubmitJobsResponse* response) {
  return Answer(context, &calls_->submit_jobs, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerUnaryReactor* Service::GetJob(grpc::CallbackServerContext* context,
                                          const v1::GetJobRequest* request,
                                          v1::GetJobResponse* response) {
  return Answer(context, &calls_->get_job, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListJobs(grpc::CallbackServerContext* context,
                                            const v1::ListJobsRequest* request,
                                            v1::ListJobsResponse* response) {
  return Answer(context, &calls_->list_jobs, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerUnaryReactor* Service::CancelJobs(grpc::CallbackServerContext* context,
                                              const v1::CancelJobsRequest* request,
                                              v1::CancelJobsResponse* response) {
  return Answer(context, &calls_->cancel_jobs, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerWriteReactor<v1::WatchJobsResponse>* Service::WatchJobs(
    grpc::CallbackServerContext* /*context*/, const v1::WatchJobsRequest* request) {
  if (absl::Status status = in_progress_.Begin(); !status.ok()) {
    return new RefusedStream<v1::WatchJobsResponse>(status);
  }
  auto* const stream = new WatchStream(calls_->watch_jobs, storage_threads_, {uid_, Size::kLarge},
                                       &in_progress_, caller_, *request);
  stream->StartWriting();
  return stream;
}

grpc::ServerUnaryReactor* Service::ListRuns(grpc::CallbackServerContext* context,
                                            const v1::ListRunsRequest* request,
                                            v1::ListRunsResponse* response) {
  return Answer(context, &calls_->list_runs, request, response, Size::kLarge, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListSweeps(grpc::CallbackServerContext* context,
                                              const v1::ListSweepsRequest* request,
                                              v1::ListSweepsResponse* response) {
  return Answer(context, &calls_->list_sweeps, request, response, Size::kLarge, storage_threads_);
}

grpc::ServerWriteReactor<v1::GetRunResponse>* Service::GetRun(
    grpc::CallbackServerContext* /*context*/, const v1::GetRunRequest* request) {
  // Large, as what was begun goes before it: a small one would pile up samples.
  return Stream<v1::GetRunResponse>(&calls_->get_run, request, Size::kLarge);
}

grpc::ServerWriteReactor<v1::ExportRunsResponse>* Service::ExportRuns(
    grpc::CallbackServerContext* /*context*/, const v1::ExportRunsRequest* request) {
  return Stream<v1::ExportRunsResponse>(&calls_->export_runs, request, Size::kLarge);
}

grpc::ServerWriteReactor<v1::ReadTraceResponse>* Service::ReadTrace(
    grpc::CallbackServerContext* /*context*/, const v1::ReadTraceRequest* request) {
  return Stream<v1::ReadTraceResponse>(&calls_->read_trace, request, Size::kLarge);
}

grpc::ServerUnaryReactor* Service::CompareWarmups(grpc::CallbackServerContext* context,
                                                  const v1::CompareWarmupsRequest* request,
                                                  v1::CompareWarmupsResponse* response) {
  return Answer(context, &calls_->compare_warmups, request, response, Size::kLarge,
                storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListDevices(grpc::CallbackServerContext* context,
                                               const v1::ListDevicesRequest* request,
                                               v1::ListDevicesResponse* response) {
  return Answer(context, &calls_->list_devices, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerUnaryReactor* Service::ListPresets(grpc::CallbackServerContext* context,
                                               const v1::ListPresetsRequest* request,
                                               v1::ListPresetsResponse* response) {
  return Answer(context, &calls_->list_presets, request, response, Size::kSmall, storage_threads_);
}

grpc::ServerUnaryReactor* Service::GetDaemonStatus(grpc::CallbackServerContext* context,
                                                   const v1::GetDaemonStatusRequest* request,
                                                   v1::GetDaemonStatusResponse* response) {
  return Answer(context, &calls_->get_daemon_status, request, response, Size::kSmall,
                storage_threads_);
}

grpc::ServerUnaryReactor* Service::Doctor(grpc::CallbackServerContext* context,
                                          const v1::DoctorRequest* request,
                                          v1::DoctorResponse* response) {
  // Not on the storage threads: nobody's submit shall wait for a driver that wakes its devices.
  return Answer(context, &calls_->doctor, request, response, Size::kSmall, stream_threads_);
}

}  // namespace torchlap::rpc
