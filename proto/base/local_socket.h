// Whether anybody listens on a unix socket.
#pragma once

#include <filesystem>
#include <string>

namespace torchlap {

// Empty if it takes connections, which is tried; else what the kernel says: `Connection refused`.
std::string SocketProblem(const std::filesystem::path& socket);

}  // namespace torchlap
