// What can still be read of a damaged database, in a new one.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace torchlap::storage {

struct RepairReport {
  std::filesystem::path copy;      // the file as it was, with its WAL beside it
  std::vector<std::string> lines;  // what was left out or changed; empty: nothing
};

// For a file that nobody has open. Copies it, with its WAL, to the first free `<file>.damaged-N`
// (what the disk cannot read any more is zeros there); then every row that can be read goes from
// the copy into a new file, which takes the place of the old one when it is whole. What refers to
// an owner, device, model or sweep that is missing is kept, with a placeholder `unknown (lost)` in
// its place; what refers to other missing rows is left out, or the column emptied where it may be;
// unfinished jobs without a launch, or of a lost model, are FAILED; summaries are counted anew.
// What was lost is counted for each table. On an error the file stays as it was. DATA_LOSS: nothing
// can be read. Others as Database::Open.
absl::StatusOr<RepairReport> RepairFile(const std::filesystem::path& file);

}  // namespace torchlap::storage
