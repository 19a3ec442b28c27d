#!/usr/bin/env python3
"""How fast a daemon with a long history answers: an export of a tenth of it as CSV, and lists whose filter matches
hardly anything.

One real run of a small shape is measured; its rows are then multiplied in the database, each with numbers of its own,
while no daemon is open on it. What is timed are whole processes of the command line.
"""
import argparse
import json
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import time

import service

SHAPE = ("--layers", 1, "--heads", 2, "--d-model", 64, "--d-ff", 128, "--vocab", 256, "--batch-size", 2,
         "--context-length", 32, "--warmup-steps", 2, "--measure-steps", 10, "--no-oom-retry")
SWEEPS = 10
WORKLOADS = 24  # four sizes, three contexts, two precisions; the first one is that of the real run
SIZE = "CASE i % 4 WHEN 0 THEN 'small' WHEN 1 THEN 'medium' WHEN 2 THEN 'large' ELSE 'xl' END"
CONTEXT = "(128 << ({0} / 4 % 3))"
PRECISION = "iif(i < 12, 1, 3)"  # fp32, bf16
CRASHED = 20  # the oldest runs, so that a walk from the newest one has all of the others before it
FILTERS = {"outcome that is rare": ("--outcome", "CRASHED"), "purpose that is rare": ("--purpose", "trace"),
           "user who has few": ("--user", "uid:4242"), "device that has few": ("--device", "other"),
           "rare among rare": ("--user", "uid:4242", "--outcome", "CRASHED")}


def columns(database: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in database.execute(f"PRAGMA table_info({table})")]


def copied(database: sqlite3.Connection, table: str, changed: dict[str, str], source: str) -> None:
    """Rows like those of `table`, with other values in the columns that are named."""
    names = [name for name, _ in columns(database, table)]
    values = [changed.get(name, f"{table}.{name}") for name in names]
    database.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {source}")


def varied(database: sqlite3.Connection) -> dict[str, str]:
    """Every number of a run a little different, so that no text is the same twice."""
    return {name: f"run.{name} * (0.9 + 0.2 * (abs(random()) / 9223372036854775807.0))"
            for name, kind in columns(database, "run") if kind == "REAL"}


def find_kinds(database: sqlite3.Connection) -> None:
    """What a run that ends gets. A schema that is older than kinds has none."""
    if not columns(database, "run_kind"):
        return
    named = ("asked_workload_id", "owner_id", "device_id", "outcome", "validity", "purpose", "timing")
    database.execute("DELETE FROM run_kind WHERE id NOT IN (SELECT kind_id FROM run WHERE kind_id IS NOT NULL)")
    database.execute(f"INSERT INTO run_kind SELECT NULL, {', '.join(named)}, count(*) FROM run "
                     f"WHERE kind_id IS NULL GROUP BY {', '.join(named)} ON CONFLICT DO UPDATE SET runs = runs + 1")
    database.execute("UPDATE run SET kind_id = run_kind.id FROM run_kind WHERE kind_id IS NULL AND "
                     + " AND ".join(f"run_kind.{name} = run.{name}" for name in named))


def find_means(database: sqlite3.Connection) -> None:
    """The sums that are kept with every run that ends. Each run here is alone in its launch."""
    sums = ", ".join(f"count({phase}_mean_ns), total({phase}_mean_ns)"
                     for phase in ("forward", "loss", "backward", "optimizer", "step"))
    database.execute("DELETE FROM run_rollup")
    database.execute("INSERT INTO run_rollup SELECT ifnull(workload_id, 0), ifnull(timing, 0), ifnull(purpose, 0), "
                     f"outcome, ifnull(validity, 0), count(*), {sums} FROM run WHERE outcome IS NOT NULL "
                     "GROUP BY 1, 2, 3, 4, 5")


