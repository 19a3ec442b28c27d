// A model that trains in milliseconds.
#pragma once

#include "torchlap/v1/worker.pb.h"

namespace torchlap::worker {

inline v1::TransformerLm TinyModel() {
  v1::TransformerLm model;
  model.set_vocab_size(31);
  model.set_d_model(16);
  model.set_d_ff(24);
  model.set_layers(2);
  model.set_heads(2);
  model.set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
  model.set_precision(v1::PRECISION_FP32);
  model.set_attention(v1::ATTENTION_EXPLICIT);
  model.set_optimizer(v1::OPTIMIZER_COURSE);
  model.set_batch_size(2);
  model.set_context_length(8);
  return model;
}

// 2 warm-up and 3 measured steps of it, on one thread of the CPU.
inline v1::WorkerRequest TinyRequest() {
  v1::WorkerRequest request;
  request.set_run_id("1.1");
  *request.mutable_workload()->mutable_transformer_lm() = TinyModel();
  request.mutable_plan()->set_warmup_steps(2);
  request.mutable_plan()->set_measure_steps(3);
  request.mutable_plan()->set_timing(v1::TIMING_SEPARATE);
  request.mutable_device()->set_kind(v1::DEVICE_KIND_CPU);
  request.mutable_device()->set_threads(1);
  return request;
}

}  // namespace torchlap::worker
