-- A database of schema version 1 as torchlap 0.1.0 wrote it: three sweeps, seven runs (OK, OUT_OF_MEMORY, SKIPPED).
BEGIN TRANSACTION;
CREATE TABLE boot (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL UNIQUE   -- the kernel's
) STRICT;
INSERT INTO "boot" VALUES(1,'00000000-0000-4000-8000-000000000001');
CREATE TABLE device (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  UNIQUE (uuid, name, model)
) STRICT;
INSERT INTO "device" VALUES(1,'CPU-0','cpu0','AMD EPYC');
CREATE TABLE device_use (        -- device time of an owner, half-life one day
  owner_id INTEGER PRIMARY KEY REFERENCES principal (id),
  decayed_ns REAL NOT NULL,      -- as of updated_at_ns
  updated_at_ns INTEGER NOT NULL
) STRICT;
INSERT INTO "device_use" VALUES(1,3.39254490345282840729e+09,1795454549015120712);
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
) STRICT;
INSERT INTO "job" VALUES(1,1,1,1,X'0A170A15186420402880013002380240014801500160026810120F08011003180120012880D0B8E1981A220808011001181028012A0F0A046B696E641207666978747572653801',1,1,1,3,1,900000000000,0,3,0,1,1,0,1,1795454545587825999,1795454545944710664,NULL);
INSERT INTO "job" VALUES(2,1,1,2,X'0A170A15186420402880013002380240014801500160026820120F08011003180120012880D0B8E1981A220808011001182028012A0F0A046B696E641207666978747572653801',1,1,1,3,1,900000000000,0,3,0,1,1,0,1,1795454545946474918,1795454546165480817,NULL);
INSERT INTO "job" VALUES(3,1,1,3,X'0A190A171864204028800130023802400348015001580160026810120F08011003180120012880D0B8E1981A220808011001181028012A0F0A046B696E641207666978747572653801',1,1,1,3,1,900000000000,0,3,0,1,1,0,1,1795454546166652753,1795454546385337907,NULL);
INSERT INTO "job" VALUES(4,1,1,4,X'0A190A171864204028800130023802400348015001580160026820120F08011003180120012880D0B8E1981A220808011001182028012A0F0A046B696E641207666978747572653801',1,1,1,3,1,900000000000,0,3,0,1,1,0,1,1795454546386572426,1795454546603452175,NULL);
INSERT INTO "job" VALUES(5,2,1,5,X'0A1A0A1818E807204028800130023802400248015001608001688001120F08011003180120012880D0B8E1981A2207080110011880013801',1,1,1,3,1,900000000000,0,3,0,2,1,0,1,1795454546614100902,1795454549015120712,NULL);
INSERT INTO "job" VALUES(6,3,1,7,X'0A2C0A2A0A0A63733333362D323032351204322E374218904E208014288050302038204002480150016004688002120F0805100A180120012880D0B8E1981A2207080110011880013801',1,1,5,10,1,900000000000,0,4,0,1,0,0,1,1795454549026853045,1795454549028058711,'SKIPPED: weights and gradients take 25.4 GiB, cpu0 has 300.0 MiB: no batch or context fits');
CREATE TABLE job_event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id),
  at_ns INTEGER NOT NULL,
  state INTEGER NOT NULL,        -- of the job, after the change
  number INTEGER,                -- the run that began or ended
  run_began INTEGER              -- 1: began, 0: ended
) STRICT;
INSERT INTO "job_event" VALUES(1,1,1795454545583228367,1,NULL,NULL);
INSERT INTO "job_event" VALUES(2,2,1795454545583228367,1,NULL,NULL);
INSERT INTO "job_event" VALUES(3,3,1795454545583228367,1,NULL,NULL);
INSERT INTO "job_event" VALUES(4,4,1795454545583228367,1,NULL,NULL);
INSERT INTO "job_event" VALUES(5,1,1795454545587825999,2,1,1);
INSERT INTO "job_event" VALUES(6,1,1795454545944710664,3,1,0);
INSERT INTO "job_event" VALUES(7,2,1795454545946474918,2,1,1);
INSERT INTO "job_event" VALUES(8,2,1795454546165480817,3,1,0);
INSERT INTO "job_event" VALUES(9,3,1795454546166652753,2,1,1);
INSERT INTO "job_event" VALUES(10,3,1795454546385337907,3,1,0);
INSERT INTO "job_event" VALUES(11,4,1795454546386572426,2,1,1);
INSERT INTO "job_event" VALUES(12,4,1795454546603452175,3,1,0);
INSERT INTO "job_event" VALUES(13,5,1795454546613231985,1,NULL,NULL);
INSERT INTO "job_event" VALUES(14,5,1795454546614100902,2,1,1);
INSERT INTO "job_event" VALUES(15,5,1795454547188516446,1,1,0);
INSERT INTO "job_event" VALUES(16,5,1795454547189543337,2,2,1);
INSERT INTO "job_event" VALUES(17,5,1795454549015120712,3,2,0);
INSERT INTO "job_event" VALUES(18,6,1795454549025815848,1,NULL,NULL);
INSERT INTO "job_event" VALUES(19,6,1795454549026853045,2,1,1);
INSERT INTO "job_event" VALUES(20,6,1795454549028058711,4,1,0);
CREATE TABLE label (             -- words that the user put on the job
  job_id INTEGER NOT NULL REFERENCES job (id),
  k TEXT NOT NULL,
  v TEXT NOT NULL,
  PRIMARY KEY (job_id, k)
) STRICT, WITHOUT ROWID;
INSERT INTO "label" VALUES(1,'kind','fixture');
INSERT INTO "label" VALUES(2,'kind','fixture');
INSERT INTO "label" VALUES(3,'kind','fixture');
INSERT INTO "label" VALUES(4,'kind','fixture');
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
) STRICT;
INSERT INTO "reading" VALUES(1,0.05,NULL);
INSERT INTO "reading" VALUES(2,0.05,NULL);
INSERT INTO "reading" VALUES(3,0.05,NULL);
INSERT INTO "reading" VALUES(4,0.05,NULL);
INSERT INTO "reading" VALUES(5,0.05,NULL);
INSERT INTO "reading" VALUES(6,0.05,NULL);
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
INSERT INTO "run" VALUES(1,1,1,0,1,1,1,1,1,1,1,1,1,1,1,NULL,1795454545587825999,346891850,2,16,4.34550333333333313945e+05,7.98193973751577141211e+04,423017.0,361125.0,519509.0,NULL,1.83682743407148962866e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,4.34550333333333313945e+05,7.98193973751577141211e+04,423017.0,361125.0,519509.0,NULL,1.83682743407148962866e-01,NULL,7.3639340590388077546e+04,1.3610906600002607345e+10,464640,NULL,NULL,NULL,464640,NULL,464640,NULL,NULL,NULL,NULL,NULL,NULL,NULL,314572800,314572800,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,1);
INSERT INTO "run" VALUES(2,2,1,0,1,1,2,2,2,1,1,1,1,1,1,NULL,1795454545946474918,218012778,2,32,5.92985666666666627871e+05,1.37625427535515162166e+05,521173.0,506120.0,751664.0,NULL,2.32088961456935444216e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,5.92985666666666627871e+05,1.37625427535515162166e+05,521173.0,506120.0,751664.0,NULL,2.32088961456935444216e-01,NULL,1.0792840973671652318e+05,2.08327733610199699394e+10,567040,NULL,NULL,NULL,567040,NULL,567040,NULL,NULL,NULL,NULL,NULL,NULL,NULL,314572800,314572800,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,1);
INSERT INTO "run" VALUES(3,3,1,0,1,1,3,3,3,1,1,1,1,1,1,NULL,1795454546166652753,217657281,2,16,745698.0,102958.942103151,719736.0,658205.0,859153.0,NULL,1.38070562215737463462e-01,5.33286666666666642417e+04,11816.1509948601,51356.0,42623.0,66007.0,NULL,2.21572218722765112985e-01,1.67114933333333325572e+06,3.99667614800515642852e+05,1467694.0,1414145.0,2131609.0,NULL,2.39157331321985772154e-01,1.00142733333333337211e+06,4.27594313367628084962e+05,828879.0,687068.0,1488335.0,NULL,4.26984863638927458762e-01,3.47160333333333348863e+06,9.31780560703180381083e+05,2997401.0,2872305.0,4545104.0,NULL,2.68400641212805712854e-01,2.24105379568314955207e+00,9.21764295267988563887e+03,5.11114614668918609613e+09,1699856,NULL,NULL,NULL,1612816,NULL,1534848,NULL,1561104,NULL,1617928,NULL,1699856,NULL,314572800,314572800,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,5.2209300994873046875e+00,3.91111230850219726562e+00,1);
INSERT INTO "run" VALUES(4,4,1,0,1,1,4,4,4,1,1,1,1,1,1,NULL,1795454546386572426,215931814,2,32,7.33697333333333372119e+05,5.527790199829704943e+04,713658.0,691234.0,796200.0,NULL,7.53415604594860760512e-02,45267.0,5.04303995621688500245e+03,44025.0,40961.0,50815.0,NULL,1.11406542430841123958e-01,1638424.0,1.3387929323461488821e+05,1622173.0,1513412.0,1779687.0,NULL,8.17122388555190093395e-02,728019.0,7.91691989791484520546e+04,733777.0,646128.0,804152.0,NULL,1.08746061543927352577e-01,3.14540733333333348857e+06,2.48299697207494260518e+05,3025984.0,2979384.0,3430854.0,NULL,0.0789403949612973,2.23310611278401793811e+00,2.0347126212164148456e+04,1.17824510699303169251e+10,2070536,NULL,NULL,NULL,1628176,NULL,1979392,NULL,2031888,NULL,2070536,NULL,1715216,NULL,314572800,314572800,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,4.93398380279541,3.94053864479064941406e+00,1);
INSERT INTO "run" VALUES(5,5,1,0,1,1,5,5,5,1,1,1,1,1,2,NULL,1795454546614100902,569958681,128,128,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,314572800,314572800,NULL,2,'out of memory: asked for 65536000 bytes, 283022592 are allocated, the limit is 314572800',65536000,283022592,NULL,31550208,314572800,NULL,NULL,NULL,1,NULL,NULL,1);
INSERT INTO "run" VALUES(6,5,2,0,1,1,5,6,6,1,1,1,1,2,1,NULL,1795454547189543337,1824123150,64,128,7.89264276666666716357e+07,1.37836768509071390148e+06,78764398.0,77636236.0,80378649.0,NULL,1.74639563178005802202e-02,1.80352243333333320911e+07,6.24364487273422162985e+06,14482828.0,14378333.0,25244512.0,NULL,3.46191694504985936209e-01,2.58084694333333343257e+08,1.18194009394155144693e+07,263091115.0,244586028.0,266576940.0,NULL,4.5796597779448250387e-02,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3.5504634633333331346e+08,1.7777275735367059707e+07,356233846.0,336705092.0,372200101.0,NULL,5.00702962274028329225e-02,3.26994014505905905565e+00,2.30730440817126036573e+04,2.47372566052383728021e+10,281384200,NULL,NULL,NULL,281384200,NULL,174724352,NULL,240424208,NULL,281384200,NULL,NULL,NULL,314572800,314572800,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,6.97241449356079101562e+00,6.97241449356079101562e+00,1);
INSERT INTO "run" VALUES(7,6,1,0,1,1,7,7,7,NULL,1,1,1,1,9,NULL,1795454549026853045,0,4,256,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'weights and gradients take 25.4 GiB, cpu0 has 300.0 MiB: no batch or context fits',27254476800,NULL,NULL,314572800,314572800,NULL,NULL,NULL,1,NULL,NULL,NULL);
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
INSERT INTO "run_rollup" VALUES(1,1,1,1,0,1,1,4.34550333333333313945e+05,0,0.0,0,0.0,0,0.0,1,4.34550333333333313945e+05);
INSERT INTO "run_rollup" VALUES(2,1,1,1,0,1,1,5.92985666666666627871e+05,0,0.0,0,0.0,0,0.0,1,5.92985666666666627871e+05);
INSERT INTO "run_rollup" VALUES(3,1,1,1,0,1,1,745698.0,1,5.33286666666666642417e+04,1,1.67114933333333325572e+06,1,1.00142733333333337211e+06,1,3.47160333333333348863e+06);
INSERT INTO "run_rollup" VALUES(4,1,1,1,0,1,1,7.33697333333333372119e+05,1,45267.0,1,1638424.0,1,728019.0,1,3.14540733333333348857e+06);
INSERT INTO "run_rollup" VALUES(5,1,1,2,0,1,0,0.0,0,0.0,0,0.0,0,0.0,0,0.0);
INSERT INTO "run_rollup" VALUES(6,1,1,1,0,1,1,7.89264276666666716357e+07,1,1.80352243333333320911e+07,1,2.58084694333333343257e+08,0,0.0,1,3.5504634633333331346e+08);
INSERT INTO "run_rollup" VALUES(7,1,1,9,0,1,0,0.0,0,0.0,0,0.0,0,0.0,0,0.0);
CREATE TABLE sample (            -- times of every step
  run_id INTEGER PRIMARY KEY REFERENCES run (id),
  format INTEGER NOT NULL,       -- 1: torchlap.v1.SampleBlock, serialized
  steps BLOB NOT NULL
) STRICT;
INSERT INTO "sample" VALUES(1,1,X'10011A1CA58EC19ED9CC02F9EFA0A0D9CC02F9E7BAA0D9CC02E3C7DAA0D9CC02220DD393DF01E9E819D5DA1FA58516420DD393DF01E9E819D5DA1FA58516');
INSERT INTO "sample" VALUES(2,1,X'10011A1CBBC0EE87DACC02FFDC9A89DACC02E9E3C889DACC028CD0E889DACC02220DA9D4AB01B0F02DD5E71F88F21E420DA9D4AB01B0F02DD5E71F88F21E');
INSERT INTO "sample" VALUES(3,1,X'10011A1CD9C8FCEADACC028EA3A2EEDACC0284E4BDF0DACC02D4D2F0F1DACC02220DAAF0AB0191B834F8F62B9D96282A0CF4EF09D783049C9103FFCC02320E92EC9701998D820181A856AECA593A0CB6EA4FCFEB5ADCF729CFCB324210E6B69D03D0B49502F1A7AF0199F9B601');
INSERT INTO "sample" VALUES(4,1,X'10011A1CD5D29FD3DBCC02CFB1ECD6DBCC0283CFC1D8DBCC0292D5FDD9DBCC02220DF5E5CC01A8CC30BAC72BA2982A2A0CB8860AFF8C03F9D70281C002320DBBE2A101E7CF6C9D8163C4AF5C3A0CEA824CB88A31F0B727D1E42C4210D2D1C403C6B3D101C0D8B801B8ECB501');
INSERT INTO "sample" VALUES(6,1,X'10011A1CE7A4D0DBDECC02CCDC8ECCE0CC028FCAD5FDE1CC02C8D5D1A7E3CC022210E98D915499F6A926EEB2C7258CC582252A10A0B3D513E0E6840CDDCAED068CFBF3063211E6E1928701ACC88E7FABE7B97DACACD0744214EFA2F9EE01A5A5BDB101F6E4EEA901C4ECC6A001');
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  series_key TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO "series" VALUES(1,'169bcd284083e917d355dcd1cd90db32');
INSERT INTO "series" VALUES(2,'dc5fbf48214142b4e2bd881ff5d4517e');
INSERT INTO "series" VALUES(3,'26c6cb5847083c926e27b5f4f25b26e1');
INSERT INTO "series" VALUES(4,'6e0cd77c3c0e25c9b26bbcbac60bac6d');
INSERT INTO "series" VALUES(5,'d5fe115594c151b0e3f1e348eadf9a5b');
INSERT INTO "series" VALUES(6,'6fc48427c7a45bc2b13f9b0d566699b8');
INSERT INTO "series" VALUES(7,'b7547220198093b648b3a20b5096c0c2');
CREATE TABLE sweep (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  name TEXT,
  request_id TEXT,               -- chosen by the client; a retry has the same one
  request_digest TEXT NOT NULL,  -- of the request's content
  submitted_at_ns INTEGER NOT NULL,
  UNIQUE (owner_id, request_id)
) STRICT;
INSERT INTO "sweep" VALUES(1,1,'fixture','7b05704e2cef9c85cd8cac06f0830a82','b3fe86af09c664d0ddb4a3d2958137e5',1795454545583228367);
INSERT INTO "sweep" VALUES(2,1,NULL,'29b0c92f4417faf3b752a47edc12da2c','8abf08e67db16157e9875c8f6d459055',1795454546613231985);
INSERT INTO "sweep" VALUES(3,1,NULL,'a766df4d9fb56996767573d177d8c0f6','1d19fad24f135289c9407ee6ce53ddf3',1795454549025815848);
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
INSERT INTO "workload" VALUES(1,1,'58fd326d920f5e16ce2bf7bf3671eb5d','torchlap.workload.1 transformer-lm vocab=100 d_model=64 d_ff=128 layers=2 heads=2 pass=forward batch=2 context=16',NULL,NULL,95040,1,1,1,NULL,2,16,100,64,128,2,2);
INSERT INTO "workload" VALUES(2,1,'4b1fcc45acd2a99596436da361fc61ac','torchlap.workload.1 transformer-lm vocab=100 d_model=64 d_ff=128 layers=2 heads=2 pass=forward batch=2 context=32',NULL,NULL,95040,1,1,1,NULL,2,32,100,64,128,2,2);
INSERT INTO "workload" VALUES(3,1,'d6e879d73e75e8fcc4786bcfd563ee9c','torchlap.workload.1 transformer-lm vocab=100 d_model=64 d_ff=128 layers=2 heads=2 pass=train-step batch=2 context=16',NULL,NULL,95040,3,1,1,1,2,16,100,64,128,2,2);
INSERT INTO "workload" VALUES(4,1,'c397397db214bc88aa9dc4d474d127e0','torchlap.workload.1 transformer-lm vocab=100 d_model=64 d_ff=128 layers=2 heads=2 pass=train-step batch=2 context=32',NULL,NULL,95040,3,1,1,1,2,32,100,64,128,2,2);
INSERT INTO "workload" VALUES(5,1,'4625d0b36e5dfb3125aefe5ef457701c','torchlap.workload.1 transformer-lm vocab=1000 d_model=64 d_ff=128 layers=2 heads=2 pass=forward-backward batch=128 context=128',NULL,NULL,210240,2,1,1,NULL,128,128,1000,64,128,2,2);
INSERT INTO "workload" VALUES(6,1,'22dea5d17cbbf2fbff2c31a6ec76478a','torchlap.workload.1 transformer-lm vocab=1000 d_model=64 d_ff=128 layers=2 heads=2 pass=forward-backward batch=64 context=128',NULL,NULL,210240,2,1,1,NULL,64,128,1000,64,128,2,2);
INSERT INTO "workload" VALUES(7,1,'0979f9619c22ebc272cdb4cbdef795fe','torchlap.workload.1 transformer-lm vocab=10000 d_model=2560 d_ff=10240 layers=32 heads=32 pass=forward-backward batch=4 context=256','cs336-2025','2.7B',3406809600,2,1,1,NULL,4,256,10000,2560,10240,32,32);
CREATE INDEX sweep_by_name ON sweep (name) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX workload_by_hash
  ON workload (workload_hash, ifnull(edition, ''), ifnull(model_size, ''));
CREATE INDEX job_by_sweep ON job (sweep_id);
CREATE INDEX job_unfinished ON job (state) WHERE state < 3;
CREATE INDEX label_by_value ON label (k, v);
CREATE INDEX launch_heads ON launch (device_key, owner_id, priority, position) WHERE state = 1;
CREATE INDEX launch_order ON launch (state, priority DESC, position, job_id, device_key);
CREATE INDEX launch_floating ON launch (sweep_id, device_key)
  WHERE state = 1 AND substr(device_key, 1, 5) <> 'uuid:';
CREATE UNIQUE INDEX run_by_job ON run (job_id, number);
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;
CREATE INDEX run_by_start
  ON run (started_at_ns, id, asked_workload_id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;
CREATE INDEX run_by_workload
  ON run (asked_workload_id, started_at_ns, id, owner_id, device_id, outcome, validity, purpose,
          timing) WHERE outcome IS NOT NULL;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sweep',3);
INSERT INTO "sqlite_sequence" VALUES('job',6);
INSERT INTO "sqlite_sequence" VALUES('job_event',20);
COMMIT;
PRAGMA application_id = 1953259888;
PRAGMA user_version = 1;
