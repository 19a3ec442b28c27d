// What a workload is called in words, and the sizes and settings that it has. The one place that
// knows the kinds of workloads; everybody else asks it. Another kind is another case here.
#pragma once

#include <cstdint>
#include <string>

#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/workload.pb.h"

namespace torchlap::client::format {

// Words are those of the contract. What a kind of workload has not is empty, 0 or false.
struct Subject {
  // `small`; of a declared shape `L12 h12 d768 f3072`, with ` V5000` where the vocabulary is not
  // 10,000; `calibration`.
  std::string name;
  std::string edition;
  std::string preset;  // the name of a size; empty for a declared shape
  std::string pass;
  std::string precision;
  std::string attention;
  std::string optimizer;
  uint32_t batch_size = 0;
  uint32_t context_length = 0;
  bool has_parameters = false;
  bool has_backward = false;
  bool has_optimizer_step = false;
};

Subject SubjectOf(const v1::Workload& workload);
Subject SubjectOf(const v1::Run& run);

// `small`, `calibration`.
std::string SubjectName(const v1::Workload& workload);

// `forward (no grad)`: it is not the forward of the other passes.
std::string PassName(const Subject& subject);

// `small (128.6M parameters)`; empty for a workload without parameters.
std::string ModelText(const v1::Workload& workload, uint64_t parameters);

// `small (128.6M)`.
std::string ModelShort(const v1::Workload& workload, uint64_t parameters);

// `batch 4, context 256`.
std::string SizeWords(const Subject& subject);

// `small, forward-backward, batch 4, context 256`, or `calibration`: what a job asks for, short.
std::string WorkloadWords(const v1::Workload& workload);

// The same workload with something else about it. A workload that has no such thing stays as it is.
void SetSizes(uint32_t batch_size, uint32_t context_length, v1::Workload* workload);
void SetPass(v1::PassType pass, v1::Workload* workload);
void SetPrecision(v1::Precision precision, v1::Workload* workload);
void SetAttention(v1::Attention attention, v1::Workload* workload);
void SetOptimizer(v1::Optimizer optimizer, v1::Workload* workload);

}  // namespace torchlap::client::format
