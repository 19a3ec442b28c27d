#!/usr/bin/env python3
"""Step times of torchlap-worker beside Python's (eager_reference.py), the same work on the same core.

Repeats of the two alternate, and which of them goes first alternates too, so that drift of the machine
falls on both. Each repeat is a fresh process and counts as one value: the median of its measured steps.
The ratio is that of the medians over the repeats, with a 95 % bootstrap interval. What is timed is the default CPU
device's work: fp32, explicit attention.

Writes a JSON file with every sample and a Markdown table. Exit status 0 unless a run failed; it judges nothing.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PHASES = ("forward", "loss", "backward", "optimizer", "step")
SHAPES = {  # name: (d_model, d_ff, layers, heads), as in eager_reference.py
    "small": (768, 3072, 12, 12),
    "medium": (1024, 4096, 24, 16),
}


def phases_of(pass_type):
    return {"forward": ("forward", "step"),
            "forward-backward": ("forward", "loss", "backward", "step"),
            "train-step": PHASES}[pass_type]


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"step_time: exit status {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


def worker_request(args):
    d_model, d_ff, layers, heads = SHAPES[args.size]
    enum = args.pass_type.upper().replace("-", "_")
    optimizer = f"optimizer: OPTIMIZER_{args.optimizer.upper()}" if args.pass_type == "train-step" else ""
    return f"""
        run_id: "bench.1"
        workload {{ transformer_lm {{ vocab_size: 10000 d_model: {d_model} d_ff: {d_ff} layers: {layers}
          heads: {heads} pass_type: PASS_TYPE_{enum} precision: PRECISION_FP32 attention: ATTENTION_{args.attention.upper()}
          {optimizer} batch_size: {args.batch} context_length: {args.context} }} }}
        plan {{ warmup_steps: {args.warmup} measure_steps: {args.steps} timing: TIMING_SEPARATE }}
        device {{ kind: DEVICE_KIND_CPU threads: {args.threads} cores: "{args.cores}" }}"""


def run_worker(args, environment):
    """Milliseconds of the measured steps, by phase."""
    out = run([args.worker_once, args.worker], input=worker_request(args), env=environment)
    times = {phase: [] for phase in phases_of(args.pass_type)}
    for event in map(json.loads, out.splitlines()):
        if "failed" in event:
            sys.exit(f"step_time: the worker failed: {event['failed']['failure']['detail']}")
        block = event.get("steps", event.get("result", {})).get("samples", {})
        for phase, values in times.items():
            values += [int(ns) / 1e6 for ns in block.get(phase + "_ns", [])]
    return {phase: values[args.warmup:] for phase, values in times.items()}


def run_python(args, environment):
    out = run(["taskset", "-c", args.cores, args.python, HERE / "eager_reference.py", "time", "--size", args.size,
               "--batch", args.batch, "--context", args.context, "--pass-type", args.pass_type, "--timing", "separate",
               "--warmup", args.warmup, "--steps", args.steps, "--threads", args.threads,
               "--attention", args.attention, "--optimizer", args.optimizer], env=environment)
    times = json.loads(out)
    return {phase: times[phase + "_ms"] for phase in phases_of(args.pass_type)}


def bootstrap(ours, theirs, draws=10000):
    """95 % interval of the ratio of medians."""
    generator = random.Random(1)
    ratios = sorted(statistics.median(generator.choices(ours, k=len(ours)))
                    / statistics.median(generator.choices(theirs, k=len(theirs))) for _ in range(draws))
    return ratios[int(0.025 * draws)], ratios[int(0.975 * draws) - 1]


def compare(repeats, phase):
    ours, theirs = ([statistics.median(repeat[side][phase]) for repeat in repeats] for side in ("worker", "python"))
    low, high = bootstrap(ours, theirs)
    worker_ms, python_ms = statistics.median(ours), statistics.median(theirs)
    # The least disturbed repeat of each: what is left of a difference when the machine was busy.
    return {"worker_ms": worker_ms, "python_ms": python_ms, "ratio": worker_ms / python_ms, "low": low, "high": high,
            "ratio_of_fastest": min(ours) / min(theirs)}


def markdown(args, table):
    lines = [f"{args.size}, batch {args.batch}, context {args.context}, {args.pass_type}, {args.optimizer} optimizer, "
             f"fp32, {args.attention} attention, {args.threads} thread(s) on core {args.cores}; medians of "
             f"{args.repeats} interleaved repeats of {args.steps} steps after {args.warmup} warm-up", "",
             "| phase | torchlap-worker (ms) | Python (ms) | ratio | 95 % interval | ratio of fastest repeats |",
             "|---|---:|---:|---:|---|---:|"]
    for phase, row in table.items():
        lines.append(f"| {phase} | {row['worker_ms']:.2f} | {row['python_ms']:.2f} | {row['ratio']:.4f} "
                     f"| {row['low']:.4f} to {row['high']:.4f} | {row['ratio_of_fastest']:.4f} |")
    return "\n".join(lines) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", required=True, help="torchlap-worker")
    parser.add_argument("--worker-once", required=True, help="the test program worker_once")
    parser.add_argument("--python", required=True, help="a Python that has torch 2.11.0")
    parser.add_argument("--size", choices=sorted(SHAPES), default="small")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--context", default="128")
    parser.add_argument("--pass-type", choices=("forward", "forward-backward", "train-step"), default="train-step")
    parser.add_argument("--attention", choices=("explicit", "sdpa"), default="explicit")
    parser.add_argument("--optimizer", choices=("course", "fused"), default="course")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--cores", default=str(max(os.sched_getaffinity(0))), help="default: the highest one")
    parser.add_argument("-o", "--output", default="step_time", help="OUTPUT.json and OUTPUT.md are written")
    args = parser.parse_args()
    for option in ("warmup", "steps", "repeats"):
        if getattr(args, option) < (option != "warmup"):
            parser.error(f"--{option} is {getattr(args, option)}, must be at least {int(option != 'warmup')}")
    return args


def main():
    args = parse()
    args_of_python = argparse.Namespace(**vars(args))
    args_of_python.warmup, args_of_python.steps = str(args.warmup), str(args.steps)
    environment = dict(os.environ)
    sides = {"worker": lambda: run_worker(args, environment),
             "python": lambda: run_python(args_of_python, environment)}
    repeats = []
    for number in range(args.repeats):
        order = list(sides)[::1 if number % 2 == 0 else -1]
        repeats.append({side: sides[side]() for side in order})
        steps = {side: statistics.median(repeats[-1][side]["step"]) for side in order}
        print(f"repeat {number + 1}: worker {steps['worker']:.1f} ms, Python {steps['python']:.1f} ms", file=sys.stderr)
    table = {phase: compare(repeats, phase) for phase in phases_of(args.pass_type)}
    settings = {key: value for key, value in vars(args).items() if key not in ("worker", "worker_once", "python", "output")}
    result = {"settings": settings, "machine": platform.machine(), "kernel": platform.release(),
              "table": table, "repeats": repeats}
    pathlib.Path(args.output + ".json").write_text(json.dumps(result, indent=1) + "\n")
    pathlib.Path(args.output + ".md").write_text(markdown(args, table))
    print(markdown(args, table), end="")


if __name__ == "__main__":
    main()
