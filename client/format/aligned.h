// Columns of text between bars, as `table` and `markdown` have them.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "client/format/document.h"

namespace torchlap::client::format {

// The titles, a rule, the rows: cells padded to the widest of their column. Without the caption.
void WriteAligned(const Grid& grid, std::ostream& out);

// The caption, the titles and the cells as the medium needs them.
Grid Escaped(Grid grid, std::string (*escape)(std::string_view));

}  // namespace torchlap::client::format
