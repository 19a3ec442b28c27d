#include "storage/stored_once.h"

#include "storage/sqlite_connection.h"
#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

class StorePrincipalTest : public StoreTest {
 protected:
  // The id.
  int64_t Store(const std::string& principal, const std::string& name) {
    int64_t id = 0;
    EXPECT_TRUE(database_
                    ->Write([&](SQLite::Database& database) {
                      id = StorePrincipal(database, Caller{principal, name, false});
                      return absl::OkStatus();
                    })
                    .ok());
    return id;
  }
  std::string NameOf(const std::string& principal) {
    return SelectText("SELECT name FROM principal WHERE principal = '" + principal + "'");
  }
};

TEST_F(StorePrincipalTest, AnotherNameReplacesTheOldOne) {
  const int64_t id = Store("uid:1001", "ann");
  EXPECT_EQ(Store("uid:1001", "anna"), id);
  EXPECT_EQ(NameOf("uid:1001"), "anna");
}

TEST_F(StorePrincipalTest, ANameIsNotReplacedByTheNumber) {
  for (const char* principal : {"uid:1001", "uid:65534", "uid:4000000000"}) {
    const int64_t id = Store(principal, "ann");
    EXPECT_EQ(Store(principal, principal), id);
    EXPECT_EQ(NameOf(principal), "ann");
  }
  const uint64_t job = SubmitOne(MakeJob());
  Store(ann_.principal, ann_.principal);
  EXPECT_EQ(Get(job).user(), "ann") << "nor that of the jobs before";
}

TEST_F(StorePrincipalTest, ANumberIsReplacedByTheName) {
  const int64_t id = Store("uid:1001", "uid:1001");
  EXPECT_EQ(NameOf("uid:1001"), "uid:1001");
  EXPECT_EQ(Store("uid:1001", "ann"), id);
  EXPECT_EQ(NameOf("uid:1001"), "ann");
}

}  // namespace
}  // namespace torchlap::storage
