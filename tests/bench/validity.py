#!/usr/bin/env python3
"""Does a run's verdict tell the truth about disturbance?

--disturbed N: runs during which `stress-ng --cpu 1 --taskset CORE` computes on the device's core for a while.
The start stamps of the stored steps (CLOCK_MONOTONIC) and the times of stress-ng's start and end say which steps it
overlapped. Such a run is right if its verdict is `contaminated`, one piece of foreign-cpu evidence overlaps the
disturbance, both of its ends lie within a window of the verdict (200 ms and one step) of stress-ng's start and end, and
the process that it names is that stress-ng.

--undisturbed N: short runs with nothing beside them but what the machine does by itself: how often each verdict.

Writes a table, and a JSON file with --out. Exit status 0 unless a run failed; it judges the verdicts, not the machine.
"""
import argparse
import collections
import contextlib
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any, Iterator, Optional

import intervals
import report
import service

# server/measure/validity.h, kWindowNs.
WINDOW_NS = 200_000_000
# A step of 50 to 100 ms on one core.
DISTURBED = ("--layers 2 --heads 4 --d-model 192 --d-ff 768 --vocab 1000 --batch-size 4 --context-length 128 "
             "--pass-type forward-backward --warmup-steps 3 --measure-steps {steps}")
# A step of about 10 ms; half a second of measured steps, so that the counters have something to say.
UNDISTURBED = ("--layers 4 --heads 2 --d-model 64 --d-ff 256 --vocab 500 --batch-size 2 --context-length 64 "
               "--pass-type forward-backward --warmup-steps 5 --measure-steps {steps}")
RUN_SECONDS = 120


