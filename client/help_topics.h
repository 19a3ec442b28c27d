// What `help` tells beside the commands. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace torchlap::client {

// `selectors`, `filters` ...
std::vector<std::string> HelpTopics();

// The text of a topic; nothing where there is none of that name.
std::optional<std::string> HelpOnTopic(const std::string& name);

}  // namespace torchlap::client
