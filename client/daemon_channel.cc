#include "client/daemon_channel.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/address.h"
#include "proto/base/local_socket.h"
#include "proto/message_size.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::client {
namespace {

using Clock = std::chrono::system_clock;
using Stub = v1::Torchlap::Stub;

constexpr char kFailed[] = "connection failed";
constexpr Deadline kForever = Clock::time_point::max();

void IgnoreLog(gpr_log_func_args*) {}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  // Their own lines would stand beside ours on stderr, raw.
  gpr_set_log_function(IgnoreLog);
  google::protobuf::SetLogHandler(nullptr);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A channel of its own has no backoff left over from the channel before it.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxAnswerBytes));
  // A path is not an authority that HTTP/2 servers accept.
  if (SocketPathOf(address)) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// Nothing if the channel is ready; else why not. Does not wait for gRPC's second attempt.
std::optional<std::string> Connect(grpc::Channel* channel, Clock::time_point deadline) {
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) {
      return kFailed;
    }
    if (!channel->WaitForStateChange(state, deadline)) return "no answer";
    state = channel->GetState(true);
  }
  return std::nullopt;
}

// What the kernel says about the socket: gRPC does not pass that on.
absl::Status NoDaemon(const std::string& address, std::string reason) {
  if (const auto path = SocketPathOf(address)) {
    const std::string problem = SocketProblem(*path);
    if (!problem.empty()) reason = problem;
    // It has more of them than it can tell so in an answer.
    if (problem.empty() && reason == kFailed) reason = "it closes connections: too many are open";
  }
  return absl::UnavailableError(NoDaemonLine(address, reason));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const std::string& address,
                                                           std::chrono::milliseconds patience) {
  // Without the file there is nobody to ask, and no reason to start gRPC.
  if (const auto path = SocketPathOf(address)) {
    if (access(path->c_str(), F_OK) != 0) {
      return absl::UnavailableError(NoDaemonLine(address, std::strerror(errno)));
    }
  }
  auto channel = MakeChannel(address);
  const auto problem = Connect(channel.get(), Clock::now() + patience);
  if (problem) return NoDaemon(address, *problem);
  return channel;
}

class GrpcDaemonChannel : public DaemonChannel {
 public:
  GrpcDaemonChannel(std::string address, std::chrono::milliseconds patience,
                    std::chrono::milliseconds call_patience, std::shared_ptr<grpc::Channel> channel)
      : address_(std::move(address)),
        patience_(patience),
        call_patience_(call_patience),
        stub_(v1::Torchlap::NewStub(channel)) {}

