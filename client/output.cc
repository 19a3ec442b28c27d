#include "client/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <streambuf>
#include <system_error>
#include <utility>

#include "client/exit_code.h"

namespace torchlap::client {
namespace {

using format::Document;
using format::Format;

// For mkostemp.
constexpr char kTemporaryEnding[] = ".XXXXXX";

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

  // With the permissions that a new file would have, on the disk.
  bool Complete() {
    const mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd_, 0666 & ~mask) == 0 && fsync(fd_) == 0;
  }

  bool MoveTo(const std::string& path) {
    kept_ = rename(path_.c_str(), path.c_str()) == 0;
    return kept_;
  }

  int fd() const { return fd_; }

 private:
  std::string path_;
  const int fd_;
  bool kept_ = false;
};

// Through a link its target is replaced, not the link.
std::string TargetOf(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
  return real.empty() ? path : real.native();
}

// The folder that it made, empty: none.
absl::StatusOr<std::string> MakeWritable(const std::string& path) {
  if (IsSpecialFile(path)) return "";
  std::error_code error;
  const std::filesystem::path folder = FolderOf(path);
  const bool is_made = std::filesystem::create_directories(folder, error);
  if (error) {
    return OutputError(fmt::format("-o {}: cannot make the folder {}: {}", path, folder.native(),
                                   error.message()));
  }
  if (std::filesystem::is_directory(path, error)) {
    return OutputError(fmt::format("-o {} is a folder, must be a file", path));
  }
  // Permissions alone do not tell: no file can be made in /proc.
  if (TemporaryFile(TargetOf(path) + kTemporaryEnding).fd() < 0) {
    return OutputError(fmt::format("-o {}: cannot write into {}: {}", path, folder.native(),
                                   std::strerror(errno)));
  }
  return is_made ? folder.native() : "";
}

}  // namespace

absl::Status CheckWritable(const std::string& path, const Console& console) {
  const auto made = MakeWritable(path);
  if (!made.ok()) return made.status();
  SayMadeFolder(*made, console);
  return absl::OkStatus();
}

void SayMadeFolder(const std::string& folder, const Console& console) {
  if (!folder.empty()) SayLine(console, "made the folder " + folder);
}

namespace {

absl::StatusOr<const Format*> ChooseFormat(const OutputWords& words, format::Content content,
                                           format::FormatList formats) {
  const Format* choice = words.format ? format::FormatByName(*words.format, formats)
                                      : format::FormatOfFile(words.file, formats);
  const std::string names = format::FormatNames(content, formats);
  if (choice == nullptr && !words.format) {
    // Not a text in silence where a spreadsheet was meant.
    const std::string ending = format::EndingOfFile(words.file);
    if (!ending.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("-o {} ends in .{}, must end in one of {}, or --format be one of {}",
                      words.file, ending, format::Endings(content, formats), names));
    }
    choice = format::FirstFor(content, formats);
  }
  if (choice != nullptr && choice->contents.Has(content)) return choice;
  return absl::InvalidArgumentError(
      words.format
          ? fmt::format("--format is {}, must be one of {}", *words.format, names)
          : fmt::format("-o {} asks for {}, must be one of {}", words.file, choice->name, names));
}

// What is written goes to a descriptor in large pieces; the first error stays.
class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int fd) : fd_(fd) {
    setp(bytes_.data(), bytes_.data() + bytes_.size());
  }

  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override {
    if (sync() != 0) return traits_type::eof();
    if (c != traits_type::eof()) sputc(static_cast<char>(c));
    return traits_type::not_eof(c);
  }

  int sync() override {
    const char* begin = pbase();
    while (error_ == 0 && begin < pptr()) {
      const ssize_t written = write(fd_, begin, static_cast<size_t>(pptr() - begin));
      if (written > 0) {
        begin += written;
      } else if (written == 0 || errno != EINTR) {
        error_ = written == 0 ? EIO : errno;
      }
    }
    setp(bytes_.data(), bytes_.data() + bytes_.size());
    return error_ == 0 ? 0 : -1;
  }

 private:
  const int fd_;
  std::array<char, 1 << 16> bytes_;
  int error_ = 0;
};

// Runs `body` with a stream to the descriptor.
absl::Status WriteTo(int fd, const std::string& path, const WriteContent& body) {
  DescriptorBuffer buffer(fd);
  std::ostream out(&buffer);
  if (absl::Status status = body(out); !status.ok()) return status;
  out.flush();
  return buffer.error() == 0 ? absl::OkStatus() : CannotWrite(path, std::strerror(buffer.error()));
}

absl::Status WriteSpecialFile(const std::string& path, const WriteContent& body) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return CannotWrite(path, std::strerror(errno));
  absl::Status status = WriteTo(fd, path, body);
  close(fd);
  return status;
}

absl::Status WriteStdout(const Format& format, const Console& console,
                         const format::Document& document) {
  errno = 0;
  int error = 0;
  // Where rows come from may change errno once it hears that no more can be taken.
  Document watched = document;
  watched.rows.each = [&](const format::Rows::Take& take) {
    return document.rows.each([&](const auto& row) {
      const bool goes_on = take(row);
      if (!goes_on) error = errno;
      return goes_on;
    });
  };
  if (absl::Status status = format.write(watched, *console.out); !status.ok()) return status;
  if (error != 0) errno = error;
  return FlushStdout(console);
}

absl::Status WriteFile(const Output& output, const Console& console,
                       const format::Document& document) {
  const std::string& path = output.file;
  SayMadeFolder(output.made_folder, console);
  const auto write = [&](std::ostream& out) { return output.format->write(document, out); };
  if (absl::Status status = WriteFileWhole(path, write); !status.ok()) return status;
  SayLine(console, "wrote " + path);
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
  std::string made_folder;
  if (!words.file.empty()) {
    auto folder = MakeWritable(words.file);
    if (!folder.ok()) return folder.status();
    made_folder = *std::move(folder);
  }
  return Output{*format, words.file, /*with_advice=*/true, std::move(made_folder)};
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
  const absl::Status written = output.file.empty() ? WriteStdout(*output.format, console, result)
                                                   : WriteFile(output, console, result);
  if (!written.ok()) return written;
  for (const std::string& line : advice) SayLine(console, line);
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

bool IsTerminalTable(const Output& output, const Console& console) {
  return output.file.empty() && console.out_is_terminal && output.format == &format::kTable;
}

bool ShowsTableToo(const Output& output, const Console& console) {
  return !output.file.empty() && console.out_is_terminal;
}

absl::Status WriteFileWhole(const std::string& path, const WriteContent& write) {
  if (IsSpecialFile(path)) return WriteSpecialFile(path, write);
  const std::string target = TargetOf(path);
  TemporaryFile file(target + kTemporaryEnding);
  if (file.fd() < 0) return CannotWrite(path, std::strerror(errno));
  if (absl::Status status = WriteTo(file.fd(), path, write); !status.ok()) return status;
  if (!file.Complete()) return CannotWrite(path, std::strerror(errno));
  if (!file.MoveTo(target)) return CannotWrite(path, std::strerror(errno));
  return absl::OkStatus();
}

absl::Status WriteFileWhole(const std::string& path, const std::string& content) {
  return WriteFileWhole(path, [&content](std::ostream& out) {
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    return absl::OkStatus();
  });
}

}  // namespace torchlap::client