class Disturbance:
    """stress-ng on one core: when it ran, and its processes."""

    def __init__(self, core: int) -> None:
        self.core = core
        self.from_ns = self.to_ns = 0
        self.pids: set[int] = set()

    def make(self, seconds: float) -> None:
        self.from_ns = time.monotonic_ns()
        command = ["stress-ng", "--quiet", "--cpu", "1", "--taskset", str(self.core), "--timeout", "60"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            time.sleep(seconds)
            if process.poll() is not None:
                raise service.Broken(f"stress-ng ended by itself with exit status {process.returncode}")
            self.pids = {process.pid, *descendants(process.pid)}
        finally:
            service.stop(process)
            self.to_ns = time.monotonic_ns()


def descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            yield int(child)
            yield from descendants(int(child))


def measured_steps(run: dict[str, Any]) -> list[dict[str, int]]:
    steps = [sample for sample in run["samples"] if not sample["warmup"]]
    if not steps or "start_ns" not in steps[0]:
        raise service.Broken(f"run {run['run_id']} has no start_ns in the samples of `show --format json`")
    return steps


def evidence_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    if "assessment" not in run:
        raise service.Broken("`torchlap show RUN --format json` has no `assessment`: these programs are too old")
    pieces = (run["assessment"] or {}).get("evidence", [])
    return [piece for piece in pieces if piece["reason"] == "foreign-cpu"]


class Judgement:
    """What is wrong with the verdict of one disturbed run, and how far off the ends of its evidence are."""

    def __init__(self, run: dict[str, Any], disturbance: Disturbance) -> None:
        self.run, self.disturbance = run, disturbance
        self.steps = measured_steps(run)
        self.begins_ns = self.steps[0]["start_ns"]
        self.ends_ns = self.steps[-1]["start_ns"] + self.steps[-1]["step_ns"]
        self.from_ns = max(disturbance.from_ns, self.begins_ns)
        self.to_ns = min(disturbance.to_ns, self.ends_ns)
        self.tolerance_ns = WINDOW_NS + max(step["step_ns"] for step in self.steps)
        self.early_ms: Optional[float] = None
        self.late_ms: Optional[float] = None
        self.evidence: Optional[dict[str, Any]] = None
        self.wrong = list(self._look()) if self.overlapped else []

    @property
    def overlapped(self) -> list[int]:
        """Numbers of the measured steps that the disturbance overlapped."""
        return [step["step"] for step in self.steps
                if step["start_ns"] < self.to_ns and step["start_ns"] + step["step_ns"] > self.from_ns]

    def span_of(self, piece: dict[str, Any]) -> tuple[int, int]:
        chosen = [step for step in self.steps if piece["first_step"] <= step["step"] <= piece["last_step"]]
        return chosen[0]["start_ns"], chosen[-1]["start_ns"] + chosen[-1]["step_ns"]

    def overlap_ns(self, piece: dict[str, Any]) -> int:
        first, last = self.span_of(piece)
        return min(last, self.to_ns) - max(first, self.from_ns)

    def _look(self) -> Iterator[str]:
        if self.run["validity"] != "contaminated":
            yield f"verdict is {self.run['validity']}"
        pieces = [piece for piece in evidence_of(self.run) if self.overlap_ns(piece) > 0]
        if not pieces:
            yield "no foreign-cpu evidence overlaps the disturbance"
            return
        if len(pieces) > 1:
            yield f"the evidence is in {len(pieces)} pieces"
        self.evidence = max(pieces, key=self.overlap_ns)
        yield from self._look_at_ends()
        yield from self._look_at_process()

    def _look_at_ends(self) -> Iterator[str]:
        first, last = self.span_of(self.evidence)
        self.early_ms, self.late_ms = (self.from_ns - first) / 1e6, (last - self.to_ns) / 1e6
        for end, off_ms in (("start", self.early_ms), ("end", self.late_ms)):
            if abs(off_ms) * 1e6 > self.tolerance_ns:
                yield f"the {end} of the evidence is {abs(off_ms):.0f} ms off"

    def _look_at_process(self) -> Iterator[str]:
        name, pid = self.evidence["process"] or "nobody", self.evidence["pid"]
        if not re.match(r"stress-ng", name):
            yield f"names {name}"
        elif self.disturbance.pids and pid not in self.disturbance.pids:
            yield f"names pid {pid}, must be one of {sorted(self.disturbance.pids)}"

    def as_row(self) -> dict[str, Any]:
        piece, steps = self.evidence, self.overlapped
        others = [f"{other['first_step']}-{other['last_step']}"
                  for other in evidence_of(self.run) if other is not piece]
        return {"run_id": self.run["run_id"], "validity": self.run["validity"], "reasons": self.run["validity_reasons"],
                "step_median_ms": self.run["step_median_ms"], "overlapped": [steps[0], steps[-1]],
                "evidence": [piece["first_step"], piece["last_step"]] if piece else None,
                "share": piece["value"] if piece else None, "process": piece["process"] if piece else None,
                "pid": piece["pid"] if piece else None, "early_ms": self.early_ms, "late_ms": self.late_ms,
                "other_evidence": others, "wrong": self.wrong,
                "disturbed_from_ns": self.disturbance.from_ns, "disturbed_to_ns": self.disturbance.to_ns,
                "samples": self.run["samples"]}


def disturb_once(daemon: service.Service, flags: list[str], generator: random.Random) -> Judgement:
    job = daemon.submit(*flags)
    daemon.await_state(job, ("RUNNING",), RUN_SECONDS)
    time.sleep(generator.uniform(0.7, 1.0))
    disturbance = Disturbance(daemon.core)
    disturbance.make(generator.uniform(0.6, 1.0))
    run = daemon.finish(job, RUN_SECONDS)
    return Judgement(run, disturbance)


def disturb(daemon: service.Service, args: argparse.Namespace) -> list[dict[str, Any]]:
    generator = random.Random(args.seed)
    flags = DISTURBED.format(steps=args.steps).split()
    rows: list[dict[str, Any]] = []
    missed = 0
    while len(rows) < args.disturbed:
        judged = disturb_once(daemon, flags, generator)
        if not judged.overlapped:
            missed += 1
            if missed > 5:
                raise service.Broken("stress-ng met no measured step six times: give the runs more --steps")
            continue
        rows.append(judged.as_row())
        print(f"disturbed run {len(rows)}: {'; '.join(judged.wrong) or 'right'}", file=sys.stderr)
    return rows


def disturbed_table(rows: list[dict[str, Any]]) -> str:
    def span(steps: Optional[list[int]]) -> str:
        return f"{steps[0]}-{steps[1]}" if steps else "-"

    def ms(value: Optional[float]) -> str:
        return "-" if value is None else f"{value:+.0f}"

    right = sum(not row["wrong"] for row in rows)
    interval = intervals.clopper_pearson(right, len(rows))
    text = report.table(
        ("run", "verdict", "disturbed steps", "evidence", "share", "early (ms)", "late (ms)", "process", "also",
         "wrong"),
        [(row["run_id"], row["validity"], span(row["overlapped"]), span(row["evidence"]),
          f"{row['share']:.0%}" if row["share"] is not None else None, ms(row["early_ms"]), ms(row["late_ms"]),
          row["process"], ", ".join(row["other_evidence"]) or None, "; ".join(row["wrong"]) or None) for row in rows])
    ends = [abs(row[end]) for row in rows for end in ("early_ms", "late_ms") if row[end] is not None]
    spread = (f"; the ends of the evidence are {statistics.median(ends):.0f} ms off in the median, "
              f"{max(ends):.0f} ms at most" if ends else "")
    return f"{text}\nDisturbed: {report.share(right, len(rows), interval)} right{spread}.\n"


def leave_alone(daemon: service.Service, args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for number in range(args.undisturbed):
        run = daemon.finish(daemon.submit(*UNDISTURBED.format(steps=args.short_steps).split()), RUN_SECONDS, pause=0.5)
        rows.append({key: run[key] for key in ("run_id", "validity", "validity_reasons", "step_median_ms", "step_cv")}
                    | {"evidence": (run.get("assessment") or {}).get("evidence", []), "samples": run["samples"]})
        print(f"undisturbed run {number + 1}: {run['validity']} {run['validity_reasons'] or ''}", file=sys.stderr)
    return rows


def undisturbed_table(rows: list[dict[str, Any]]) -> str:
    def named(row: dict[str, Any]) -> str:
        return ", ".join(sorted({piece["process"] for piece in row["evidence"] if piece["process"]}))

    counted = collections.Counter((row["validity"], row["validity_reasons"] or "-") for row in rows)
    who = {key: collections.Counter(named(row) for row in rows
                                    if (row["validity"], row["validity_reasons"] or "-") == key) for key in counted}
    text = report.table(("verdict", "reasons", "runs", "who"),
                        [(*key, number, ", ".join(f"{name} ({n})" for name, n in who[key].items() if name) or None)
                         for key, number in counted.most_common()])
    contaminated = sum(row["validity"] == "contaminated" for row in rows)
    interval = intervals.clopper_pearson(contaminated, len(rows))
    steps = statistics.median(row["step_median_ms"] for row in rows)
    return (f"{text}\nUndisturbed (a step of {steps:.1f} ms): contaminated "
            f"{report.share(contaminated, len(rows), interval)}.\n")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"disturbed": [], "undisturbed": [], "skipped": []}
    with service.Service(args.bin, args.core, args.torch) as daemon:
        service.stay_off(args.core)
        # The first run has no parked worker and starts late.
        daemon.finish(daemon.submit(*UNDISTURBED.format(steps=3).split()), RUN_SECONDS)
        if args.undisturbed:
            result["undisturbed"] = leave_alone(daemon, args)
        if args.disturbed and shutil.which("stress-ng") is None:
            result["skipped"].append("disturbed: stress-ng is not installed")
        elif args.disturbed:
            result["disturbed"] = disturb(daemon, args)
    return result


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    service.add_arguments(parser)
    parser.add_argument("--disturbed", type=service.at_least(0), default=20, help="runs with stress-ng (20)")
    parser.add_argument("--undisturbed", type=service.at_least(0), default=50, help="runs without (50)")
    parser.add_argument("--steps", type=service.at_least(20), default=35, help="measured steps of a disturbed run (35)")
    parser.add_argument("--short-steps", type=service.at_least(1), default=50, help="of an undisturbed run (50)")
    parser.add_argument("--seed", type=int, default=1, help="of when stress-ng starts and for how long it runs")
    args = parser.parse_args()
    service.check_programs(parser, [args.bin / name for name in ("torchlap", "torchlapd", "torchlap-worker")])
    return args


def main() -> int:
    args = parse()
    service.end_in_order_on_signals()
    context = report.context(args.bin)
    try:
        result = measure(args)
    except service.Broken as failure:
        print(f"validity: {failure}", file=sys.stderr)
        return 1
    print(report.about(context))
    if result["undisturbed"]:
        print(undisturbed_table(result["undisturbed"]))
    if result["disturbed"]:
        print(disturbed_table(result["disturbed"]))
    for reason in result["skipped"]:
        print(f"skipped: {reason}")
    report.write(args.out, {"context": context, "settings": vars(args), **result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
