#include "server/worker/resident_memory.h"

#include <fstream>
#include <sstream>
#include <string>

namespace torchlap::worker {

std::optional<uint64_t> PeakResidentBytes() {
  std::ifstream status("/proc/self/status");
  return PeakResidentBytes(status);
}

// `VmHWM:	  524288 kB`
std::optional<uint64_t> PeakResidentBytes(std::istream& status) {
  std::string line;
  while (std::getline(status, line)) {
    std::istringstream words(line);
    std::string name;
    uint64_t kibibytes = 0;
    std::string unit;
    if (words >> name && name == "VmHWM:" && words >> kibibytes >> unit && unit == "kB") {
      return kibibytes * 1024;
    }
  }
  return std::nullopt;
}

}  // namespace torchlap::worker
