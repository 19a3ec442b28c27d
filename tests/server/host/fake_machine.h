// A machine whose GPUs stand in a text (tests/fakes/nvml/fake_nvml.cc) and whose processes stand in
// a made-up /proc.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "server/host/nvml_library.h"
#include "tests/server/host/temporary_folder.h"

namespace torchlap::host {

class FakeMachine {
 public:
  FakeMachine() { EnterNamespace("pid:[4026531836]"); }

  // What every library that is opened from now on finds; those that are open go on as they are.
  void Describe(const std::string& gpus) {
    setenv("TORCHLAP_FAKE_NVML", folder_.Write("machine", gpus).c_str(), 1);
  }

  std::unique_ptr<NvmlLibrary> Open(const std::string& gpus,
                                    const std::string& library = TORCHLAP_FAKE_NVML_LIBRARY) {
    Describe(gpus);
    auto opened = NvmlLibrary::Open(library);
    if (!opened.ok()) throw std::runtime_error(std::string(opened.status().message()));
    return *std::move(opened);
  }

  void AddProcess(int pid, const std::string& name, int parent = 1, int uid = 4294967) {
    folder_.Write("proc/" + std::to_string(pid) + "/status",
                  "Name:\t" + name + "\nUmask:\t0022\nPid:\t" + std::to_string(pid) + "\nPPid:\t" +
                      std::to_string(parent) + "\nUid:\t" + std::to_string(uid) + "\t0\t0\t0\n");
  }

  // What /proc/self/ns/pid points to.
  void EnterNamespace(const std::string& name) {
    const std::filesystem::path link = root() / "proc/self/ns/pid";
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::remove(link);
    std::filesystem::create_symlink(name, link);
  }

  void Write(const std::string& file, const std::string& text) { folder_.Write(file, text); }
  const std::filesystem::path& root() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace torchlap::host
