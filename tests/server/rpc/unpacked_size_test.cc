#include "server/rpc/unpacked_size.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "server/rpc/request_limit.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::io::ArrayInputStream;

constexpr size_t kMuch = size_t{1} << 40;

absl::StatusOr<size_t> SizeOf(const Descriptor& type, const std::string& bytes, size_t most = kMuch,
                              int piece = -1) {
  ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()), piece);
  return UnpackedSize(type, &input, most);
}

void AddLongestLabels(v1::JobSpec* job) {
  for (int i = 0; i < 20; ++i) {
    const std::string digits = std::to_string(10 + i);
    (*job->mutable_labels())[std::string(98, 'k') + digits] = std::string(100, 'v');
  }
}

v1::SubmitJobsRequest Submit(int jobs) {
  v1::SubmitJobsRequest request;
  request.set_request_id("2026-11-28 1");
  request.set_sweep_name("a name that is longer than a short one");
  for (int i = 0; i < jobs; ++i) {
    v1::JobSpec* job = request.add_jobs();
    job->set_device("cpu0");
    job->set_priority(-5);
    AddLongestLabels(job);
    v1::TransformerLm* model = job->mutable_workload()->mutable_transformer_lm();
    model->set_preset("a preset of the user's own");
    model->set_batch_size(static_cast<uint32_t>(i));
    job->mutable_plan()->set_target_precision(0.01);
    job->mutable_oom()->set_retry(i % 2 == 0);
  }
  return request;
}

v1::ExportRunsRequest Export(int names) {
  v1::ExportRunsRequest request;
  v1::RunFilter* filter = request.mutable_filter();
  for (int i = 0; i < names; ++i) {
    filter->mutable_selector()->add_job_ids(UINT64_MAX - static_cast<uint64_t>(i));
    filter->mutable_selector()->add_run_ids(std::to_string(i) + ".1");
    filter->add_devices("GPU-11111111-2222-3333-4444-555555555555");
    filter->add_outcomes(v1::OUTCOME_OK);
    (*filter->mutable_labels())[std::to_string(i)] = "";
  }
  return request;
}

template <typename Request>
void ExpectNotBelow(const Request& request) {
  const std::string bytes = request.SerializeAsString();
  Request decoded;
  ASSERT_TRUE(decoded.ParseFromString(bytes));
  const auto size = SizeOf(*Request::descriptor(), bytes);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_GE(*size, decoded.SpaceUsedLong()) << request.GetTypeName() << " " << bytes.size();
  EXPECT_LE(*size, 6 * decoded.SpaceUsedLong() + 1000) << request.GetTypeName();
}

TEST(UnpackedSize, IsNotBelowWhatARequestTakesAndNotFarAboveIt) {
  for (const int count : {0, 1, 2, 17, 300}) {
    ExpectNotBelow(Submit(count));
    ExpectNotBelow(Export(count));
  }
  v1::GetRunRequest run;
  run.set_run_id("17.2");
  ExpectNotBelow(run);
  ExpectNotBelow(v1::ListDevicesRequest());
}

TEST(UnpackedSize, TheLargestThatOtherLimitsAllowFits) {
  constexpr int kJobs = 10'000;
  v1::SubmitJobsRequest one = Submit(1);
  one.mutable_jobs(0)->set_device(std::string(100, 'd'));
  one.mutable_jobs(0)->mutable_workload()->mutable_transformer_lm()->set_edition(
      std::string(100, 'e'));
  const std::string bytes = one.SerializeAsString();
  const auto size = SizeOf(*one.descriptor(), bytes);
  ASSERT_TRUE(size.ok());
  EXPECT_LT(*size * kJobs, kLimitOfSubmit.unpacked_bytes);
  EXPECT_LT(bytes.size() * kJobs, kLimitOfSubmit.bytes);

  v1::ListRunsRequest runs;
  constexpr int kIds = 100'000;
  for (int i = 0; i < kIds; ++i) {
    runs.mutable_filter()->mutable_selector()->add_job_ids(UINT64_MAX);
    runs.mutable_filter()->mutable_selector()->add_sweep_ids(UINT64_MAX);
    runs.mutable_filter()->mutable_selector()->add_run_ids("18446744073709551615.4294967295");
  }
  const std::string many = runs.SerializeAsString();
  EXPECT_TRUE(CheckLength(many.size(), kLimitOfOthers).ok()) << many.size();
  EXPECT_TRUE(SizeOf(*runs.descriptor(), many, MostUnpacked(many.size(), kLimitOfOthers)).ok());
}

// A field with its tag, `count` times.
std::string Times(const std::string& one, size_t count) {
  std::string all;
  all.reserve(one.size() * count);
  for (size_t i = 0; i < count; ++i) all += one;
  return all;
}

std::string Within(char tag, const std::string& bytes) {
  std::string length;
  for (size_t left = bytes.size(); length.empty() || left > 0; left >>= 7) {
    length += static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  }
  return tag + length + bytes;
}

struct Hostile {
  const char* what;
  const Descriptor* type;
  std::string one;         // costs two bytes or a few
  char within = 0;         // the tag of the message that they are in
  const char* named = "";  // in the refusal
};

