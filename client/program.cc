#include "client/program.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "client/address.h"
#include "client/arguments.h"
#include "client/exit_code.h"
#include "client/output.h"
#include "client/utf8.h"

namespace torchlap::client {
namespace {

// What somebody else types for the same: the daemon is where it is.
std::vector<std::string> WithoutAddress(std::vector<std::string> words) {
  constexpr std::string_view kFlag = "--address";
  for (auto word = words.begin(); word != words.end(); ++word) {
    const bool is_joined = word->rfind(std::string(kFlag) + "=", 0) == 0;
    if (*word != kFlag && !is_joined) continue;
    words.erase(word, word + std::min<std::ptrdiff_t>(is_joined ? 1 : 2, words.end() - word));
    break;
  }
  return words;
}

absl::StatusOr<int> Carry(const Arguments& arguments, const std::vector<std::string>& words,
                          const Console& console) {
  auto address = ChooseAddress(SourcesOfProcess(arguments.address));
  if (!address.ok()) return address.status();
  const Invocation invocation{*address, console, WithoutAddress(words)};
  return std::visit([&](const auto& options) { return Execute(options, invocation); },
                    arguments.command);
}

absl::StatusOr<int> ParseAndCarry(const std::vector<std::string>& words, const Console& console) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (IsUtf8(words[i])) continue;
    return absl::InvalidArgumentError("argument " + std::to_string(i + 1) +
                                      " has bytes that are not UTF-8, must be UTF-8 text");
  }
  auto parsed = ParseArguments(words);
  if (!parsed.ok()) return parsed.status();
  if (const auto* information = std::get_if<InformationText>(&*parsed)) {
    *console.out << information->text;
    return kExitOk;
  }
  return Carry(std::get<Arguments>(*parsed), words, console);
}

}  // namespace

int RunProgram(const std::vector<std::string>& words, const Console& console) {
  absl::StatusOr<int> code = ParseAndCarry(words, console);
  if (absl::Status flushed = FlushStdout(console); code.ok() && !flushed.ok()) code = flushed;
  if (code.ok()) return *code;
  SayLine(console, "torchlap: " + OneLine(code.status()));
  return ExitCodeOf(code.status());
}

}  // namespace torchlap::client
