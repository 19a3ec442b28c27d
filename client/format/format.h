// The output formats. Each is one writer of documents, in the file of its name.
#pragma once

#include <absl/status/status.h>

#include <array>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// What a command prints: runs, things that are no runs (queue, devices), the result of one
// experiment, one thing in detail, the steps of runs, or a table whose rows and columns were
// chosen.
enum class Content : unsigned {
  kRuns = 1,
  kList = 2,
  kResult = 4,
  kDetails = 8,
  kSamples = 16,
  kTable = 32
};

// Several of them.
class Contents {
 public:
  constexpr Contents(std::initializer_list<Content> contents) {
    for (const Content content : contents) bits_ |= static_cast<unsigned>(content);
  }
  constexpr bool Has(Content content) const {
    return (bits_ & static_cast<unsigned>(content)) != 0;
  }

 private:
  unsigned bits_ = 0;
};

// Where what to do next (Document::hints) goes: nowhere, below the rest (in a file: to stderr), or
// to stderr, as the rest is made to be pasted into a text.
enum class Advice { kNone, kBelow, kAside };

struct Format {
  std::string_view name;    // as --format has it
  std::string_view ending;  // of files that ask for it by their name, without dot; may be empty
  Contents contents;        // that it can write
  // Of runs: whether it shows a row a run, failed attempts included, or a row a cell.
  v1::RowKind rows;
  // Errors are those of the document's rows.
  absl::Status (*write)(const Document& document, std::ostream& out);
  Advice advice = Advice::kNone;
  bool has_references = false;  // a text can refer to its tables (Grid::reference)
};

// One declaration for each file.
extern const Format kTable;
extern const Format kMarkdown;
extern const Format kWriteup;
extern const Format kLatex;
extern const Format kTypst;
extern const Format kCsv;
extern const Format kJson;
extern const Format kJsonLines;

using FormatList = std::span<const Format* const>;

// The list: in this order they stand in help and messages. The first is the one that is meant where
// none is named.
inline constexpr std::array<const Format*, 8> kFormats = {
    &kTable, &kMarkdown, &kWriteup, &kLatex, &kTypst, &kCsv, &kJson, &kJsonLines};

// Null: there is none.
const Format* FormatByName(std::string_view name, FormatList formats = kFormats);

// `csv` of `results/a.CSV`: what a file's name ends in, in small letters; empty for other names.
std::string EndingOfFile(std::string_view path);

// By that ending, however it is written; null for other names.
const Format* FormatOfFile(std::string_view path, FormatList formats = kFormats);

// `.csv, .json, .txt`: the endings of those that can write the content.
std::string Endings(Content content, FormatList formats = kFormats);

// The first that can write the content; null: none can.
const Format* FirstFor(Content content, FormatList formats = kFormats);

// `table, markdown, csv, json`: those that can write the content. `first_remark` is put behind the
// first name.
std::string FormatNames(Content content, FormatList formats = kFormats,
                        std::string_view first_remark = "");

}  // namespace torchlap::client::format
