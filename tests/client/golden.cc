#include "tests/client/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace torchlap::client {

void ExpectGolden(const std::string& file, const std::string& text) {
  const std::string path = std::string(TORCHLAP_GOLDEN_DIR) + "/" + file;
  if (std::getenv("TORCHLAP_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in) << path << " is not there; TORCHLAP_UPDATE_GOLDEN=1 writes it";
  std::ostringstream expected;
  expected << in.rdbuf();
  EXPECT_EQ(text, expected.str()) << "not what " << path << " holds";
}

}  // namespace torchlap::client
