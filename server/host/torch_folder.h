// Which LibTorch the workers load.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace torchlap::host {

// The one version that torchlap-worker is built against.
inline constexpr char kTorchVersion[] = "2.11.0";

struct TorchChoice {
  std::filesystem::path
      folder;           // the torch folder (has lib/); empty: the worker finds it by itself
  std::string problem;  // empty, or one line: no worker can start
};

struct TorchQuestion {
  // --torch or the key `torch`: the torch folder, or the one above it; empty: not given.
  std::filesystem::path named;
  std::filesystem::path worker_program;
  // Asked last: which torch it would import. On PATH, or a file.
  std::string python = "python3";
};

// The folder that was named; else what the worker's own run path finds; else the torch of the
// Python, which is not imported. INVALID_ARGUMENT in one line if the named one is not torch 2.11.0
// or lacks a library. Without any there is a problem, and no error: the daemon can serve what is
// not a run. Starts a process or two and waits for them, some milliseconds (5 s at most each).
absl::StatusOr<TorchChoice> ChooseTorch(const TorchQuestion& question);

// LD_LIBRARY_PATH of a worker that loads LibTorch from `folder`: what LibTorch and its wheels'
// CUDA libraries do not find by their own run paths.
std::string LibraryPath(const std::filesystem::path& folder);

// "2.11.0" from the text of torch/version.py (`__version__ = '2.11.0+cu130'`) or of
// torch/headeronly/version.h; empty: none there.
std::string VersionOfPythonFile(const std::string& text);
std::string VersionOfHeader(const std::string& text);

// The libraries that the dynamic linker does not find, from what it writes under
// LD_TRACE_LOADED_OBJECTS; each once.
std::vector<std::string> MissingLibraries(const std::string& trace);

}  // namespace torchlap::host
