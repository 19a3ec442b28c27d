#include "client/flags.h"

#include <CLI/CLI.hpp>

namespace torchlap::client {

using Words = std::vector<std::string>;

void SetGroup(CLI::App* app, const std::string& title) { app->option_defaults()->group(title); }

void AddAxis(CLI::App* app, const std::string& flags, Words* words, const std::string& help) {
  app->add_option(flags, *words, help)->expected(1, 1 << 20)->type_name("VALUE...");
}

void AddSingle(CLI::App* app, const std::string& flags, Words* words, const std::string& help,
               const std::string& type) {
  app->add_option(flags, *words, help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)
      ->allow_extra_args(false)
      ->type_name(type);
}

void AddWord(CLI::App* app, const std::string& flag, std::optional<std::string>* word,
             const std::string& help, const std::string& type) {
  app->add_option(flag, *word, help)->expected(1)->type_name(type);
}

void AddRepeated(CLI::App* app, const std::string& flag, Words* words, const std::string& help,
                 const std::string& type) {
  app->add_option(flag, *words, help)
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)
      ->type_name(type);
}

void AddSwitch(CLI::App* app, const std::string& flag, bool* value, const std::string& help) {
  app->add_flag(flag, *value, help);
}

void AddOnOff(CLI::App* app, const std::string& name, std::optional<bool>* value,
              const std::string& on_help, const std::string& off_help) {
  // Not add_flag: for an optional it makes "not given" a false.
  auto* on = app->add_flag_callback(
      "--" + name, [value] { *value = true; }, on_help);
  app->add_flag_callback(
         "--no-" + name, [value] { *value = false; }, off_help)
      ->excludes(on);
}

void AddOutput(CLI::App* app, OutputWords* output, format::Content content) {
  AddWord(app, "--format", &output->format,
          format::FormatNames(content, format::kFormats, " (default)"), "FORMAT");
  app->add_option("-o,--output", output->file,
                  "write to FILE, whole or not at all; its ending chooses the format")
      ->expected(1)
      ->type_name("FILE");
}

}  // namespace torchlap::client
