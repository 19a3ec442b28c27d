#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/named_runs.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/words.h"
#include "client/output.h"
#include "client/parse_words.h"
#include "proto/base/clock.h"

namespace torchlap::client {
namespace {

constexpr size_t kPieceBytes = size_t{512} << 10;
// What every SQLite file begins with.
constexpr char kMagic[] = "SQLite format 3";

bool HasContent(const std::string& path) {
  struct stat facts = {};
  return ::stat(path.c_str(), &facts) == 0 && facts.st_size > 0;
}

absl::Status CheckFile(const std::string& file) {
  struct stat facts = {};
  if (::stat(file.c_str(), &facts) != 0) {
    return absl::NotFoundError(fmt::format("cannot read {}: {}", file, std::strerror(errno)));
  }
  if (!S_ISREG(facts.st_mode)) {
    return Invalid(fmt::format("{} is no file, must be a torchlap database", file));
  }
  // What is not in the file yet is beside it.
  if (HasContent(file + "-wal")) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is in use ({}-wal is there), must be a copy: on its machine torchlap backup FILE makes "
        "one",
        file, file));
  }
  return absl::OkStatus();
}

absl::Status CheckBegin(const std::string& file, const std::string& piece) {
  if (piece.compare(0, sizeof kMagic, kMagic, sizeof kMagic) == 0) return absl::OkStatus();
  return Invalid(fmt::format("{} is no SQLite file, must be a torchlap database", file));
}

std::string UploadId() { return fmt::format("{}-{}", ::getpid(), WallNs()); }

absl::StatusOr<v1::ImportRunsResponse> Send(const ImportOptions& options, std::ifstream* stream,
                                            DaemonChannel* channel) {
  v1::ImportRunsRequest request;
  request.set_upload_id(UploadId());
  request.set_host(options.host.value_or(""));
  std::string piece(kPieceBytes, '\0');
  while (true) {
    stream->read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (stream->bad()) {
      return absl::DataLossError(fmt::format("cannot read {} to its end", options.file));
    }
    request.set_data(piece.data(), static_cast<size_t>(stream->gcount()));
    if (request.offset() == 0) {
      if (absl::Status ok = CheckBegin(options.file, request.data()); !ok.ok()) return ok;
    }
    request.set_complete(stream->eof());
    auto response = channel->ImportRuns(request);
    if (!response.ok() || request.complete()) return response;
    request.set_offset(request.offset() + request.data().size());
  }
}

// The daemon does not know what the file is called here.
absl::Status OfFile(const absl::Status& status, const std::string& file) {
  constexpr std::string_view kTheFile = "the file ";
  const std::string message(status.message());
  if (message.compare(0, kTheFile.size(), kTheFile) != 0) return status;
  return absl::Status(status.code(), file + " " + message.substr(kTheFile.size()));
}

std::string Summary(const v1::ImportRunsResponse& imported) {
  std::string text =
      fmt::format("imported {} of {} from {}", format::Counted(imported.runs(), "run"),
                  format::Counted(imported.jobs(), "job"), imported.host());
  if (imported.known_runs() > 0) {
    text += fmt::format("; {} were here already", imported.known_runs());
  }
  if (imported.unreadable_runs() > 0) {
    text +=
        fmt::format("; {} are damaged in the file and were left out", imported.unreadable_runs());
  }
  return text;
}

}  // namespace

absl::StatusOr<int> Execute(const ImportOptions& options, const Invocation& invocation) {
  if (options.file.empty()) return Invalid("import needs a file: torchlap import lab2.db");
  if (absl::Status valid = CheckFile(options.file); !valid.ok()) return valid;
  std::ifstream stream(options.file, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(
        fmt::format("cannot read {}: {}", options.file, std::strerror(errno)));
  }
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto imported = Send(options, &stream, channel->get());
  if (!imported.ok()) return OfFile(imported.status(), options.file);
  *invocation.console.out << Summary(*imported) << "\n";
  if (absl::Status said = FlushStdout(invocation.console); !said.ok()) return said;
  return kExitOk;
}

}  // namespace torchlap::client
