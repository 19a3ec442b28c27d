// A /proc of the test's own.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace torchlap::worker {

// Gone with the object. Files are written in place, so that a reader that has one open sees the new
// content, as in the real /proc.
class MadeUpProc {
 public:
  MadeUpProc() {
    std::string name = (std::filesystem::temp_directory_path() / "torchlap-XXXXXX").native();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    root_ = name;
  }
  ~MadeUpProc() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  MadeUpProc(const MadeUpProc&) = delete;
  MadeUpProc& operator=(const MadeUpProc&) = delete;

  const std::filesystem::path& root() const { return root_; }

  // `file`: below /proc.
  void Write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = root_ / "proc" / file;
    std::filesystem::create_directories(path.parent_path());
    if (!(std::ofstream(path) << text)) throw std::runtime_error("cannot write " + path.native());
  }

  void Remove(const std::string& file) const { std::filesystem::remove_all(root_ / "proc" / file); }

  // A thread of this process that waited so long.
  void Thread(int id, int64_t run_delay_ns) const {
    Write("self/task/" + std::to_string(id) + "/schedstat",
          "123456 " + std::to_string(run_delay_ns) + " 7\n");
  }

  // /proc/<pid>/stat; `ticks` of 10 ms, a third of them in the kernel.
  void Process(int pid, const std::string& name, int64_t ticks, int core,
               int64_t started_ticks) const {
    Write(std::to_string(pid) + "/stat",
          std::to_string(pid) + " (" + name + ") R 1 1 1 0 -1 4194304 101 0 0 0 " +
              std::to_string(ticks - ticks / 3) + " " + std::to_string(ticks / 3) +
              " 0 0 20 0 1 0 " + std::to_string(started_ticks) +
              " 3133440 380 18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 " +
              std::to_string(core) + " 0 0 0 0 0 1 2 3 4 5 6 7 0\n");
  }

 private:
  std::filesystem::path root_;
};

}  // namespace torchlap::worker
