// The line under a table of times: what its numbers are, and what they were measured on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "torchlap/v1/run.pb.h"

namespace torchlap::client::format {

// What ran one of the rows; without an environment only the row's own words are known.
struct DeviceNote {
  v1::Run run;
  v1::Environment environment;
};

// Asked for only where somebody reads the line.
using FindDevices = std::function<std::vector<DeviceNote>()>;

// The first row of each device, an OK one where there is one.
std::vector<v1::Run> RowOfEachDevice(const std::vector<v1::Run>& rows);

// The same rows with nothing known beside them.
std::vector<DeviceNote> NotesOf(const std::vector<v1::Run>& rows);

// What a CV of the table is of: the largest of its row's columns, or each ± beside it.
enum class CvKind { kNone, kLargestOfRow, kEach };

// `± is the standard deviation of the measured steps, not of the mean; CV is the largest of the
// row's columns; cpu0: AMD EPYC (1 thread), torch 2.11.0`. With pooled launches it says of
// what the times are means, too. What no row has is left out, and a CV that the table has not;
// empty if nothing is left.
std::string LegendLine(const std::vector<v1::Run>& rows, const std::vector<DeviceNote>& devices,
                       CvKind cv = CvKind::kLargestOfRow);

}  // namespace torchlap::client::format
