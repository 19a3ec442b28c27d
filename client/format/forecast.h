// What jobs would take, and what is known of them already.
#pragma once

#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::client::format {

// What `--dry-run` prints: a row a cell, in the order of the forecast, and a line with the whole.
// `in_short`: as wide as a terminal, what all cells have in common above.
Document ShowForecast(const v1::ForecastJobsResponse& forecast, bool in_short);

// A sweep of a file, and what is forecast of its cells.
struct SweepForecast {
  std::string name;
  v1::ForecastJobsResponse forecast;
};

// The same of each sweep under its name, and below them a line with the whole. For programs one
// list, whose rows begin with the name of the sweep.
Document ShowForecasts(const std::vector<SweepForecast>& sweeps, bool in_short);

// Of all their cells. Each was asked for alone: the queue before them is that of the first.
v1::ForecastJobsResponse Together(const std::vector<SweepForecast>& sweeps);

bool CannotFit(const v1::JobForecast& job);

// `main: xl, forward, batch 4, context 256, fp32, explicit cannot fit: needs 90 GiB, cuda:0 has
// 16.0 GiB`: a line a cell that cannot, ten at most, and then how many more.
Lines WhatCannotFit(const std::vector<SweepForecast>& sweeps);

// `6 cells: 2 reused, 4 to run in about 12 min; 1 cannot fit as asked`.
std::string ForecastTotal(const v1::ForecastJobsResponse& forecast);

// Why nothing answers the cell: `no clean run`, `kernel 6.1 -> 6.2`, `too few launches`. Empty
// where something does, or nobody asked.
std::string NoReuseWords(const v1::JobForecast& job);

// `small, forward-backward, batch 4, context 256, fp32, explicit`.
std::string CellWords(const v1::JobSpec& spec);

}  // namespace torchlap::client::format
