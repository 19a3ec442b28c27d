#include "proto/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace torchlap {
namespace {

const std::vector<std::string> kPhases = {"forward", "loss", "backward", "optimizer", "step"};

// What scripts may rely on, in its order. Nothing is renamed or moved; new names come behind.
std::vector<std::string> PromisedNames() {
  std::vector<std::string> names = {"run_id",
                                    "job_id",
                                    "sweep_id",
                                    "user",
                                    "device",
                                    "device_uuid",
                                    "edition",
                                    "model_size",
                                    "parameters",
                                    "pass_type",
                                    "timing",
                                    "precision",
                                    "attention",
                                    "optimizer",
                                    "requested_batch_size",
                                    "requested_context_length",
                                    "batch_size",
                                    "context_length",
                                    "warmup_steps",
                                    "measure_steps",
                                    "launch",
                                    "purpose",
                                    "outcome",
                                    "validity",
                                    "started_at",
                                    "duration_s"};
  for (const std::string& phase : kPhases) {
    for (const char* field :
         {"_mean_ms", "_std_ms", "_median_ms", "_min_ms", "_max_ms", "_p95_ms", "_cv"}) {
      names.push_back(phase + field);
    }
  }
  for (const char* name :
       {"backward_forward_ratio", "tokens_per_s", "flops_per_s", "matmul_peak_ratio", "mfu",
        "peak_allocated_bytes", "peak_reserved_bytes", "workload_hash", "series_key",
        "environment_hash", "labels"}) {
    names.push_back(name);
  }
  return names;
}

// Columns beyond the promised ones that a release had: they keep name and place too.
std::vector<std::string> LaterNames() {
  return {"vocab_size",
          "d_model",
          "d_ff",
          "layers",
          "heads",
          "seed",
          "first_step_peak_allocated_bytes",
          "first_step_peak_reserved_bytes",
          "forward_peak_allocated_bytes",
          "forward_peak_reserved_bytes",
          "loss_peak_allocated_bytes",
          "loss_peak_reserved_bytes",
          "backward_peak_allocated_bytes",
          "backward_peak_reserved_bytes",
          "optimizer_peak_allocated_bytes",
          "optimizer_peak_reserved_bytes",
          "device_total_bytes",
          "device_free_bytes",
          "device_foreign_bytes",
          "failure_phase",
          "failure_detail",
          "failure_asked_bytes",
          "failure_allocated_bytes",
          "failure_reserved_bytes",
          "failure_free_bytes",
          "failure_total_bytes",
          "failure_foreign_bytes",
          "exit_status",
          "signal",
          "sweep_name",
          "device_model",
          "cause",
          "statistics_version",
          "first_loss",
          "last_loss",
          "threads"};
}

std::vector<std::string> ShownNames() {
  std::vector<std::string> names;
  for (const RunColumn& column : RunColumns()) names.push_back(column.shown_name);
  return names;
}

const RunColumn& ColumnNamed(const std::string& name) {
  for (const RunColumn& column : RunColumns()) {
    if (column.shown_name == name) return column;
  }
  ADD_FAILURE() << "no column " << name;
  return RunColumns().front();
}

TEST(Columns, KeepTheirNamesAndTheirOrder) {
  std::vector<std::string> golden = PromisedNames();
  for (const std::string& name : LaterNames()) golden.push_back(name);
  std::vector<std::string> names = ShownNames();
  ASSERT_GE(names.size(), golden.size());
  names.resize(golden.size());
  EXPECT_EQ(names, golden);
}

TEST(Columns, HaveOrdersAndNamesOfTheirOwnAndAMeaning) {
  std::set<uint32_t> orders;
  std::set<std::string> shown;
  std::set<std::string> stored;
  for (const RunColumn& column : RunColumns()) {
    EXPECT_TRUE(orders.insert(column.order).second) << column.shown_name;
    EXPECT_TRUE(shown.insert(column.shown_name).second) << column.shown_name;
    EXPECT_TRUE(stored.insert(column.stored_name).second) << column.stored_name;
    EXPECT_NE(column.meaning, "") << column.shown_name;
  }
}

TEST(Columns, AreStoredInTheirFieldsUnit) {
  EXPECT_EQ(ColumnNamed("forward_mean_ms").stored_name, "forward_mean_ns");
  EXPECT_EQ(ColumnNamed("duration_s").stored_name, "duration_ns");
  EXPECT_EQ(ColumnNamed("started_at").stored_name, "started_at_ns");
  EXPECT_EQ(ColumnNamed("peak_allocated_bytes").stored_name, "peak_allocated_bytes");
  for (const char* name :
       {"energy_per_step_j", "energy_per_token_mj", "energy_source", "power_mean_watts",
        "power_peak_watts", "sm_clock_mean_mhz", "sm_clock_peak_mhz", "temperature_mean_celsius",
        "temperature_peak_celsius"}) {
    EXPECT_EQ(ColumnNamed(name).stored_name, name);
  }
}

TEST(Columns, OfAnEmptyRunAreUnknownButForPlainNumbers) {
  const v1::Run run;
  for (const char* name : {"run_id", "forward_mean_ms", "duration_s", "outcome", "batch_size",
                           "peak_allocated_bytes", "failure_detail", "labels"}) {
    const ColumnValue value = ReadColumn(run, ColumnNamed(name));
    const bool is_empty_map = std::holds_alternative<std::map<std::string, std::string>>(value);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(value) || is_empty_map) << name;
  }
}

TEST(Columns, ReadEachKindOfField) {
  v1::Run run;
  run.set_run_id("17.2");
  run.set_job_id(17);
  run.set_outcome(v1::OUTCOME_OUT_OF_MEMORY);
  run.set_duration_ns(-5);
  run.mutable_backward()->set_mean_ns(1.5);
  run.mutable_device_summary()->set_power_peak_watts(299.5);
  run.mutable_device_summary()->set_energy_source(v1::ENERGY_SOURCE_INTEGRATED);
  run.mutable_workload()->mutable_transformer_lm()->set_preset("small");
  run.mutable_workload()->mutable_transformer_lm()->set_batch_size(8);
  (*run.mutable_labels())["k"] = "v";
  const auto read = [&](const char* name) { return ReadColumn(run, ColumnNamed(name)); };
  EXPECT_EQ(std::get<std::string>(read("run_id")), "17.2");
  EXPECT_EQ(std::get<uint64_t>(read("job_id")), 17U);
  EXPECT_EQ(std::get<std::string>(read("outcome")), "OUT_OF_MEMORY");
  EXPECT_EQ(std::get<int64_t>(read("duration_s")), -5);
  EXPECT_EQ(std::get<double>(read("backward_mean_ms")), 1.5);
  EXPECT_EQ(std::get<double>(read("power_peak_watts")), 299.5);
  EXPECT_EQ(std::get<std::string>(read("energy_source")), "integrated");
  EXPECT_EQ(std::get<std::string>(read("model_size")), "small");
  EXPECT_EQ(std::get<uint64_t>(read("batch_size")), 8U);
  EXPECT_EQ((std::get<std::map<std::string, std::string>>(read("labels"))),
            (std::map<std::string, std::string>{{"k", "v"}}));
}

TEST(Columns, OptionalNumbersThatAreSetToZeroAreKnown) {
  v1::Run run;
  run.mutable_step()->set_std_ns(0);
  EXPECT_EQ(std::get<double>(ReadColumn(run, ColumnNamed("step_std_ms"))), 0);
}

}  // namespace
}  // namespace torchlap
