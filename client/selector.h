// Which jobs and runs a command is about: selectors (`17`, `17.2`, `sweep:3`, `sweep:NAME`, `last`,
// `baseline`, `label:k=v`) and the filters beside them. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "torchlap/v1/service.pb.h"

namespace torchlap::client {

// Selectors name a union; labels narrow it.
struct Selection {
  v1::Selector selector;
  std::map<std::string, std::string> labels;

  bool empty() const;
};

// As typed. One word or a comma list each; filter_flags.h knows them by name.
struct FilterWords {
  std::vector<std::string> selectors;
  std::optional<std::string> model_size;
  std::optional<std::string> pass_type;
  std::optional<std::string> timing;
  std::optional<std::string> precision;
  std::optional<std::string> attention;
  std::optional<std::string> device;
  std::optional<std::string> user;
  std::vector<std::string> labels;
  std::optional<std::string> since;
  std::optional<std::string> until;
  std::optional<std::string> outcome;
  std::optional<std::string> purpose;
  std::optional<std::string> verdict;
  bool exclude_contaminated = false;
  bool include_invalid = false;
};

// Also takes `all` and `baseline`. INVALID_ARGUMENT: a word that is none of them.
absl::StatusOr<Selection> ParseSelectors(const std::vector<std::string>& words);

// The same where jobs are meant: INVALID_ARGUMENT for a run, `baseline` and `all`. No words:
// `last`.
absl::StatusOr<Selection> ParseJobSelectors(const std::vector<std::string>& words);

// A filter of what was given; nothing is added. `now_ns` is what --since 7d counts from.
absl::StatusOr<v1::RunFilter> BuildFilter(const FilterWords& words, int64_t now_ns);

// What the daemon ran of its own accord, several times a day, is chosen by its purpose or account:
// a filter of `all` that has neither gets every other purpose.
void LeaveOutCanariesOfAll(v1::RunFilter* filter);

// What `show` is about: exactly one of a job (17), a run (`17.2`), and a sweep (`last`, `sweep:3`,
// `sweep:NAME`) is set.
struct Id {
  uint64_t job_id = 0;
  std::string run_id;
  std::optional<v1::Selector> sweep;
};
absl::StatusOr<Id> ParseId(const std::string& word);

}  // namespace torchlap::client
