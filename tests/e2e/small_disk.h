// A file system of its own, so that it can be full or read-only.
#pragma once

#include <filesystem>
#include <string>

namespace torchlap::e2e {

class SmallDisk {
 public:
  // Mounts a tmpfs of so many MiB over `folder`, which is made.
  SmallDisk(const std::filesystem::path& folder, int mib);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Why there is none, as where nothing can be mounted: the test is skipped. Empty: it is there.
  const std::string& problem() const { return problem_; }
  // While no file of it is open for writing.
  bool MakeReadOnly() const;
  void Fill() const;
  void Free() const;

 private:
  const std::filesystem::path folder_;
  std::string problem_;
};

}  // namespace torchlap::e2e
