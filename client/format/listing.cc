#include "client/format/listing.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "client/format/numbers.h"
#include "client/format/subject.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

struct Listing {
  Grid grid;
  Sheet sheet;
};

Document DocumentOf(Listing listing) {
  Document document;
  document.blocks = [grid = std::move(listing.grid)] { return std::vector<Block>{grid}; };
  document.rows = RowsOf(std::move(listing.sheet));
  return document;
}

Value TextOrUnknown(const std::string& text) {
  if (text.empty()) return {};
  return text;
}

Value TimeOrUnknown(int64_t unix_ns) {
  if (unix_ns == 0) return {};
  return Rfc3339(unix_ns);
}

template <typename Number>
Value NumberOrUnknown(Number number) {
  if (number == 0) return {};
  if constexpr (std::is_signed_v<Number>) return static_cast<int64_t>(number);
  return static_cast<uint64_t>(number);
}

Value Count(uint64_t number) { return number; }

// A calibration has neither pass nor sizes.
std::string TextOrDash(const std::string& text) { return text.empty() ? "-" : text; }
std::string NumberOrDash(uint64_t number) { return number == 0 ? "-" : std::to_string(number); }

// ` (launch 2 of 5, 3rd try)`; empty where there is one launch and it is run for the first time.
std::string TryWords(const v1::Job& job) {
  std::vector<std::string> words;
  const uint32_t launches = job.spec().plan().launches();
  const bool is_known = job.tries() > 0;
  if (is_known && launches > 1 && job.launch() < launches) {
    words.push_back(fmt::format("launch {} of {}", job.launch() + 1, launches));
  }
  if (job.tries() > 1) words.push_back(Ordinal(job.tries()) + " try");
  return words.empty() ? "" : fmt::format(" ({})", fmt::join(words, ", "));
}

// Of its present run. An older daemon tells of the first one alone.
int64_t StartOf(const v1::Job& job) {
  return job.run_started_at_ns() == 0 ? job.started_at_ns() : job.run_started_at_ns();
}

// What the job does now, or why it does not.
std::string Doing(const v1::Job& job, int64_t now_ns) {
  if (job.state() == v1::JOB_STATE_QUEUED) return WaitWords(job.wait());
  if (!job.not_stored().empty()) return NotStoredWords(job);
  if (job.device().empty()) return "";
  std::string words = "runs on " + job.device();
  const int64_t elapsed_ns = StartOf(job) == 0 ? 0 : now_ns - StartOf(job);
  if (elapsed_ns > 0) words += " for " + ShortDuration(std::chrono::nanoseconds(elapsed_ns));
  return words + TryWords(job);
}

// Another's job may be no more than an outline: it has no spec.
Subject AskedSubject(const v1::Job& job) {
  return job.has_spec() ? SubjectOf(job.spec().workload()) : Subject();
}

Value OfSpec(const v1::Job& job, Value value) {
  if (!job.has_spec()) return {};
  return value;
}

std::vector<std::string> QueueGridRow(const v1::Job& job, int64_t now_ns) {
  const Subject subject = AskedSubject(job);
  return {std::to_string(job.job_id()),
          NumberOrDash(job.sweep_id()),
          job.user(),
          std::string(Word(job.state())),
          job.has_spec() ? std::to_string(job.spec().priority()) : "-",
          TextOrDash(subject.name),
          TextOrDash(PassName(subject)),
          NumberOrDash(subject.batch_size),
          NumberOrDash(subject.context_length),
          TextOrDash(subject.precision),
          Doing(job, now_ns)};
}

