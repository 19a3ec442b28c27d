// A database that is looked at and not touched.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace torchlap::storage {

// For SQLite::OPEN_URI; `parameters` as `mode=ro`.
std::string UriOf(const std::filesystem::path& file, const std::string& parameters);

// Where a database can be read without a change to it, or to the folder that it lies in: neither of
// which this user need be able to write. While another process has it open, it is read beside that
// one. Otherwise as it lies there, or, where its WAL must be read with it, as a copy in a folder of
// its own below $TMPDIR, which lasts as long as this.
class UntouchedDatabase {
 public:
  // The file must be there. PERMISSION_DENIED: it cannot be read. RESOURCE_EXHAUSTED: no room for
  // the copy.
  static absl::StatusOr<UntouchedDatabase> Find(const std::filesystem::path& file);
  ~UntouchedDatabase();
  UntouchedDatabase(UntouchedDatabase&& other) noexcept;
  UntouchedDatabase& operator=(UntouchedDatabase&&) = delete;

  // To be opened with OPEN_READONLY and OPEN_URI.
  const std::string& uri() const { return uri_; }

  // Whether what was read may be a mix of old and new, as a daemon began to write meanwhile. Never
  // where it is read beside another process.
  bool HasChanged() const;

 private:
  // What tells that somebody wrote, or began to.
  struct Sight {
    bool is_open_elsewhere = false;
    // Size and time of the last change of the file and of its WAL; -1: not there.
    std::array<int64_t, 4> files = {};

    bool has_wal() const { return files[2] > 0; }
    bool operator==(const Sight&) const = default;
  };

  UntouchedDatabase() = default;
  static Sight LookAt(const std::filesystem::path& file);
  absl::Status Copy(const std::filesystem::path& file);

  std::filesystem::path file_;
  Sight at_first_;
  std::string uri_;
  std::filesystem::path folder_;  // empty: no copy
};

}  // namespace torchlap::storage
