// Copies of files on disks that fail.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>

namespace torchlap::storage {

// As pread(2).
using ReadAt = std::function<ssize_t(int fd, void* to, size_t bytes, off_t offset)>;

// Copies what can be read of a file to a new one of mode 0600, and syncs it. Returns how many bytes
// could not be read, as those of a bad sector: they are zeros in the copy. `read` is for tests.
// Errors: the copy cannot be made or written, the file cannot be opened. PERMISSION_DENIED,
// NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE.
absl::StatusOr<int64_t> CopyReadable(const std::filesystem::path& from,
                                     const std::filesystem::path& to, const ReadAt& read = ::pread);

}  // namespace torchlap::storage
