#!/usr/bin/env python3
"""How long `torchlap queue`, `show` and `devices` take while many jobs wait.

A first daemon holds the device, so that nothing is taken from the queue of the second one, which is given the jobs and
asked. Each value is a whole command: from the start of the program to its end, its output in a file. `after a change`
is a `show` right after one more job was submitted, so that nothing that the daemon had made up for an earlier question
can serve; the submit itself is not in the time.

Prints a Markdown table; --out writes a JSON file with every value. Exit status 0 unless a command failed; it judges
nothing.
"""
import argparse
import contextlib
import sqlite3
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Optional, Sequence

import report
import service

JOBS_A_SUBMIT = 10000
SHAPE = ("--layers", 2, "--heads", 2, "--d-model", 8, "--d-ff", 8, "--vocab", 16)
COLUMNS = ("command", "median", "least", "most", "repeats")


def fill(daemon: service.Service, jobs: int) -> list[int]:
    """Ids of so many jobs in the queue: sweeps of up to 10,000 cells."""
    ids: list[int] = []
    while len(ids) < jobs:
        contexts = max(1, min(JOBS_A_SUBMIT, jobs - len(ids)) // 100)
        batches = min(100, jobs - len(ids))
        done = daemon.json("submit", *SHAPE, "--batch-size", f"1..{batches}", "--context-length", f"1..{contexts}")
        ids += done["job_ids"]
    return ids


def share_out(daemon: service.Service, owners: int) -> None:
    """The jobs in turn among so many owners, while no daemon has the database: a submit is of its caller alone."""
    service.stop(daemon.process)
    path = next(daemon.folder.rglob("torchlap.db"))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (first,) = database.execute("SELECT owner_id FROM launch LIMIT 1").fetchone()
        ids = [first] + [database.execute("INSERT INTO principal (principal, name) VALUES (?, ?)",
                                          (f"uid:{70000 + i}", f"owner{i}")).lastrowid for i in range(1, owners)]
        for place, owner in enumerate(ids):
            database.execute("UPDATE job SET owner_id = ? WHERE id % ? = ?", (owner, owners, place))
        database.execute("UPDATE launch SET owner_id = (SELECT owner_id FROM job WHERE id = job_id)")
    daemon.start_again()


def seconds_of(daemon: service.Service, *arguments: object) -> float:
    """From the program's start to its end."""
    with open(daemon.folder / "output", "wb") as output:
        began = time.perf_counter()
        process = daemon.start(*arguments, output=output.fileno())
        process.wait()
        took = time.perf_counter() - began
    if process.returncode != 0:
        text = (daemon.folder / "output").read_text(encoding="utf-8", errors="replace")
        raise service.Broken(f"torchlap {arguments[0]}: {service.last_line(text)}")
    return took


def repeated(repeats: int, measure: Callable[[], float]) -> list[float]:
    return [measure() for _ in range(repeats)]


def knows_limit(daemon: service.Service) -> bool:
    """Programs from before `queue --limit` list everything."""
    text = subprocess.run([str(daemon.bin_dir / "torchlap"), "queue", "--help"], stdout=subprocess.PIPE, text=True,
                          check=False).stdout
    return "--limit" in text


def measure(args: argparse.Namespace, daemon: service.Service) -> dict[str, list[float]]:
    began = time.perf_counter()
    ids = fill(daemon, args.jobs)
    filled = time.perf_counter() - began
    if args.owners > 1:
        share_out(daemon, args.owners)
    places = {"first": ids[0], "middle": ids[len(ids) // 2], "last": ids[-1]}

    def after_a_change() -> float:
        daemon.submit(*SHAPE)
        return seconds_of(daemon, "show", places["middle"])

    whole = ("queue", "--limit", 0) if knows_limit(daemon) else ("queue",)
    values = {f"submit {len(ids)} jobs": [filled], "status": repeated(args.repeats, lambda: seconds_of(daemon, "status"))}
    values["queue"] = repeated(args.repeats, lambda: seconds_of(daemon, "queue"))
    values["queue, all of it"] = repeated(args.long_repeats, lambda: seconds_of(daemon, *whole))
    for name, job in places.items():
        values[f"show, {name} job"] = repeated(args.repeats, lambda job=job: seconds_of(daemon, "show", job))
    values["show, after a change"] = repeated(args.repeats, after_a_change)
    values["devices"] = repeated(args.repeats, lambda: seconds_of(daemon, "devices"))
    return values


def shown(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table(values: dict[str, list[float]]) -> str:
    rows = [(name, shown(statistics.median(of)), shown(min(of)), shown(max(of)), len(of))
            for name, of in values.items()]
    return report.table(COLUMNS, rows)


def parse(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    service.add_arguments(parser)
    parser.add_argument("--jobs", type=service.at_least(100), default=99000, help="in the queue, 100 at least; 99000")
    parser.add_argument("--owners", type=service.at_least(1), default=1, help="among whom the jobs are shared out; 1")
    parser.add_argument("--repeats", type=service.at_least(1), default=15, help="of each command; 15")
    parser.add_argument("--long-repeats", type=service.at_least(1), default=5, help="of the whole queue; 5")
    args = parser.parse_args(arguments)
    service.check_programs(parser, [args.bin / "torchlap", args.bin / "torchlapd"])
    return args


def main(arguments: Optional[Sequence[str]] = None) -> int:
    args = parse(arguments)
    result: dict[str, Any] = {"context": report.context(args.bin), "jobs": args.jobs, "owners": args.owners}
    try:
        with service.Service(args.bin, args.core, args.torch), service.Service(args.bin, args.core, args.torch) as daemon:
            result["seconds"] = measure(args, daemon)
    except service.Broken as problem:
        print(f"long_queue.py: {problem}", file=sys.stderr)
        return 1
    print(report.about(result["context"]))
    print(table(result["seconds"]))
    report.write(args.out, result)
    return 0


if __name__ == "__main__":
    service.end_in_order_on_signals()
    sys.exit(main())
