// What `compare` is asked for, from the words of its command line. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/commands/commands.h"
#include "client/format/compare.h"
#include "torchlap/v1/history.pb.h"

namespace torchlap::client {

struct CompareWords {
  v1::CompareRunsRequest request;
  // As the user chose them; with --by `b` is empty, and `a` names the selection.
  std::string a;
  std::string b;
  std::vector<v1::Phase> phases;  // as format::Comparison has them
  format::FailOn fail_on;
  // With --until-decided: at most so many launches a side.
  std::optional<uint32_t> max_launches;
};

// What --by may be, apart from `label:KEY`.
std::vector<std::string> CompareAxisNames();

// A side is what its operand selects and filters (filter_flags.h), narrowed by the filters that
// were given as flags. INVALID_ARGUMENT: without --by another number of operands than two, a word
// that is none, or a filter that is given both ways. `now_ns` is what --since 7d counts from.
absl::StatusOr<CompareWords> ParseCompare(const CompareOptions& options, int64_t now_ns);

// The comparison of cells that the daemon answered, still without cells.
format::Comparison ComparisonOf(const CompareWords& words);

}  // namespace torchlap::client
