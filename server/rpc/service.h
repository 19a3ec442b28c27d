// The service as gRPC sees it, for one user. Thin: what an RPC does is in its call (calls.h); an
// error is mapped in one place.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <sys/types.h>

#include <memory>

#include "server/rpc/calls.h"
#include "server/rpc/calls_in_progress.h"
#include "server/rpc/message_bytes.h"
#include "server/rpc/work_threads.h"
#include "torchlap/v1/service.grpc.pb.h"

namespace torchlap::rpc {

// All methods as bytes (message_bytes.h).
using ServiceOfBytes = v1::Torchlap::WithRawCallbackMethod_SubmitJobs<v1::Torchlap::WithRawCallbackMethod_GetJob<
    v1::Torchlap::WithRawCallbackMethod_ListJobs<v1::Torchlap::WithRawCallbackMethod_CancelJobs<v1::Torchlap::WithRawCallbackMethod_WatchJobs<
        v1::Torchlap::WithRawCallbackMethod_ListRuns<v1::Torchlap::WithRawCallbackMethod_GetRun<v1::Torchlap::WithRawCallbackMethod_ExportRuns<
            v1::Torchlap::WithRawCallbackMethod_ListSweeps<v1::Torchlap::WithRawCallbackMethod_ListDevices<
                v1::Torchlap::WithRawCallbackMethod_ListPresets<v1::Torchlap::WithRawCallbackMethod_GetDaemonStatus<
                    v1::Torchlap::WithRawCallbackMethod_CompareWarmups<v1::Torchlap::WithRawCallbackMethod_ReadTrace<
                        v1::Torchlap::WithRawCallbackMethod_Doctor<v1::Torchlap::WithRawCallbackMethod_CompareRuns<
                            v1::Torchlap::WithRawCallbackMethod_GetTrend<v1::Torchlap::WithRawCallbackMethod_SetBaseline<
                                v1::Torchlap::WithRawCallbackMethod_ListBaselines<v1::Torchlap::WithRawCallbackMethod_ClearBaseline<
                                    v1::Torchlap::WithRawCallbackMethod_LabelRuns<v1::Torchlap::WithRawCallbackMethod_NoteRuns<
                                        v1::Torchlap::WithRawCallbackMethod_InvalidateRuns<v1::Torchlap::WithRawCallbackMethod_PruneRuns<
                                            v1::Torchlap::WithRawCallbackMethod_ReadLog<v1::Torchlap::WithRawCallbackMethod_QuerySql<
                                                v1::Torchlap::WithRawCallbackMethod_BackupDatabase<v1::Torchlap::WithRawCallbackMethod_ForecastJobs<
                                                    v1::Torchlap::WithRawCallbackMethod_ImportRuns<v1::Torchlap::WithRawCallbackMethod_AddSuite<
                                                        v1::Torchlap::WithRawCallbackMethod_ListSuites<
                                                            v1::Torchlap::WithRawCallbackMethod_RemoveSuite<
                                                                v1::Torchlap::WithRawCallbackMethod_ListFindings<
                                                                    v1::Torchlap::WithRawCallbackMethod_SetFinding<
                                                                        v1::Torchlap::WithRawCallbackMethod_GetDigest<
                                                                            v1::Torchlap::
                                                                                Service>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>;

// Handlers never block gRPC's threads: `storage_threads` do what touches the database,
// `stream_threads` what may wait for a reader. A call whose caller is gone is not begun. All
// arguments outlive the service.
class Service final : public ServiceOfBytes {
 public:
  using Context = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  using Unary = grpc::ServerUnaryReactor;
  using Stream = grpc::ServerWriteReactor<grpc::ByteBuffer>;

  // Turns are taken as `share`, and what calls hold is counted in `in_progress`: the user's own, or
  // one of several users.
  Service(uid_t share, storage::Caller caller, Calls* calls,
          std::shared_ptr<CallsInProgress> in_progress, WorkThreads* storage_threads,
          WorkThreads* stream_threads);
  ~Service() override;

  Unary* SubmitJobs(Context* context, const Bytes* request, Bytes* response) override;
  Unary* GetJob(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListJobs(Context* context, const Bytes* request, Bytes* response) override;
  Unary* CancelJobs(Context* context, const Bytes* request, Bytes* response) override;
  Stream* WatchJobs(Context* context, const Bytes* request) override;
  Unary* ListRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListSweeps(Context* context, const Bytes* request, Bytes* response) override;
  Stream* GetRun(Context* context, const Bytes* request) override;
  Stream* ExportRuns(Context* context, const Bytes* request) override;
  Unary* CompareWarmups(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListDevices(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListPresets(Context* context, const Bytes* request, Bytes* response) override;
  Unary* GetDaemonStatus(Context* context, const Bytes* request, Bytes* response) override;
  Unary* Doctor(Context* context, const Bytes* request, Bytes* response) override;
  Stream* ReadTrace(Context* context, const Bytes* request) override;
  Unary* CompareRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* GetTrend(Context* context, const Bytes* request, Bytes* response) override;
  Unary* SetBaseline(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListBaselines(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ClearBaseline(Context* context, const Bytes* request, Bytes* response) override;
  Unary* LabelRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* NoteRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* InvalidateRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* PruneRuns(Context* context, const Bytes* request, Bytes* response) override;
  Stream* ReadLog(Context* context, const Bytes* request) override;
  Stream* QuerySql(Context* context, const Bytes* request) override;
  Stream* BackupDatabase(Context* context, const Bytes* request) override;
  Unary* ForecastJobs(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ImportRuns(Context* context, const Bytes* request, Bytes* response) override;
  Unary* AddSuite(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListSuites(Context* context, const Bytes* request, Bytes* response) override;
  Unary* RemoveSuite(Context* context, const Bytes* request, Bytes* response) override;
  Unary* ListFindings(Context* context, const Bytes* request, Bytes* response) override;
  Unary* SetFinding(Context* context, const Bytes* request, Bytes* response) override;
  Unary* GetDigest(Context* context, const Bytes* request, Bytes* response) override;

 private:
  using Size = WorkThreads::Size;

  // Counts the call. An error: it is refused.
  absl::StatusOr<std::unique_ptr<CallsInProgress::Call>> Begin(const Bytes& request,
                                                               const RequestLimit& limit);
  // `Request`, `Response`: what `call` is asked and answers.
  template <typename Request, typename Response, typename Call>
  Unary* Answer(Context* context, const Bytes* request, Bytes* response, Call* call, Size size,
                WorkThreads* threads, const RequestLimit& limit = kLimitOfOthers);
  template <typename Request, typename Response, typename Call>
  Stream* Write(Context* context, const Bytes* request, const Call* call, Size size);

  const uid_t share_;
  const storage::Caller caller_;
  Calls* const calls_;
  const std::shared_ptr<CallsInProgress> in_progress_;
  WorkThreads* const storage_threads_;
  WorkThreads* const stream_threads_;
};

}  // namespace torchlap::rpc
