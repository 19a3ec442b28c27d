// Texts that are held to a file in tests/golden/client.
#pragma once

#include <string>

namespace torchlap::client {

// Fails the running test, with both texts, if `text` is not byte by byte what the file holds. With
// TORCHLAP_UPDATE_GOLDEN=1 writes the file instead.
void ExpectGolden(const std::string& file, const std::string& text);

}  // namespace torchlap::client
