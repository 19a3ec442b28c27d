#include "client/utf8.h"

#include <nlohmann/json.hpp>

namespace torchlap::client {

bool IsUtf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace torchlap::client
