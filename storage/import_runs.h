// Runs of another machine's database, taken in beside this one's.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "storage/database.h"

namespace torchlap::storage {

inline constexpr size_t kMostHostCharacters = 63;

// Whether a machine may be called so here: letters, digits, `-`, `.` and `_`, one of them a letter
// or a digit, as it stands in lists and behind an @; not `here`, which means this machine.
bool IsHostName(const std::string& host);

struct ImportSetting {
  // What the machine of the file is called here, an IsHostName. Empty: what the file says
  // (StoreHost), if it is one.
  std::string host;
  // The key here of a series that was measured there: another machine's times are another series,
  // be its devices of the same model.
  std::function<std::string(const std::string& series_key, const std::string& host)> series_key;
  // Asked between transactions; true ends the import. Empty: nothing does.
  std::function<bool()> stops = {};
  // No value that this program stores is larger; each is held in memory a few times.
  int most_value_bytes = 128 << 20;
};

struct ImportedRuns {
  std::string host;
  uint64_t jobs = 0;
  uint64_t runs = 0;
  // Were here already: an import before, or the file is of this machine.
  uint64_t known_runs = 0;
  // Of jobs with a row that is damaged, that refers to one that is missing, or that has a value
  // which is none of this program: left out.
  uint64_t unreadable_runs = 0;
};

// Takes in the finished jobs of `file`, which is a database of this program or an older one, not
// open elsewhere, and migrated in place: hand in a copy. They get ids of their own, in their order;
// their sweeps are called `NAME@HOST`, their owners `alice@HOST`, who are nobody here, and their
// devices `CPU-0@HOST`, whose calibrations and limits are none of a device's here. A job is known
// by the boot and the nanosecond in which one of its runs started. Jobs without a run, queues,
// baselines, suites and findings are not taken. Written in transactions of `jobs_at_once` jobs,
// between which others write; after an error what was taken in before stays, and is known the next
// time.
// INVALID_ARGUMENT: no database of this program, a newer one's, a damaged one, or one with
// triggers, or views in the place of tables, that this program does not make; it does not say its
// host and `setting` neither. UNAVAILABLE: `setting` stopped it. Other errors as Database::Write.
// Thread-safe.
absl::StatusOr<ImportedRuns> ImportRuns(Database* database, const std::filesystem::path& file,
                                        const ImportSetting& setting, uint32_t jobs_at_once = 100);

// What this machine is called, for whoever takes in this database later. Writes nothing where it is
// called so already: a start needs no room on the disk for it.
absl::Status StoreHost(Database* database, const std::string& host);

}  // namespace torchlap::storage