def multiply(file: pathlib.Path, runs: int) -> None:
    """From one run to `runs` runs, a job each, in ten sweeps."""
    database = sqlite3.connect(file)
    database.execute("PRAGMA synchronous = OFF")
    (job, sweep, start) = database.execute("SELECT job_id, sweep_id, run.started_at_ns FROM run "
                                           "JOIN job ON job.id = run.job_id").fetchone()
    database.execute(f"CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                     f"WHERE i < {runs}) SELECT i FROM n")
    copied(database, "workload", {"id": "workload.id + i", "workload_hash": "workload.workload_hash || i",
                                  "edition": "'cs336-2025'", "model_size": SIZE, "precision": PRECISION,
                                  "context_length": CONTEXT.format("i")},
           f"workload, n WHERE i < {WORKLOADS}")
    copied(database, "sweep", {"id": "sweep.id + i", "request_id": "NULL", "name": "'history'"},
           f"sweep, n WHERE sweep.id = {sweep} AND i <= {SWEEPS}")
    copied(database, "job", {"id": "job.id + i", "sweep_id": f"{sweep} + 1 + (i - 1) * {SWEEPS} / {runs}",
                             "workload_id": f"job.workload_id + i % {WORKLOADS}"}, f"job, n WHERE job.id = {job}")
    database.execute(f"INSERT INTO label SELECT {job} + i, 'card', 'A' FROM n")
    database.execute(f"INSERT INTO label SELECT {job} + i, 'i', i % 100 FROM n")
    database.execute("INSERT INTO principal (principal, name) VALUES ('uid:4242', 'uid:4242')")
    copied(database, "device", {"id": "device.id + 1", "uuid": "'CPU-other'", "name": "'other'"}, "device LIMIT 1")
    copied(database, "run", varied(database) | {
        "kind_id": "NULL",
        "id": "run.id + i", "job_id": "run.job_id + i", "started_at_ns": f"{start} - ({runs} - i) * 1000000000",
        "asked_workload_id": f"run.asked_workload_id + i % {WORKLOADS}",
        "workload_id": f"run.workload_id + i % {WORKLOADS}",
        "context_length": f"iif(i % {WORKLOADS}, {CONTEXT.format(f'(i % {WORKLOADS})')}, run.context_length)",
        "outcome": f"iif(i <= {CRASHED}, 4, 1)", "purpose": "iif(i IN (31, 32), 5, 1)",
        "validity": "1 + i % 3", "owner_id": "iif(i IN (41, 42), (SELECT max(id) FROM principal), run.owner_id)",
        "device_id": "run.device_id + (i IN (51, 52))"}, f"run, n WHERE run.job_id = {job}")
    find_kinds(database)
    find_means(database)
    copied(database, "assessment", {"run_id": "run.id"}, f"assessment, run WHERE run.job_id > {job}")
    database.commit()
    database.close()


def peak_mib(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def timed(daemon: service.Service, arguments: tuple, repetitions: int) -> list[float]:
    seconds = []
    for _ in range(repetitions):
        begin = time.monotonic()
        daemon.call(*arguments, good=(0, 4))
        seconds.append(time.monotonic() - begin)
    return seconds


def client_peak_mib(daemon: service.Service, arguments: tuple) -> float:
    """Of one process, by the kernel's account of it."""
    probe = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    done = subprocess.run([sys.executable, "-c", probe, str(daemon.bin_dir / "torchlap"), *map(str, arguments)],
                          env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=True)
    return float(done.stdout)


def measure(daemon: service.Service, runs: int, repetitions: int) -> dict[str, object]:
    result: dict[str, object] = {"runs": runs}
    a_sweep = f"sweep:{daemon.json('runs', '--limit', 1)[0]['sweep_id'] - 1}"
    for form in ("csv", "jsonl"):
        file = daemon.folder / f"export.{form}"
        export = ("export", a_sweep, "-o", file)
        seconds = timed(daemon, export, repetitions)
        with open(file, "rb") as lines:
            rows = sum(1 for _ in lines) - (form == "csv")
        result[form] = {"rows": rows, "seconds": seconds, "rows_per_s": rows / statistics.median(seconds),
                        "client_mib": client_peak_mib(daemon, export)}
    result["daemon_mib"] = peak_mib(daemon.pid)
    result["start_ms"] = [1e3 * second for second in timed(daemon, ("status",), 5 * repetitions)]
    result["filters_ms"] = {name: [1e3 * second for second in timed(daemon, ("runs", *words), 5 * repetitions)]
                            for name, words in FILTERS.items()}
    return result


def report(result: dict) -> None:
    for form in ("csv", "jsonl"):
        one = result[form]
        print(f"{one['rows']} of {result['runs']} runs as {form}: {statistics.median(one['seconds']):.2f} s, "
              f"{one['rows_per_s']:.0f} rows/s; client {one['client_mib']:.0f} MiB")
    print(f"largest resident memory of the daemon: {result['daemon_mib']:.0f} MiB")
    print(f"a process that asks for the status: {statistics.median(result['start_ms']):.1f} ms")
    for name, milliseconds in result["filters_ms"].items():
        print(f"runs, {name}: {statistics.median(milliseconds):.1f} ms, largest {max(milliseconds):.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    service.add_arguments(parser)
    parser.add_argument("--runs", type=service.at_least(1000), default=1_000_000)
    parser.add_argument("--repetitions", type=service.at_least(1), default=3)
    options = parser.parse_args()
    service.check_programs(parser, [options.bin / "torchlap", options.bin / "torchlapd"])
    service.end_in_order_on_signals()
    with service.Service(options.bin, options.core, options.torch) as daemon:
        daemon.finish(daemon.submit(*SHAPE), 120)
        file = pathlib.Path(daemon.json("status")["database_path"])
        service.stop(daemon.process)
        print(f"making {options.runs} runs", flush=True)
        multiply(file, options.runs)
        daemon.start_again()
        print(f"database: {file.stat().st_size / 2**20:.0f} MiB", flush=True)
        result = measure(daemon, options.runs, options.repetitions)
    report(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except service.Broken as broken:
        sys.exit(f"many_runs: {broken}")
