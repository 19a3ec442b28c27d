// `json`: one object, or an array of objects, one a line. Null for unknown.
#include <nlohmann/json.hpp>

#include "client/format/format.h"
#include "client/format/json_objects.h"

namespace torchlap::client::format {
namespace {

constexpr int kIndent = 2;

absl::Status WriteArray(const Rows& rows, std::ostream& out) {
  const RowWriter writer(rows.names);
  std::string line;
  bool is_empty = true;
  const absl::Status status = rows.each([&](const std::vector<Value>& row) {
    line = is_empty ? "[\n  " : ",\n  ";
    writer.Append(row, &line);
    out.write(line.data(), static_cast<std::streamsize>(line.size()));
    is_empty = false;
    return out.good();
  });
  if (status.ok() || !is_empty) out << (is_empty ? "[]\n" : "\n]\n");
  return status;
}

absl::Status WriteSingle(const Rows& rows, std::ostream& out) {
  return rows.each([&](const std::vector<Value>& row) {
    out << Dump(RowObject(rows.names, row), kIndent) << '\n';
    return out.good();
  });
}

absl::Status Write(const Document& document, std::ostream& out) {
  if (!document.object) {
    return document.rows.is_single ? WriteSingle(document.rows, out)
                                   : WriteArray(document.rows, out);
  }
  out << Dump(document.object(), document.object_is_short ? -1 : kIndent) << '\n';
  return absl::OkStatus();
}

}  // namespace

constinit const Format kJson = {
    "json",
    "json",
    {Content::kRuns, Content::kList, Content::kResult, Content::kDetails, Content::kTable},
    v1::ROW_KIND_RUN,
    Write};

}  // namespace torchlap::client::format
