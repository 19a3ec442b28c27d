#include "server/host/state_folders.h"

#include <absl/strings/str_format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace torchlap::host {
namespace {

constexpr char kLogs[] = "logs";
constexpr char kTraces[] = "traces";

namespace fs = std::filesystem;

constexpr mode_t kPrivate = 0700;
constexpr mode_t kPublic = 0755;

absl::Status CannotMake(const fs::path& folder, int error) {
  const std::string message =
      "folder " + folder.string() + " cannot be made: " + std::generic_category().message(error);
  if (error == EACCES || error == EPERM || error == EROFS) {
    return absl::PermissionDeniedError(message);
  }
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::FailedPreconditionError(message);
}

// Leaves a folder that is there as it is.
absl::Status MakeOne(const fs::path& folder, mode_t mode) {
  if (mkdir(folder.c_str(), mode) == 0) {
    // Whatever the umask took away.
    if (chmod(folder.c_str(), mode) != 0) return CannotMake(folder, errno);
    return absl::OkStatus();
  }
  // Some systems answer EROFS or EACCES for a folder that is there.
  const int error = errno;
  struct stat info {};
  if (error == EEXIST || lstat(folder.c_str(), &info) == 0) return absl::OkStatus();
  return CannotMake(folder, error);
}

absl::Status MakeWithParents(const fs::path& folder, mode_t mode) {
  fs::path so_far;
  for (const fs::path& part : folder.lexically_normal()) {
    so_far /= part;
    if (part.empty() || part == "/") continue;
    if (absl::Status status = MakeOne(so_far, mode); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Refused(const fs::path& folder, const std::string& why) {
  return absl::PermissionDeniedError("folder " + folder.string() + " " + why);
}

// `forbidden`: bits of the mode that must not be set.
absl::Status CheckOwnerAndMode(const fs::path& folder, const struct stat& info, mode_t forbidden) {
  if (!S_ISDIR(info.st_mode)) return Refused(folder, "is not a folder");
  if (info.st_uid != geteuid()) {
    return Refused(folder, absl::StrFormat("belongs to uid %u, must belong to uid %u", info.st_uid,
                                           geteuid()));
  }
  if ((info.st_mode & forbidden) != 0) {
    return Refused(folder, absl::StrFormat("has mode %04o, must be %04o or stricter",
                                           info.st_mode & 07777, 0777 & ~forbidden));
  }
  return absl::OkStatus();
}

// State may lie on another disk, by a link of one's own; one that another user has made, anywhere
// on the way, leads where that user wants.
absl::Status CheckLinks(const fs::path& folder) {
  fs::path so_far;
  for (const fs::path& part : folder.lexically_normal()) {
    so_far /= part;
    struct stat info {};
    if (part.empty() || lstat(so_far.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) continue;
    if (info.st_uid == geteuid() || info.st_uid == 0) continue;
    const std::string link = so_far == folder ? "a link" : "reached by the link " + so_far.string();
    return Refused(folder, absl::StrFormat("is %s of uid %u, must be one of uid %u or a folder",
                                           link, info.st_uid, geteuid()));
  }
  return absl::OkStatus();
}

absl::Status MakeOwnFolder(const fs::path& folder) {
  absl::Status status = CheckLinks(folder);
  if (!status.ok()) return status;
  status = MakeWithParents(folder, kPrivate);
  if (!status.ok()) return status;
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) return CannotMake(folder, errno);
  status = CheckOwnerAndMode(folder, info, 0022);
  if (!status.ok()) return status;
  if (access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return Refused(folder, "cannot be written: " + std::generic_category().message(errno));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeRuntimeFolder(const fs::path& folder, RuntimeAccess access) {
  const bool everyone = access == RuntimeAccess::kEveryone;
  absl::Status status = MakeWithParents(folder, everyone ? kPublic : kPrivate);
  if (!status.ok()) return status;
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0) return CannotMake(folder, errno);
  if (S_ISLNK(info.st_mode)) return Refused(folder, "is a link, must be a folder");
  return CheckOwnerAndMode(folder, info, everyone ? 0022 : 0077);
}

absl::Status MakeStateFolder(const fs::path& folder) {
  const absl::Status status = MakeOwnFolder(folder);
  if (status.ok()) return status;
  // An account without a home folder gets one that nobody can make.
  const std::string message(status.message().data(), status.message().size());
  return absl::Status(status.code(), message + "; torchlapd --state DIR takes another one");
}

absl::Status CheckClosedToOthers(const fs::path& folder) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) return CannotMake(folder, errno);
  return CheckOwnerAndMode(folder, info, 0007);
}

std::filesystem::path LogFile(const std::filesystem::path& state_folder,
                              const std::string& run_id) {
  return state_folder / kLogs / (run_id + ".log");
}

std::filesystem::path TraceFile(const std::filesystem::path& state_folder,
                                const std::string& run_id) {
  return state_folder / kTraces / (run_id + ".json");
}

std::filesystem::path KernelFolder(const std::filesystem::path& state_folder) {
  return state_folder / "kernels";
}

absl::Status MakeRunFolders(const std::filesystem::path& state_folder) {
  if (absl::Status logs = MakeStateFolder(state_folder / kLogs); !logs.ok()) return logs;
  if (absl::Status traces = MakeStateFolder(state_folder / kTraces); !traces.ok()) return traces;
  return MakeStateFolder(KernelFolder(state_folder));
}

}  // namespace torchlap::host
