// What `man torchlap` shows, of the same description as `--help` and the topics. Pure.
#pragma once

#include <string>

namespace torchlap::client {

// Troff: a section for each command and each topic.
std::string ManualPage();

}  // namespace torchlap::client
