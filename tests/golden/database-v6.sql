-- The database of database-v5.sql as migration 6 left it, one run with a note in a baseline, and one that is declared invalid and still counted in run_rollup: the views are still those of schema 2.
BEGIN TRANSACTION;
CREATE TABLE assessment (        -- what the daemon made of a finished run
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  message BLOB NOT NULL          -- torchlap.v1.Assessment, serialized
) STRICT;
INSERT INTO "assessment" VALUES(1,X'0A02080C0A14080D21CE88D2DEE00B833F299A9999999999C93F1202080C1A0E0880D8AAF5011080D8AAF5012000');
INSERT INTO "assessment" VALUES(2,X'12130807100418800228808480F2033080808080041A110880D8AAF5011080D8AAF5012080A8D50E');
INSERT INTO "assessment" VALUES(3,X'12130807100418800128808480F2033080808080041A110880D8AAF5011080D8AAF5012080A8D50E');
INSERT INTO "assessment" VALUES(4,X'0A02080C0A14080D21CE88D2DEE00B833F299A9999999999C93F1202080C1A0E0880D8AAF5011080D8AAF5012000');
INSERT INTO "assessment" VALUES(5,X'0A02080C0A14080D21CE88D2DEE00B833F299A9999999999C93F1202080C1A0C08A02510A02520C0B5FFFF03');
INSERT INTO "assessment" VALUES(6,X'0A02080C0A14080D21CE88D2DEE00B833F299A9999999999C93F1202080C1A0C08A02510A02520C0B5FFFF03');
INSERT INTO "assessment" VALUES(7,X'0A02080C0A14080D215839B4C876BE9F3F299A9999999999C93F1202080C1A0B08A02510A02520C0B5FF7F');
INSERT INTO "assessment" VALUES(8,X'0A02080C0A14080D215839B4C876BE9F3F299A9999999999C93F1202080C1A0C08A02510A02520C0B5FFFF01');
CREATE TABLE baseline (          -- runs that a user holds new ones of their series against
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  series_id INTEGER NOT NULL REFERENCES series (id),
  run_id INTEGER NOT NULL REFERENCES run (id),
  set_at_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (owner_id, series_id, run_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "baseline" VALUES(1,1,1,1795805079554563511,'before the new fan');
CREATE TABLE boot (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL UNIQUE   -- the kernel's
) STRICT;
INSERT INTO "boot" VALUES(1,'00000000-0000-4000-8000-000000000001');
CREATE TABLE calibration (       -- of a run of purpose calibrate
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  device_id INTEGER NOT NULL REFERENCES device (id),
  message BLOB NOT NULL          -- torchlap.v1.CalibrationResult, serialized
) STRICT;
CREATE TABLE device (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  UNIQUE (uuid, name, model)
) STRICT;
INSERT INTO "device" VALUES(1,'CPU-1','cpu0','AMD EPYC');
CREATE TABLE device_use (        -- device time of an owner, half-life one day
  owner_id INTEGER PRIMARY KEY REFERENCES principal (id),
  decayed_ns REAL NOT NULL,      -- as of updated_at_ns
  updated_at_ns INTEGER NOT NULL
) STRICT;
INSERT INTO "device_use" VALUES(1,1.83359365075959354638e+08,1795805080644064855);
CREATE TABLE environment (
  id INTEGER PRIMARY KEY,
  environment_hash TEXT NOT NULL UNIQUE,
  message BLOB NOT NULL,         -- torchlap.v1.Environment, serialized
  torchlap_version TEXT, torch_version TEXT, cuda_version TEXT, driver_version TEXT,
  gpu_model TEXT, cpu_model TEXT, kernel TEXT
) STRICT;
INSERT INTO "environment" VALUES(1,'474a7c1de4d175ff8eda2f49160de969',X'0A2034373461376331646534643137356666386564613266343931363064653936391205302E312E301A06322E31312E303A0F362E312E302D3032362D616D6436344208414D4420455059434A1E44656269616E20474E552F4C696E75782031322028626F6F6B776F726D295201305801620641565835313272140A0F4F4D505F4E554D5F54485245414453120131721A0A0F4F4D505F574149545F504F4C494359120750415353495645','0.1.0','2.11.0',NULL,NULL,NULL,'AMD EPYC','6.1.0-026-amd64');
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
, execution INTEGER, memory_fraction REAL, target_precision REAL, traces INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "job" VALUES(1,1,1,1,X'0A2D0A2B0A0A63733333362D323032351205736D616C6C18904E208006288018300C380C4002480150016002688002121308011003180120022880D0B8E1981A3801780222090801100118800120012A090A04636172641201413801',1,1,1,3,2,900000000000,0,3,0,2,2,0,1,1795805079554563511,1795805079711772720,NULL,1,NULL,NULL,0);
INSERT INTO "job" VALUES(2,1,1,2,X'0A2D0A2B0A0A63733333362D323032351205736D616C6C18904E208006288018300C380C4002480150016008688002121308011003180120022880D0B8E1981A3801780222090801100118800120012A090A04636172641201413801',1,1,1,3,2,900000000000,0,4,0,2,0,0,1,1795805079626232031,1795805079677800281,'out of memory: batch was given several values and is not shrunk, context 128 is at its floor (--min-context 128)',1,NULL,NULL,0);
INSERT INTO "job" VALUES(3,2,1,4,X'0A170A15181020082808300238024002480350016004688002121308001003180220012880D0B8E1981A380178022207080110011880013801',2,1,0,3,1,900000000000,0,3,0,1,1,0,1,1795805079787842883,1795805079798557979,NULL,1,NULL,NULL,0);
INSERT INTO "job" VALUES(4,3,1,5,X'0A170A15181020082808300238024002480150016004688002121308001003180120012880D0B8E1981A3801780222070801100118800130063801',1,1,0,3,1,900000000000,0,3,0,1,1,0,1,1795805079891940863,1795805079927280973,NULL,1,NULL,NULL,0);
INSERT INTO "job" VALUES(5,4,1,6,X'0A170A1518102008280830023802400248015001600168800212130805100A180120012880D0B8E1981A380178022207080110011880013801',1,1,5,10,1,900000000000,0,3,0,1,1,0,1,1795805080002457132,1795805080047947781,NULL,1,NULL,NULL,0);
INSERT INTO "job" VALUES(6,5,1,6,X'0A170A1518102008280830023802400248015001600168800212130805100A180120022880D0B8E1981A3801780222090801100118800120013801',1,1,5,10,2,900000000000,0,2,0,1,0,0,1,1795805080658392005,NULL,NULL,1,NULL,NULL,0);
INSERT INTO "job" VALUES(7,5,1,7,X'0A170A1518102008280830023802400248015001600268800212130805100A180120022880D0B8E1981A3801780222090801100118800120013801',1,1,5,10,2,900000000000,0,1,0,1,1,0,1,1795805080608540330,NULL,NULL,1,NULL,NULL,0);
CREATE TABLE job_event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id),
  at_ns INTEGER NOT NULL,
  state INTEGER NOT NULL,        -- of the job, after the change
  number INTEGER,                -- the run that began or ended
  run_began INTEGER              -- 1: began, 0: ended
) STRICT;
INSERT INTO "job_event" VALUES(1,1,1795805079523900840,1,NULL,NULL);
INSERT INTO "job_event" VALUES(2,2,1795805079523900840,1,NULL,NULL);
INSERT INTO "job_event" VALUES(3,1,1795805079554563511,2,1,1);
INSERT INTO "job_event" VALUES(4,1,1795805079611182889,1,1,0);
INSERT INTO "job_event" VALUES(5,2,1795805079626232031,2,1,1);
INSERT INTO "job_event" VALUES(6,2,1795805079647208964,1,1,0);
INSERT INTO "job_event" VALUES(7,2,1795805079655224835,2,2,1);
INSERT INTO "job_event" VALUES(8,2,1795805079677800281,4,2,0);
INSERT INTO "job_event" VALUES(9,1,1795805079686446492,2,2,1);
INSERT INTO "job_event" VALUES(10,1,1795805079711772720,3,2,0);
INSERT INTO "job_event" VALUES(11,3,1795805079780979641,1,NULL,NULL);
INSERT INTO "job_event" VALUES(12,3,1795805079787842883,2,1,1);
INSERT INTO "job_event" VALUES(13,3,1795805079798557979,3,1,0);
INSERT INTO "job_event" VALUES(14,4,1795805079888912693,1,NULL,NULL);
INSERT INTO "job_event" VALUES(15,4,1795805079891940863,2,1,1);
INSERT INTO "job_event" VALUES(16,4,1795805079927280973,3,1,0);
INSERT INTO "job_event" VALUES(17,5,1795805079999032680,1,NULL,NULL);
INSERT INTO "job_event" VALUES(18,5,1795805080002457132,2,1,1);
INSERT INTO "job_event" VALUES(19,5,1795805080047947781,3,1,0);
INSERT INTO "job_event" VALUES(20,6,1795805080595135868,1,NULL,NULL);
INSERT INTO "job_event" VALUES(21,7,1795805080595135868,1,NULL,NULL);
INSERT INTO "job_event" VALUES(22,7,1795805080608540330,2,1,1);
INSERT INTO "job_event" VALUES(23,7,1795805080644064855,1,1,0);
INSERT INTO "job_event" VALUES(24,6,1795805080658392005,2,1,1);
CREATE TABLE label (             -- words that the user put on the job
  job_id INTEGER NOT NULL REFERENCES job (id),
  k TEXT NOT NULL,
  v TEXT NOT NULL,
  PRIMARY KEY (job_id, k)
) STRICT, WITHOUT ROWID;
INSERT INTO "label" VALUES(1,'card','A');
INSERT INTO "label" VALUES(2,'card','A');
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
  cause INTEGER NOT NULL, home_key TEXT,        -- of its next run
  UNIQUE (job_id, launch)
) STRICT;
INSERT INTO "launch" VALUES(2,6,0,5,1,0,'uuid:CPU-1',2,1,256,1,NULL);
INSERT INTO "launch" VALUES(3,7,1,5,1,0,'uuid:CPU-1',1,2,256,1,NULL);
INSERT INTO "launch" VALUES(4,6,1,5,1,0,'uuid:CPU-1',1,1,256,1,NULL);
CREATE TABLE principal (       -- who the kernel says is calling
  id INTEGER PRIMARY KEY,
  principal TEXT NOT NULL UNIQUE,  -- uid:1000
  name TEXT NOT NULL               -- account name as of the last submit
) STRICT;
INSERT INTO "principal" VALUES(1,'uid:0','root');
CREATE TABLE reading (           -- what was read around a run
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  load_average REAL,
  temperature_celsius REAL
, message BLOB) STRICT;
INSERT INTO "reading" VALUES(1,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(2,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(3,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(4,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(5,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(6,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(7,7.3,NULL,X'093333333333331D40');
INSERT INTO "reading" VALUES(8,7.3,NULL,X'093333333333331D40');
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
, stop_reason INTEGER, actual_warmup_steps INTEGER, actual_measure_steps INTEGER, fp32_matmul TEXT, autocast TEXT, weights_format TEXT, sdpa_kernel TEXT, precision_instructions TEXT, validity_reasons TEXT, settles_at_step INTEGER, cold_steady_ratio REAL, contaminated_tries INTEGER, backward_forward_low_ratio REAL, backward_forward_high_ratio REAL, calibration_run_id TEXT, forward_p5_ns REAL, forward_mad_ns REAL, forward_median_low_ns REAL, forward_median_high_ns REAL, forward_outliers INTEGER, forward_lag1 REAL, forward_within_std_ns REAL, loss_p5_ns REAL, loss_mad_ns REAL, loss_median_low_ns REAL, loss_median_high_ns REAL, loss_outliers INTEGER, loss_lag1 REAL, loss_within_std_ns REAL, backward_p5_ns REAL, backward_mad_ns REAL, backward_median_low_ns REAL, backward_median_high_ns REAL, backward_outliers INTEGER, backward_lag1 REAL, backward_within_std_ns REAL, optimizer_p5_ns REAL, optimizer_mad_ns REAL, optimizer_median_low_ns REAL, optimizer_median_high_ns REAL, optimizer_outliers INTEGER, optimizer_lag1 REAL, optimizer_within_std_ns REAL, step_p5_ns REAL, step_mad_ns REAL, step_median_low_ns REAL, step_median_high_ns REAL, step_outliers INTEGER, step_lag1 REAL, step_within_std_ns REAL, device_forward_mean_ns REAL, device_forward_std_ns REAL, device_forward_median_ns REAL, device_loss_mean_ns REAL, device_loss_std_ns REAL, device_loss_median_ns REAL, device_backward_mean_ns REAL, device_backward_std_ns REAL, device_backward_median_ns REAL, device_optimizer_mean_ns REAL, device_optimizer_std_ns REAL, device_optimizer_median_ns REAL, device_step_mean_ns REAL, device_step_std_ns REAL, device_step_median_ns REAL, peak_resident_bytes INTEGER, kind_id INTEGER REFERENCES run_kind (id), energy_per_step_j REAL, energy_per_token_mj REAL, energy_source INTEGER, power_mean_watts REAL, power_peak_watts REAL, sm_clock_mean_mhz REAL, sm_clock_peak_mhz REAL, temperature_mean_celsius REAL, temperature_peak_celsius REAL, note TEXT, invalid_reason TEXT) STRICT;
INSERT INTO "run" VALUES(1,1,1,0,1,1,1,1,1,1,1,1,1,1,1,2,1795805079554563511,39271903,2,256,1000000.0,0.0,1000000.0,1000000.0,1000000.0,NULL,0.0,100000.0,0.0,100000.0,100000.0,100000.0,NULL,0.0,2000000.0,0.0,2000000.0,2000000.0,2000000.0,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,2.0,1.65161290322580636713e+05,1.24509943741935484378e+14,536870912,536870912,NULL,NULL,536870912,536870912,536870912,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,1,3,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,3.5,3.25,1,250.5,NULL,NULL,NULL,NULL,NULL,'after the new fan',NULL);
INSERT INTO "run" VALUES(2,2,1,0,1,1,2,2,2,1,1,1,1,1,2,NULL,1795805079626232031,11412912,8,256,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,2,'out of memory, as told',8388608,536870912,536870912,524288,1073741824,NULL,NULL,NULL,2,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(3,2,2,0,1,1,2,3,3,1,1,1,1,2,2,NULL,1795805079655224835,11398847,8,128,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,2,'out of memory, as told',8388608,536870912,536870912,524288,1073741824,NULL,NULL,NULL,2,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(4,1,2,1,1,1,1,1,1,1,1,1,1,1,1,2,1795805079686446492,16313209,2,256,1000000.0,0.0,1000000.0,1000000.0,1000000.0,NULL,0.0,100000.0,0.0,100000.0,100000.0,100000.0,NULL,0.0,2000000.0,0.0,2000000.0,2000000.0,2000000.0,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,2.0,1.65161290322580636713e+05,1.24509943741935484378e+14,536870912,536870912,NULL,NULL,536870912,536870912,536870912,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,1,3,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(5,3,1,0,1,1,4,4,4,1,1,2,1,1,1,2,1795805079787842883,7732080,4,256,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,NULL,3.30322580645161273426e+05,1.82655174193548393247e+10,1073741824,1073741824,NULL,NULL,1073741824,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,0,3,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(6,4,1,0,1,1,5,5,5,1,1,1,1,1,1,2,1795805079891940863,24138533,4,256,1000000.0,0.0,1000000.0,1000000.0,1000000.0,NULL,0.0,100000.0,0.0,100000.0,100000.0,100000.0,NULL,0.0,2000000.0,0.0,2000000.0,2000000.0,2000000.0,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,2.0,3.30322580645161273426e+05,1.82655174193548393247e+10,1073741824,1073741824,NULL,NULL,1073741824,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,0,3,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'the window was open');
INSERT INTO "run" VALUES(7,5,1,0,1,1,6,6,6,1,1,1,1,1,1,2,1795805080002457132,41319607,1,256,1000000.0,0.0,1000000.0,1000000.0,1000000.0,NULL,0.0,100000.0,0.0,100000.0,100000.0,100000.0,NULL,0.0,2000000.0,0.0,2000000.0,2000000.0,2000000.0,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,2.0,8.25806451612903183543e+04,4566379354.83871,268435456,268435456,NULL,NULL,268435456,268435456,268435456,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,5,10,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',0,1.0,NULL,2.0,2.0,NULL,NULL,0.0,1000000.0,1000000.0,NULL,NULL,NULL,NULL,0.0,100000.0,100000.0,NULL,NULL,NULL,NULL,0.0,2000000.0,2000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,3100000.0,3100000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(8,7,1,0,1,1,7,7,7,1,1,1,1,1,1,2,1795805080608540330,31773290,2,256,1000000.0,0.0,1000000.0,1000000.0,1000000.0,NULL,0.0,100000.0,0.0,100000.0,100000.0,100000.0,NULL,0.0,2000000.0,0.0,2000000.0,2000000.0,2000000.0,NULL,0.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3100000.0,0.0,3100000.0,3100000.0,3100000.0,NULL,0.0,2.0,1.65161290322580636713e+05,9132758709.67742,536870912,536870912,NULL,NULL,536870912,536870912,536870912,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1073741824,1073741824,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,9.5,9.25,1,1,5,10,NULL,NULL,NULL,NULL,NULL,'no-counters,short-window',0,1.0,NULL,2.0,2.0,NULL,NULL,0.0,1000000.0,1000000.0,NULL,NULL,NULL,NULL,0.0,100000.0,100000.0,NULL,NULL,NULL,NULL,0.0,2000000.0,2000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,3100000.0,3100000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,6,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run" VALUES(9,6,1,0,1,1,6,NULL,NULL,NULL,1,1,1,1,NULL,NULL,1795805080658392005,NULL,1,256,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE run_kind (
  id INTEGER PRIMARY KEY,
  asked_workload_id INTEGER NOT NULL, owner_id INTEGER NOT NULL, device_id INTEGER NOT NULL,
  outcome INTEGER NOT NULL, validity INTEGER NOT NULL, purpose INTEGER NOT NULL,
  timing INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  UNIQUE (asked_workload_id, owner_id, device_id, outcome, validity, purpose, timing)
) STRICT;
INSERT INTO "run_kind" VALUES(1,1,1,1,1,2,1,1,2);
INSERT INTO "run_kind" VALUES(2,2,1,1,2,0,1,1,2);
INSERT INTO "run_kind" VALUES(3,4,1,1,1,2,1,2,1);
INSERT INTO "run_kind" VALUES(4,5,1,1,1,2,1,1,1);
INSERT INTO "run_kind" VALUES(5,6,1,1,1,2,1,1,1);
INSERT INTO "run_kind" VALUES(6,7,1,1,1,2,1,1,1);
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
INSERT INTO "run_rollup" VALUES(1,1,1,1,2,2,2,2000000.0,2,200000.0,2,4000000.0,0,0.0,2,6200000.0);
INSERT INTO "run_rollup" VALUES(2,1,1,2,0,1,0,0.0,0,0.0,0,0.0,0,0.0,0,0.0);
INSERT INTO "run_rollup" VALUES(3,1,1,2,0,1,0,0.0,0,0.0,0,0.0,0,0.0,0,0.0);
INSERT INTO "run_rollup" VALUES(4,2,1,1,2,1,0,0.0,0,0.0,0,0.0,0,0.0,1,3100000.0);
INSERT INTO "run_rollup" VALUES(5,1,1,1,2,1,1,1000000.0,1,100000.0,1,2000000.0,0,0.0,1,3100000.0);
INSERT INTO "run_rollup" VALUES(6,1,1,1,2,1,1,1000000.0,1,100000.0,1,2000000.0,0,0.0,1,3100000.0);
INSERT INTO "run_rollup" VALUES(7,1,1,1,2,1,1,1000000.0,1,100000.0,1,2000000.0,0,0.0,1,3100000.0);
CREATE TABLE sample (            -- times of every step
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  format INTEGER NOT NULL,       -- 1: torchlap.v1.SampleBlock, serialized
  steps BLOB NOT NULL
) STRICT;
INSERT INTO "sample" VALUES(1,1,X'10011A1894FFEBC8A9659F84ECC8A9659A86ECC8A965E488ECC8A965220CC0843DC0843DC0843DC0843D2A0CA08D06A08D06A08D06A08D06320C80897A80897A80897A80897A4210E09ABD01E09ABD01E09ABD01E09ABD01');
INSERT INTO "sample" VALUES(4,1,X'10011A18D1EBDBFAA965C2F2DBFAA965D1F4DBFAA96592F7DBFAA965220CC0843DC0843DC0843DC0843D2A0CA08D06A08D06A08D06A08D06320C80897A80897A80897A80897A4210E09ABD01E09ABD01E09ABD01E09ABD01');
INSERT INTO "sample" VALUES(5,1,X'1A12CCB5A0A4AA65C0CFA0A4AA65DBD2A0A4AA65420CE09ABD01E09ABD01E09ABD01');
INSERT INTO "sample" VALUES(6,1,X'1A12B699BBE1AA65C0A2BBE1AA65DBA5BBE1AA652209C0843DC0843DC0843D2A09A08D06A08D06A08D06320980897A80897A80897A420CE09ABD01E09ABD01E09ABD01');
INSERT INTO "sample" VALUES(7,1,X'10051A5AC6FBD79AAB65D883D89AAB65AC86D89AAB65B389D89AAB658D8ED89AAB65A38FD89AAB65A590D89AAB65F197D89AAB65E89CD89AAB65F49DD89AAB65BFA0D89AAB65CBA1D89AAB65E1A2D89AAB65EEA3D89AAB65FAA4D89AAB65222DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843D2A2DA08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06322D80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A423CE09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01');
INSERT INTO "sample" VALUES(8,1,X'10051A5AF7DFEFB6AD65EBE7EFB6AD65F1EAEFB6AD65A8EDEFB6AD6587F0EFB6AD6593F1EFB6AD659FF2EFB6AD6591F9EFB6AD65F2FCEFB6AD65F4FDEFB6AD65D1FFEFB6AD65A381F0B6AD65A582F0B6AD65A783F0B6AD65AA84F0B6AD65222DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843DC0843D2A2DA08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06A08D06322D80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A80897A423CE09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01E09ABD01');
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  series_key TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO "series" VALUES(1,'cb6331567edade9bf6c2b97d47e60f91');
INSERT INTO "series" VALUES(2,'83c67b23d6a638b3407c20fbd230a2b6');
INSERT INTO "series" VALUES(3,'42ddba5c83cc4788212ecbb3f53dca95');
INSERT INTO "series" VALUES(4,'6ce1ac9ac1f1ff30ad90a55a5598da21');
INSERT INTO "series" VALUES(5,'3a65f03ccf327305335b14122abe66fa');
INSERT INTO "series" VALUES(6,'be79402ab45a0d108839a62af07abc37');
INSERT INTO "series" VALUES(7,'6ff1bde5f6fb202ccbef04df079d6e28');
CREATE TABLE sweep (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  name TEXT,
  request_id TEXT,               -- chosen by the client; a retry has the same one
  request_digest TEXT NOT NULL,  -- of the request's content
  submitted_at_ns INTEGER NOT NULL,
  UNIQUE (owner_id, request_id)
) STRICT;
INSERT INTO "sweep" VALUES(1,1,'first','2faf5174279afab09998b6133b95a32d','48cf3c1d86608deb2426a19b6729a2d7',1795805079523900840);
INSERT INTO "sweep" VALUES(2,1,NULL,'871634de913219a706617f2c3a69c451','0689e6a3eeb81a867bd46024dbd690af',1795805079780979641);
INSERT INTO "sweep" VALUES(3,1,NULL,'716fb32471a24b55039ca66f81d8ebe9','c4404a822585c2391f011dd3ee581792',1795805079888912693);
INSERT INTO "sweep" VALUES(4,1,NULL,'9353cbb5838f99bc7bc6ae0b9290a21b','4e7a4d79c0f1eb960a0b380cfa871db2',1795805079999032680);
INSERT INTO "sweep" VALUES(5,1,'pinned','1b37a56851216e67fe1b368ff3c8ff3e','19b35e746397643f37314756dd815fcf',1795805080595135868);
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
INSERT INTO "workload" VALUES(1,1,'6d22867d722e7417c5c759565dca6461','torchlap.workload.1 transformer-lm vocab=10000 d_model=768 d_ff=3072 layers=12 heads=12 pass=forward-backward batch=2 context=256','cs336-2025','small',128625408,2,1,1,NULL,2,256,10000,768,3072,12,12);
INSERT INTO "workload" VALUES(2,1,'9c27d081fc56da7a7546859b7d1c6dca','torchlap.workload.1 transformer-lm vocab=10000 d_model=768 d_ff=3072 layers=12 heads=12 pass=forward-backward batch=8 context=256','cs336-2025','small',128625408,2,1,1,NULL,8,256,10000,768,3072,12,12);
INSERT INTO "workload" VALUES(3,1,'c383d916888790fda2372737835dd0cc','torchlap.workload.1 transformer-lm vocab=10000 d_model=768 d_ff=3072 layers=12 heads=12 pass=forward-backward batch=8 context=128','cs336-2025','small',128625408,2,1,1,NULL,8,128,10000,768,3072,12,12);
INSERT INTO "workload" VALUES(4,1,'295f8d98d77dcc29824184510405a86b','torchlap.workload.1 transformer-lm vocab=16 d_model=8 d_ff=8 layers=2 heads=2 pass=forward-backward batch=4 context=256 precision=bf16',NULL,NULL,1192,2,3,1,NULL,4,256,16,8,8,2,2);
INSERT INTO "workload" VALUES(5,1,'2e5e5d34ed79d6d28124e5b3753288a9','torchlap.workload.1 transformer-lm vocab=16 d_model=8 d_ff=8 layers=2 heads=2 pass=forward-backward batch=4 context=256',NULL,NULL,1192,2,1,1,NULL,4,256,16,8,8,2,2);
INSERT INTO "workload" VALUES(6,1,'224ab58c9c01276b32848f9899e071d9','torchlap.workload.1 transformer-lm vocab=16 d_model=8 d_ff=8 layers=2 heads=2 pass=forward-backward batch=1 context=256',NULL,NULL,1192,2,1,1,NULL,1,256,16,8,8,2,2);
INSERT INTO "workload" VALUES(7,1,'85fcc714acf507802c48ae20ccee1826','torchlap.workload.1 transformer-lm vocab=16 d_model=8 d_ff=8 layers=2 heads=2 pass=forward-backward batch=2 context=256',NULL,NULL,1192,2,1,1,NULL,2,256,16,8,8,2,2);
CREATE INDEX calibration_by_device ON calibration (device_id);
CREATE INDEX job_by_sweep ON job (sweep_id);
CREATE INDEX job_unfinished ON job (state) WHERE state < 3;
CREATE INDEX label_by_value ON label (k, v);
CREATE INDEX launch_floating ON launch (sweep_id, device_key)
  WHERE state = 1 AND substr(device_key, 1, 5) <> 'uuid:';
CREATE INDEX launch_heads ON launch (device_key, owner_id, priority, position) WHERE state = 1;
CREATE INDEX launch_order ON launch (state, priority DESC, position, job_id, device_key, owner_id);
CREATE UNIQUE INDEX run_by_job ON run (job_id, number);
CREATE INDEX run_by_purpose ON run (device_id, purpose, id) WHERE outcome IS NOT NULL AND purpose > 1;
CREATE INDEX run_by_start
  ON run (started_at_ns, id, asked_workload_id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;
CREATE INDEX run_by_workload
  ON run (asked_workload_id, started_at_ns, id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;
CREATE INDEX sweep_by_name ON sweep (name) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX workload_by_hash
  ON workload (workload_hash, ifnull(edition, ''), ifnull(model_size, ''));
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
CREATE INDEX run_by_kind ON run (kind_id, started_at_ns);
CREATE TRIGGER run_ends AFTER UPDATE OF outcome ON run
WHEN old.outcome IS NULL AND new.outcome IS NOT NULL BEGIN
  INSERT INTO run_kind VALUES (
    NULL, new.asked_workload_id, new.owner_id, new.device_id, new.outcome, ifnull(new.validity, 0),
    ifnull(new.purpose, 0), ifnull(new.timing, 0), 1)
  ON CONFLICT DO UPDATE SET runs = runs + 1;
  UPDATE run SET kind_id = (
    SELECT id FROM run_kind
    WHERE asked_workload_id = new.asked_workload_id AND owner_id = new.owner_id
      AND device_id = new.device_id AND outcome = new.outcome
      AND validity = ifnull(new.validity, 0) AND purpose = ifnull(new.purpose, 0)
      AND timing = ifnull(new.timing, 0))
  WHERE id = new.id;
END;
CREATE INDEX run_invalid ON run (id) WHERE invalid_reason IS NOT NULL;
CREATE INDEX baseline_run ON baseline (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sweep',5);
INSERT INTO "sqlite_sequence" VALUES('job',7);
INSERT INTO "sqlite_sequence" VALUES('job_event',24);
COMMIT;
PRAGMA application_id = 1953259888;
PRAGMA user_version = 6;
