// Pieces of a web page that needs no network and no script. Pure.
#pragma once

#include <string>
#include <string_view>

#include "client/format/document.h"

namespace torchlap::client::format {

// Words fit to stand in a page, between tags and in quoted attributes: Visible
// (proto/base/visible_text.h), then & < > " ' as entities.
std::string Html(std::string_view text);

// A verdict or an outcome with a mark of its own, so that it does not depend on colour.
std::string HtmlBadge(const std::string& word);

// A table in a box that scrolls sideways where the page is narrow. The first cell of a row is its
// heading; columns of numbers stand to the right; a state in place of several numbers is one cell;
// `-` is said to be no value; a struck number stands in `<s>`. A column `verdict` has badges of the
// first line of its cells, with the second line below. Empty for a grid without rows.
std::string HtmlTable(const Grid& grid);

// Any block of a document.
std::string HtmlBlock(const Block& block);

// Text behind a line that is opened by a click: `<details>`. Empty without content.
std::string HtmlDetails(const std::string& summary, const std::string& content);

}  // namespace torchlap::client::format
