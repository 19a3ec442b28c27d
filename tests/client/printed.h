// A document as text.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "client/format/format.h"

namespace torchlap::client {

inline std::string Printed(const format::Format& format, const format::Document& document) {
  std::ostringstream out;
  EXPECT_TRUE(format.write(document, out).ok());
  return out.str();
}

}  // namespace torchlap::client
