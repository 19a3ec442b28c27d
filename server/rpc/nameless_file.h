// A file that no name leads to: gone when it is closed, however the process ends.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "proto/base/file_descriptor.h"

namespace torchlap::rpc {

// open(2): a descriptor, or -1 and errno.
using OpenFile = int (*)(const char* path, int flags, mode_t mode);

// For reading and writing, empty, of this user alone (mode 0600), on the file system of the folder.
// Where that has no O_TMPFILE, it has a name for a moment. Without a descriptor errno says why.
FileDescriptor OpenNameless(const std::filesystem::path& folder);
FileDescriptor OpenNameless(const std::filesystem::path& folder, OpenFile open_file);

}  // namespace torchlap::rpc
