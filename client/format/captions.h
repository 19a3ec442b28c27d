// Captions of a user's own.
#pragma once

#include <string>

#include "client/format/document.h"

namespace torchlap::client::format {

// The same document with this caption over each of its tables; what stood there, the conditions of
// the numbers, stands below. Of paragraphs it is the first one. An empty caption leaves them.
// `reference` is what a text calls the first table; the others have `-2`, `-3` behind it.
Document WithCaption(Document document, const std::string& caption, const std::string& reference);

}  // namespace torchlap::client::format
