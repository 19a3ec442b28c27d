// Version 1. Never edited once released: what changes is another migration.
#include "storage/schema.h"

namespace torchlap::storage {

const char kFirstSchema[] = R"sql(
-- Words and names are stored once and referred to by number: a run takes some 400 bytes.

CREATE TABLE principal (       -- who the kernel says is calling
  id INTEGER PRIMARY KEY,
  principal TEXT NOT NULL UNIQUE,  -- uid:1000
  name TEXT NOT NULL               -- account name as of the last submit
) STRICT;

CREATE TABLE sweep (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  name TEXT,
  request_id TEXT,               -- chosen by the client; a retry has the same one
  request_digest TEXT NOT NULL,  -- of the request's content
  submitted_at_ns INTEGER NOT NULL,
  UNIQUE (owner_id, request_id)
) STRICT;
CREATE INDEX sweep_by_name ON sweep (name) WHERE name IS NOT NULL;

CREATE TABLE workload (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,         -- field number in Workload.kind
  workload_hash TEXT NOT NULL,   -- what is computed; names are not in it
  canonical TEXT NOT NULL,       -- the text behind the hash
  edition TEXT, model_size TEXT, -- what the user called the shape; NULL for a declared one
  parameters INTEGER, pass_type INTEGER, precision INTEGER, attention INTEGER, optimizer INTEGER,
  batch_size INTEGER, context_length INTEGER,
  vocab_size INTEGER, d_model INTEGER, d_ff INTEGER, layers INTEGER, heads INTEGER
) STRICT;
CREATE UNIQUE INDEX workload_by_hash
  ON workload (workload_hash, ifnull(edition, ''), ifnull(model_size, ''));

CREATE TABLE device (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  UNIQUE (uuid, name, model)
) STRICT;

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  series_key TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE environment (
  id INTEGER PRIMARY KEY,
  environment_hash TEXT NOT NULL UNIQUE,
  message BLOB NOT NULL,         -- torchlap.v1.Environment, serialized
  torchlap_version TEXT, torch_version TEXT, cuda_version TEXT, driver_version TEXT,
  gpu_model TEXT, cpu_model TEXT, kernel TEXT
) STRICT;

CREATE TABLE boot (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL UNIQUE   -- the kernel's
) STRICT;

CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sweep_id INTEGER NOT NULL REFERENCES sweep (id),
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  workload_id INTEGER NOT NULL REFERENCES workload (id),  -- as asked for
  spec BLOB NOT NULL,            -- torchlap.v1.JobSpec, serialized
  timing INTEGER, purpose INTEGER, warmup_steps INTEGER, measure_steps INTEGER,
  launches INTEGER NOT NULL, time_limit_ns INTEGER, seed INTEGER NOT NULL,
  state INTEGER NOT NULL,        -- torchlap.v1.JobState; below 3 is not finished
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  run_count INTEGER NOT NULL DEFAULT 0,
  launches_done INTEGER NOT NULL DEFAULT 0,
  interruptions INTEGER NOT NULL DEFAULT 0,
  device_id INTEGER REFERENCES device (id),
  started_at_ns INTEGER, finished_at_ns INTEGER,
  reason TEXT
) STRICT;
CREATE INDEX job_by_sweep ON job (sweep_id);
CREATE INDEX job_unfinished ON job (state) WHERE state < 3;

