// `jsonl`: an object a line. Null for unknown.
#include "client/format/format.h"
#include "client/format/json_objects.h"

namespace torchlap::client::format {
namespace {

absl::Status Write(const Document& document, std::ostream& out) {
  const RowWriter writer(document.rows.names);
  std::string line;
  return document.rows.each([&](const std::vector<Value>& row) {
    line.clear();
    writer.Append(row, &line);
    line += '\n';
    out.write(line.data(), static_cast<std::streamsize>(line.size()));
    return out.good();
  });
}

}  // namespace

constinit const Format kJsonLines = {
    "jsonl",
    "jsonl",
    {Content::kRuns, Content::kList, Content::kResult, Content::kSamples, Content::kTable},
    v1::ROW_KIND_RUN,
    Write};

}  // namespace torchlap::client::format
