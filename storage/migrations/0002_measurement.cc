// Schema 2: how steps were executed and stopped, device events, statistics, verdicts and what they
// stand on, calibrations, traces.
#include "storage/schema.h"

namespace torchlap::storage {

const char kMeasurement[] = R"sql(
ALTER TABLE job ADD COLUMN execution INTEGER;
ALTER TABLE job ADD COLUMN memory_fraction REAL;
ALTER TABLE job ADD COLUMN target_precision REAL;
ALTER TABLE job ADD COLUMN traces INTEGER NOT NULL DEFAULT 0;

ALTER TABLE run ADD COLUMN stop_reason INTEGER;
ALTER TABLE run ADD COLUMN actual_warmup_steps INTEGER;
ALTER TABLE run ADD COLUMN actual_measure_steps INTEGER;
ALTER TABLE run ADD COLUMN fp32_matmul TEXT;
ALTER TABLE run ADD COLUMN autocast TEXT;
ALTER TABLE run ADD COLUMN weights_format TEXT;
ALTER TABLE run ADD COLUMN sdpa_kernel TEXT;
ALTER TABLE run ADD COLUMN precision_instructions TEXT;
ALTER TABLE run ADD COLUMN validity_reasons TEXT;
ALTER TABLE run ADD COLUMN settles_at_step INTEGER;
ALTER TABLE run ADD COLUMN cold_steady_ratio REAL;
ALTER TABLE run ADD COLUMN contaminated_tries INTEGER;
ALTER TABLE run ADD COLUMN backward_forward_low_ratio REAL;
ALTER TABLE run ADD COLUMN backward_forward_high_ratio REAL;
ALTER TABLE run ADD COLUMN calibration_run_id TEXT;
ALTER TABLE run ADD COLUMN forward_p5_ns REAL;
ALTER TABLE run ADD COLUMN forward_mad_ns REAL;
ALTER TABLE run ADD COLUMN forward_median_low_ns REAL;
ALTER TABLE run ADD COLUMN forward_median_high_ns REAL;
ALTER TABLE run ADD COLUMN forward_outliers INTEGER;
ALTER TABLE run ADD COLUMN forward_lag1 REAL;
ALTER TABLE run ADD COLUMN forward_within_std_ns REAL;
ALTER TABLE run ADD COLUMN loss_p5_ns REAL;
ALTER TABLE run ADD COLUMN loss_mad_ns REAL;
ALTER TABLE run ADD COLUMN loss_median_low_ns REAL;
ALTER TABLE run ADD COLUMN loss_median_high_ns REAL;
ALTER TABLE run ADD COLUMN loss_outliers INTEGER;
ALTER TABLE run ADD COLUMN loss_lag1 REAL;
ALTER TABLE run ADD COLUMN loss_within_std_ns REAL;
ALTER TABLE run ADD COLUMN backward_p5_ns REAL;
ALTER TABLE run ADD COLUMN backward_mad_ns REAL;
ALTER TABLE run ADD COLUMN backward_median_low_ns REAL;
ALTER TABLE run ADD COLUMN backward_median_high_ns REAL;
ALTER TABLE run ADD COLUMN backward_outliers INTEGER;
ALTER TABLE run ADD COLUMN backward_lag1 REAL;
ALTER TABLE run ADD COLUMN backward_within_std_ns REAL;
ALTER TABLE run ADD COLUMN optimizer_p5_ns REAL;
ALTER TABLE run ADD COLUMN optimizer_mad_ns REAL;
ALTER TABLE run ADD COLUMN optimizer_median_low_ns REAL;
ALTER TABLE run ADD COLUMN optimizer_median_high_ns REAL;
ALTER TABLE run ADD COLUMN optimizer_outliers INTEGER;
ALTER TABLE run ADD COLUMN optimizer_lag1 REAL;
ALTER TABLE run ADD COLUMN optimizer_within_std_ns REAL;
ALTER TABLE run ADD COLUMN step_p5_ns REAL;
ALTER TABLE run ADD COLUMN step_mad_ns REAL;
ALTER TABLE run ADD COLUMN step_median_low_ns REAL;
ALTER TABLE run ADD COLUMN step_median_high_ns REAL;
ALTER TABLE run ADD COLUMN step_outliers INTEGER;
ALTER TABLE run ADD COLUMN step_lag1 REAL;
ALTER TABLE run ADD COLUMN step_within_std_ns REAL;
ALTER TABLE run ADD COLUMN device_forward_mean_ns REAL;
ALTER TABLE run ADD COLUMN device_forward_std_ns REAL;
ALTER TABLE run ADD COLUMN device_forward_median_ns REAL;
ALTER TABLE run ADD COLUMN device_loss_mean_ns REAL;
ALTER TABLE run ADD COLUMN device_loss_std_ns REAL;
ALTER TABLE run ADD COLUMN device_loss_median_ns REAL;
ALTER TABLE run ADD COLUMN device_backward_mean_ns REAL;
ALTER TABLE run ADD COLUMN device_backward_std_ns REAL;
ALTER TABLE run ADD COLUMN device_backward_median_ns REAL;
ALTER TABLE run ADD COLUMN device_optimizer_mean_ns REAL;
ALTER TABLE run ADD COLUMN device_optimizer_std_ns REAL;
ALTER TABLE run ADD COLUMN device_optimizer_median_ns REAL;
ALTER TABLE run ADD COLUMN device_step_mean_ns REAL;
ALTER TABLE run ADD COLUMN device_step_std_ns REAL;
ALTER TABLE run ADD COLUMN device_step_median_ns REAL;

CREATE TABLE assessment (        -- what the daemon made of a finished run
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  message BLOB NOT NULL          -- torchlap.v1.Assessment, serialized
) STRICT;

CREATE TABLE calibration (       -- of a run of purpose calibrate
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  device_id INTEGER NOT NULL REFERENCES device (id),
  message BLOB NOT NULL          -- torchlap.v1.CalibrationResult, serialized
) STRICT;
CREATE INDEX calibration_by_device ON calibration (device_id);

ALTER TABLE reading ADD COLUMN message BLOB;  -- torchlap.v1.Readings, serialized; older rows have none

-- Sizes that were found to fit.
CREATE INDEX run_by_purpose ON run (device_id, purpose, id) WHERE outcome IS NOT NULL AND purpose > 1;

DROP VIEW phases;
DROP VIEW runs;
DROP VIEW run_row;

-- Every run with all that is told of it, enums as numbers. What the program reads.
CREATE VIEW run_row AS SELECT
  run.*, run.job_id || '.' || run.number AS run_id, job.sweep_id, sweep.name AS sweep_name,
  principal.name AS user, device.name AS device, device.uuid AS device_uuid,
  device.model AS device_model, asked.edition, asked.model_size, asked.parameters, asked.pass_type,
  asked.precision, asked.attention, asked.optimizer, asked.vocab_size, asked.d_model, asked.d_ff,
  asked.layers, asked.heads, asked.batch_size AS requested_batch_size,
  asked.context_length AS requested_context_length, job.warmup_steps, job.measure_steps, job.seed,
  job.launches, job.time_limit_ns,
  job.execution, job.memory_fraction, job.target_precision, workload.workload_hash, series.series_key,
  environment.environment_hash, boot.boot_id,
  job.spec, asked.kind AS workload_kind, assessment.message AS assessment,
  calibration.message AS calibration,
  (SELECT json_group_object(k, v) FROM label WHERE label.job_id = run.job_id) AS labels
FROM run
  JOIN job ON job.id = run.job_id
  JOIN sweep ON sweep.id = job.sweep_id
  JOIN principal ON principal.id = run.owner_id
  JOIN device ON device.id = run.device_id
  JOIN workload AS asked ON asked.id = run.asked_workload_id
  LEFT JOIN workload ON workload.id = run.workload_id
  LEFT JOIN series ON series.id = run.series
  LEFT JOIN environment ON environment.id = run.environment
  LEFT JOIN boot ON boot.id = run.boot
  LEFT JOIN assessment ON assessment.run_id = run.id
  LEFT JOIN calibration ON calibration.run_id = run.id;

-- Finished runs for people: the columns of proto/columns.h in their order, enums as words.
CREATE VIEW runs AS SELECT
  run_id, job_id, sweep_id, user, device, device_uuid, edition, model_size, parameters,
  CASE pass_type WHEN 1 THEN 'forward' WHEN 2 THEN 'forward-backward'
      WHEN 3 THEN 'train-step' END AS pass_type,
  CASE timing WHEN 1 THEN 'separate' WHEN 2 THEN 'combined' WHEN 3 THEN 'events' END AS timing,
  CASE precision WHEN 1 THEN 'fp32' WHEN 2 THEN 'tf32' WHEN 3 THEN 'bf16' WHEN 4 THEN 'fp16'
      WHEN 5 THEN 'bf16-weights' END AS precision,
  CASE attention WHEN 1 THEN 'explicit' WHEN 2 THEN 'sdpa' END AS attention,
  CASE optimizer WHEN 1 THEN 'course' WHEN 2 THEN 'fused' END AS optimizer,
  requested_batch_size, requested_context_length, batch_size, context_length, warmup_steps,
  measure_steps, launch,
  CASE purpose WHEN 1 THEN 'measure' WHEN 2 THEN 'warmup' WHEN 3 THEN 'fit'
      WHEN 4 THEN 'calibrate' WHEN 5 THEN 'trace' WHEN 6 THEN 'canary' END AS purpose,
  CASE outcome WHEN 1 THEN 'OK' WHEN 2 THEN 'OUT_OF_MEMORY' WHEN 3 THEN 'TIMED_OUT'
      WHEN 4 THEN 'CRASHED' WHEN 5 THEN 'CANCELLED' WHEN 6 THEN 'INTERRUPTED'
      WHEN 7 THEN 'INVALID' WHEN 8 THEN 'CUDA_ERROR' WHEN 9 THEN 'SKIPPED' END AS outcome,
  CASE validity WHEN 1 THEN 'clean' WHEN 2 THEN 'unverified' WHEN 3 THEN 'suspect'
      WHEN 4 THEN 'contaminated' END AS validity,
  started_at_ns, duration_ns, forward_mean_ns, forward_std_ns, forward_median_ns, forward_min_ns,
  forward_max_ns, forward_p95_ns, forward_cv, loss_mean_ns, loss_std_ns, loss_median_ns,
  loss_min_ns, loss_max_ns, loss_p95_ns, loss_cv, backward_mean_ns, backward_std_ns,
  backward_median_ns, backward_min_ns, backward_max_ns, backward_p95_ns, backward_cv,
  optimizer_mean_ns, optimizer_std_ns, optimizer_median_ns, optimizer_min_ns, optimizer_max_ns,
  optimizer_p95_ns, optimizer_cv, step_mean_ns, step_std_ns, step_median_ns, step_min_ns,
  step_max_ns, step_p95_ns, step_cv, backward_forward_ratio, tokens_per_s, flops_per_s,
  matmul_peak_ratio, mfu, peak_allocated_bytes, peak_reserved_bytes, workload_hash, series_key,
  environment_hash, labels, vocab_size, d_model, d_ff, layers, heads, seed,
  first_step_peak_allocated_bytes, first_step_peak_reserved_bytes, forward_peak_allocated_bytes,
  forward_peak_reserved_bytes, loss_peak_allocated_bytes, loss_peak_reserved_bytes,
  backward_peak_allocated_bytes, backward_peak_reserved_bytes, optimizer_peak_allocated_bytes,
  optimizer_peak_reserved_bytes, device_total_bytes, device_free_bytes, device_foreign_bytes,
  CASE failure_phase WHEN 1 THEN 'build' WHEN 2 THEN 'forward' WHEN 3 THEN 'loss'
      WHEN 4 THEN 'backward' WHEN 5 THEN 'optimizer' END AS failure_phase,
  failure_detail, failure_asked_bytes, failure_allocated_bytes, failure_reserved_bytes,
  failure_free_bytes, failure_total_bytes, failure_foreign_bytes, exit_status, signal,
  sweep_name, device_model,
  CASE cause WHEN 1 THEN 'first' WHEN 2 THEN 'oom-retry' WHEN 3 THEN 'interruption'
      WHEN 4 THEN 'contamination' WHEN 5 THEN 'fit' END AS cause,
  statistics_version, first_loss, last_loss, threads,
  CASE execution WHEN 1 THEN 'eager' WHEN 2 THEN 'cuda-graph' END AS execution,
  memory_fraction, target_precision,
  CASE stop_reason WHEN 1 THEN 'count' WHEN 2 THEN 'reached' WHEN 3 THEN 'settled'
      WHEN 4 THEN 'limit' END AS stop_reason,
  actual_warmup_steps, actual_measure_steps, fp32_matmul, autocast, weights_format, sdpa_kernel,
  precision_instructions, validity_reasons, settles_at_step, cold_steady_ratio,
  contaminated_tries, backward_forward_low_ratio, backward_forward_high_ratio,
  calibration_run_id, forward_p5_ns, forward_mad_ns,
  forward_median_low_ns, forward_median_high_ns, forward_outliers, forward_lag1,
  forward_within_std_ns, loss_p5_ns, loss_mad_ns, loss_median_low_ns, loss_median_high_ns,
  loss_outliers, loss_lag1, loss_within_std_ns, backward_p5_ns, backward_mad_ns,
  backward_median_low_ns, backward_median_high_ns, backward_outliers, backward_lag1,
  backward_within_std_ns, optimizer_p5_ns, optimizer_mad_ns, optimizer_median_low_ns,
  optimizer_median_high_ns, optimizer_outliers, optimizer_lag1, optimizer_within_std_ns,
  step_p5_ns, step_mad_ns, step_median_low_ns, step_median_high_ns, step_outliers, step_lag1,
  step_within_std_ns, device_forward_mean_ns, device_forward_std_ns, device_forward_median_ns,
  device_loss_mean_ns, device_loss_std_ns, device_loss_median_ns, device_backward_mean_ns,
  device_backward_std_ns, device_backward_median_ns, device_optimizer_mean_ns,
  device_optimizer_std_ns, device_optimizer_median_ns, device_step_mean_ns, device_step_std_ns,
  device_step_median_ns
FROM run_row WHERE outcome IS NOT NULL;

-- One row for each phase that a finished run timed.
CREATE VIEW phases AS SELECT
  run_id, 'forward' AS phase, forward_mean_ns AS mean_ns, forward_std_ns AS std_ns,
  forward_median_ns AS median_ns, forward_min_ns AS min_ns, forward_max_ns AS max_ns,
  forward_p95_ns AS p95_ns, forward_cv AS cv,
  forward_peak_allocated_bytes AS peak_allocated_bytes,
  forward_peak_reserved_bytes AS peak_reserved_bytes
FROM runs WHERE forward_mean_ns IS NOT NULL
UNION ALL SELECT
  run_id, 'loss', loss_mean_ns, loss_std_ns, loss_median_ns, loss_min_ns, loss_max_ns,
  loss_p95_ns, loss_cv, loss_peak_allocated_bytes, loss_peak_reserved_bytes
FROM runs WHERE loss_mean_ns IS NOT NULL
UNION ALL SELECT
  run_id, 'backward', backward_mean_ns, backward_std_ns, backward_median_ns, backward_min_ns,
  backward_max_ns, backward_p95_ns, backward_cv, backward_peak_allocated_bytes,
  backward_peak_reserved_bytes
FROM runs WHERE backward_mean_ns IS NOT NULL
UNION ALL SELECT
  run_id, 'optimizer', optimizer_mean_ns, optimizer_std_ns, optimizer_median_ns,
  optimizer_min_ns, optimizer_max_ns, optimizer_p95_ns, optimizer_cv,
  optimizer_peak_allocated_bytes, optimizer_peak_reserved_bytes
FROM runs WHERE optimizer_mean_ns IS NOT NULL
UNION ALL SELECT
  run_id, 'step', step_mean_ns, step_std_ns, step_median_ns, step_min_ns, step_max_ns,
  step_p95_ns, step_cv, peak_allocated_bytes, peak_reserved_bytes
FROM runs WHERE step_mean_ns IS NOT NULL;
)sql";

}  // namespace torchlap::storage
