#include "server/host/torch_folder.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <sstream>

#include "proto/base/visible_text.h"
#include "server/host/program_answer.h"

extern char** environ;

namespace torchlap::host {
namespace {

namespace fs = std::filesystem;

// Finds it without importing it, which would take seconds. A folder `torch` where the daemon was
// started is no package: the empty entry of the path is left out.
constexpr char kWhereIsTorch[] =
    "import importlib.util, os, sys\n"
    "sys.path = [p for p in sys.path if p]\n"
    "found = importlib.util.find_spec('torch')\n"
    "print(os.path.dirname(found.origin) if found and found.origin else '')\n";

std::string Slurp(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string FirstMatch(const std::string& text, const char* pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : "";
}

std::string VersionIn(const fs::path& folder) {
  const std::string version = VersionOfPythonFile(Slurp(folder / "version.py"));
  if (!version.empty()) return version;
  return VersionOfHeader(Slurp(folder / "include/torch/headeronly/version.h"));
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

// What ldd does: the dynamic linker lists the libraries in place of starting the program. Empty
// also where it does not say: starting the worker will.
std::string MissingForWorker(const fs::path& program, const fs::path& folder) {
  Question question;
  question.command = {program.string()};
  question.environment = {"PATH=/usr/bin:/bin", "LD_TRACE_LOADED_OBJECTS=1"};
  if (!folder.empty()) question.environment.push_back("LD_LIBRARY_PATH=" + LibraryPath(folder));
  return absl::StrJoin(MissingLibraries(Ask(question).value_or("")), ", ");
}

// Empty, or what is wrong with the folder.
std::string ProblemOf(const fs::path& folder, const fs::path& worker_program) {
  const std::string version = VersionIn(folder);
  if (version != kTorchVersion) {
    return absl::StrCat(folder.string(), version.empty() ? " holds no torch" : " holds torch ",
                        version, ", must be torch ", kTorchVersion);
  }
  const std::string missing = MissingForWorker(worker_program, folder);
  if (missing.empty()) return "";
  return absl::StrCat("with ", folder.string(), " torchlap-worker does not find ", missing);
}

// The folder itself, or the site-packages folder above it.
fs::path TorchFolder(const fs::path& named) {
  std::error_code error;
  return (fs::is_directory(named / "torch/lib", error) ? named / "torch" : named)
      .lexically_normal();
}

fs::path FolderOfPython(const std::string& python) {
  const auto answer = Ask({{python, "-c", kWhereIsTorch}, OwnEnvironment()});
  return answer ? fs::path(answer->substr(0, answer->find('\n'))) : fs::path();
}

TorchChoice ChoiceOfPython(const TorchQuestion& question, const std::string& missing) {
  const std::string advice =
      absl::StrCat("start torchlapd with --torch DIR, the torch folder of torch ", kTorchVersion);
  const fs::path folder = FolderOfPython(question.python);
  if (folder.empty()) {
    return {"", absl::StrCat("no LibTorch: torchlap-worker does not find ", missing, ", and ",
                             question.python, " has no torch; ", advice)};
  }
  const std::string problem = ProblemOf(folder, question.worker_program);
  if (problem.empty()) return {folder, ""};
  return {"", absl::StrCat("no LibTorch: ", question.python, " has another one: ", problem, "; ",
                           advice)};
}

}  // namespace

std::string VersionOfPythonFile(const std::string& text) {
  return FirstMatch(text, R"re(__version__[^=]*=[^'"]*['"]([0-9.]*[0-9]))re");
}

std::string VersionOfHeader(const std::string& text) {
  std::vector<std::string> parts;
  for (const char* part : {"MAJOR", "MINOR", "PATCH"}) {
    parts.push_back(
        FirstMatch(text, absl::StrCat("#define +TORCH_VERSION_", part, " +([0-9]+)").c_str()));
    if (parts.back().empty()) return "";
  }
  return absl::StrJoin(parts, ".");
}

std::vector<std::string> MissingLibraries(const std::string& trace) {
  std::vector<std::string> missing;
  std::istringstream lines(trace);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("=> not found") == std::string::npos) continue;
    std::string name;
    std::istringstream(line) >> name;
    name = Visible(name);
    if (std::find(missing.begin(), missing.end(), name) == missing.end()) missing.push_back(name);
  }
  return missing;
}

std::string LibraryPath(const fs::path& folder) {
  const std::string packages = folder.parent_path().string();
  std::string path = absl::StrCat(folder.string(), "/lib");
  for (const char* package : {"cu13", "cudnn", "cusparselt", "nccl", "nvshmem"}) {
    absl::StrAppend(&path, ":", packages, "/nvidia/", package, "/lib");
  }
  return path;
}

absl::StatusOr<TorchChoice> ChooseTorch(const TorchQuestion& question) {
  if (!question.named.empty()) {
    const fs::path folder = TorchFolder(question.named);
    const std::string problem = ProblemOf(folder, question.worker_program);
    if (!problem.empty()) return absl::InvalidArgumentError("torch: " + problem);
    return TorchChoice{folder, ""};
  }
  const std::string missing = MissingForWorker(question.worker_program, "");
  if (missing.empty()) return TorchChoice{};
  return ChoiceOfPython(question, missing);
}

}  // namespace torchlap::host
