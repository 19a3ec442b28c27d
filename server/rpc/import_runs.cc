#include "server/rpc/import_runs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "server/measure/identity.h"
#include "server/rpc/text_check.h"
#include "storage/import_runs.h"

namespace torchlap::rpc {
namespace {

namespace fs = std::filesystem;

constexpr char kFolderBegin[] = "import-";
constexpr char kFileName[] = "imported.db";
constexpr size_t kMostNameBytes = 128;

absl::Status CheckHost(const std::string& host) {
  if (absl::Status valid = CheckText("host", host); !valid.ok()) return valid;
  if (host.empty() || storage::IsHostName(host)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("host is {}, must have up to {} letters, digits, -, . and _, and not be here",
                  host, storage::kMostHostCharacters));
}

absl::Status CheckRequest(const v1::ImportRunsRequest& request) {
  if (request.upload_id().empty() || request.upload_id().size() > kMostNameBytes) {
    return absl::InvalidArgumentError(fmt::format("upload_id has {} characters, must have 1 to {}",
                                                  request.upload_id().size(), kMostNameBytes));
  }
  if (request.data().size() > kMostImportPieceBytes) {
    return absl::InvalidArgumentError(fmt::format("data has {} bytes, must have at most {}",
                                                  request.data().size(), kMostImportPieceBytes));
  }
  return CheckHost(request.host());
}

absl::Status CannotWrite(const fs::path& folder, int error) {
  const std::string why =
      fmt::format("cannot keep the file in {}: {}", folder.string(), std::strerror(error));
  return error == ENOSPC ? absl::ResourceExhaustedError(why) : absl::InternalError(why);
}

bool WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void RemoveFolder(const fs::path& folder) {
  std::error_code ignored;
  if (!folder.empty()) fs::remove_all(folder, ignored);
}

// Another machine's series of the same key is another series.
std::string SeriesKeyOfHost(const std::string& series_key, const std::string& host) {
  return measure::Digest(fmt::format("torchlap.imported-series.1 {} {}", series_key, host));
}

}  // namespace

ImportRuns::ImportRuns(storage::Database* database, fs::path state_folder, const Clock* clock)
    : database_(database), state_folder_(std::move(state_folder)), clock_(clock) {}

ImportRuns::~ImportRuns() {
  MutexLock lock(&mutex_);
  Forget();
}

void ImportRuns::Forget() const {
  RemoveFolder(upload_.folder);
  upload_ = Upload();
}

absl::Status ImportRuns::Begin(const storage::Caller& caller,
                               const v1::ImportRunsRequest& request) const {
  const bool is_busy =
      !upload_.id.empty() &&
      (upload_.is_taken_in || clock_->MonotonicNs() - upload_.touched_ns < kImportIdleNs);
  if (is_busy) return absl::ResourceExhaustedError("another import is under way; try again later");
  Forget();
  std::string folder = state_folder_ / fmt::format("{}XXXXXX", kFolderBegin);
  if (::mkdtemp(folder.data()) == nullptr) return CannotWrite(state_folder_, errno);
  upload_.folder = folder;
  const fs::path file = upload_.folder / kFileName;
  upload_.file = FileDescriptor(
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!upload_.file) {
    const absl::Status failed = CannotWrite(state_folder_, errno);
    Forget();
    return failed;
  }
  upload_.id = request.upload_id();
  upload_.principal = caller.principal;
  return absl::OkStatus();
}

absl::Status ImportRuns::Append(const storage::Caller& caller,
                                const v1::ImportRunsRequest& request) const {
  MutexLock lock(&mutex_);
  const auto is_ours = [&]() TORCHLAP_REQUIRES(mutex_) {
    return upload_.id == request.upload_id() && upload_.principal == caller.principal &&
           !upload_.is_taken_in;
  };
  if (request.offset() == 0 && !is_ours()) {
    if (absl::Status begun = Begin(caller, request); !begun.ok()) return begun;
  }
  if (!is_ours() || request.offset() != upload_.bytes) {
    const uint64_t expected = is_ours() ? upload_.bytes : 0;
    if (is_ours()) Forget();
    return absl::InvalidArgumentError(fmt::format(
        "offset is {}, must be {}, where the file received ends", request.offset(), expected));
  }
  if (!WriteAll(upload_.file.get(), request.data())) {
    const absl::Status failed = CannotWrite(state_folder_, errno);
    Forget();
    return failed;
  }
  upload_.bytes += request.data().size();
  upload_.touched_ns = clock_->MonotonicNs();
  upload_.is_taken_in = request.complete();
  return absl::OkStatus();
}

absl::Status ImportRuns::TakeIn(const storage::Caller& caller, const v1::ImportRunsRequest& request,
                                v1::ImportRunsResponse* response) const {
  fs::path file;
  {
    MutexLock lock(&mutex_);
    upload_.file.reset();
    file = upload_.folder / kFileName;
    response->set_received_bytes(upload_.bytes);
  }
  const auto imported = storage::ImportRuns(
      database_, file, {request.host(), SeriesKeyOfHost, [this] { return stops_.load(); }});
  {
    MutexLock lock(&mutex_);
    Forget();
  }
  if (!imported.ok()) return imported.status();
  response->set_jobs(imported->jobs);
  response->set_runs(imported->runs);
  response->set_known_runs(imported->known_runs);
  response->set_unreadable_runs(imported->unreadable_runs);
  response->set_host(imported->host);
  spdlog::info("{} imported {} runs of {} jobs from {}", caller.name, imported->runs,
               imported->jobs, imported->host);
  return absl::OkStatus();
}

absl::Status ImportRuns::Answer(const storage::Caller& caller, const v1::ImportRunsRequest& request,
                                v1::ImportRunsResponse* response) const {
  if (!caller.is_admin) {
    return absl::PermissionDeniedError(fmt::format(
        "{} may not import runs; only an admin or the account of the daemon may", caller.name));
  }
  if (absl::Status valid = CheckRequest(request); !valid.ok()) return valid;
  if (absl::Status appended = Append(caller, request); !appended.ok()) return appended;
  if (request.complete()) return TakeIn(caller, request, response);
  response->set_received_bytes(request.offset() + request.data().size());
  return absl::OkStatus();
}

void RemoveUnfinishedImports(const fs::path& state_folder) {
  std::vector<fs::path> left;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(state_folder, ignored)) {
    const bool is_one = entry.path().filename().string().starts_with(kFolderBegin);
    if (is_one && entry.is_directory(ignored)) left.push_back(entry.path());
  }
  for (const fs::path& folder : left) RemoveFolder(folder);
}

}  // namespace torchlap::rpc
