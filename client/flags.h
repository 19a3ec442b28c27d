// The kinds of flags that commands take. CLI11 stays behind this header: it is a heavy include.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/output.h"

namespace CLI {
class App;
}  // namespace CLI

namespace torchlap::client {

// The flags that follow stand under this title in the help.
void SetGroup(CLI::App* app, const std::string& title);

// Several words, lists and ranges, also given twice.
void AddAxis(CLI::App* app, const std::string& flags, std::vector<std::string>* words,
             const std::string& help);

// An axis where the command takes one value; a second word is an error.
void AddSingle(CLI::App* app, const std::string& flags, std::vector<std::string>* words,
               const std::string& help, const std::string& type = "VALUE");

// One word; a second one is an error.
void AddWord(CLI::App* app, const std::string& flag, std::optional<std::string>* word,
             const std::string& help, const std::string& type);

// One word each time it is given.
void AddRepeated(CLI::App* app, const std::string& flag, std::vector<std::string>* words,
                 const std::string& help, const std::string& type);

void AddSwitch(CLI::App* app, const std::string& flag, bool* value, const std::string& help);

// `--flag` and `--no-flag`: nothing unless one of them was given.
void AddOnOff(CLI::App* app, const std::string& name, std::optional<bool>* value,
              const std::string& on_help, const std::string& off_help);

// --format, with the formats that can write such content as its help, and -o.
void AddOutput(CLI::App* app, OutputWords* output, format::Content content);

}  // namespace torchlap::client
