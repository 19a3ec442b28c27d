#include "tests/fakes/nvml/recording.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

namespace {

constexpr int kFunctionNotFound = 13;
constexpr char kUses[] = "process_utilisation";

uint64_t Number(const nlohmann::json& look, const char* name) {
  return look.at(name).get<uint64_t>();
}

FakeUse UseOf(const nlohmann::json& entry) {
  return {entry.at("pid"),    entry.at("stamp_us"), entry.at("sm"),
          entry.at("memory"), entry.at("encoder"),  entry.at("decoder")};
}

// A test that names no recording must not pass as one of a GPU that tells nothing.
[[noreturn]] void Refuse(const std::string& file, const std::string& why) {
  std::cerr << "TORCHLAP_FAKE_NVML: " << file << ": " << why << "\n";
  std::abort();
}

}  // namespace

std::vector<FakeUse> FoldByPid(const std::vector<FakeUse>& samples) {
  std::map<unsigned, std::vector<FakeUse>> by_pid;
  for (const FakeUse& sample : samples) by_pid[sample.pid].push_back(sample);
  std::vector<FakeUse> folded;
  for (const auto& [pid, of_process] : by_pid) {
    const auto mean = [&of_process](unsigned FakeUse::*share) {
      unsigned sum = 0;
      for (const FakeUse& sample : of_process) sum += sample.*share;
      return sum / static_cast<unsigned>(of_process.size());
    };
    uint64_t newest_us = 0;
    for (const FakeUse& sample : of_process) {
      newest_us = std::max<uint64_t>(newest_us, sample.stamp_us);
    }
    folded.push_back({pid, newest_us, mean(&FakeUse::sm), mean(&FakeUse::memory),
                      mean(&FakeUse::encoder), mean(&FakeUse::decoder)});
  }
  return folded;
}

Recording::Recording(const std::string& file, uint64_t start_us) : start_us_(start_us) {
  std::ifstream stream(file);
  try {
    for (std::string line; std::getline(stream, line);) {
      looks_.push_back(nlohmann::json::parse(line));
      looks_.back().at(kUses).at("value");
    }
  } catch (const nlohmann::json::exception& error) {
    Refuse(file, error.what());
  }
  if (looks_.empty()) Refuse(file, "is no recording");
}

Recording::Answer Recording::At(uint64_t now_us, const std::string& name) const {
  const nlohmann::json& look = looks_[LookAt(now_us)];
  if (!look.contains(name)) return {kFunctionNotFound, nullptr};
  const nlohmann::json& answer = look.at(name);
  const nlohmann::json& result = answer.at("result");
  return {result.is_null() ? kFunctionNotFound : result.get<int>(), answer.at("value")};
}

bool Recording::IsGarbage(const FakeUse& use, const nlohmann::json& look) {
  return use.sm > 100 || use.stamp_us <= Number(look.at(kUses), "since_us") ||
         use.stamp_us > (Number(look, "unix_ns") + Number(look, "took_ns")) / 1000;
}

std::vector<FakeUse> Recording::Uses(uint64_t now_us, uint64_t since_us) const {
  std::vector<FakeUse> entries;
  std::vector<FakeUse> garbage;
  const size_t present = LookAt(now_us);
  for (size_t i = 0; i <= present; ++i) {
    for (const nlohmann::json& entry : looks_[i].at(kUses).at("value")) {
      const FakeUse use = UseOf(entry);
      if (IsGarbage(use, looks_[i])) {
        if (i == present) garbage.push_back(use);
      } else if (Moved(use).stamp_us > since_us) {
        entries.push_back(Moved(use));
      }
    }
  }
  std::vector<FakeUse> uses = FoldByPid(entries);
  uses.insert(uses.end(), garbage.begin(), garbage.end());
  return uses;
}

size_t Recording::LookAt(uint64_t now_us) const {
  const uint64_t begin_ns = Number(looks_.front(), "monotonic_ns");
  size_t look = 0;
  while (look + 1 < looks_.size() &&
         start_us_ + (Number(looks_[look + 1], "monotonic_ns") - begin_ns) / 1000 <= now_us) {
    ++look;
  }
  return look;
}

FakeUse Recording::Moved(FakeUse use) const {
  use.stamp_us += start_us_ - Number(looks_.front(), "unix_ns") / 1000;
  return use;
}