std::vector<Value> QueueSheetRow(const v1::Job& job) {
  const Subject subject = AskedSubject(job);
  return {Count(job.job_id()),
          NumberOrUnknown(job.sweep_id()),
          TextOrUnknown(job.sweep_name()),
          TextOrUnknown(job.user()),
          std::string(Word(job.state())),
          OfSpec(job, int64_t{job.spec().priority()}),
          TextOrUnknown(subject.edition),
          TextOrUnknown(subject.preset),
          NumberOrUnknown(job.parameters()),
          TextOrUnknown(subject.pass),
          TextOrUnknown(subject.precision),
          TextOrUnknown(subject.attention),
          NumberOrUnknown(subject.batch_size),
          NumberOrUnknown(subject.context_length),
          TextOrUnknown(job.spec().device()),
          TextOrUnknown(job.device()),
          TextOrUnknown(job.state() == v1::JOB_STATE_QUEUED ? WaitWords(job.wait()) : ""),
          TextOrUnknown(job.not_stored()),
          OfSpec(job, Count(job.spec().plan().launches())),
          OfSpec(job, Count(job.launches_done())),
          TimeOrUnknown(job.submitted_at_ns()),
          TimeOrUnknown(job.started_at_ns()),
          TimeOrUnknown(job.run_started_at_ns()),
          NumberOrUnknown(job.tries())};
}

std::string DeviceState(const v1::Device& device) {
  const std::string word(Word(device.state()));
  if (device.state() != v1::DEVICE_STATE_CLAIMED || device.claimed_by_pid() == 0) return word;
  const std::string who =
      device.claimed_by_user().empty() ? "" : ", user " + device.claimed_by_user();
  return fmt::format("{} by pid {}{}", word, device.claimed_by_pid(), who);
}

std::vector<std::string> DeviceGridRow(const v1::Device& device) {
  return {device.name(),
          std::string(Word(device.kind())),
          DeviceState(device),
          device.run_id().empty() ? "-" : device.run_id(),
          TextOrDash(device.user()),
          std::to_string(device.queued_jobs()),
          device.cores().empty() ? "-" : device.cores(),
          device.memory_bytes() == 0 ? "-" : BytesShort(device.memory_bytes()),
          device.model(),
          device.detail()};
}

std::vector<Value> DeviceSheetRow(const v1::Device& device) {
  return {device.name(),
          TextOrUnknown(device.uuid()),
          std::string(Word(device.kind())),
          TextOrUnknown(device.model()),
          TextOrUnknown(device.cores()),
          NumberOrUnknown(device.memory_bytes()),
          std::string(Word(device.state())),
          TextOrUnknown(device.run_id()),
          TextOrUnknown(device.user()),
          NumberOrUnknown(device.claimed_by_pid()),
          TextOrUnknown(device.claimed_by_user()),
          Count(device.queued_jobs()),
          TextOrUnknown(device.detail())};
}

void AddCancelled(const google::protobuf::RepeatedField<uint64_t>& ids, const char* result,
                  const char* words, Listing* listing) {
  for (const uint64_t id : ids) {
    listing->grid.rows.push_back({std::to_string(id), words});
    listing->sheet.rows.push_back({id, std::string(result)});
  }
}

constexpr size_t kMostCancelledRows = 20;

// `897 jobs: 896 cancelled, 1 whose worker is being ended`.
std::string CancelledInShort(const v1::CancelJobsResponse& response) {
  std::vector<std::string> parts;
  const auto add = [&parts](int count, const char* what) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, what));
  };
  const int cancelled = response.cancelled_job_ids_size();
  const int cancelling = response.cancelling_job_ids_size();
  const int finished = response.finished_job_ids_size();
  add(cancelled, "cancelled");
  add(cancelling,
      cancelling == 1 ? "whose worker is being ended" : "whose workers are being ended");
  add(finished, "finished already");
  return fmt::format("{} jobs: {}", cancelled + cancelling + finished, fmt::join(parts, ", "));
}

}  // namespace

Document ListQueue(const std::vector<v1::Job>& jobs, int64_t now_ns) {
  Listing listing;
  listing.grid.titles = {"job",  "sweep", "user",    "state",     "priority", "size",
                         "pass", "batch", "context", "precision", "why"};
  listing.sheet.names = {"job_id",       "sweep_id",       "sweep_name",       "user",
                         "state",        "priority",       "edition",          "model_size",
                         "parameters",   "pass_type",      "precision",        "attention",
                         "batch_size",   "context_length", "requested_device", "device",
                         "waiting",      "not_stored",     "launches",         "launches_done",
                         "submitted_at", "started_at",     "run_started_at",   "tries"};
  for (const v1::Job& job : jobs) {
    listing.grid.rows.push_back(QueueGridRow(job, now_ns));
    listing.sheet.rows.push_back(QueueSheetRow(job));
  }
  return DocumentOf(std::move(listing));
}

