// Plots as scripts of gnuplot.
#pragma once

#include <string>

#include "client/format/plot.h"

namespace torchlap::client::format {

// Script and data in one: axes with their titles, ticks, error bars, a legend. Words of others
// stand in single quotes, in which gnuplot runs nothing, and none of their characters is markup.
// Lines of Pen::kVertical are left out. `plot` has only points that its axes can show.
std::string GnuplotScript(const Plot& plot);

// In front of a script: what makes it write an image of this kind (`svg`, `pdf`, `png`) to its
// standard output. Empty: there is no such kind.
std::string GnuplotTerminal(const std::string& kind);

}  // namespace torchlap::client::format
