// How a report looks: light and dark, on a screen of any width and on paper.
#pragma once

#include <string>

namespace torchlap::client::format {

// Rules of the page; those of its charts are ChartStyle (svg_chart.h).
std::string ReportStyle();

}  // namespace torchlap::client::format