Document ListDevices(const std::vector<v1::Device>& devices) {
  Listing listing;
  listing.grid.titles = {"device", "kind",  "state",  "run",   "user",
                         "queued", "cores", "memory", "model", "detail"};
  listing.sheet.names = {
      "name",   "uuid", "kind",           "model",           "cores",       "memory_bytes", "state",
      "run_id", "user", "claimed_by_pid", "claimed_by_user", "queued_jobs", "detail"};
  for (const v1::Device& device : devices) {
    listing.grid.rows.push_back(DeviceGridRow(device));
    listing.sheet.rows.push_back(DeviceSheetRow(device));
  }
  return DocumentOf(std::move(listing));
}

Document ListPresets(const std::vector<v1::Preset>& presets) {
  Listing listing;
  listing.grid.titles = {"preset", "params", "d_model", "d_ff",
                         "layers", "heads",  "vocab",   "bare name"};
  listing.sheet.names = {"edition", "name",  "parameters", "d_model",   "d_ff",
                         "layers",  "heads", "vocab_size", "is_default"};
  for (const v1::Preset& preset : presets) {
    listing.grid.rows.push_back(
        {preset.edition() + "/" + preset.name(), ParametersShort(preset.parameters()),
         std::to_string(preset.d_model()), std::to_string(preset.d_ff()),
         std::to_string(preset.layers()), std::to_string(preset.heads()),
         std::to_string(preset.vocab_size()), preset.is_default() ? preset.name() : "-"});
    listing.sheet.rows.push_back({preset.edition(), preset.name(), Count(preset.parameters()),
                                  Count(preset.d_model()), Count(preset.d_ff()),
                                  Count(preset.layers()), Count(preset.heads()),
                                  Count(preset.vocab_size()), preset.is_default()});
  }
  return DocumentOf(std::move(listing));
}

Document ListCancelled(const v1::CancelJobsResponse& response) {
  Listing listing;
  listing.grid.titles = {"job", "result"};
  listing.sheet.names = {"job_id", "result"};
  AddCancelled(response.cancelled_job_ids(), "cancelled", "cancelled", &listing);
  AddCancelled(response.cancelling_job_ids(), "cancelling", "its worker is being ended", &listing);
  AddCancelled(response.finished_job_ids(), "finished", "was finished already", &listing);
  if (listing.grid.rows.size() > kMostCancelledRows) {
    listing.grid.in_short = CancelledInShort(response);
  }
  return DocumentOf(std::move(listing));
}

Document ListStatus(const v1::GetDaemonStatusResponse& status, const std::string& address) {
  Listing listing;
  Sheet& sheet = listing.sheet;
  sheet.names = {"address",        "version",         "pid",           "user",
                 "started_at",     "socket_path",     "database_path", "database_bytes",
                 "schema_version", "queued_jobs",     "running_jobs",  "finished_runs",
                 "worker_problem", "storage_problem", "caller"};
  sheet.rows.push_back({address, TextOrUnknown(status.version()), NumberOrUnknown(status.pid()),
                        TextOrUnknown(status.user()), TimeOrUnknown(status.started_at_ns()),
                        TextOrUnknown(status.socket_path()), TextOrUnknown(status.database_path()),
                        Count(status.database_bytes()), Count(status.schema_version()),
                        Count(status.queued_jobs()), Count(status.running_jobs()),
                        Count(status.finished_runs()), TextOrUnknown(status.worker_problem()),
                        TextOrUnknown(status.storage_problem()), TextOrUnknown(status.caller())});
  listing.grid.titles = {"daemon", "value"};
  for (size_t i = 0; i < sheet.names.size(); ++i) {
    const std::string text = ValueText(sheet.rows.front()[i]);
    listing.grid.rows.push_back({sheet.names[i], text.empty() ? "-" : text});
  }
  Document document = DocumentOf(std::move(listing));
  document.rows.is_single = true;
  return document;
}

}  // namespace torchlap::client::format
