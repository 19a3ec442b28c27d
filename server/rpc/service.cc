#include "server/rpc/service.h"

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "proto/message_size.h"
#include "server/rpc/grpc_status.h"
#include "server/rpc/stream_writer.h"
#include "server/rpc/unary_answer.h"
#include "server/rpc/watch_stream.h"

namespace torchlap::rpc {
namespace {

// Calls that are quickly answered, but with as much as a page may have: the reserve of small
// answers is not for them.
template <typename Response>
constexpr WorkThreads::Size AnswerSize(WorkThreads::Size turn) {
  const bool is_page = std::is_same_v<Response, v1::ListJobsResponse> ||
                       std::is_same_v<Response, v1::GetJobResponse>;
  return is_page ? WorkThreads::Size::kLarge : turn;
}

absl::Status CallerGone() { return absl::CancelledError("the caller is gone"); }

// A message that the other side would not take is refused in words of ours.
template <typename Request, typename Response, typename Call>
absl::Status AnswerOf(Call* call, const storage::Caller& caller, grpc::ByteBuffer* bytes,
                      const RequestLimit& limit, CallsInProgress::Call* held,
                      grpc::ByteBuffer* answer) {
  Request request;
  absl::Status status = Unpack(bytes, limit, held, &request);
  if (!status.ok()) return status;
  Response response;
  status = call->Answer(caller, request, &response);
  if (!status.ok()) return status;
  const std::string line = AnswerTooLarge(response.ByteSizeLong());
  if (!line.empty()) return absl::ResourceExhaustedError(line);
  *answer = Packed(response);
  held->HoldAnswer(answer->Length());
  return absl::OkStatus();
}

template <typename Request, typename Response, typename Call>
absl::Status StreamOf(const Call& call, const storage::Caller& caller, grpc::ByteBuffer* bytes,
                      StreamWriter* stream) {
  Request request;
  absl::Status status = Unpack(bytes, kLimitOfOthers, stream->call(), &request);
  if (!status.ok()) return status;
  return call.Stream(caller, request,
                     [stream](const Response& message) { return stream->Write(Packed(message)); });
}

}  // namespace

Service::Service(uid_t share, storage::Caller caller, Calls* calls,
                 std::shared_ptr<CallsInProgress> in_progress, WorkThreads* storage_threads,
                 WorkThreads* stream_threads)
    : share_(share),
      caller_(std::move(caller)),
      calls_(calls),
      in_progress_(std::move(in_progress)),
      storage_threads_(storage_threads),
      stream_threads_(stream_threads) {
  in_progress_->MarkAnEndOfALife();
}

Service::~Service() { in_progress_->MarkAnEndOfALife(); }

absl::StatusOr<std::unique_ptr<CallsInProgress::Call>> Service::Begin(const Bytes& request,
                                                                      const RequestLimit& limit) {
  const size_t length = request.Length();
  if (absl::Status status = CheckLength(length, limit); !status.ok()) return status;
  return in_progress_->Begin(length);
}

template <typename Request, typename Response, typename Call>
Service::Unary* Service::Answer(Context* context, const Bytes* request, Bytes* response, Call* call,
                                Size size, WorkThreads* threads, const RequestLimit& limit) {
  Bytes bytes = TakeOut(request);
  auto begun = Begin(bytes, limit);
  if (!begun.ok()) {
    Unary* const refusal = context->DefaultReactor();
    refusal->Finish(ToGrpc(begun.status()));
    return refusal;
  }
  // A long one is unpacked beside short ones, but no two at once.
  const Size turn = bytes.Length() > kShortRequestBytes ? Size::kLarge : size;
  auto* const answer = new UnaryAnswer(*std::move(begun), bytes);
  bytes.Clear();  // they were copied
  threads->Post({share_, turn}, [this, answer, call, response, size, limit] {
    std::optional<Bytes> asked = answer->Begin();
    if (!asked) return answer->End(CallerGone());
    absl::Status status = in_progress_->MayAnswer(AnswerSize<Response>(size));
    if (status.ok()) {
      status = AnswerOf<Request, Response>(call, caller_, &*asked, limit, answer->call(), response);
    }
    answer->call()->LetGoOfRequest();
    answer->End(status);
  });
  return answer;
}

template <typename Request, typename Response, typename Call>
Service::Stream* Service::Write(Context* context, const Bytes* request, const Call* call,
                                Size size) {
  Bytes bytes = TakeOut(request);
  auto begun = Begin(bytes, kLimitOfOthers);
  if (!begun.ok()) return new RefusedStream(begun.status());
  const WorkThreads::Share share = {share_, size};
  auto* const stream = new StreamWriter(context, stream_threads_, share, in_progress_.get(),
                                        *std::move(begun), bytes);
  bytes.Clear();  // they were copied
  stream_threads_->Post(share, [this, stream, call] {
    std::optional<Bytes> asked = stream->Begin();
    if (!asked) return stream->End(CallerGone());
    const absl::Status status = StreamOf<Request, Response>(*call, caller_, &*asked, stream);
    stream->call()->LetGoOfRequest();
    stream->End(status);
  });
  return stream;
}

Service::Stream* Service::WatchJobs(Context* /*context*/, const Bytes* request) {
  Bytes bytes = TakeOut(request);
  auto begun = Begin(bytes, kLimitOfOthers);
  if (!begun.ok()) return new RefusedStream(begun.status());
  v1::WatchJobsRequest watched;
  // Here, as it is no more than kLimitOfOthers. The feed keeps it.
  absl::Status status = Unpack(&bytes, kLimitOfOthers, begun->get(), &watched);
  if (!status.ok()) return new RefusedStream(status);
  auto* const stream =
      new WatchStream(calls_->watch_jobs, storage_threads_, {share_, Size::kLarge},
                      in_progress_.get(), *std::move(begun), caller_, std::move(watched));
  stream->StartWriting();
  return stream;
}

Service::Unary* Service::SubmitJobs(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::SubmitJobsRequest, v1::SubmitJobsResponse>(context, request, response,
                                                               &calls_->submit_jobs, Size::kSmall,
                                                               storage_threads_, kLimitOfSubmit);
}

Service::Unary* Service::GetJob(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::GetJobRequest, v1::GetJobResponse>(context, request, response, &calls_->get_job,
                                                       Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListJobs(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListJobsRequest, v1::ListJobsResponse>(
      context, request, response, &calls_->list_jobs, Size::kSmall, storage_threads_);
}

Service::Unary* Service::CancelJobs(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::CancelJobsRequest, v1::CancelJobsResponse>(
      context, request, response, &calls_->cancel_jobs, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListRunsRequest, v1::ListRunsResponse>(
      context, request, response, &calls_->list_runs, Size::kLarge, storage_threads_);
}

Service::Unary* Service::ListSweeps(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListSweepsRequest, v1::ListSweepsResponse>(
      context, request, response, &calls_->list_sweeps, Size::kLarge, storage_threads_);
}

Service::Stream* Service::GetRun(Context* context, const Bytes* request) {
  // Large, as what was begun goes before it: a small one would pile up samples.
  return Write<v1::GetRunRequest, v1::GetRunResponse>(context, request, &calls_->get_run,
                                                      Size::kLarge);
}

Service::Stream* Service::ExportRuns(Context* context, const Bytes* request) {
  return Write<v1::ExportRunsRequest, v1::ExportRunsResponse>(context, request,
                                                              &calls_->export_runs, Size::kLarge);
}

Service::Unary* Service::CompareWarmups(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::CompareWarmupsRequest, v1::CompareWarmupsResponse>(
      context, request, response, &calls_->compare_warmups, Size::kLarge, storage_threads_);
}

Service::Unary* Service::ListDevices(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListDevicesRequest, v1::ListDevicesResponse>(
      context, request, response, &calls_->list_devices, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListPresets(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListPresetsRequest, v1::ListPresetsResponse>(
      context, request, response, &calls_->list_presets, Size::kSmall, storage_threads_);
}

Service::Unary* Service::GetDaemonStatus(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::GetDaemonStatusRequest, v1::GetDaemonStatusResponse>(
      context, request, response, &calls_->get_daemon_status, Size::kSmall, storage_threads_);
}

Service::Unary* Service::Doctor(Context* context, const Bytes* request, Bytes* response) {
  // Not on the storage threads: nobody's submit shall wait for a driver that wakes its devices.
  return Answer<v1::DoctorRequest, v1::DoctorResponse>(context, request, response, &calls_->doctor,
                                                       Size::kSmall, stream_threads_);
}

Service::Stream* Service::ReadTrace(Context* context, const Bytes* request) {
  return Write<v1::ReadTraceRequest, v1::ReadTraceResponse>(context, request, &calls_->read_trace,
                                                            Size::kLarge);
}

Service::Unary* Service::CompareRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::CompareRunsRequest, v1::CompareRunsResponse>(
      context, request, response, &calls_->compare_runs, Size::kLarge, storage_threads_);
}

Service::Unary* Service::GetTrend(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::GetTrendRequest, v1::GetTrendResponse>(
      context, request, response, &calls_->get_trend, Size::kLarge, storage_threads_);
}

Service::Unary* Service::SetBaseline(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::SetBaselineRequest, v1::SetBaselineResponse>(
      context, request, response, &calls_->set_baseline, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListBaselines(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListBaselinesRequest, v1::ListBaselinesResponse>(
      context, request, response, &calls_->list_baselines, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ClearBaseline(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ClearBaselineRequest, v1::ClearBaselineResponse>(
      context, request, response, &calls_->clear_baseline, Size::kSmall, storage_threads_);
}

Service::Unary* Service::LabelRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::LabelRunsRequest, v1::LabelRunsResponse>(
      context, request, response, &calls_->label_runs, Size::kSmall, storage_threads_);
}

Service::Unary* Service::NoteRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::NoteRunsRequest, v1::NoteRunsResponse>(
      context, request, response, &calls_->note_runs, Size::kSmall, storage_threads_);
}

Service::Unary* Service::InvalidateRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::InvalidateRunsRequest, v1::InvalidateRunsResponse>(
      context, request, response, &calls_->invalidate_runs, Size::kSmall, storage_threads_);
}

Service::Unary* Service::PruneRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::PruneRunsRequest, v1::PruneRunsResponse>(
      context, request, response, &calls_->prune_runs, Size::kLarge, stream_threads_);
}

Service::Stream* Service::ReadLog(Context* context, const Bytes* request) {
  return Write<v1::ReadLogRequest, v1::ReadLogResponse>(context, request, &calls_->read_log,
                                                        Size::kLarge);
}

Service::Stream* Service::QuerySql(Context* context, const Bytes* request) {
  return Write<v1::QuerySqlRequest, v1::QuerySqlResponse>(context, request, &calls_->query_sql,
                                                          Size::kLarge);
}

Service::Stream* Service::BackupDatabase(Context* context, const Bytes* request) {
  return Write<v1::BackupDatabaseRequest, v1::BackupDatabaseResponse>(
      context, request, &calls_->backup_database, Size::kLarge);
}

Service::Unary* Service::ForecastJobs(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ForecastJobsRequest, v1::ForecastJobsResponse>(
      context, request, response, &calls_->forecast_jobs, Size::kLarge, storage_threads_);
}

Service::Unary* Service::ImportRuns(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ImportRunsRequest, v1::ImportRunsResponse>(
      context, request, response, &calls_->import_runs, Size::kLarge, stream_threads_);
}

Service::Unary* Service::AddSuite(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::AddSuiteRequest, v1::AddSuiteResponse>(
      context, request, response, &calls_->add_suite, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListSuites(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListSuitesRequest, v1::ListSuitesResponse>(
      context, request, response, &calls_->list_suites, Size::kSmall, storage_threads_);
}

Service::Unary* Service::RemoveSuite(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::RemoveSuiteRequest, v1::RemoveSuiteResponse>(
      context, request, response, &calls_->remove_suite, Size::kSmall, storage_threads_);
}

Service::Unary* Service::ListFindings(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::ListFindingsRequest, v1::ListFindingsResponse>(
      context, request, response, &calls_->list_findings, Size::kLarge, storage_threads_);
}

Service::Unary* Service::SetFinding(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::SetFindingRequest, v1::SetFindingResponse>(
      context, request, response, &calls_->set_finding, Size::kSmall, storage_threads_);
}

Service::Unary* Service::GetDigest(Context* context, const Bytes* request, Bytes* response) {
  return Answer<v1::GetDigestRequest, v1::GetDigestResponse>(
      context, request, response, &calls_->get_digest, Size::kLarge, storage_threads_);
}

}  // namespace torchlap::rpc
