// Names of the output formats.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace torchlap::client::format {

enum class Format { kTable, kMarkdown, kWriteup, kCsv, kJson, kJsonLines };

// `table`, `markdown`, `writeup`, `csv`, `json`, `jsonl`.
std::string_view FormatName(Format format);
std::optional<Format> FormatByName(std::string_view name);

// The format that a file's name ends in (`.csv`, `.json`, `.jsonl`, `.md`); nothing for other
// names.
std::optional<Format> FormatOfFile(std::string_view path);

// Whether the format shows one row a run, failed attempts included; else it shows one row a cell.
bool IsRowPerRun(Format format);

}  // namespace torchlap::client::format
