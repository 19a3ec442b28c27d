// Whether a word can travel in a message: protobuf's strings are UTF-8.
#pragma once

#include <string>

namespace torchlap::client {

bool IsUtf8(const std::string& text);

}  // namespace torchlap::client
