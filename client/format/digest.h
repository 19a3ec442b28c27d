// What `digest` prints: one screen of 80 columns and 24 lines.
#pragma once

#include "client/format/document.h"
#include "torchlap/v1/suites.pb.h"

namespace torchlap::client::format {

// For people what fits a screen, and how much does not; for programs one object of all.
Document ShowDigest(const v1::GetDigestResponse& response);

// In digest_json.cc, as the header of the library is heavy.
MakeObject DigestObject(const v1::GetDigestResponse& response);

}  // namespace torchlap::client::format
