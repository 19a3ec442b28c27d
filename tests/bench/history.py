#!/usr/bin/env python3
"""How fast a daemon with a long history compares, follows a series and answers SQL.

The history is that of many_runs.py. Beside it stand two sweeps of 50 cells with 7 launches each, the second 5 % faster,
and a series of 10,000 runs with one step of 3 % in its middle. What is timed are whole processes of the command line;
one that asks for the status alone is timed beside them.
"""
import argparse
import json
import pathlib
import sqlite3
import statistics
import sys

import many_runs
import service

CELLS = 50
LAUNCHES = 7
POINTS = 10_000
NOISE = "(1 + 0.01 * (abs(random()) / 9223372036854775807.0 - 0.5))"


def last(database: sqlite3.Connection, table: str) -> int:
    return database.execute(f"SELECT max(id) FROM {table}").fetchone()[0]


def add_sweep(database: sqlite3.Connection, name: str) -> int:
    sweep = last(database, "sweep") + 1
    many_runs.copied(database, "sweep", {"id": str(sweep), "request_id": "NULL", "name": f"'{name}'"},
                     "sweep WHERE sweep.id = 1")
    return sweep


def add_jobs(database: sqlite3.Connection, sweep: int, count: int, workload: str) -> int:
    """Jobs like the first one; the id of the one before them. `workload`: SQL of its id, from n.i."""
    before = last(database, "job")
    many_runs.copied(database, "job", {"id": f"{before} + i", "sweep_id": str(sweep), "workload_id": workload},
                     f"job, n WHERE job.id = (SELECT min(id) FROM job) AND i <= {count}")
    return before


def add_runs(database: sqlite3.Connection, changed: dict[str, str], condition: str) -> None:
    before = last(database, "run")
    many_runs.copied(database, "run", {
        "kind_id": "NULL", "id": f"{before} + row_number() OVER ()", "outcome": "1", "validity": "1", "purpose": "1",
        "context_length": "(SELECT context_length FROM workload ORDER BY id LIMIT 1)",
    } | changed, f"run, n, m WHERE run.id = (SELECT max(id) FROM run WHERE outcome = 1) AND {condition}")


def add_comparison(database: sqlite3.Connection) -> None:
    first = last(database, "workload")
    many_runs.copied(database, "workload", {"id": f"{first} + i", "workload_hash": "workload.workload_hash || 'c' || i",
                                            "canonical": "workload.canonical || 'c' || i", "batch_size": "i"},
                     f"workload, n WHERE workload.id = (SELECT min(id) FROM workload) AND i <= {CELLS}")
    for name, factor in (("before", 1.0), ("after", 0.95)):
        jobs = add_jobs(database, add_sweep(database, name), CELLS, f"{first} + i")
        add_runs(database, {
            "job_id": f"{jobs} + n.i", "number": "m.i", "launch": "m.i - 1", "batch_size": "n.i",
            "asked_workload_id": f"{first} + n.i", "workload_id": f"{first} + n.i",
            "step_median_ns": f"1e7 * {factor} * {NOISE}"}, f"n.i <= {CELLS} AND m.i <= {LAUNCHES}")


def add_series(database: sqlite3.Connection) -> None:
    series = last(database, "series") + 1
    database.execute("INSERT INTO series (id, series_key) VALUES (?, ?)", (series, "a series of its own".encode().hex()[:32]))
    jobs = add_jobs(database, add_sweep(database, "series"), POINTS, "job.workload_id")
    start = database.execute("SELECT min(started_at_ns) FROM run").fetchone()[0]
    add_runs(database, {
        "job_id": f"{jobs} + n.i", "number": "1", "launch": "0", "series": str(series),
        "started_at_ns": f"{start} + n.i * 1000000000",
        "step_median_ns": f"1e7 * iif(n.i > {POINTS // 2}, 1.03, 1) * {NOISE}"}, f"n.i <= {POINTS} AND m.i = 1")


