// How large a plot of characters may be, and of which characters.
#pragma once

#include <string_view>

#include "client/console.h"
#include "client/format/terminal_plot.h"

namespace torchlap::client {

// As wide as the terminal, at most 100 columns; 80 where stdout is none. ASCII unless LC_ALL, else
// LC_CTYPE, else LANG asks for UTF-8.
format::PlotArea PlotAreaOf(const Console& console);

// `C.UTF-8`, `de_DE.utf8`.
bool IsUtf8Locale(std::string_view name);

}  // namespace torchlap::client
