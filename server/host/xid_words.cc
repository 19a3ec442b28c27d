#include "server/host/xid_words.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <map>

namespace torchlap::host {
namespace {

constexpr size_t kMostXids = 4;

std::string WordOf(uint64_t xid) {
  static const std::map<uint64_t, const char*> kWords = {
      {13, "graphics engine exception"},
      {31, "GPU memory page fault"},
      {32, "invalid or corrupted push buffer stream"},
      {43, "GPU stopped processing"},
      {45, "preemptive cleanup, due to previous errors"},
      {48, "double bit ECC error"},
      {62, "internal micro-controller halt"},
      {63, "memory page retirement or row remapping"},
      {64, "failure of page retirement or row remapping"},
      {69, "graphics engine class error"},
      {74, "NVLink error"},
      {79, "GPU has fallen off the bus"},
      {92, "high single-bit ECC error rate"},
      {94, "contained ECC error"},
      {95, "uncontained ECC error"},
      {109, "context switch timeout"},
      {119, "GSP RPC timeout"},
      {120, "GSP error"},
      {154, "GPU recovery action changed"},
  };
  const auto word = kWords.find(xid);
  if (word == kWords.end()) return absl::StrCat("XID ", xid);
  return absl::StrCat("XID ", xid, " (", word->second, ")");
}

}  // namespace

std::string XidWords(const std::vector<uint64_t>& xids) {
  std::vector<uint64_t> distinct;
  for (const uint64_t xid : xids) {
    if (std::find(distinct.begin(), distinct.end(), xid) == distinct.end()) distinct.push_back(xid);
  }
  std::vector<std::string> words;
  for (size_t i = 0; i < std::min(distinct.size(), kMostXids); ++i) {
    words.push_back(WordOf(distinct[i]));
  }
  std::string all = absl::StrJoin(words, ", ");
  if (distinct.size() > words.size()) {
    absl::StrAppend(&all, " and ", distinct.size() - words.size(), " more");
  }
  return all;
}

}  // namespace torchlap::host
