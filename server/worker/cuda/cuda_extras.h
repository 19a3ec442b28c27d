// What exists only for CUDA: the one door of torchlap_cuda.so, which the worker opens when a CUDA
// job asks for it. No CUDA header and no header of LibTorch here, so that both sides can include
// it.
#pragma once

extern "C" {

// A graph of CUDA work. All calls come from one thread, on its current stream. They throw what
// LibTorch throws; both sides are of one compiler.
struct TorchlapCudaGraph;

// The functions of the library. A new library has a new name of its entry point.
struct TorchlapCudaExtras {
  // Limits what the allocator may hold of the GPU: above 0 and up to 1 of its total memory. The
  // allocator has been initialised.
  void (*set_memory_fraction)(double fraction, int device);
  // From now on work on the current stream, which is not the default one, is recorded and not
  // executed. The caller owns the graph.
  TorchlapCudaGraph* (*begin_capture)();
  // Ends the recording that began with `graph`, on the same stream, and gives the graph to the
  // device, so that the first replay costs what the others do.
  void (*end_capture)(TorchlapCudaGraph* graph);
  // Gives the recorded work to the current stream, once more.
  void (*replay)(TorchlapCudaGraph* graph);
  // Memory that was allocated while recording goes back to the allocator.
  void (*destroy)(TorchlapCudaGraph* graph);
};

// dlsym's name: "torchlap_cuda_extras_1". Never null; lives as long as the library.
const TorchlapCudaExtras* torchlap_cuda_extras_1();

}  // extern "C"