std::vector<Hostile> Hostiles() {
  using namespace std::string_literals;
  const Descriptor* const submit = v1::SubmitJobsRequest::descriptor();
  const Descriptor* const list = v1::ListJobsRequest::descriptor();
  return {
      {"empty jobs", submit, "\x1a\x00"s, 0, "`jobs`"},
      {"jobs with an empty workload", submit, "\x1a\x02\x0a\x00"s, 0, "`jobs`"},
      {"labels without a key", submit, "\x2a\x00"s, 0x1a, "`labels`"},
      {"empty run ids", list, "\x12\x00"s, 0x0a, "`run_ids`"},
      {"empty names of sweeps", list, "\x22\x00"s, 0x0a, "`sweep_names`"},
      {"job ids one by one", list, "\x08\x01"s, 0x0a, "`job_ids`"},
      {"states", list, "\x10\x01"s, 0, "`states`"},
      {"unknown numbers", list, "\x78\x01"s, 0, "ListJobsRequest"},
      {"unknown texts", list, "\x7a\x00"s, 0, "ListJobsRequest"},
      {"texts where a number is wanted", list, "\x22\x00"s, 0, "`page_size`"},
      {"labels of a filter", v1::RunFilter::descriptor(), "\x4a\x00"s, 0, "`labels`"},
  };
}

TEST(UnpackedSize, WhatBecomesLargeIsRefusedBeforeItIsReadToItsEnd) {
  constexpr size_t kMost = size_t{4} << 20;
  for (const Hostile& hostile : Hostiles()) {
    std::string few = Times(hostile.one, 100);
    std::string many = Times(hostile.one, size_t{4} << 20);
    if (hostile.within != 0) {
      few = Within(hostile.within, few);
      many = Within(hostile.within, many);
    }
    EXPECT_TRUE(SizeOf(*hostile.type, few, kMost).ok()) << hostile.what;
    ArrayInputStream input(many.data(), static_cast<int>(many.size()), 4096);
    const auto size = UnpackedSize(*hostile.type, &input, kMost);
    ASSERT_TRUE(absl::IsInvalidArgument(size.status())) << hostile.what;
    const std::string words(size.status().message());
    EXPECT_THAT(words, testing::HasSubstr("takes more than 4194304 bytes")) << hostile.what;
    EXPECT_THAT(words, testing::HasSubstr(hostile.named));
    EXPECT_LT(input.ByteCount(), 1 << 20) << hostile.what;
  }
}

TEST(UnpackedSize, ManyPackedNumbersAreCountedEach) {
  v1::ListJobsRequest request;
  for (int i = 0; i < 200'000; ++i) request.mutable_selector()->add_job_ids(1);
  const std::string bytes = request.SerializeAsString();
  EXPECT_FALSE(SizeOf(*request.descriptor(), bytes, size_t{1} << 20).ok());
  EXPECT_TRUE(SizeOf(*request.descriptor(), bytes, size_t{16} << 20).ok());
}

TEST(UnpackedSize, WhatIsNoMessageIsRefused) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\x1a"s, "\x1a\x05\x0a"s, "\x1a\xff\xff\xff\xff\x0f"s, "\x0b\x0c"s, "\x1a\x01\x0b"s,
        "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "\xff\xff\xff\xff\xff\xff"s,
        "\x1a\x04\x0a\x7f\x0a\x00"s, std::string(10'000, '\x0b')}) {
    const auto size = SizeOf(*v1::SubmitJobsRequest::descriptor(), bytes);
    ASSERT_FALSE(size.ok()) << bytes.size();
    EXPECT_EQ(size.status().message(), "the request cannot be read, must be a SubmitJobsRequest");
  }
}

TEST(UnpackedSize, PiecesOfAnyLengthAreTheSame) {
  const std::string bytes = Submit(5).SerializeAsString();
  const auto whole = SizeOf(*v1::SubmitJobsRequest::descriptor(), bytes);
  ASSERT_TRUE(whole.ok());
  for (const int piece : {1, 2, 7, 1000}) {
    const auto size = SizeOf(*v1::SubmitJobsRequest::descriptor(), bytes, kMuch, piece);
    ASSERT_TRUE(size.ok()) << piece;
    EXPECT_EQ(*size, *whole);
  }
}

template <typename Request>
void ExpectNoneBelow(const Request& request) {
  constexpr size_t kSlack = 4096;  // of small messages, where what grows has room to spare
  const std::string whole = request.SerializeAsString();
  std::mt19937 random(7);
  size_t decoded = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes = whole.substr(0, whole.size() - (i % 2 == 0 ? 0 : random() % 100));
    for (size_t n = random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 128);
    }
    Request mutated;
    if (!mutated.ParseFromString(bytes)) continue;
    ++decoded;
    const auto size = SizeOf(*Request::descriptor(), bytes);
    EXPECT_GE(size.value_or(SIZE_MAX / 2) + kSlack, mutated.SpaceUsedLong()) << i;
  }
  EXPECT_GT(decoded, 1000U);
}

TEST(UnpackedSize, WhateverCanBeDecodedTakesNoMoreThanWasSaid) {
  ExpectNoneBelow(Submit(2));
  ExpectNoneBelow(Export(20));
}

}  // namespace
}  // namespace torchlap::rpc
