#include "client/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "client/exit_code.h"

namespace torchlap::client {
namespace {

using format::Format;

absl::Status CannotWrite(const std::string& path, const std::string& reason) {
  return OutputError(fmt::format("cannot write {}: {}", path, reason));
}

std::filesystem::path FolderOf(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

// A pipe, a terminal or /dev/null cannot be replaced: it is written to.
bool IsSpecialFile(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
         !std::filesystem::is_directory(status);
}

// Said before hours of measuring, not after.
absl::Status CheckWritable(const std::string& path) {
  if (IsSpecialFile(path)) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path folder = FolderOf(path);
  std::filesystem::create_directories(folder, error);
  if (error) {
    return OutputError(fmt::format("-o {}: cannot make the folder {}: {}", path, folder.native(),
                                   error.message()));
  }
  if (std::filesystem::is_directory(path, error)) {
    return OutputError(fmt::format("-o {} is a folder, must be a file", path));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return OutputError(fmt::format("-o {}: cannot write into {}: {}", path, folder.native(),
                                   std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<const Format*> ChooseFormat(const OutputWords& words, format::Content content,
                                           format::FormatList formats) {
  const Format* choice = words.format ? format::FormatByName(*words.format, formats)
                                      : format::FormatOfFile(words.file, formats);
  if (choice == nullptr && !words.format) choice = formats.front();
  if (choice != nullptr && choice->contents.Has(content)) return choice;
  const std::string names = format::FormatNames(content, formats);
  return absl::InvalidArgumentError(
      words.format
          ? fmt::format("--format is {}, must be one of {}", *words.format, names)
          : fmt::format("-o {} asks for {}, must be one of {}", words.file, choice->name, names));
}

// Closes and, unless it was kept, removes the file.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path)
      : path_(std::move(path)), fd_(mkostemp(path_.data(), O_CLOEXEC)) {}
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
    if (fd_ >= 0 && !kept_) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  bool Fill(std::string_view content) {
    while (!content.empty()) {
      const ssize_t written = write(fd_, content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      content.remove_prefix(static_cast<size_t>(written));
    }
    const mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd_, 0666 & ~mask) == 0 && fsync(fd_) == 0;
  }

  bool MoveTo(const std::string& path) {
    kept_ = rename(path_.c_str(), path.c_str()) == 0;
    return kept_;
  }

  bool is_open() const { return fd_ >= 0; }

 private:
  std::string path_;
  const int fd_;
  bool kept_ = false;
};

absl::Status WriteSpecialFile(const std::string& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return CannotWrite(path, std::strerror(errno));
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t written = write(fd, content.data() + done, content.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  const int error = errno;
  close(fd);
  return done == content.size() ? absl::OkStatus() : CannotWrite(path, std::strerror(error));
}

absl::Status WriteStdout(const Format& format, const Console& console,
                         const format::Document& document) {
  errno = 0;
  if (absl::Status status = format.write(document, *console.out); !status.ok()) return status;
  return FlushStdout(console);
}

absl::Status WriteFile(const Format& format, const std::string& path, const Console& console,
                       const format::Document& document) {
  std::ostringstream content;
  if (absl::Status status = format.write(document, content); !status.ok()) return status;
  if (absl::Status status = WriteFileWhole(path, content.str()); !status.ok()) return status;
  *console.err << "wrote " << path << '\n';
  return absl::OkStatus();
}

}  // namespace

absl::Status FlushStdout(const Console& console) {
  console.out->flush();
  if (console.out->good()) return absl::OkStatus();
  const int error = errno;
  return CannotWrite("the result to standard output",
                     error == 0 ? "the stream is broken" : std::strerror(error));
}

absl::StatusOr<Output> ChooseOutput(const OutputWords& words, format::Content content,
                                    format::FormatList formats) {
  const absl::StatusOr<const Format*> format = ChooseFormat(words, content, formats);
  if (!format.ok()) return format.status();
  if (!words.file.empty()) {
    if (absl::Status status = CheckWritable(words.file); !status.ok()) return status;
  }
  return Output{*format, words.file, /*with_advice=*/true};
}

absl::Status WriteOutput(const Output& output, const Console& console,
                         const format::Document& document) {
  format::Document result = document;
  format::Lines advice;
  if (output.format->advice == format::Advice::kAside || !output.file.empty()) {
    const auto hints = std::exchange(result.hints, nullptr);
    const bool is_said = output.with_advice && output.format->advice != format::Advice::kNone;
    if (hints && is_said) advice = hints();
  }
  const absl::Status written = output.file.empty()
                                   ? WriteStdout(*output.format, console, result)
                                   : WriteFile(*output.format, output.file, console, result);
  if (!written.ok()) return written;
  for (const std::string& line : advice) *console.err << line << '\n';
  return absl::OkStatus();
}

absl::Status WriteOutputAndTable(const Output& output, const Console& console,
                                 const format::Document& document) {
  if (!ShowsTableToo(output, console)) return WriteOutput(output, console, document);
  const absl::Status written = WriteOutput(WithoutAdvice(output), console, document);
  return written.ok() ? WriteOutput(Output{}, console, document) : written;
}

Output WithoutAdvice(Output output) {
  output.with_advice = false;
  return output;
}

bool ShowsTableToo(const Output& output, const Console& console) {
  return !output.file.empty() && console.out_is_terminal;
}

absl::Status WriteFileWhole(const std::string& path, const std::string& content) {
  if (IsSpecialFile(path)) return WriteSpecialFile(path, content);
  // Through a link its target is replaced, not the link.
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
  const std::string target = real.empty() ? path : real.native();
  TemporaryFile file(target + ".XXXXXX");
  if (!file.is_open()) return CannotWrite(path, std::strerror(errno));
  if (!file.Fill(content)) return CannotWrite(path, std::strerror(errno));
  if (!file.MoveTo(target)) return CannotWrite(path, std::strerror(errno));
  return absl::OkStatus();
}

}  // namespace torchlap::client