  absl::Status Reopen() override {
    auto channel = OpenChannel(address_, patience_);
    if (!channel.ok()) return channel.status();
    stub_ = v1::Torchlap::NewStub(*channel);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

  uint64_t unreadable_rows() const override {
    return std::max(unreadable_in_lists_, unreadable_in_a_stream_);
  }

  absl::StatusOr<v1::SubmitJobsResponse> SubmitJobs(const v1::SubmitJobsRequest& request) override {
    return Call<v1::SubmitJobsResponse>(&Stub::SubmitJobs, request);
  }
  absl::StatusOr<v1::GetJobResponse> GetJob(const v1::GetJobRequest& request) override {
    return Call<v1::GetJobResponse>(&Stub::GetJob, request);
  }
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request) override {
    auto jobs = Call<v1::ListJobsResponse>(&Stub::ListJobs, request);
    if (jobs.ok()) unreadable_in_lists_ += jobs->unreadable_jobs();
    return jobs;
  }
  absl::StatusOr<v1::CancelJobsResponse> CancelJobs(const v1::CancelJobsRequest& request) override {
    return Call<v1::CancelJobsResponse>(&Stub::CancelJobs, request);
  }
  absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request) override {
    auto runs = Call<v1::ListRunsResponse>(&Stub::ListRuns, request);
    if (runs.ok()) unreadable_in_lists_ += runs->unreadable_runs();
    return runs;
  }
  absl::StatusOr<v1::ListSweepsResponse> ListSweeps(const v1::ListSweepsRequest& request) override {
    return Call<v1::ListSweepsResponse>(&Stub::ListSweeps, request);
  }
  absl::StatusOr<v1::ListDevicesResponse> ListDevices() override {
    return Call<v1::ListDevicesResponse>(&Stub::ListDevices, v1::ListDevicesRequest());
  }
  absl::StatusOr<v1::ListPresetsResponse> ListPresets() override {
    return Call<v1::ListPresetsResponse>(&Stub::ListPresets, v1::ListPresetsRequest());
  }
  absl::StatusOr<v1::GetDaemonStatusResponse> GetDaemonStatus() override {
    return Call<v1::GetDaemonStatusResponse>(&Stub::GetDaemonStatus, v1::GetDaemonStatusRequest());
  }

  absl::StatusOr<v1::DoctorResponse> Doctor() override {
    return Call<v1::DoctorResponse>(&Stub::Doctor, v1::DoctorRequest());
  }

  absl::StatusOr<v1::CompareWarmupsResponse> CompareWarmups(
      const v1::CompareWarmupsRequest& request) override {
    return Call<v1::CompareWarmupsResponse>(&Stub::CompareWarmups, request);
  }

  absl::StatusOr<v1::CompareRunsResponse> CompareRuns(
      const v1::CompareRunsRequest& request) override {
    auto answer = Call<v1::CompareRunsResponse>(&Stub::CompareRuns, request);
    if (answer.ok()) unreadable_in_lists_ += answer->unreadable_runs();
    return answer;
  }
  absl::StatusOr<v1::GetTrendResponse> GetTrend(const v1::GetTrendRequest& request) override {
    auto answer = Call<v1::GetTrendResponse>(&Stub::GetTrend, request);
    if (answer.ok()) unreadable_in_lists_ += answer->unreadable_runs();
    return answer;
  }
  absl::StatusOr<v1::SetBaselineResponse> SetBaseline(
      const v1::SetBaselineRequest& request) override {
    return Call<v1::SetBaselineResponse>(&Stub::SetBaseline, request);
  }
  absl::StatusOr<v1::ListBaselinesResponse> ListBaselines(
      const v1::ListBaselinesRequest& request) override {
    return Call<v1::ListBaselinesResponse>(&Stub::ListBaselines, request);
  }
  absl::StatusOr<v1::ClearBaselineResponse> ClearBaseline(
      const v1::ClearBaselineRequest& request) override {
    return Call<v1::ClearBaselineResponse>(&Stub::ClearBaseline, request);
  }
  absl::StatusOr<v1::LabelRunsResponse> LabelRuns(const v1::LabelRunsRequest& request) override {
    return Call<v1::LabelRunsResponse>(&Stub::LabelRuns, request);
  }
  absl::StatusOr<v1::NoteRunsResponse> NoteRuns(const v1::NoteRunsRequest& request) override {
    return Call<v1::NoteRunsResponse>(&Stub::NoteRuns, request);
  }
  absl::StatusOr<v1::InvalidateRunsResponse> InvalidateRuns(
      const v1::InvalidateRunsRequest& request) override {
    return Call<v1::InvalidateRunsResponse>(&Stub::InvalidateRuns, request);
  }
  absl::StatusOr<v1::PruneRunsResponse> PruneRuns(const v1::PruneRunsRequest& request) override {
    return Call<v1::PruneRunsResponse>(&Stub::PruneRuns, request, kForever);
  }
  absl::StatusOr<v1::ForecastJobsResponse> ForecastJobs(
      const v1::ForecastJobsRequest& request) override {
    return Call<v1::ForecastJobsResponse>(&Stub::ForecastJobs, request);
  }
  absl::StatusOr<v1::ImportRunsResponse> ImportRuns(const v1::ImportRunsRequest& request) override {
    return Call<v1::ImportRunsResponse>(&Stub::ImportRuns, request,
                                        request.complete() ? kForever : Deadline());
  }
  absl::StatusOr<v1::AddSuiteResponse> AddSuite(const v1::AddSuiteRequest& request) override {
    return Call<v1::AddSuiteResponse>(&Stub::AddSuite, request);
  }
  absl::StatusOr<v1::ListSuitesResponse> ListSuites(const v1::ListSuitesRequest& request) override {
    return Call<v1::ListSuitesResponse>(&Stub::ListSuites, request);
  }
  absl::StatusOr<v1::RemoveSuiteResponse> RemoveSuite(
      const v1::RemoveSuiteRequest& request) override {
    return Call<v1::RemoveSuiteResponse>(&Stub::RemoveSuite, request);
  }
  absl::StatusOr<v1::ListFindingsResponse> ListFindings(
      const v1::ListFindingsRequest& request) override {
    return Call<v1::ListFindingsResponse>(&Stub::ListFindings, request);
  }
  absl::StatusOr<v1::SetFindingResponse> SetFinding(const v1::SetFindingRequest& request) override {
    return Call<v1::SetFindingResponse>(&Stub::SetFinding, request);
  }
  absl::StatusOr<v1::GetDigestResponse> GetDigest(const v1::GetDigestRequest& request) override {
    return Call<v1::GetDigestResponse>(&Stub::GetDigest, request);
  }
  absl::Status ReadLog(const v1::ReadLogRequest& request,
                       const std::function<bool(const v1::ReadLogResponse&)>& on_part) override {
    grpc::ClientContext context;
    return DrainWhile<v1::ReadLogResponse>(&context, stub_->ReadLog(&context, request), on_part);
  }
  absl::Status QuerySql(const v1::QuerySqlRequest& request,
                        const std::function<bool(const v1::QuerySqlResponse&)>& on_part) override {
    grpc::ClientContext context;
    return DrainWhile<v1::QuerySqlResponse>(&context, stub_->QuerySql(&context, request), on_part);
  }
  absl::Status BackupDatabase(
      const v1::BackupDatabaseRequest& request,
      const std::function<bool(const v1::BackupDatabaseResponse&)>& on_part) override {
    grpc::ClientContext context;
    return DrainWhile<v1::BackupDatabaseResponse>(
        &context, stub_->BackupDatabase(&context, request), on_part);
  }

  absl::Status GetRun(const v1::GetRunRequest& request,
                      const std::function<void(const v1::GetRunResponse&)>& on_part) override {
    grpc::ClientContext context;
    return Drain(stub_->GetRun(&context, request), on_part);
  }

  absl::Status ExportRuns(
      const v1::ExportRunsRequest& request,
      const std::function<bool(const v1::ExportRunsResponse&)>& on_part) override {
    grpc::ClientContext context;
    return DrainCounting<v1::ExportRunsResponse>(
        &context, stub_->ExportRuns(&context, request),
        [](const v1::ExportRunsResponse& part) { return part.unreadable_rows(); }, on_part);
  }

  absl::Status ReadTrace(
      const v1::ReadTraceRequest& request,
      const std::function<void(const v1::ReadTraceResponse&)>& on_part) override {
    grpc::ClientContext context;
    return Drain(stub_->ReadTrace(&context, request), on_part);
  }

  absl::Status WatchJobs(const v1::WatchJobsRequest& request,
                         const std::function<bool(const v1::WatchJobsResponse&)>& on_change,
                         std::stop_token stop, Deadline deadline) override {
    grpc::ClientContext context;
    if (deadline) context.set_deadline(*deadline);
    auto stream = stub_->WatchJobs(&context, request);
    // TryCancel may be called from any thread once the call was started.
    const std::stop_callback end_on_stop(stop, [&context] { context.TryCancel(); });
    return DrainCounting<v1::WatchJobsResponse>(
        &context, std::move(stream),
        [](const v1::WatchJobsResponse& change) { return change.snapshot().unreadable_jobs(); },
        on_change);
  }

 private:
  absl::Status Translated(const grpc::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    std::string message = status.error_message();
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      message = fmt::format("the daemon at {} is not available: {}", address_, message);
    } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      message = fmt::format("the daemon at {} did not answer in time", address_);
    }
    // The codes of gRPC and of absl are the same numbers.
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
  }

  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, const Deadline& deadline = {}) {
    if (const std::string line = RequestTooLarge(request.ByteSizeLong()); !line.empty()) {
      return absl::InvalidArgumentError(line);
    }
    grpc::ClientContext context;
    context.set_deadline(deadline.value_or(Clock::now() + call_patience_));
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (!status.ok()) return Translated(status);
    return response;
  }

  template <typename Response>
  absl::Status Drain(std::unique_ptr<grpc::ClientReader<Response>> stream,
                     const std::function<void(const Response&)>& on_part) {
    Response part;
    while (stream->Read(&part)) on_part(part);
    return Translated(stream->Finish());
  }

  // As DrainWhile; counts what could not be read.
  template <typename Response>
  absl::Status DrainCounting(grpc::ClientContext* context,
                             std::unique_ptr<grpc::ClientReader<Response>> stream,
                             uint64_t (*unreadable_in)(const Response&),
                             const std::function<bool(const Response&)>& on_part) {
    uint64_t unreadable = 0;
    const std::function<bool(const Response&)> take = [&](const Response& part) {
      unreadable += unreadable_in(part);
      return on_part(part);
    };
    const absl::Status status = DrainWhile(context, std::move(stream), take);
    unreadable_in_a_stream_ = std::max(unreadable_in_a_stream_, unreadable);
    return status;
  }

  // Until `on_part` returns false.
  template <typename Response>
  absl::Status DrainWhile(grpc::ClientContext* context,
                          std::unique_ptr<grpc::ClientReader<Response>> stream,
                          const std::function<bool(const Response&)>& on_part) {
    Response part;
    bool goes_on = true;
    while (goes_on && stream->Read(&part)) goes_on = on_part(part);
    if (!goes_on) context->TryCancel();
    const grpc::Status status = stream->Finish();
    return goes_on ? Translated(status) : absl::OkStatus();
  }

  const std::string address_;
  const std::chrono::milliseconds patience_;
  const std::chrono::milliseconds call_patience_;
  std::unique_ptr<Stub> stub_;
  uint64_t unreadable_in_lists_ = 0;
  uint64_t unreadable_in_a_stream_ = 0;  // that had most
};

}  // namespace

absl::StatusOr<std::unique_ptr<DaemonChannel>> DaemonChannel::Open(
    const std::string& address, std::chrono::milliseconds patience,
    std::chrono::milliseconds call_patience) {
  auto channel = OpenChannel(address, patience);
  if (!channel.ok()) return channel.status();
  return std::make_unique<GrpcDaemonChannel>(address, patience, call_patience, *channel);
}

}  // namespace torchlap::client
