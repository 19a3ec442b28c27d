// The daemon's folders: made if they are missing, refused if another user could reach into them.
#pragma once

#include <absl/status/status.h>

#include <filesystem>
#include <string>

namespace torchlap::host {

// Whether other users must reach the socket: only where the daemon serves the whole machine.
enum class RuntimeAccess { kOwnerOnly, kEveryone };

// Makes the folder (0700, or 0755 for kEveryone) and its missing parents. PERMISSION_DENIED in one
// line: a link, another user's, or open to others (kEveryone: writable by others); it lies in /tmp
// by default, where anybody may have put it.
absl::Status MakeRuntimeFolder(const std::filesystem::path& folder, RuntimeAccess access);

// Makes the folder (0700) and its missing parents. A folder that is there already may be readable
// by others, and be a link of this user's or root's, but PERMISSION_DENIED: another user's, reached
// by another user's link, writable by others, no folder, or not writable by this one. Every error
// names the flag that takes another folder: an account without a home has `/`.
absl::Status MakeStateFolder(const std::filesystem::path& folder);

// PERMISSION_DENIED in one line: whoever is neither its owner nor in its group can look for files
// in the folder, whatever their own modes are.
absl::Status CheckClosedToOthers(const std::filesystem::path& folder);

// What a run leaves in the state folder: its worker's words, and the Chrome trace of a trace run.
std::filesystem::path LogFile(const std::filesystem::path& state_folder, const std::string& run_id);
std::filesystem::path TraceFile(const std::filesystem::path& state_folder,
                                const std::string& run_id);
// Where LibTorch keeps CUDA kernels that it compiled.
std::filesystem::path KernelFolder(const std::filesystem::path& state_folder);
// Makes the folders of all three.
absl::Status MakeRunFolders(const std::filesystem::path& state_folder);

}  // namespace torchlap::host
