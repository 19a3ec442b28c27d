// Somebody who wants nothing but an answer while others attack.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace torchlap::attack {

// Asks for the status and submits a job, every 50 ms until SIGTERM (blocked by the caller) or
// `rounds` times, then waits until its jobs have ended, for a minute at most. Returns
//   {"status": TIMES, "submit": TIMES, "jobs": 40, "failed": 0, "unfinished": 0}
//   TIMES: {"count": 40, "p50_ms": 0.4, "p99_ms": 3.0, "max_ms": 3.1, "errors": 0, "error": ""}
nlohmann::json StandBy(const std::filesystem::path& socket, uint64_t rounds);

}  // namespace torchlap::attack
