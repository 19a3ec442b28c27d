// What differs between the environments of two runs, or of two sides of several. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "torchlap/v1/history.pb.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::measure {

// The values of one name over one side, each once, sorted, joined by commas: `570.86,575.51`.
// Empty: not known, or no values. Where some are known and others are not, those are `-`.
std::string JoinedValues(std::vector<std::string> values);

// Adds the change where the sides have not the same values.
void AddChange(const std::string& name, std::vector<std::string> before,
               std::vector<std::string> after, std::vector<v1::EnvironmentChange>* changes);

// In the words of `torchlap show`: torchlap, torch, cuda, driver, gpu and its settings (`power
// limit`, `locked clocks`, `application clock`, `memory clock`, `ecc`, `persistence`, `compute
// mode`, `mig`, `pcie generation`, `pcie width`), cpu, capability, cores, threads, clocks, kernel,
// os; then each variable that differs, `env OMP_NUM_THREADS`, by name. Numbers have their units:
// `300 W`, `1410 MHz`. No pointer is null; a side without environments knows no value.
std::vector<v1::EnvironmentChange> EnvironmentChanges(
    std::span<const v1::Environment* const> before, std::span<const v1::Environment* const> after);

}  // namespace torchlap::measure
