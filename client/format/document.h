// What a command prints, before anybody asks in which format. A command makes one document; a
// format (format.h) writes documents; nobody else asks which format it is.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/format/sheet.h"

namespace torchlap::client::format {

using Json = nlohmann::ordered_json;

// A table for people: text in rows and columns.
struct Grid {
  std::string caption;  // one line; may be empty
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;  // as many cells as titles
  // One line that a terminal is shown instead of very many rows; may be empty.
  std::string in_short = {};
  // What a text calls the table, `tab:speed`, where it can refer to it; may be empty.
  std::string reference = {};
  // What its titles mean, for texts that show the table without the lines above it.
  std::vector<std::string> key = {};
  // Row and title of cells whose numbers do not count: struck by formats that have a way to.
  std::set<std::pair<size_t, std::string>> struck = {};
};

using Lines = std::vector<std::string>;

// A thing and its values by name.
struct Fields {
  std::string heading;  // one line
  std::vector<std::pair<std::string, std::string>> values;

  // Nothing for an empty value.
  void Add(const std::string& name, const std::string& value) {
    if (!value.empty()) values.emplace_back(name, value);
  }
};

// Findings, and what is to be done about those that are not in order.
struct Checklist {
  struct Item {
    std::string severity;
    std::string subject;
    std::string finding;
    std::string remedy;  // may be empty
  };
  std::vector<Item> items;
  std::string summary;  // one line
};

// A row a value, and a row a finding, for formats that have no other form for them.
Grid AsGrid(const Fields& fields);
Grid AsGrid(const Checklist& list);

// Lines whose blanks count: a plot. A writer that has no way of its own for it takes it as lines.
struct Drawing {
  Lines lines;

  operator const Lines&() const { return lines; }
};

using Block = std::variant<Grid, Lines, Fields, Checklist, Drawing>;

// Rows for programs, handed out one after another: neither who has them nor who writes them need
// hold them all.
struct Rows {
  // False: no more can be taken.
  using Take = std::function<bool(const std::vector<Value>&)>;

  std::vector<std::string> names;
  // Calls `take` for each row, in order, with as many values as names, until it returns false (OK).
  // An error: the rows before it are not all.
  std::function<absl::Status(const Take& take)> each;
  // There is one row, and it is all that there is: no list of one.
  bool is_single = false;
};

Rows RowsOf(Sheet sheet);
// One row a run with these columns.
Rows RunRows(std::vector<v1::Run> runs, std::vector<RunColumn> columns);

// Made where nlohmann/json.hpp is included, which is heavy.
using MakeObject = std::function<Json()>;

// The same told to several kinds of readers. Every function may be empty, is called once at most
// for each format, and only if the format has use for it.
struct Document {
  // For people, from top to bottom.
  std::function<std::vector<Block>()> blocks;
  // For people, where each thing is a paragraph of text: its lines.
  std::function<std::vector<Lines>()> paragraphs;
  // What to do next; below the rest.
  std::function<Lines()> hints;
  // Where the numbers come from, a line each: comments of a text that can have them.
  std::function<Lines()> sources;
  // For programs.
  Rows rows;
  // For programs that read one object rather than rows.
  MakeObject object;
  bool object_is_short = false;  // goes on one line
};

}  // namespace torchlap::client::format
