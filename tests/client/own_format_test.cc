// What CONTRIBUTING.md says of a new format: one writer, its name in the list, and every command
// prints in it, without a change to anything else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>

#include "client/format/doctor.h"
#include "client/format/fit.h"
#include "client/format/listing.h"
#include "client/format/runs.h"
#include "client/format/show.h"
#include "client/output.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/printed.h"

namespace torchlap::client {
namespace {

using format::Content;
using format::Document;
using format::Format;
using format::FormatList;
using testing::HasSubstr;
using testing::StartsWith;

struct Shouted {
  std::ostream& out;

  void operator()(const format::Grid& grid) const {
    out << "GRID OF " << grid.rows.size() << " BY " << grid.titles.size() << '\n';
  }
  void operator()(const format::Lines& lines) const { out << lines.size() << " LINES\n"; }
  void operator()(const format::Fields& fields) const { out << fields.heading << "!\n"; }
  void operator()(const format::Checklist& list) const { out << list.summary << "!\n"; }
};

absl::Status Shout(const Document& document, std::ostream& out) {
  for (const format::Block& block : document.blocks()) std::visit(Shouted{out}, block);
  return absl::OkStatus();
}

constinit const Format kShout = {"shout",
                                 "SHOUT",
                                 {Content::kRuns, Content::kList, Content::kDetails},
                                 v1::ROW_KIND_CELL,
                                 Shout};

constexpr std::array<const Format*, 3> kWithShout = {&format::kTable, &format::kJson, &kShout};

TEST(OwnFormat, IsChosenByItsNameAndByTheEndingOfAFile) {
  const auto by_name = ChooseOutput({"shout", ""}, Content::kRuns, kWithShout);
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  EXPECT_EQ(by_name->format, &kShout);
  const auto by_file =
      ChooseOutput({{}, testing::TempDir() + "/a.SHOUT"}, Content::kList, kWithShout);
  ASSERT_TRUE(by_file.ok()) << by_file.status();
  EXPECT_EQ(by_file->format, &kShout);
}

TEST(OwnFormat, IsNamedInTheHelpAndInMessagesWhereItCanWrite) {
  EXPECT_EQ(format::FormatNames(Content::kList, kWithShout, " (default)"),
            "table (default), json, shout");
  EXPECT_EQ(format::FormatNames(Content::kResult, kWithShout), "table, json");
  EXPECT_EQ(ChooseOutput({"shout", ""}, Content::kResult, kWithShout).status().message(),
            "--format is shout, must be one of table, json");
}

TEST(OwnFormat, PrintsWhatEveryCommandMakes) {
  EXPECT_THAT(Printed(kShout, format::ShowResults({SmallRun(), OutOfMemoryRun()})),
              StartsWith("GRID OF 2 BY "));
  EXPECT_EQ(Printed(kShout, format::ListQueue({}, 0)), "GRID OF 0 BY 11\n");
  EXPECT_THAT(Printed(kShout, format::ShowFit({})), HasSubstr("1 LINES\n1 LINES\nGRID OF 0"));
  EXPECT_EQ(Printed(kShout, format::ShowFindings({})), "nothing is wrong!\n");
  v1::Job job;
  job.set_job_id(17);
  EXPECT_THAT(Printed(kShout, format::ShowJob(job, {})), StartsWith("job 17 of sweep:0"));
}

TEST(OwnFormat, TakesRowsOneAfterAnotherAndPassesOnThatTheyBrokeOff) {
  size_t made = 0;
  Document document;
  document.rows.names = {"n"};
  document.rows.each = [&made](const format::Rows::Take& take) {
    for (; made < 3 && take({uint64_t{made}}); ++made) continue;
    return absl::UnavailableError("the daemon went away");
  };
  std::ostringstream out;
  const absl::Status status = format::kCsv.write(document, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(out.str(), "n\n0\n1\n2\n");
}

TEST(OwnFormat, LeavesAFileAsItWasWhenItsRowsBreakOff) {
  const std::string path = testing::TempDir() + "/broken_off.csv";
  ASSERT_TRUE(WriteFileWhole(path, "before\n").ok());
  Document document;
  document.rows.names = {"n"};
  document.rows.each = [](const format::Rows::Take&) { return absl::UnavailableError("gone"); };
  std::ostringstream err;
  Console console;
  console.err = &err;
  EXPECT_FALSE(WriteOutput({&format::kCsv, path}, console, document).ok());
  EXPECT_EQ(err.str(), "");
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(line, "before");
}

}  // namespace
}  // namespace torchlap::client
