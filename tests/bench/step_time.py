#!/usr/bin/env python3
"""Step times of torchlap-worker beside Python's (eager_reference.py), the same work on the same core.

Repeats of the two alternate, and which of them goes first alternates too, so that drift of the machine
falls on both; so do the timings, where both are asked for. Each repeat is a fresh process and counts as one value: the
median of its measured steps. The ratio is that of the medians over the repeats, with a 95 % bootstrap interval. What is
timed is the default CPU device's work: fp32, explicit attention.

Prints a Markdown table for each timing; --out writes a JSON file with every sample. Exit status 0 unless a run failed;
it judges nothing.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
from typing import Any

import intervals
import report
import service
import worker_alone

HERE = pathlib.Path(__file__).resolve().parent
PEER = pathlib.Path.home() / ".cache" / "torchlap-peer" / "bin" / "python"
TIMINGS = ("separate", "combined")
SHAPES = {  # name: (d_model, d_ff, layers, heads), as in eager_reference.py
    "small": (768, 3072, 12, 12),
    "medium": (1024, 4096, 24, 16),
}

# Milliseconds of the measured steps of one process, by phase.
Times = dict[str, list[float]]
# Those of each side, by timing.
Repeat = dict[str, dict[str, Times]]


def phases_of(pass_type: str, timing: str) -> tuple[str, ...]:
    if timing == "combined":
        return ("step",)
    return {"forward": ("forward", "step"),
            "forward-backward": ("forward", "loss", "backward", "step"),
            "train-step": worker_alone.PHASES}[pass_type]


def worker_request(args: argparse.Namespace, timing: str) -> str:
    d_model, d_ff, layers, heads = SHAPES[args.size]
    enum = args.pass_type.upper().replace("-", "_")
    optimizer = f"optimizer: OPTIMIZER_{args.optimizer.upper()}" if args.pass_type == "train-step" else ""
    return f"""
        run_id: "bench.1"
        workload {{ transformer_lm {{ vocab_size: 10000 d_model: {d_model} d_ff: {d_ff} layers: {layers}
          heads: {heads} pass_type: PASS_TYPE_{enum} precision: PRECISION_FP32
          attention: ATTENTION_{args.attention.upper()} {optimizer}
          batch_size: {args.batch} context_length: {args.context} }} }}
        plan {{ warmup_steps: {args.warmup} measure_steps: {args.steps} timing: TIMING_{timing.upper()} }}
        device {{ kind: DEVICE_KIND_CPU threads: {args.threads} cores: "{args.cores}" }}"""


def run_worker(args: argparse.Namespace, timing: str) -> Times:
    times = worker_alone.step_times(args.worker_once, args.worker, worker_request(args, timing), os.environ)
    return {phase: times[phase][args.warmup:] for phase in phases_of(args.pass_type, timing)}


def run_python(args: argparse.Namespace, timing: str) -> Times:
    command = ["taskset", "-c", args.cores, args.python, HERE / "eager_reference.py", "time", "--size", args.size,
               "--batch", args.batch, "--context", args.context, "--pass-type", args.pass_type, "--timing", timing,
               "--warmup", args.warmup, "--steps", args.steps, "--threads", args.threads,
               "--attention", args.attention, "--optimizer", args.optimizer]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0:
        raise service.Broken(f"the Python peer ended with exit status {done.returncode}")
    times = json.loads(done.stdout)
    return {phase: times[phase + "_ms"] for phase in phases_of(args.pass_type, timing)}


SIDES = {"worker": run_worker, "python": run_python}


def take_turn(args: argparse.Namespace, number: int) -> Repeat:
    """One process of each side for each timing; the order of both is turned around from one repeat to the next."""
    turn = slice(None, None, 1 if number % 2 == 0 else -1)
    repeat: Repeat = {}
    for timing in args.timings[turn]:
        repeat[timing] = {side: SIDES[side](args, timing) for side in list(SIDES)[turn]}
        steps = {side: statistics.median(repeat[timing][side]["step"]) for side in SIDES}
        print(f"repeat {number + 1}, {timing}: worker {steps['worker']:.1f} ms, Python {steps['python']:.1f} ms",
              file=sys.stderr)
    return repeat


def compare(repeats: list[Repeat], timing: str, phase: str) -> dict[str, float]:
    ours, theirs = ([statistics.median(repeat[timing][side][phase]) for repeat in repeats] for side in SIDES)
    low, high = intervals.bootstrap_ratio(ours, theirs)
    worker_ms, python_ms = statistics.median(ours), statistics.median(theirs)
    # The least disturbed repeat of each: what is left of a difference when the machine was busy.
    return {"worker_ms": worker_ms, "python_ms": python_ms, "ratio": worker_ms / python_ms, "low": low, "high": high,
            "ratio_of_fastest": min(ours) / min(theirs)}


def markdown(args: argparse.Namespace, timing: str, rows: dict[str, dict[str, float]]) -> str:
    optimizer = f", {args.optimizer} optimizer" if args.pass_type == "train-step" else ""
    caption = (f"{args.size}, batch {args.batch}, context {args.context}, {args.pass_type}{optimizer}, "
               f"{timing} timing, fp32, {args.attention} attention, {args.threads} thread(s) on core {args.cores}; "
               f"medians of {args.repeats} interleaved repeats of {args.steps} steps after {args.warmup} warm-up")
    return caption + "\n\n" + report.table(
        ("phase", "torchlap-worker (ms)", "Python (ms)", "ratio", "95 % interval", "ratio of fastest repeats"),
        [(phase, f"{row['worker_ms']:.2f}", f"{row['python_ms']:.2f}", f"{row['ratio']:.4f}",
          f"{row['low']:.4f} to {row['high']:.4f}", f"{row['ratio_of_fastest']:.4f}") for phase, row in rows.items()])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=service.ROOT / "build/release/bin",
                        help="folder of the programs")
    parser.add_argument("--worker", type=pathlib.Path, help="torchlap-worker; the one in --bin")
    parser.add_argument("--worker-once", type=pathlib.Path, help="the test program; tests/worker_once beside --bin")
    parser.add_argument("--python", default=os.environ.get("TORCHLAP_PEER_PYTHON", str(PEER)),
                        help="a Python that has torch 2.11.0; TORCHLAP_PEER_PYTHON")
    parser.add_argument("--size", choices=sorted(SHAPES), default="small")
    parser.add_argument("--batch", type=service.at_least(1), default=1)
    parser.add_argument("--context", type=service.at_least(1), default=128)
    parser.add_argument("--pass-type", choices=("forward", "forward-backward", "train-step"), default="train-step")
    parser.add_argument("--timing", choices=(*TIMINGS, "both"), default="both")
    parser.add_argument("--attention", choices=("explicit", "sdpa"), default="explicit")
    parser.add_argument("--optimizer", choices=("course", "fused"), default="course")
    parser.add_argument("--warmup", type=service.at_least(0), default=3)
    parser.add_argument("--steps", type=service.at_least(1), default=10)
    parser.add_argument("--repeats", type=service.at_least(1), default=7)
    parser.add_argument("--threads", type=service.at_least(1), default=1)
    parser.add_argument("--cores", default=str(max(os.sched_getaffinity(0))), help="default: the highest one")
    parser.add_argument("-o", "--out", type=pathlib.Path, help="write the result, every sample included, as JSON")
    args = parser.parse_args()
    args.timings = TIMINGS if args.timing == "both" else (args.timing,)
    args.worker = args.worker or args.bin / "torchlap-worker"
    args.worker_once = args.worker_once or args.bin.parent / "tests" / "worker_once"
    service.check_programs(parser, [args.worker, args.worker_once, pathlib.Path(args.python)])
    return args


def main() -> int:
    args = parse()
    service.end_in_order_on_signals()
    context = report.context()
    try:
        repeats = [take_turn(args, number) for number in range(args.repeats)]
    except (service.Broken, worker_alone.WorkerFailed) as failure:
        print(f"step_time: {failure}", file=sys.stderr)
        return 1
    tables: dict[str, Any] = {timing: {phase: compare(repeats, timing, phase)
                                       for phase in phases_of(args.pass_type, timing)} for timing in args.timings}
    print(report.about(context))
    for timing, rows in tables.items():
        print(markdown(args, timing, rows))
    report.write(args.out, {"context": context, "settings": vars(args), "tables": tables, "repeats": repeats})
    return 0


if __name__ == "__main__":
    sys.exit(main())
