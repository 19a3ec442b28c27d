// What `findings` prints.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client/format/document.h"
#include "torchlap/v1/suites.pb.h"

namespace torchlap::client::format {

// A row a finding. In a terminal's table (`in_short`) texts may be cut.
Document ListFindings(const v1::ListFindingsResponse& response, bool in_short);

// One line: what it is now.
Document ShowFindingSet(const v1::SetFindingResponse& response);

// For people: the findings as a table, 80 columns wide where it is `in_short`.
std::vector<Block> FindingBlocks(
    const google::protobuf::RepeatedPtrField<v1::CellFinding>& findings, bool in_short);

// The same without what else is known of them: which cells, and by how much; at most `most_lines`
// of what they have in common.
std::vector<Block> ShortFindingBlocks(
    const google::protobuf::RepeatedPtrField<v1::CellFinding>& findings, size_t most_lines);

// `small, forward-backward, batch 4, context 256`; `?` of one whose run cannot be read.
std::string CellWords(const v1::CellFinding& finding);

// `+12 %`: slower; `-` where it is not known.
std::string ChangeOf(const v1::CellFinding& finding);

}  // namespace torchlap::client::format
