// A table for people: text in rows and columns. The formats `table` and `markdown` print it.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace torchlap::client::format {

struct Grid {
  std::string caption;  // one line; may be empty
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;  // as many cells as titles
};

// The caption, then columns between bars, padded to the widest cell. No rows: prints nothing.
void WriteTable(const Grid& grid, std::ostream& out);

// The same as GitHub Markdown: a blank line behind the caption, bars inside of cells escaped.
void WriteMarkdown(const Grid& grid, std::ostream& out);

}  // namespace torchlap::client::format
