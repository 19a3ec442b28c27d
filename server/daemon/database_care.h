// torchlapd --check and --repair: the database looked after while no daemon serves it.
#pragma once

#include <filesystem>
#include <string>

namespace torchlap::daemon {

// What to print, a line each, and the program's exit status.
struct CareReport {
  std::string text;
  int exit_status = 0;
};

inline constexpr int kCareDone = 0;
inline constexpr int kCareFound = 2;   // --check: something is wrong
inline constexpr int kCareFailed = 4;  // there is no database, it cannot be read, or is in use

// Reads the whole database of the folder and says what is wrong; changes nothing there, needs no
// right to write, and may run beside a daemon.
CareReport CheckState(const std::filesystem::path& state_folder);

// Where something is wrong: sets the database aside and keeps what can be read
// (storage/database_repair.h). Refused while a daemon has it.
CareReport RepairState(const std::filesystem::path& state_folder);

}  // namespace torchlap::daemon
