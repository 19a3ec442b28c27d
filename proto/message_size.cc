#include "proto/message_size.h"

namespace torchlap {
namespace {

std::string TooLarge(const char* what, size_t bytes, size_t most) {
  if (bytes <= most) return "";
  return std::string("the ") + what + " has " + std::to_string(bytes) +
         " bytes, must have at most " + std::to_string(most);
}

}  // namespace

std::string RequestTooLarge(size_t bytes, size_t most) { return TooLarge("request", bytes, most); }

std::string AnswerTooLarge(size_t bytes) { return TooLarge("answer", bytes, kMaxAnswerBytes); }

}  // namespace torchlap
