#include "server/rpc/requests.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <random>
#include <utility>

#include "proto/base/clock.h"
#include "server/host/host_facts.h"
#include "server/measure/identity.h"
#include "server/measure/presets.h"
#include "server/rpc/doctor.h"
#include "server/rpc/job_admission.h"
#include "server/rpc/warmup_comparison.h"

namespace torchlap::rpc {
namespace {

constexpr int kMaxJobs = 10000;
constexpr size_t kMaxRequestIdChars = 128;
constexpr size_t kMaxSweepNameChars = 100;
constexpr uint32_t kMaxPage = 1000;
constexpr uint32_t kSelectedAtOnce = 1000;
// Jobs beyond this place in the queue are told that they are behind this many.
constexpr uint32_t kQueueLimit = 100000;

absl::StatusOr<uint32_t> PageSize(uint32_t asked, uint32_t unset) {
  if (asked == 0) return unset;
  if (asked <= kMaxPage) return asked;
  return absl::InvalidArgumentError(
      fmt::format("page_size is {}, must be 1 to {}", asked, kMaxPage));
}

absl::StatusOr<uint64_t> ParseJobToken(const std::string& token) {
  uint64_t id = 0;
  if (token.empty()) return id;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), id);
  if (error == std::errc() && end == token.data() + token.size()) return id;
  return absl::InvalidArgumentError(
      fmt::format("page_token is `{}`, must come from the response before", token));
}

bool NamesSomething(const v1::Selector& selector) { return selector.ByteSizeLong() > 0; }

// The same request has the same digest: fields in the order of their numbers, maps sorted.
std::string RequestDigest(const v1::SubmitJobsRequest& request) {
  std::string text = request.sweep_name();
  for (const v1::JobSpec& job : request.jobs()) {
    text += '\n';
    text += job.ShortDebugString();
  }
  return measure::Digest(text);
}

void Fill(const storage::Submitted& submitted, v1::SubmitJobsResponse* response) {
  response->set_sweep_id(submitted.sweep_id);
  response->mutable_job_ids()->Add(submitted.job_ids.begin(), submitted.job_ids.end());
}

bool IsPrintable(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

}  // namespace

Requests::Requests(RequestSetting setting) : setting_(std::move(setting)) {}

absl::Status Requests::CheckSubmit(const v1::SubmitJobsRequest& request) const {
  if (stopping_) return absl::UnavailableError("the daemon is stopping and takes no new jobs");
  if (request.jobs_size() < 1 || request.jobs_size() > kMaxJobs) {
    return absl::InvalidArgumentError(
        fmt::format("jobs has {} entries, must have 1 to {}", request.jobs_size(), kMaxJobs));
  }
  if (request.request_id().size() > kMaxRequestIdChars) {
    return absl::InvalidArgumentError(fmt::format("request_id has {} characters, must have 0 to {}",
                                                  request.request_id().size(), kMaxRequestIdChars));
  }
  if (request.sweep_name().size() > kMaxSweepNameChars) {
    return absl::InvalidArgumentError(fmt::format("sweep_name has {} characters, must have 0 to {}",
                                                  request.sweep_name().size(), kMaxSweepNameChars));
  }
  if (!IsPrintable(request.sweep_name())) {
    return absl::InvalidArgumentError("sweep_name has a control character, must have none");
  }
  const auto counts = setting_.jobs->Count();
  if (!counts.ok()) return counts.status();
  const uint32_t limit = setting_.configuration->max_queued_jobs;
  if (counts->queued_jobs + static_cast<uint64_t>(request.jobs_size()) <= limit) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      fmt::format("{} jobs are queued and {} are asked for, must be at most {} together",
                  counts->queued_jobs, request.jobs_size(), limit));
}

absl::Status Requests::Submit(const storage::Caller& caller, const v1::SubmitJobsRequest& request,
                              v1::SubmitJobsResponse* response) {
  // First of all: a retry gets its answer even where a new request would be refused.
  const std::string digest = RequestDigest(request);
  const auto earlier = setting_.jobs->FindSubmitted(caller, request.request_id(), digest);
  if (!earlier.ok()) return earlier.status();
  if (*earlier) {
    Fill(**earlier, response);
    return absl::OkStatus();
  }
  if (absl::Status status = CheckSubmit(request); !status.ok()) return status;
  std::vector<storage::NewJob> jobs;
  jobs.reserve(static_cast<size_t>(request.jobs_size()));
  for (const v1::JobSpec& spec : request.jobs()) {
    auto job = Admit(spec, setting_.fleet->devices(), caller);
    if (!job.ok()) return job.status();
    jobs.push_back(*std::move(job));
  }
  const auto submitted =
      setting_.jobs->Submit(caller, request.request_id(), digest, request.sweep_name(), jobs,
                            {std::random_device()(), request.shuffle()}, WallNs());
  if (!submitted.ok()) return submitted.status();
  Fill(*submitted, response);
  setting_.hub->EventsCommitted();
  setting_.fleet->WakeAll();
  return absl::OkStatus();
}

