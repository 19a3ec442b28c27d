// What the attacks are made of: bytes of HTTP/2, changes by the descriptors, and the eye for harm.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "tests/attack/http2.h"
#include "tests/attack/mutation.h"
#include "tests/attack/siege.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

TEST(Http2, AFrameHasItsLengthTypeFlagsAndStreamInFront) {
  EXPECT_EQ(ToHex(Frame(kHeaders, kEndHeaders | kEndStream, 3, "ab")), "0000020105000000036162");
  EXPECT_EQ(ToHex(Frame(kSettings, 0, 0, Setting(4, 65536))), "000006040000000000000400010000");
  EXPECT_EQ(Frame(kData, 0, 1, std::string(kMostPayload, 'x')).size(), 9 + kMostPayload);
}

TEST(Http2, ALengthThatDoesNotFitIntoSevenBitsGoesOn) {
  EXPECT_EQ(ToHex(Literal("a", "b")), "0001610162");
  const std::string shorter = Literal("a", std::string(126, 'v'));
  EXPECT_EQ(ToHex(shorter.substr(0, 4)), "0001617e");
  const std::string exact = Literal("a", std::string(127, 'v'));
  EXPECT_EQ(ToHex(exact.substr(0, 5)), "0001617f00");
  // RFC 7541, C.1.2, with another prefix: 1337 - 127 = 1210 = 58 + 9 * 128.
  const std::string longer = Literal("a", std::string(1337, 'v'));
  EXPECT_EQ(ToHex(longer.substr(0, 6)), "0001617fba09");
}

TEST(Http2, AMessageIsBehindItsPrefix) { EXPECT_EQ(ToHex(Prefixed("ab")), "00000000026162"); }

std::string Changed(uint64_t seed) {
  Mutation mutation(seed);
  v1::SubmitJobsRequest request = TinySweep(2);
  for (int i = 0; i < 5; ++i) mutation.ChangeOne(&request);
  return mutation.Spoil(request.SerializePartialAsString());
}

TEST(Mutation, TheSameSeedMakesTheSameChange) {
  std::set<std::string> different;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    // Maps have no order; everything else is the same to the byte.
    EXPECT_EQ(Changed(seed).size(), Changed(seed).size()) << seed;
    different.insert(Changed(seed));
  }
  EXPECT_GT(different.size(), 40U);
}

// Names of the fields that are set, at any depth.
void Collect(const google::protobuf::Message& message, std::set<std::string>* names) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const auto* field : fields) {
    names->insert(field->full_name());
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) Collect(message.GetReflection()->GetMessage(message, field), names);
  }
}

TEST(Mutation, EveryFieldOfARequestIsReachedInTime) {
  std::set<std::string> names;
  Mutation mutation(1);
  for (int i = 0; i < 5000; ++i) {
    v1::ListRunsRequest request;
    mutation.ChangeOne(&request);
    Collect(request, &names);
  }
  const auto* filter = v1::RunFilter::descriptor();
  for (int i = 0; i < filter->field_count(); ++i) {
    EXPECT_TRUE(names.contains(filter->field(i)->full_name())) << filter->field(i)->full_name();
  }
  EXPECT_TRUE(names.contains("torchlap.v1.Selector.run_ids"));
}

// Each path has a list in a list in a list.
TEST(Mutation, ListsInTheEntriesOfALongListStayShort) {
  constexpr size_t kLargest = size_t{256} << 20;
  size_t largest = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Mutation mutation(seed);
    google::protobuf::FileDescriptorSet nested;
    mutation.ChangeOne(&nested);
    largest = std::max(largest, nested.ByteSizeLong());
    ASSERT_LT(largest, kLargest) << "of seed " << seed;
  }
  EXPECT_GT(largest, size_t{1} << 20) << "no long list at all";
}

TEST(Mutation, SpoiledBytesAreOftenNoMessageAnyMore) {
  Mutation mutation(7);
  int broken = 0;
  for (int i = 0; i < 1000; ++i) {
    v1::SubmitJobsRequest request;
    if (!request.ParseFromString(mutation.Spoil(TinySweep(1).SerializeAsString()))) ++broken;
  }
  EXPECT_GT(broken, 200);
  EXPECT_LT(broken, 1000);
}

TEST(Hex, IsReadBackAndNothingElseIs) {
  const std::string bytes("\0\x7F\xFFz", 4);
  EXPECT_EQ(ToHex(bytes), "007fff7a");
  EXPECT_EQ(FromHex(ToHex(bytes)), bytes);
  for (const char* other : {"0", "0g", "00 11", "0x11"}) EXPECT_EQ(FromHex(other), "") << other;
}

TEST(Dirt, IsWhatATerminalWouldObey) {
  for (const char* dirty :
       {"a\x1b[2J", "a\rb", "a\tb", "\x7F", "\xC2\x9B", "x\xE2\x80\xAEy", "\xE2\x81\xA6"}) {
    EXPECT_NE(Dirt(dirty), "") << testing::PrintToString(dirty);
  }
  for (const char* clean :
       {"", "a line\nand another\n", "Gr\xC3\xBCn", "\xE2\x80\xA6", "\xE2\x94\x80\xE2\x82\xAC"}) {
    EXPECT_EQ(Dirt(clean), "") << clean;
  }
}

TEST(ForgedLine, IsALineWithoutAStampOrInTheAttackersWords) {
  const std::string own = "2026-11-28T17:00:00.123 info listens on /x\n";
  EXPECT_EQ(ForgedLine(own + own), "");
  EXPECT_EQ(ForgedLine(own + "E1128 17:00:00 chttp2.cc] bad header\n"),
            "E1128 17:00:00 chttp2.cc] bad header");
  EXPECT_NE(ForgedLine(own + "2026-01-01T00:00:00.000 info forged line\n"), "");
  EXPECT_EQ(ForgedLine("2026-01-01T00:00:00.000 warning gRPC: x\\n2026 info forged line\n"), "");
}

TEST(Usage, OfThisProcessIsSeenAndOfNoneIsNothing) {
  const Usage own = UsageOf(::getpid());
  EXPECT_GT(own.rss_kib, 1000U);
  EXPECT_GE(own.threads, 1U);
  EXPECT_GE(own.descriptors, 3U);
  EXPECT_EQ(UsageOf(0).descriptors, 0U);
  const Usage largest = LargestOf({1, 5, 2}, {3, 4, 2});
  EXPECT_EQ(largest.rss_kib, 3U);
  EXPECT_EQ(largest.threads, 5U);
}

TEST(Attacks, HaveNamesOfTheirOwnAndAreFoundByThem) {
  std::set<std::string> names;
  for (const Attack& attack : Attacks()) {
    EXPECT_TRUE(names.insert(attack.name).second) << attack.name;
    EXPECT_EQ(FindAttack(attack.name), &attack);
    EXPECT_LE(attack.small, attack.large);
  }
  EXPECT_EQ(FindAttack("nothing"), nullptr);
  EXPECT_EQ(AllNames().size(), Attacks().size() + 3);
}

}  // namespace
}  // namespace torchlap::attack
