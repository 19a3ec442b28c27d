#include "storage/environments.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

using testing::ElementsAre;
using testing::Pair;

class EnvironmentsTest : public StoreTest {
 protected:
  void RunUnder(const std::string& hash, const std::string& kernel) {
    FinishedRun finished = Ended(Start(SubmitOne(MakeJob())));
    finished.run.set_environment_hash(hash);
    finished.environment.emplace();
    finished.environment->set_environment_hash(hash);
    finished.environment->set_kernel(kernel);
    Finish(finished, LaunchDone());
  }
  std::vector<std::pair<std::string, std::string>> Kernels(const std::set<std::string>& hashes) {
    const auto environments = ReadEnvironments(*database_, hashes);
    EXPECT_TRUE(environments.ok()) << environments.status();
    std::vector<std::pair<std::string, std::string>> kernels;
    if (!environments.ok()) return kernels;
    for (const auto& [hash, environment] : *environments) {
      kernels.emplace_back(hash, environment.kernel());
    }
    return kernels;
  }
};

TEST_F(EnvironmentsTest, AreReadByTheirHashes) {
  RunUnder("one", "6.1");
  RunUnder("two", "6.2");
  RunUnder("three", "6.3");
  EXPECT_THAT(Kernels({"one", "three", "none", ""}),
              ElementsAre(Pair("one", "6.1"), Pair("three", "6.3")));
  EXPECT_THAT(Kernels({}), ElementsAre());
}

TEST_F(EnvironmentsTest, OneThatIsDamagedIsLeftOut) {
  RunUnder("one", "6.1");
  RunUnder("two", "6.2");
  Break("UPDATE environment SET message = x'ff' WHERE environment_hash = 'one'");
  EXPECT_THAT(Kernels({"one", "two"}), ElementsAre(Pair("two", "6.2")));
}

}  // namespace
}  // namespace torchlap::storage
