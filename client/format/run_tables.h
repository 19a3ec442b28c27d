// The tables of one run: its phases, its steps, its device.
#pragma once

#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

struct NamedPhase {
  const char* name;
  const v1::PhaseSummary& (v1::Run::*summary)() const;
};

// The phases of a step, in their order, then the whole of it: for tables and charts alike.
inline constexpr NamedPhase kNamedPhases[] = {{"forward", &v1::Run::forward},
                                              {"loss", &v1::Run::loss},
                                              {"backward", &v1::Run::backward},
                                              {"optimizer", &v1::Run::optimizer},
                                              {"step", &v1::Run::step}};

// A row a phase that has times.
Grid PhaseGrid(const v1::Run& run);

// A row a step, from 0 and with warm-up, with the columns that any step has. Blocks in the order of
// their steps.
Grid SampleGrid(const std::vector<v1::SampleBlock>& blocks);

// A row a reading. The counters are of use as differences only; they are in json.
Grid DeviceGrid(const v1::Readings& readings);

}  // namespace torchlap::client::format
