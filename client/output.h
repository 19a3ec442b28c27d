// Where results go: stdout, or a file that is written whole or not at all.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "client/console.h"
#include "client/format/format.h"

namespace torchlap::client {

// --format and -o as typed.
struct OutputWords {
  std::optional<std::string> format;
  std::string file;  // empty: stdout
};

struct Output {
  const format::Format* format = format::kFormats.front();
  std::string file;
  bool with_advice = true;       // what to do next is said beside the result
  std::string made_folder = {};  // of the file, where it was not there; empty: it was
};

// The format that was named, else the one that the file's name ends in, else the first that can
// write the content. INVALID_ARGUMENT: a format or an ending that is not there or cannot write such
// content. An output error (exit_code.h): a file that could not be written, which is tried. Makes
// the file's folder.
absl::StatusOr<Output> ChooseOutput(const OutputWords& words, format::Content content,
                                    format::FormatList formats = format::kFormats);

// An output error if a file of this name could not be written, which is tried; its folder is made.
// What is said before hours of measuring is not said after them. Says on stderr which folder it
// made.
absl::Status CheckWritable(const std::string& path, const Console& console);

// A typo in a path makes folders: they are said. Empty: none was made.
void SayMadeFolder(const std::string& folder, const Console& console);

// Writes the document to stdout or as the file's new content. A file appears, or is replaced, only
// when all of it is on the disk; otherwise it is left as it was. Says on stderr which file was
// written, and the folder that was made for it. What to do next stands below a table on stdout;
// beside a file, and beside the formats that are made to be pasted, it goes to stderr. What cannot
// be written is an output error (exit_code.h).
absl::Status WriteOutput(const Output& output, const Console& console,
                         const format::Document& document);

// The same at the end of something that was followed: with a file a terminal is shown the table
// too.
absl::Status WriteOutputAndTable(const Output& output, const Console& console,
                                 const format::Document& document);

// The same output for a result that is shown once more, with the advice below it.
Output WithoutAdvice(Output output);

// Whether the result is a table that a terminal shows, which has so much room and no more.
bool IsTerminalTable(const Output& output, const Console& console);

// Whether the result goes to a file while somebody sits before stdout, who is shown the table too.
bool ShowsTableToo(const Output& output, const Console& console);

// An output error if anything that was written to stdout could not be.
absl::Status FlushStdout(const Console& console);

// Replaces `path` by what `write` writes, whole or not at all, with the permissions that a new file
// would have. An error of `write` leaves the file as it was. What is written is not gathered first.
using WriteContent = std::function<absl::Status(std::ostream&)>;
absl::Status WriteFileWhole(const std::string& path, const WriteContent& write);
absl::Status WriteFileWhole(const std::string& path, const std::string& content);

}  // namespace torchlap::client
