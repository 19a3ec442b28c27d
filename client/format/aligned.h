// Columns of text between bars, as `table` and `markdown` have them.
#pragma once

#include <ostream>

#include "client/format/document.h"

namespace torchlap::client::format {

// The titles, a rule, the rows: cells padded to the widest of their column. Without the caption.
void WriteAligned(const Grid& grid, std::ostream& out);

}  // namespace torchlap::client::format
