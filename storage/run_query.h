// From a filter to the numbers of the runs that match it.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "storage/records.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// A run as lists know it: enough to load it, and to go on behind it.
struct RunPlace {
  int64_t id = 0;  // run.id
  int64_t started_at_ns = 0;
  uint64_t job_id = 0;
  uint32_t number = 0;
};

// Built for one read transaction: names are looked up when it is made. What the filter names are
// parameters of its statements, so that a large filter is no large statement.
class RunQuery {
 public:
  // `selected` and the run ids of filter.selector are a union; both empty: every run.
  RunQuery(SQLite::Database& database, const v1::RunFilter& filter, const JobFilter& selected);

  // Finished runs by (start, id), at most `limit`, behind `after`.
  std::vector<RunPlace> ByStart(bool ascending, const std::optional<RunPlace>& after,
                                uint32_t limit) const;
  // Finished runs by (job, number), at most `limit`, behind `after`.
  std::vector<RunPlace> ByJob(const RunPlace& after, uint32_t limit) const;

 private:
  // A parameter of a condition.
  using Value = std::variant<int64_t, std::string>;
  struct Conditions {
    std::vector<std::string> texts;
    std::vector<Value> values;  // in the order of the texts' marks

    void Add(std::string text, std::initializer_list<Value> parameters = {});
  };

  // How to walk: the index is named, as the planner has no statistics, and each is right for its
  // case only.
  struct Way {
    std::string index;
    std::string order;
    std::string also;  // two columns beside id and started_at_ns
  };
  static Way InOrderOfStart(const std::string& index, bool ascending);

  void AddSelection(const v1::RunFilter& filter, const JobFilter& selected);
  void AddWorkloads(const v1::RunFilter& filter);
  void AddNames(const v1::RunFilter& filter);
  void AddValues(const v1::RunFilter& filter);
  void Require(const std::string& column, const std::vector<int64_t>& ids);
  std::vector<RunPlace> OfEachWorkload(const Conditions& conditions, bool ascending,
                                       uint32_t limit) const;
  std::vector<RunPlace> Select(const Way& how, const Conditions& conditions, uint32_t limit) const;

  SQLite::Database& database_;
  Conditions conditions_;
  // A name in the filter is not there: nothing can match.
  bool nothing_ = false;
  // Selected by job, run or label: found through their jobs.
  bool by_job_ = false;
  // The workloads that match; nothing: the filter does not speak of them.
  std::optional<std::vector<int64_t>> workloads_;
};

}  // namespace torchlap::storage
