#!/usr/bin/env python3
"""What does it cost to be measured by torchlap?

Step times of the same work on the same core with one thread, in turns of random order:
  alone    torchlap-worker by worker_once, no daemon
  daemon   under torchlapd, nobody watches; asked for when it is done
  watched  the same while a client follows on a terminal
Each run counts as one value, the median of its measured steps; ratios are those of the medians over the runs, with
95 % bootstrap intervals.

Then one long run without a watcher, one with, and an idle daemon: CPU time (schedstat of its threads) as a share of a
core, and context switches, of torchlapd's own threads and of gRPC's (which have names of their own).

Writes tables, and a JSON file with --out. Exit status 0 unless a run failed; it judges nothing.
"""
import argparse
import contextlib
import dataclasses
import math
import os
import pathlib
import pty
import random
import statistics
import sys
import threading
import time
from typing import Any, Callable, Iterator, Optional

import intervals
import report
import service
import worker_alone

SHAPE = {"layers": 2, "heads": 4, "d_model": 128, "d_ff": 512, "vocab": 1000, "batch": 2, "context": 64}
WARMUP_STEPS = 5
ENDLESS_STEPS = 1_000_000
RUN_SECONDS = 600
# Until the first steps are done.
SETTLING_SECONDS = 3
OWN_THREADS = "torchlapd"


def flags(steps: int) -> list[str]:
    shape = [word for name, option in (("layers", "--layers"), ("heads", "--heads"), ("d_model", "--d-model"),
                                       ("d_ff", "--d-ff"), ("vocab", "--vocab"), ("batch", "--batch-size"),
                                       ("context", "--context-length")) for word in (option, str(SHAPE[name]))]
    return [*shape, "--pass-type", "forward-backward", "--warmup-steps", str(WARMUP_STEPS),
            "--measure-steps", str(steps)]


def request(steps: int, core: int) -> str:
    """What the daemon sends for flags(steps)."""
    return f"""
        run_id: "bench.1"
        workload {{ transformer_lm {{
          vocab_size: {SHAPE["vocab"]} d_model: {SHAPE["d_model"]} d_ff: {SHAPE["d_ff"]} layers: {SHAPE["layers"]}
          heads: {SHAPE["heads"]} pass_type: PASS_TYPE_FORWARD_BACKWARD precision: PRECISION_FP32
          attention: ATTENTION_EXPLICIT batch_size: {SHAPE["batch"]} context_length: {SHAPE["context"]} }} }}
        plan {{ warmup_steps: {WARMUP_STEPS} measure_steps: {steps} timing: TIMING_SEPARATE launches: 1
          telemetry: TELEMETRY_EDGES }}
        device {{ kind: DEVICE_KIND_CPU threads: 1 cores: "{core}" memory_limit_bytes: {1 << 30} }}"""


@contextlib.contextmanager
def watcher(daemon: service.Service, job: int) -> Iterator[None]:
    """`torchlap watch` on a terminal, which shows its progress."""
    ours, theirs = pty.openpty()
    client = daemon.start("watch", job, output=theirs)
    os.close(theirs)
    reader = threading.Thread(target=drain, args=(ours,), daemon=True)
    reader.start()
    try:
        yield
    finally:
        service.stop(client)
        reader.join()
        os.close(ours)


def drain(terminal: int) -> None:
    # A terminal whose other end is closed fails to read.
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


