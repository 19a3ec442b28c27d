#include "tests/fakes/nvml/recording.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>

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

std::vector<FakeUse> Recording::Uses(uint64_t now_us, uint64_t since_us) const {
  std::vector<FakeUse> uses;
  const size_t present = LookAt(now_us);
  for (size_t i = 0; i <= present; ++i) {
    const nlohmann::json& told = looks_[i].at(kUses);
    for (const nlohmann::json& entry : told.at("value")) {
      const FakeUse use = UseOf(entry);
      const bool is_garbage = use.stamp_us <= Number(told, "since_us");
      const FakeUse moved = is_garbage ? use : Moved(use);
      if (is_garbage ? i < present : moved.stamp_us <= since_us) continue;
      if (std::find(uses.begin(), uses.end(), moved) == uses.end()) uses.push_back(moved);
    }
  }
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
