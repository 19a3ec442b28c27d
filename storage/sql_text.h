// What can be told of a query from its words alone. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace torchlap::storage {

// The first name of `names` (small letters) that the text gives to a common table expression (`WITH
// runs AS (...)`), as it is written in `names`; empty: none. SQLite's authorizer is told the name
// of such a table where it is told that of a view: one that is named like a view would read what
// the view may. May also find one in a text that is no SQL.
std::string TableNamedLike(std::string_view sql, const std::vector<std::string>& names);

// Whether the bytes are UTF-8, as a message's text must be.
bool IsUtf8(std::string_view text);

}  // namespace torchlap::storage