class Sides:
    """The three ways to run the same steps; each gives the median of the measured ones in ms, by phase."""

    PHASES = ("forward", "loss", "backward", "step")

    def __init__(self, args: argparse.Namespace, daemon: service.Service) -> None:
        self.args, self.daemon = args, daemon
        # How long a run takes; learned from the first one, which does not count.
        self.expected_s: Optional[float] = None
        self.ways: dict[str, Callable[[], dict[str, float]]] = {
            "alone": self.alone, "daemon": self.under_the_daemon, "watched": self.watched}

    def alone(self) -> dict[str, float]:
        times = worker_alone.step_times(self.args.worker_once, self.args.bin / "torchlap-worker",
                                        request(self.args.steps, self.args.core),
                                        worker_alone.environment_of_the_daemon(threads=1))
        return {phase: statistics.median(times[phase][WARMUP_STEPS:]) for phase in self.PHASES}

    def under_the_daemon(self) -> dict[str, float]:
        began = time.monotonic()
        job = self.daemon.submit(*flags(self.args.steps))
        return self.result_of(job, began)

    def watched(self) -> dict[str, float]:
        began = time.monotonic()
        job = self.daemon.submit(*flags(self.args.steps))
        with watcher(self.daemon, job):
            return self.result_of(job, began)

    def result_of(self, job: int, began: float) -> dict[str, float]:
        """Asks when it should be done, so that asking does not disturb what was to be undisturbed."""
        if self.expected_s is not None:
            time.sleep(max(0.0, began + self.expected_s - time.monotonic()))
        run = self.daemon.finish(job, RUN_SECONDS)
        if self.expected_s is None:
            self.expected_s = run["duration_s"]
        return {phase: run[f"{phase}_median_ms"] for phase in self.PHASES}


def take_turns(args: argparse.Namespace, sides: Sides) -> list[dict[str, dict[str, float]]]:
    generator = random.Random(args.seed)
    sides.under_the_daemon()
    turns = []
    for number in range(args.repeats):
        order = generator.sample(sorted(sides.ways), len(sides.ways))
        turns.append({side: sides.ways[side]() for side in order})
        print(f"turn {number + 1}: " + ", ".join(f"{side} {turns[-1][side]['step']:.3f} ms" for side in sides.ways),
              file=sys.stderr)
    return turns


