#include "server/worker/product_log.h"

#include <utility>

#include "proto/base/clock.h"

namespace torchlap::worker {

ProductLog::ProductLog(EventWriter* events) : reporter_(events, MonotonicNs()) {}

void ProductLog::FindThreads() {
  Report();
  cores_.FindThreads();
}

void ProductLog::Begin() { Report(); }

void ProductLog::Add(int64_t start_ns, int64_t took_ns) {
  unreported_.emplace();
  unreported_->start_ns = start_ns;
  unreported_->step_ns = took_ns;
  ++products_;
}

void ProductLog::Finish(v1::WorkerResult* result) {
  *result->mutable_samples() = TakePending();
  result->set_measured_steps(products_);
  if (const auto neighbour = cores_.FindNeighbour()) *result->mutable_neighbour() = *neighbour;
}

v1::SampleBlock ProductLog::TakePending() {
  Report();
  return reporter_.TakePending();
}

// What passed since the last call is read even where there was no product: it belongs to none.
void ProductLog::Report() {
  const int64_t now_ns = MonotonicNs();
  const CoreTimes since_start = cores_.Next(now_ns);
  if (!unreported_) return;
  const StepTimes product = *std::exchange(unreported_, std::nullopt);
  reporter_.Add(product, since_start, /*measured=*/true, now_ns);
}

}  // namespace torchlap::worker
