#include "client/commands/unreadable.h"

#include <fmt/format.h>

namespace torchlap::client {
namespace {

std::string Words(uint64_t rows) {
  return fmt::format(
      "{} row{} could not be read, as the daemon's database is damaged; torchlapd --check tells "
      "more",
      rows, rows == 1 ? "" : "s");
}

}  // namespace

void SayUnreadable(const DaemonChannel& channel, const Console& console) {
  if (channel.unreadable_rows() > 0) SayLine(console, Words(channel.unreadable_rows()));
}

absl::Status CheckUnreadable(const DaemonChannel& channel) {
  if (channel.unreadable_rows() == 0) return absl::OkStatus();
  return absl::DataLossError(Words(channel.unreadable_rows()));
}

}  // namespace torchlap::client
