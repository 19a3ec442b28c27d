// What tells one cell from another: the settings of a run, in the order in which captions name
// them.
#pragma once

#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

struct Trait {
  const char* title;                           // of the column
  std::string (*value)(const v1::Run&);        // empty: the setting does not apply
  std::string (*caption)(const std::string&);  // the value as a caption says it; empty: not at all
};

// Edition, pass, timing, batch, context, precision, attention, optimizer, execution, memory
// fraction, warm-up, steps, target precision, launches, device, host (`here`: this machine); sizes
// as they were asked for. Not the model's size, which is the name of a row.
const std::vector<Trait>& Traits();

// Whether all rows agree on the trait.
bool IsConstant(const Trait& trait, const std::vector<v1::Run>& rows);

// The traits that differ between the rows.
std::vector<const Trait*> VaryingTraits(const std::vector<v1::Run>& rows);

// `, context 64`: the values of those traits, as they tell this row from others.
std::string Distinction(const v1::Run& row, const std::vector<const Trait*>& varying);

// `cs336-2025, forward-backward, ...`: the traits that are the same in all rows. `model` is put
// behind the edition.
std::string Caption(const std::vector<v1::Run>& rows, const std::string& model = "");

// The same with the model of the first row: `cs336-2025, small (128.6M), forward-backward, ...`.
std::string CaptionWithModel(const std::vector<v1::Run>& rows);

}  // namespace torchlap::client::format
