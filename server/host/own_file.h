// Files that the daemon writes, or hands to a library that does: never through a link, into a FIFO,
// or into another user's file.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <filesystem>
#include <string>

#include "proto/base/file_descriptor.h"

namespace torchlap::host {

// Both refuse in one line, which begins with `what` (`lock file /x/y`), with PERMISSION_DENIED: a
// link, whatever is no regular file, another user's, or one that others may write.

// OK where nothing is there, or cannot be looked at, too. The folder must be one where others
// cannot write (MakeStateFolder, MakeRuntimeFolder): what was looked at stays what it was.
absl::Status CheckOwnFile(const std::filesystem::path& file, const std::string& what);

// Opens it as open(2) does, made (0600) if `flags` has O_CREAT, and looks at what was opened. Never
// blocks. Other errors: PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED (no room on the disk, no
// descriptors), else INTERNAL: `lock file /x/y cannot be made: ...`.
absl::StatusOr<FileDescriptor> OpenOwnFile(const std::filesystem::path& file, int flags,
                                           const std::string& what);

// Where a socket is to be: nothing, or a socket of this user's that was left behind. Anything else
// is not removed for one.
absl::Status CheckOwnSocket(const std::filesystem::path& socket);

}  // namespace torchlap::host