CREATE TABLE label (             -- words that the user put on the job
  job_id INTEGER NOT NULL REFERENCES job (id),
  k TEXT NOT NULL,
  v TEXT NOT NULL,
  PRIMARY KEY (job_id, k)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_by_value ON label (k, v);

-- The queue: launches that wait (state 1) or run (state 2). A launch that is over has no row.
-- `position` is its place, which it keeps when it is tried again.
CREATE TABLE launch (
  position INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES job (id),
  launch INTEGER NOT NULL,
  sweep_id INTEGER NOT NULL,
  owner_id INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  device_key TEXT NOT NULL,      -- uuid:<UUID>, class:cpu, class:cuda, any
  state INTEGER NOT NULL,
  batch_size INTEGER NOT NULL,   -- of its next run
  context_length INTEGER NOT NULL,
  cause INTEGER NOT NULL,        -- of its next run
  UNIQUE (job_id, launch)
) STRICT;
CREATE INDEX launch_heads ON launch (device_key, owner_id, priority, position) WHERE state = 1;
CREATE INDEX launch_order ON launch (state, priority DESC, position, job_id, device_key);
CREATE INDEX launch_floating ON launch (sweep_id, device_key)
  WHERE state = 1 AND substr(device_key, 1, 5) <> 'uuid:';

CREATE TABLE run (
  id INTEGER PRIMARY KEY,        -- in the order of the starts
  job_id INTEGER NOT NULL REFERENCES job (id),
  number INTEGER NOT NULL,
  launch INTEGER NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  device_id INTEGER NOT NULL REFERENCES device (id),
  asked_workload_id INTEGER NOT NULL REFERENCES workload (id),
  workload_id INTEGER REFERENCES workload (id),  -- what was computed; NULL: not known yet
  series INTEGER REFERENCES series (id),
  environment INTEGER REFERENCES environment (id),
  boot INTEGER REFERENCES boot (id),
  timing INTEGER, purpose INTEGER, cause INTEGER,
  outcome INTEGER,               -- NULL: not finished
  validity INTEGER,
  started_at_ns INTEGER NOT NULL, duration_ns INTEGER,
  batch_size INTEGER, context_length INTEGER,  -- that the run used
  forward_mean_ns REAL, forward_std_ns REAL, forward_median_ns REAL, forward_min_ns REAL,
  forward_max_ns REAL, forward_p95_ns REAL, forward_cv REAL, loss_mean_ns REAL, loss_std_ns REAL,
  loss_median_ns REAL, loss_min_ns REAL, loss_max_ns REAL, loss_p95_ns REAL, loss_cv REAL,
  backward_mean_ns REAL, backward_std_ns REAL, backward_median_ns REAL, backward_min_ns REAL,
  backward_max_ns REAL, backward_p95_ns REAL, backward_cv REAL, optimizer_mean_ns REAL,
  optimizer_std_ns REAL, optimizer_median_ns REAL, optimizer_min_ns REAL, optimizer_max_ns REAL,
  optimizer_p95_ns REAL, optimizer_cv REAL, step_mean_ns REAL, step_std_ns REAL,
  step_median_ns REAL, step_min_ns REAL, step_max_ns REAL, step_p95_ns REAL, step_cv REAL,
  backward_forward_ratio REAL, tokens_per_s REAL, flops_per_s REAL, peak_allocated_bytes INTEGER,
  peak_reserved_bytes INTEGER, matmul_peak_ratio REAL, mfu REAL,
  first_step_peak_allocated_bytes INTEGER, first_step_peak_reserved_bytes INTEGER,
  forward_peak_allocated_bytes INTEGER, forward_peak_reserved_bytes INTEGER,
  loss_peak_allocated_bytes INTEGER, loss_peak_reserved_bytes INTEGER,
  backward_peak_allocated_bytes INTEGER, backward_peak_reserved_bytes INTEGER,
  optimizer_peak_allocated_bytes INTEGER, optimizer_peak_reserved_bytes INTEGER,
  device_total_bytes INTEGER, device_free_bytes INTEGER, device_foreign_bytes INTEGER,
  failure_phase INTEGER, failure_detail TEXT, failure_asked_bytes INTEGER,
  failure_allocated_bytes INTEGER, failure_reserved_bytes INTEGER, failure_free_bytes INTEGER,
  failure_total_bytes INTEGER, failure_foreign_bytes INTEGER, exit_status INTEGER,
  signal INTEGER, statistics_version INTEGER, first_loss REAL, last_loss REAL, threads INTEGER
) STRICT;
CREATE UNIQUE INDEX run_by_job ON run (job_id, number);
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;
-- All that a list filters by, so that runs that do not match cost no look at the row.
CREATE INDEX run_by_start
  ON run (started_at_ns, id, asked_workload_id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;
CREATE INDEX run_by_workload
  ON run (asked_workload_id, started_at_ns, id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;

CREATE TABLE sample (            -- times of every step
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  format INTEGER NOT NULL,       -- 1: torchlap.v1.SampleBlock, serialized
  steps BLOB NOT NULL
) STRICT;

CREATE TABLE reading (           -- what was read around a run
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  load_average REAL,
  temperature_celsius REAL
) STRICT;

CREATE TABLE device_use (        -- device time of an owner, half-life one day
  owner_id INTEGER PRIMARY KEY REFERENCES principal (id),
  decayed_ns REAL NOT NULL,      -- as of updated_at_ns
  updated_at_ns INTEGER NOT NULL
) STRICT;

-- Sums over finished runs, kept in the transaction that finishes a run. 0: not known, no verdict.
CREATE TABLE run_rollup (
  workload_id INTEGER NOT NULL, timing INTEGER NOT NULL, purpose INTEGER NOT NULL,
  outcome INTEGER NOT NULL, validity INTEGER NOT NULL,
  runs INTEGER NOT NULL DEFAULT 0,
  forward_runs INTEGER NOT NULL DEFAULT 0, forward_mean_ns_sum REAL NOT NULL DEFAULT 0,
  loss_runs INTEGER NOT NULL DEFAULT 0, loss_mean_ns_sum REAL NOT NULL DEFAULT 0,
  backward_runs INTEGER NOT NULL DEFAULT 0, backward_mean_ns_sum REAL NOT NULL DEFAULT 0,
  optimizer_runs INTEGER NOT NULL DEFAULT 0, optimizer_mean_ns_sum REAL NOT NULL DEFAULT 0,
  step_runs INTEGER NOT NULL DEFAULT 0, step_mean_ns_sum REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (workload_id, timing, purpose, outcome, validity)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id),
  at_ns INTEGER NOT NULL,
  state INTEGER NOT NULL,        -- of the job, after the change
  number INTEGER,                -- the run that began or ended
  run_began INTEGER              -- 1: began, 0: ended
) STRICT;

-- Every run with all that is told of it, enums as numbers. What the program reads.
CREATE VIEW run_row AS SELECT
  run.*, run.job_id || '.' || run.number AS run_id, job.sweep_id, sweep.name AS sweep_name,
  principal.name AS user, device.name AS device, device.uuid AS device_uuid,
  device.model AS device_model, asked.edition, asked.model_size, asked.parameters, asked.pass_type,
  asked.precision, asked.attention, asked.optimizer, asked.vocab_size, asked.d_model, asked.d_ff,
  asked.layers, asked.heads, asked.batch_size AS requested_batch_size,
  asked.context_length AS requested_context_length, job.warmup_steps, job.measure_steps, job.seed,
  job.launches, job.time_limit_ns, workload.workload_hash, series.series_key,
  environment.environment_hash, boot.boot_id,
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
  LEFT JOIN boot ON boot.id = run.boot;

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
  CASE cause WHEN 1 THEN 'first' WHEN 2 THEN 'oom-retry' WHEN 3 THEN 'interruption' END AS cause,
  statistics_version, first_loss, last_loss, threads
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
