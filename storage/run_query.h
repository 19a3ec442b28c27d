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
#include "storage/shown_label.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

// A run as lists know it: enough to load it, and to go on behind it.
struct RunPlace {
  int64_t id = 0;  // run.id; 0: stands for a job that has no finished run
  int64_t started_at_ns = 0;
  uint64_t job_id = 0;
  uint32_t number = 0;
};

// Built for one read transaction: names are looked up when it is made. What the filter names are
// parameters of its statements, so that a large filter is no large statement.
class RunQuery {
 public:
  // `selected`, its baseline too, and the run ids of filter.selector are a union; all empty: every
  // run. Of all of these the runs of selected.only_owner alone, if there is one. Runs that were
  // declared invalid are left out, unless the filter includes them or the selector names them by
  // run id. `labels` are the filter's as they are stored (shown_label.h).
  RunQuery(SQLite::Database& database, const v1::RunFilter& filter, const JobFilter& selected,
           std::vector<Label> labels);

  // Finished runs by (start, id), at most `limit`, behind `after`.
  std::vector<RunPlace> ByStart(bool ascending, const std::optional<RunPlace>& after,
                                uint32_t limit) const;

  // Finished runs by (job, number) behind `after`: `limit` of them or some more, fewer if these are
  // the last. With `with_unfinished`, and where jobs were selected (by number, sweep or label),
  // each of those that has no finished run has a place, too; a filter that speaks of outcomes,
  // verdicts or times leaves it out.
  std::vector<RunPlace> ByJob(const RunPlace& after, uint32_t limit, bool with_unfinished) const;

 private:
  // A parameter of a condition.
  using Value = std::variant<int64_t, std::string>;
  struct Conditions {
    std::vector<std::string> texts;
    std::vector<Value> values;  // in the order of the texts' marks

    void Add(std::string text, std::initializer_list<Value> parameters = {});
    void Add(const Conditions& others);
    std::string All() const;
  };

  // How to walk: the index is named, as the planner has no statistics, and each is right for its
  // case only.
  struct Way {
    std::string index;
    std::string order;
    std::string also;  // two columns beside id and started_at_ns
  };
  struct Kinds {
    std::vector<int64_t> ids;
    int64_t runs = 0;  // that they have
  };
  static Way InOrderOfStart(const std::string& index, bool ascending);

  void AddSelection(const v1::RunFilter& filter, const JobFilter& selected);
  void AddWorkloads(const v1::RunFilter& filter);
  void AddNames(const v1::RunFilter& filter);
  void AddOwner(const std::string& only_owner);
  void AddValues(const v1::RunFilter& filter);
  void AddInvalid(const v1::RunFilter& filter);
  Kinds FindKinds() const;
  // Of the run, of its kind, and, as `of_job`, of a job.
  void Require(const std::string& column, const std::string& of_job, const std::string& list);
  std::optional<std::vector<RunPlace>> OfCommonLabels(const Conditions& behind, bool ascending,
                                                      uint32_t limit) const;
  std::optional<uint32_t> WorthLooks(int64_t jobs, uint32_t limit) const;
  std::optional<std::vector<RunPlace>> AmongTheNext(uint32_t looks, const Conditions& behind,
                                                    Conditions conditions, bool ascending,
                                                    uint32_t limit) const;
  std::vector<RunPlace> OfEachKind(const Conditions& conditions, bool ascending,
                                   uint32_t limit) const;
  std::vector<RunPlace> OfSelectedJobs(uint64_t after_job, uint32_t limit,
                                       bool with_unfinished) const;
  bool HasLabels(uint64_t job) const;
  std::vector<uint64_t> JobsBehind(uint64_t job_id, uint32_t limit) const;
  std::vector<RunPlace> Select(const Way& how, const Conditions& conditions, uint32_t limit) const;

  SQLite::Database& database_;
  // Which jobs and runs were chosen. Empty: all.
  Conditions selection_;
  // What the filter says of them, and of that when they started.
  Conditions conditions_;
  Conditions times_;
  Conditions not_invalid_;
  Conditions of_kind_;
  Conditions of_job_;
  // run.id of those that the selector names one by one.
  std::vector<int64_t> named_runs_;
  // A name in the filter is not there: nothing can match.
  bool nothing_ = false;
  // Selected by job, sweep or label, and not by run: JobsBehind knows them.
  bool selects_jobs_ = false;
  JobFilter selected_;
  std::vector<Label> labels_;
  bool by_labels_alone_ = false;
  // The filter speaks of what only a finished run has.
  bool of_finished_ = false;
  // Those that match; nothing: the filter does not speak of them.
  std::optional<Kinds> kinds_;
};

}  // namespace torchlap::storage
