#include "server/host/state_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace torchlap::host {

StateFiles::StateFiles(const std::vector<std::filesystem::path>& files) {
  for (const std::filesystem::path& path : files) {
    struct stat info = {};
    // One that is not there now is missed from the start.
    ::stat(path.c_str(), &info);
    files_.push_back({path, info.st_dev, info.st_ino});
  }
}

std::string StateFiles::Problem() const {
  for (const File& file : files_) {
    struct stat there = {};
    if (::stat(file.path.c_str(), &there) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return file.path.string() + " was deleted while the daemon has it open";
      }
      return file.path.string() + " cannot be reached any more: " + std::strerror(errno);
    }
    if (there.st_dev != file.device || there.st_ino != file.inode) {
      return file.path.string() + " was replaced while the daemon has the old one open";
    }
  }
  return "";
}

}  // namespace torchlap::host
