#include "tests/e2e/small_disk.h"

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace torchlap::e2e {

namespace fs = std::filesystem;

SmallDisk::SmallDisk(const fs::path& folder, int mib) : folder_(folder) {
  fs::create_directories(folder_);
  const std::string options = "mode=0700,size=" + std::to_string(mib) + "m";
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    problem_ = std::string("no tmpfs can be mounted: ") + std::strerror(errno);
  }
}

SmallDisk::~SmallDisk() {
  if (problem_.empty()) ::umount2(folder_.c_str(), MNT_DETACH);
}

bool SmallDisk::MakeReadOnly() const {
  return ::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0;
}

void SmallDisk::Fill() const {
  std::ofstream filler(folder_ / "filler", std::ios::binary);
  const std::string page(4096, 'f');
  while (filler.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
}

void SmallDisk::Free() const { fs::remove(folder_ / "filler"); }

}  // namespace torchlap::e2e
