// What tests/gpu/raw_counters.py wrote of a real GPU, told again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// As the driver lays it out.
struct FakeUse {
  unsigned pid;
  unsigned long long stamp_us;
  unsigned sm, memory, encoder, decoder;

  bool operator==(const FakeUse&) const = default;
};

// As the driver answers a question: one entry a process, with the newest stamp of its samples and
// their mean. By pid.
std::vector<FakeUse> FoldByPid(const std::vector<FakeUse>& samples);

// Looks of the program, a JSON line each, in their order. A look holds until the next one; the last
// one stays.
class Recording {
 public:
  // Begins at `start_us` (since 1970). A file that is none, or that is empty, ends the program.
  Recording(const std::string& file, uint64_t start_us);

  // What the function said at that time: NVML's result, `value` where it is 0. The name is the
  // program's. An error if the library had no such function, or the program did not ask it then.
  struct Answer {
    int result = 0;
    nlohmann::json value;
  };
  Answer At(uint64_t now_us, const std::string& name) const;

  // What was told with stamps after `since_us`, folded anew where that is several entries of a
  // process, and the garbage of the present look, which the driver tells whatever it is asked for:
  // stamps that were not asked for or lie in the future, shares above 100. Stamps, but those of
  // garbage, are moved along with the start.
  std::vector<FakeUse> Uses(uint64_t now_us, uint64_t since_us) const;

 private:
  static bool IsGarbage(const FakeUse& use, const nlohmann::json& look);
  size_t LookAt(uint64_t now_us) const;
  FakeUse Moved(FakeUse use) const;

  const uint64_t start_us_;
  std::vector<nlohmann::json> looks_;
};
