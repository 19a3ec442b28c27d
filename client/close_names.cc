#include "client/close_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace torchlap::client {
namespace {

constexpr size_t kMostNames = 3;
// What is shorter begins too many names.
constexpr size_t kShortestBeginning = 4;
// A typed name is no longer; the time grows with it.
constexpr size_t kLongestName = 64;

bool IsBeginning(const std::string& a, const std::string& b) {
  const size_t shorter = std::min(a.size(), b.size());
  return shorter >= kShortestBeginning && a.compare(0, shorter, b, 0, shorter) == 0;
}

struct Candidate {
  size_t distance;
  bool begins_the_same;
  std::string name;
};

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string CloseNames(const std::string& name, const std::vector<std::string>& names) {
  if (name.size() > kLongestName) return "";
  const size_t most = std::max<size_t>(1, name.size() / 4);
  std::vector<Candidate> close;
  for (const std::string& one : names) {
    const Candidate candidate{EditDistance(name, one), IsBeginning(name, one), one};
    if (candidate.distance <= most || candidate.begins_the_same) close.push_back(candidate);
  }
  std::stable_sort(close.begin(), close.end(),
                   [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  std::vector<std::string> closest;
  for (const Candidate& one : close) {
    // One letter more than the closest may be meant as well; two are not.
    const bool is_close = one.begins_the_same || one.distance <= close.front().distance + 1;
    const bool is_known = std::find(closest.begin(), closest.end(), one.name) != closest.end();
    if (is_close && !is_known && closest.size() < kMostNames) closest.push_back(one.name);
  }
  return closest.empty() ? "" : fmt::format("; close to it: {}", fmt::join(closest, ", "));
}

}  // namespace torchlap::client