def compared(turns: list[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    rows = []
    for phase in Sides.PHASES:
        medians = {side: [turn[side][phase] for turn in turns] for side in turns[0]}
        for above, below in (("daemon", "alone"), ("watched", "alone"), ("watched", "daemon")):
            low, high = intervals.bootstrap_ratio(medians[above], medians[below])
            above_ms, below_ms = statistics.median(medians[above]), statistics.median(medians[below])
            rows.append({"phase": phase, "what": f"{above} / {below}", "above_ms": above_ms, "below_ms": below_ms,
                         "ratio": above_ms / below_ms, "low": low, "high": high,
                         "ratio_of_fastest": min(medians[above]) / min(medians[below])})
    return rows


def ratio_table(rows: list[dict[str, Any]]) -> str:
    return report.table(("phase", "ratio of", "above (ms)", "below (ms)", "ratio", "95 % interval",
                         "ratio of fastest runs"),
                        [(row["phase"], row["what"], f"{row['above_ms']:.3f}", f"{row['below_ms']:.3f}",
                          f"{row['ratio']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}",
                          f"{row['ratio_of_fastest']:.4f}") for row in rows])


@dataclasses.dataclass
class ThreadUse:
    """Since its start."""

    name: str
    cpu_ns: int
    switches: int


def read_threads(pid: int) -> dict[int, ThreadUse]:
    found = {}
    for folder in pathlib.Path(f"/proc/{pid}/task").iterdir():
        # A thread may end while it is read.
        with contextlib.suppress(OSError):
            status = (folder / "status").read_text(encoding="utf-8").splitlines()
            switches = sum(int(line.split()[-1]) for line in status if "ctxt_switches" in line)
            cpu_ns = int((folder / "schedstat").read_text(encoding="ascii").split()[0])
            found[int(folder.name)] = ThreadUse((folder / "comm").read_text(encoding="utf-8").strip(), cpu_ns, switches)
    return found


def process_ticks_ns(pid: int) -> int:
    """CPU time of all threads, ended ones included, in ticks of 10 ms: a check of the sum over those that live."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def use_during(pid: int, seconds: float) -> dict[str, Any]:
    """What the process does in `seconds`; the time in between this program sleeps."""
    before, ticks, began = read_threads(pid), process_ticks_ns(pid), time.monotonic()
    time.sleep(seconds)
    after, ticks, elapsed = read_threads(pid), process_ticks_ns(pid) - ticks, time.monotonic() - began
    threads = [{"thread": thread, "name": use.name,
                "cpu_ms": (use.cpu_ns - (before[thread].cpu_ns if thread in before else 0)) / 1e6,
                "switches": use.switches - (before[thread].switches if thread in before else 0)}
               for thread, use in after.items()]
    return {"seconds": elapsed, "threads": sorted(threads, key=lambda thread: -thread["cpu_ms"]),
            "ended_threads": len(before.keys() - after.keys()), "ticks_share": ticks / 1e9 / elapsed,
            **{f"{part}_{what}": total for part, members in parts_of(threads).items()
               for what, total in totals(members, elapsed).items()}}


def parts_of(threads: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    own = [thread for thread in threads if thread["name"] == OWN_THREADS]
    return {"all": threads, "own": own, "grpc": [thread for thread in threads if thread["name"] != OWN_THREADS]}


def totals(threads: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    return {"share": sum(thread["cpu_ms"] for thread in threads) / 1e3 / seconds,
            "switches_per_s": sum(thread["switches"] for thread in threads) / seconds}


def use_during_a_run(daemon: service.Service, seconds: float, is_watched: bool) -> dict[str, Any]:
    job = daemon.submit(*flags(ENDLESS_STEPS))
    daemon.await_state(job, ("RUNNING",), 60)
    with watcher(daemon, job) if is_watched else contextlib.nullcontext():
        time.sleep(SETTLING_SECONDS)
        use = use_during(daemon.pid, seconds)
    state = daemon.json("show", job)["state"]
    if state != "RUNNING":
        raise service.Broken(f"the long run was {state} before its time, must be RUNNING")
    daemon.call("cancel", job)
    daemon.await_state(job, ("CANCELLED",), 60)
    return use


def daemon_use(args: argparse.Namespace, daemon: service.Service) -> dict[str, dict[str, Any]]:
    return {"run, nobody watches": use_during_a_run(daemon, args.seconds, is_watched=False),
            "run, a client watches": use_during_a_run(daemon, args.seconds, is_watched=True),
            "idle": use_during(daemon.pid, args.seconds)}


def use_table(uses: dict[str, dict[str, Any]]) -> str:
    def percent(share: float) -> str:
        return f"{100 * share:.4f} %"

    return report.table(("torchlapd", "seconds", "CPU, share of a core", "by ticks", "own threads", "gRPC's",
                         "own threads' switches/s", "gRPC's switches/s"),
                        [(what, f"{use['seconds']:.1f}", percent(use["all_share"]), percent(use["ticks_share"]),
                          percent(use["own_share"]), percent(use["grpc_share"]), f"{use['own_switches_per_s']:.2f}",
                          f"{use['grpc_switches_per_s']:.2f}") for what, use in uses.items()])


def measure(args: argparse.Namespace) -> dict[str, Any]:
    with service.Service(args.bin, args.core, args.torch) as daemon:
        service.stay_off(args.core)
        turns = take_turns(args, Sides(args, daemon)) if args.repeats else []
        uses = daemon_use(args, daemon) if args.seconds else {}
    return {"ratios": compared(turns) if turns else [], "daemon": uses, "turns": turns}


def seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"is {text}, must be a number from 0 on")
    return value


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    service.add_arguments(parser)
    parser.add_argument("--worker-once", type=pathlib.Path, help="the test program; tests/worker_once beside --bin")
    parser.add_argument("--repeats", type=service.at_least(0), default=15, help="turns of the sides (15; 0: none)")
    parser.add_argument("--steps", type=service.at_least(1), default=300, help="measured steps of a run (300)")
    parser.add_argument("--seconds", type=seconds, default=25, help="of each look at the daemon (25; 0: none)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the sides")
    args = parser.parse_args()
    args.worker_once = args.worker_once or args.bin.parent / "tests" / "worker_once"
    service.check_programs(parser, [*(args.bin / name for name in ("torchlap", "torchlapd", "torchlap-worker")),
                                    args.worker_once])
    return args


def main() -> int:
    args = parse()
    service.end_in_order_on_signals()
    context = report.context(args.bin)
    try:
        result = measure(args)
    except (service.Broken, worker_alone.WorkerFailed) as failure:
        print(f"overhead: {failure}", file=sys.stderr)
        return 1
    print(report.about(context))
    if result["ratios"]:
        print(ratio_table(result["ratios"]))
    if result["daemon"]:
        print(use_table(result["daemon"]))
    report.write(args.out, {"context": context, "settings": vars(args), "shape": SHAPE, **result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
