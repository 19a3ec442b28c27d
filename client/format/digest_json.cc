#include <nlohmann/json.hpp>

#include "client/format/digest.h"
#include "client/format/findings.h"
#include "client/format/json_objects.h"
#include "client/format/words.h"
#include "client/time_words.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr double kMillisecondNs = 1e6;
constexpr double kSecondNs = 1e9;

Json Outcomes(const v1::GetDigestResponse& response) {
  Json object = Json::object();
  for (const v1::DigestOutcome& outcome : response.outcomes()) {
    object[OutcomeName(outcome.outcome())] = outcome.runs();
  }
  return object;
}

Json Users(const v1::GetDigestResponse& response) {
  Json list = Json::array();
  for (const v1::DigestUser& user : response.users()) {
    list.push_back({{"user", user.user()},
                    {"runs", user.runs()},
                    {"failed_runs", user.failed_runs()},
                    {"contaminated_runs", user.contaminated_runs()},
                    {"device_s", static_cast<double>(user.device_ns()) / kSecondNs}});
  }
  return list;
}

Json Devices(const v1::GetDigestResponse& response) {
  Json list = Json::array();
  for (const v1::DigestDevice& device : response.devices()) {
    list.push_back({{"device", device.device()},
                    {"runs", device.runs()},
                    {"busy_s", static_cast<double>(device.busy_ns()) / kSecondNs}});
  }
  return list;
}

Json Disturbers(const v1::GetDigestResponse& response) {
  Json list = Json::array();
  for (const v1::DigestDisturber& disturber : response.disturbers()) {
    list.push_back({{"process", disturber.process()}, {"runs", disturber.runs()}});
  }
  return list;
}

Json Changes(const google::protobuf::RepeatedPtrField<v1::EnvironmentChange>& changes) {
  Json list = Json::array();
  for (const v1::EnvironmentChange& change : changes) {
    list.push_back({{"name", change.name()},
                    {"before", TextOrNull(change.before())},
                    {"after", TextOrNull(change.after())}});
  }
  return list;
}

Json FindingObject(const v1::CellFinding& finding) {
  return {{"finding_id", finding.finding_id()},
          {"state", std::string(Word(finding.state()))},
          {"why", TextOrNull(finding.why())},
          {"user", finding.user()},
          {"suite", TextOrNull(finding.suite())},
          {"workload", CellWords(finding)},
          {"device", finding.subject().device()},
          {"run_id", TextOrNull(finding.subject().run_id())},
          {"before_ms", finding.before_ns() / kMillisecondNs},
          {"after_ms", finding.after_ns() / kMillisecondNs},
          {"ratio", finding.ratio()},
          {"against_baseline", finding.against_baseline()},
          {"found_at", TimeOrNull(finding.found_at_ns())},
          {"closed_at", TimeOrNull(finding.closed_at_ns())},
          {"changes", Changes(finding.changes())}};
}

Json Findings(const v1::GetDigestResponse& response) {
  Json list = Json::array();
  for (const v1::CellFinding& finding : response.findings()) {
    list.push_back(FindingObject(finding));
  }
  return list;
}

}  // namespace

MakeObject DigestObject(const v1::GetDigestResponse& response) {
  return [response] {
    Json object = Json::object();
    object["since"] = TimeOrNull(response.since_ns());
    object["until"] = TimeOrNull(response.until_ns());
    object["sweeps"] = response.sweeps();
    object["runs_by_outcome"] = Outcomes(response);
    object["users"] = Users(response);
    object["devices"] = Devices(response);
    object["disturbers"] = Disturbers(response);
    object["findings"] = Findings(response);
    object["changes"] = Changes(response.changes());
    object["queued_jobs"] = response.queued_jobs();
    object["running_jobs"] = response.running_jobs();
    return object;
  };
}

}  // namespace torchlap::client::format
