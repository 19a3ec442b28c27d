#include "server/worker/cuda/cuda_extras.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <memory>

struct TorchlapCudaGraph {
  at::cuda::CUDAGraph graph;
};

namespace {

void SetMemoryFraction(double fraction, int device) {
  c10::cuda::CUDACachingAllocator::setMemoryFraction(fraction,
                                                     static_cast<c10::DeviceIndex>(device));
}

TorchlapCudaGraph* BeginCapture() {
  auto graph = std::make_unique<TorchlapCudaGraph>();
  // Global, the strictest mode: an unsafe call from any thread, that of backward too, is an error
  // and no silent hole in the graph.
  graph->graph.capture_begin({0, 0}, cudaStreamCaptureModeGlobal);
  return graph.release();
}

void EndCapture(TorchlapCudaGraph* graph) {
  graph->graph.capture_end();
  // CUDA would do so in the first launch, whose time it would be part of.
  C10_CUDA_CHECK(
      cudaGraphUpload(graph->graph.raw_cuda_graph_exec(), at::cuda::getCurrentCUDAStream()));
}
void Replay(TorchlapCudaGraph* graph) { graph->graph.replay(); }
void Destroy(TorchlapCudaGraph* graph) { delete graph; }

constexpr TorchlapCudaExtras kExtras = {&SetMemoryFraction, &BeginCapture, &EndCapture, &Replay,
                                        &Destroy};

}  // namespace

const TorchlapCudaExtras* torchlap_cuda_extras_1() { return &kExtras; }