absl::Status Requests::GetJob(const storage::Caller& /*caller*/, const v1::GetJobRequest& request,
                              v1::GetJobResponse* response) {
  auto job = setting_.jobs->Get(request.job_id());
  if (!job.ok()) return job.status();
  std::vector<v1::Job> one;
  one.push_back(*std::move(job));
  if (absl::Status status = ExplainWaiting(&one); !status.ok()) return status;
  *response->mutable_job() = std::move(one[0]);
  return absl::OkStatus();
}

absl::Status Requests::ListJobs(const storage::Caller& caller, const v1::ListJobsRequest& request,
                                v1::ListJobsResponse* response) {
  storage::JobFilter filter;
  if (NamesSomething(request.selector())) {
    auto resolved = setting_.jobs->Resolve(request.selector(), caller);
    if (!resolved.ok()) return resolved.status();
    filter = *std::move(resolved);
  }
  const auto size = PageSize(request.page_size(), 100);
  if (!size.ok()) return size.status();
  const auto after = ParseJobToken(request.page_token());
  if (!after.ok()) return after.status();
  for (const int state : request.states()) {
    filter.states.push_back(static_cast<v1::JobState>(state));
  }
  filter.user = request.user();
  filter.after_job_id = *after;
  filter.limit = *size;
  auto jobs = setting_.jobs->List(filter);
  if (!jobs.ok()) return jobs.status();
  if (absl::Status status = ExplainWaiting(&*jobs); !status.ok()) return status;
  if (jobs->size() == *size) response->set_next_page_token(std::to_string(jobs->back().job_id()));
  for (v1::Job& job : *jobs) *response->add_jobs() = std::move(job);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Job>> Requests::SelectedJobs(const storage::Caller& caller,
                                                            const v1::Selector& selector) const {
  if (selector.run_ids_size() > 0) {
    return absl::InvalidArgumentError(
        fmt::format("`{}` is a run, must be a job or a sweep", selector.run_ids(0)));
  }
  if (!NamesSomething(selector)) return std::vector<v1::Job>{};
  auto filter = setting_.jobs->Resolve(selector, caller);
  if (!filter.ok()) return filter.status();
  filter->limit = kSelectedAtOnce;
  std::vector<v1::Job> all;
  for (;;) {
    auto page = setting_.jobs->List(*filter);
    if (!page.ok()) return page.status();
    const bool more = page->size() == kSelectedAtOnce;
    if (more) filter->after_job_id = page->back().job_id();
    for (v1::Job& job : *page) all.push_back(std::move(job));
    if (!more) return all;
  }
}

absl::Status Requests::ExplainWaiting(std::vector<v1::Job>* jobs) const {
  bool any_queued = false;
  for (const v1::Job& job : *jobs) any_queued |= job.state() == v1::JOB_STATE_QUEUED;
  if (!any_queued) return absl::OkStatus();
  const auto queue = setting_.jobs->Queue(kQueueLimit);
  if (!queue.ok()) return queue.status();
  auto reasons = run::WaitReasons(*queue, setting_.fleet->Describe());
  for (v1::Job& job : *jobs) {
    if (job.state() != v1::JOB_STATE_QUEUED) continue;
    if (auto found = reasons.find(job.job_id()); found != reasons.end()) {
      *job.mutable_wait() = found->second;
    }
  }
  return absl::OkStatus();
}

absl::Status Requests::Cancel(const storage::Caller& caller, const v1::CancelJobsRequest& request,
                              v1::CancelJobsResponse* response) {
  const auto chosen = SelectedJobs(caller, request.selector());
  if (!chosen.ok()) return chosen.status();
  if (chosen->empty()) {
    return absl::InvalidArgumentError("selector is empty, must name jobs or sweeps");
  }
  std::vector<uint64_t> ids;
  for (const v1::Job& job : *chosen) ids.push_back(job.job_id());
  auto cancelled = setting_.jobs->Cancel(ids, caller, WallNs());
  if (!cancelled.ok()) return cancelled.status();
  *response = *std::move(cancelled);
  if (response->finished_job_ids_size() == static_cast<int>(ids.size())) {
    return absl::FailedPreconditionError(
        ids.size() == 1 ? fmt::format("job {} has finished already", ids[0])
                        : fmt::format("all {} jobs have finished already", ids.size()));
  }
  setting_.hub->EventsCommitted();
  setting_.fleet->WakeAll();
  return absl::OkStatus();
}

absl::Status Requests::ListRuns(const storage::Caller& caller, const v1::ListRunsRequest& request,
                                v1::ListRunsResponse* response) {
  storage::JobFilter selected;
  if (NamesSomething(request.filter().selector())) {
    auto resolved = setting_.jobs->Resolve(request.filter().selector(), caller);
    if (!resolved.ok()) return resolved.status();
    selected = *std::move(resolved);
  }
  const auto size = PageSize(request.page_size(), 50);
  if (!size.ok()) return size.status();
  auto page = setting_.runs->List(request.filter(), selected, request.ascending(), *size,
                                  request.page_token());
  if (!page.ok()) return page.status();
  for (v1::Run& run : page->runs) *response->add_runs() = std::move(run);
  response->set_next_page_token(page->next_page_token);
  return absl::OkStatus();
}

absl::Status Requests::CompareWarmups(const storage::Caller& caller,
                                      const v1::CompareWarmupsRequest& request,
                                      v1::CompareWarmupsResponse* response) {
  v1::Selector sweep;
  sweep.add_sweep_ids(request.sweep_id());
  const auto selected = setting_.jobs->Resolve(sweep, caller);
  if (!selected.ok()) return selected.status();
  v1::RunFilter filter;
  filter.add_purposes(v1::PURPOSE_WARMUP);
  std::vector<v1::Run> runs;
  const absl::Status read =
      setting_.runs->Export(filter, *selected, [&runs](std::vector<v1::Run> batch) {
        std::move(batch.begin(), batch.end(), std::back_inserter(runs));
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  if (runs.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("sweep {} has no finished run of purpose warmup, must have at least one",
                    request.sweep_id()));
  }
  *response = DescribeWarmups(runs);
  return absl::OkStatus();
}

absl::Status Requests::ListDevices(const storage::Caller& /*caller*/,
                                   const v1::ListDevicesRequest& /*request*/,
                                   v1::ListDevicesResponse* response) {
  const auto queue = setting_.jobs->Queue(kQueueLimit);
  if (!queue.ok()) return queue.status();
  const std::vector<run::DeviceStatus> devices = setting_.fleet->Describe();
  for (size_t i = 0; i < devices.size(); ++i) {
    *response->add_devices() = devices[i].device;
    response->mutable_devices()->rbegin()->set_queued_jobs(run::QueuedFor(devices, i, *queue));
  }
  return absl::OkStatus();
}

absl::Status Requests::ListPresets(const storage::Caller& /*caller*/,
                                   const v1::ListPresetsRequest& /*request*/,
                                   v1::ListPresetsResponse* response) {
  for (const v1::Preset& preset : measure::Presets()) *response->add_presets() = preset;
  return absl::OkStatus();
}

absl::Status Requests::GetStatus(const storage::Caller& caller,
                                 const v1::GetDaemonStatusRequest& /*request*/,
                                 v1::GetDaemonStatusResponse* response) {
  const auto counts = setting_.jobs->Count();
  if (!counts.ok()) return counts.status();
  response->set_version(TORCHLAP_VERSION);
  response->set_pid(::getpid());
  response->set_started_at_ns(setting_.started_at_ns);
  response->set_database_path(setting_.database->file().string());
  response->set_socket_path(setting_.configuration->socket_path.string());
  response->set_schema_version(setting_.database->schema_version());
  response->set_database_bytes(setting_.database->size_bytes());
  response->set_queued_jobs(counts->queued_jobs);
  response->set_running_jobs(counts->running_jobs);
  response->set_finished_runs(counts->finished_runs);
  if (::access(setting_.worker_program.c_str(), X_OK) != 0) {
    response->set_worker_problem(
        fmt::format("{} is not there or cannot be executed", setting_.worker_program.string()));
  } else {
    response->set_worker_problem(setting_.torch_problem);
  }
  response->set_user(setting_.user);
  response->set_caller(caller.name);
  return absl::OkStatus();
}

absl::Status Requests::Doctor(const storage::Caller& /*caller*/,
                              const v1::DoctorRequest& /*request*/, v1::DoctorResponse* response) {
  DoctorQuestion question;
  question.nvml_library = setting_.configuration->nvml_library;
  question.state_folder = setting_.configuration->state_folder;
  question.torch_folder = setting_.configuration->torch_folder.string();
  question.torch_problem = setting_.torch_problem;
  for (run::DeviceStatus& status : setting_.fleet->Describe()) {
    question.devices.push_back(std::move(status.device));
  }
  for (v1::Finding& finding : Examine(LookAtMachine(question))) {
    *response->add_findings() = std::move(finding);
  }
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