def plant(file: pathlib.Path) -> None:
    database = sqlite3.connect(file)
    database.execute("PRAGMA synchronous = OFF")
    for table, rows in (("n", POINTS), ("m", LAUNCHES)):
        database.execute(f"CREATE TEMP TABLE {table} AS WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                         f"FROM c WHERE i < {rows}) SELECT i FROM c")
    add_comparison(database)
    add_series(database)
    for age, jobs in (("old", 20_000), ("two", 2)):
        database.execute("INSERT OR REPLACE INTO label SELECT id, 'age', ? FROM job ORDER BY id LIMIT ?", (age, jobs))
    database.execute("INSERT INTO principal (principal, name) VALUES ('uid:4343', 'uid:4343')")
    many_runs.find_kinds(database)
    many_runs.find_means(database)
    database.commit()
    database.close()


CELL = "model_size, context_length, precision"
ASKED = {
    "a process that asks for the status": ("status",),
    "newest 50": ("runs",),
    "newest 50, outcome that is rare": ("runs", "--outcome", "CRASHED"),
    "newest 50, rare among rare": ("runs", "--user", "uid:4242", "--outcome", "CRASHED"),
    "newest 50, of one precision": ("runs", "--precision", "bf16"),
    "newest 50, of one device, size and precision": (
        "runs", "--device", "cpu0", "--model-size", "small", "--precision", "fp32"),
    "newest 50, until half of the history": ("runs", "--until", "6d"),
    "newest 50, a label that all have": ("runs", "label:card=A"),
    "newest 50, a label that one in 100 has": ("runs", "label:i=7"),
    "newest 50, a label that all have, outcome that is rare": ("runs", "label:card=A", "--outcome", "CRASHED"),
    "newest 50, a label that only the oldest 20,000 have": ("runs", "label:age=old"),
    "newest 50, a label that two have": ("runs", "label:age=two"),
    "newest 50, a user without runs": ("runs", "--user", "uid:4343"),
    f"compare of two sweeps of {CELLS} cells, {LAUNCHES} launches": ("compare", "sweep:before", "sweep:after"),
    f"trend of {POINTS} points": ("trend", "sweep:series"),
    "means by size, context and precision, from the roll-up": (
        "sql", f"SELECT {CELL}, sum(step_runs * step_mean_ns) / sum(step_runs) FROM means GROUP BY 1, 2, 3"),
    "the same of one user since a day": (
        "sql", f"SELECT {CELL}, sum(runs * mean_ns) / sum(runs) FROM daily_means WHERE phase = 'step' "
        "AND user <> 'uid:4242' AND day >= '2020-01-01' GROUP BY 1, 2, 3"),
    "the same from all runs": ("sql", f"SELECT {CELL}, avg(step_mean_ns) FROM runs GROUP BY 1, 2, 3"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    service.add_arguments(parser)
    parser.add_argument("--runs", type=service.at_least(1000), default=1_000_000)
    parser.add_argument("--repetitions", type=service.at_least(1), default=5)
    options = parser.parse_args()
    service.check_programs(parser, [options.bin / "torchlap", options.bin / "torchlapd"])
    service.end_in_order_on_signals()
    with service.Service(options.bin, options.core, options.torch) as daemon:
        daemon.finish(daemon.submit(*many_runs.SHAPE), 120)
        file = pathlib.Path(daemon.json("status")["database_path"])
        service.stop(daemon.process)
        print(f"making {options.runs} runs", flush=True)
        many_runs.multiply(file, options.runs)
        plant(file)
        daemon.start_again()
        size = file.stat().st_size
        print(f"database: {size / 2**20:.0f} MiB, {size / options.runs:.0f} bytes a run\n", flush=True)
        result = {"runs": options.runs, "bytes": size, "milliseconds": {}}
        print("| asked | median (ms) | largest (ms) |\n|---|---:|---:|")
        for name, words in ASKED.items():
            milliseconds = [1e3 * one for one in many_runs.timed(daemon, words, options.repetitions)]
            result["milliseconds"][name] = milliseconds
            print(f"| {name} | {statistics.median(milliseconds):.1f} | {max(milliseconds):.1f} |", flush=True)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except service.Broken as broken:
        sys.exit(f"history: {broken}")
