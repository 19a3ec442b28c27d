#include "server/rpc/backup_database.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "storage/backup.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kBytesInAMessage = 256 * 1024;

// Gives the turn back.
class OneAtATime {
 public:
  explicit OneAtATime(std::atomic<bool>* taken) : taken_(taken), has_it_(!taken->exchange(true)) {}
  ~OneAtATime() {
    if (has_it_) taken_->store(false);
  }
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;

  bool has_it() const { return has_it_; }

 private:
  std::atomic<bool>* const taken_;
  const bool has_it_;
};

absl::Status Send(const storage::DatabaseCopy& copy, const Sink<v1::BackupDatabaseResponse>& sink) {
  std::string piece(kBytesInAMessage, '\0');
  for (uint64_t sent = 0; sent < copy.bytes;) {
    const ssize_t got = ::read(copy.file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return absl::InternalError(fmt::format("the copy of the database cannot be read: {}",
                                             got == 0 ? "it is shorter" : std::strerror(errno)));
    }
    v1::BackupDatabaseResponse part;
    part.set_data(piece.data(), static_cast<size_t>(got));
    if (sent == 0) part.set_total_bytes(copy.bytes);
    sent += static_cast<uint64_t>(got);
    if (!sink(std::move(part))) return ReaderGone();
  }
  return absl::OkStatus();
}

}  // namespace

BackupDatabase::BackupDatabase(storage::Database* database, storage::JobStore* /*jobs*/,
                               storage::RunStore* /*runs*/)
    : database_(database) {}

absl::Status BackupDatabase::Stream(const storage::Caller& caller,
                                    const v1::BackupDatabaseRequest& /*request*/,
                                    const Sink<v1::BackupDatabaseResponse>& sink) const {
  if (!caller.is_admin) {
    return absl::PermissionDeniedError(
        fmt::format("{} may not copy the database, which has everyone's runs; only an admin or the "
                    "account of the daemon may",
                    caller.name));
  }
  const OneAtATime turn(&is_running_);
  if (!turn.has_it()) {
    return absl::ResourceExhaustedError("another backup is being made; try again when it is done");
  }
  const auto copy = storage::CopyDatabase(database_->file());
  if (!copy.ok()) return copy.status();
  spdlog::info("{} takes a backup of {} MiB", caller.name, copy->bytes >> 20);
  return Send(*copy, sink);
}

}  // namespace torchlap::rpc
