// Where results go: stdout, or a file that is written whole or not at all.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "client/console.h"
#include "client/format/format.h"

namespace torchlap::client {

// --format and -o as typed.
struct OutputWords {
  std::optional<std::string> format;
  std::string file;  // empty: stdout
};

struct Output {
  format::Format format = format::Format::kTable;
  std::string file;
};

// Every format; every format but writeup; and those of a single result: table, markdown, csv and
// json.
const std::vector<format::Format>& RunFormats();
const std::vector<format::Format>& ListFormats();
const std::vector<format::Format>& ResultFormats();

// The format that was named, else the one that the file's name ends in, else a table.
// INVALID_ARGUMENT: a format that the command does not have, or a file that could not be written.
// Makes the file's folder.
absl::StatusOr<Output> ChooseOutput(const OutputWords& words,
                                    const std::vector<format::Format>& allowed);

using Writer = std::function<void(std::ostream&)>;

// Calls `write` once, with stdout or the file's new content. A file appears, or is replaced, only
// when all of it is on the disk; otherwise it is left as it was. Says on stderr which file was
// written.
absl::Status WriteOutput(const Output& output, const Console& console, const Writer& write);

// Replaces `path` by `content`, whole or not at all, with the permissions that a new file would
// have.
absl::Status WriteFileWhole(const std::string& path, const std::string& content);

}  // namespace torchlap::client
