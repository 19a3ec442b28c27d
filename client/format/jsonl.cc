// `jsonl`: an object a line. Null for unknown.
#include "client/format/format.h"
#include "client/format/json_objects.h"

namespace torchlap::client::format {
namespace {

absl::Status Write(const Document& document, std::ostream& out) {
  return document.rows.each(
      [&](const std::vector<Value>& row) { out << RowText(document.rows.names, row) << '\n'; });
}

}  // namespace

constinit const Format kJsonLines = {
    "jsonl", "jsonl", {Content::kRuns, Content::kList}, v1::ROW_KIND_RUN, Write};

}  // namespace torchlap::client::format
