#include "tests/client/commands_fixture.h"

#include "client/program.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {

v1::WatchJobsResponse Snapshot(const std::vector<v1::Job>& jobs, uint64_t sequence) {
  v1::WatchJobsResponse response;
  for (const v1::Job& job : jobs) *response.mutable_snapshot()->add_jobs() = job;
  response.mutable_snapshot()->set_sequence(sequence);
  return response;
}

v1::WatchJobsResponse Ended(uint64_t sequence, uint64_t job_id, v1::JobState state) {
  v1::WatchJobsResponse response;
  response.mutable_event()->set_sequence(sequence);
  response.mutable_event()->set_job_id(job_id);
  response.mutable_event()->set_state(state);
  return response;
}

Commands::Commands() {
  service_.on_submit = [](const v1::SubmitJobsRequest&, v1::SubmitJobsResponse* response) {
    response->set_sweep_id(3);
    response->add_job_ids(17);
    return grpc::Status::OK;
  };
  service_.on_watch = [](const v1::WatchJobsRequest&, grpc::ServerContext*,
                         FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_QUEUED)}, 5));
    writer->Write(Ended(6, 17, v1::JOB_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
  service_.on_export = [](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{SmallRun(), ScaledRun("medium", 423'183'360, 18, 3)};
  };
  console_.out = &out_;
  console_.err = &err_;
}

int Commands::Program(std::vector<std::string> words) {
  out_.str("");
  err_.str("");
  words.insert(words.begin(), {"--address", service_.address()});
  return RunProgram(words, console_);
}

void Commands::HoldWatches() {
  service_.on_watch = [this](const v1::WatchJobsRequest&, grpc::ServerContext* context,
                             FakeService::WatchWriter* writer) {
    writer->Write(Snapshot({SmallJob(17, v1::JOB_STATE_RUNNING)}, 5));
    service_.HoldUntilCancelled(context);
    return grpc::Status::CANCELLED;
  };
}

}  // namespace torchlap::client
