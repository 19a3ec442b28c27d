// compare_launches < QUESTION: what server/measure/comparison.h says, for false_alarms.py. QUESTION
// is JSON:
//
//   {"min_effect": 0.01,
//    "comparisons": [{"a": [launch medians], "b": [launch medians]}, ...],
//    "simulations": [{"ratio": 1.05, "log_std": 0.01, "launches": 4}, ...]}
//
// The answer has as many of each: {"comparisons": [{"verdict", "ratio", "low", "high", "p"}, ...],
// "simulations": [{"faster", "slower", "same", "inconclusive"}, ...]}; low and high are the 95 %
// interval of the ratio, null with one launch on a side.
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/measure/comparison.h"

namespace torchlap::measure {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint32_t kTrials = 20000;

const char* Word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFaster:
      return "faster";
    case Verdict::kSlower:
      return "slower";
    case Verdict::kSame:
      return "same";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

std::vector<double> Medians(const Json& question, const char* side) {
  const auto medians = question.at(side).get<std::vector<double>>();
  bool is_good = !medians.empty();
  for (const double median : medians) is_good = is_good && median > 0;
  if (!is_good)
    throw std::invalid_argument(std::string(side) + " must be numbers above 0, one at least");
  return medians;
}

Json Answer(const Json& question, double min_effect) {
  const Comparison found =
      Compare(Medians(question, "a"), Medians(question, "b"), {.min_effect = min_effect});
  Json answer = {{"verdict", Word(found.verdict)}, {"ratio", found.ratio}};
  answer["low"] = found.interval ? Json(found.interval->low) : Json();
  answer["high"] = found.interval ? Json(found.interval->high) : Json();
  answer["p"] = found.mann_whitney_p ? Json(*found.mann_whitney_p) : Json();
  return answer;
}

Json Simulate(const Json& question, double min_effect) {
  const VerdictShares shares =
      SimulateVerdicts(question.at("ratio").get<double>(), question.at("log_std").get<double>(),
                       question.at("launches").get<uint32_t>(), min_effect, kTrials);
  return {{"faster", shares.faster},
          {"slower", shares.slower},
          {"same", shares.same},
          {"inconclusive", shares.inconclusive}};
}

Json AnswerAll(const Json& questions) {
  const double min_effect = questions.value("min_effect", kDefaultMinEffect);
  Json answers = {{"comparisons", Json::array()}, {"simulations", Json::array()}};
  for (const Json& question : questions.value("comparisons", Json::array())) {
    answers["comparisons"].push_back(Answer(question, min_effect));
  }
  for (const Json& question : questions.value("simulations", Json::array())) {
    answers["simulations"].push_back(Simulate(question, min_effect));
  }
  return answers;
}

}  // namespace
}  // namespace torchlap::measure

int main() {
  try {
    std::cout << torchlap::measure::AnswerAll(nlohmann::ordered_json::parse(std::cin)) << '\n';
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compare_launches: %s\n", error.what());
    return 1;
  }
  return 0;
}
