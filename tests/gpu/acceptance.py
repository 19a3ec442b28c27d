#!/usr/bin/env python3
"""Acceptance of torchlap on one device, in parts of less than 8 minutes each:

  a  the recorded vectors, and the loss of a run, on the device
  b  every preset x pass x precision that exists so far, smaller where memory runs out
  c  beside the Python peer, interleaved: times of each phase and peaks of memory
  d  timings separate, combined and events against each other
  e  CUDA graphs against eager
  f  telemetry against nvidia-smi
  g  three runs alone, which must not be contaminated, and one beside a second process with matmuls
  h  out of memory: too large by arithmetic, a large batch, a memory fraction, a neighbour who holds memory
  i  a sweep of 50 small cells beside a Python process for each cell
  j  the device's own peak, the largest batch that fits, a warm-up comparison, a trace
  k  what the driver and `torchlap doctor` say of the machine
  l  the driver's raw counters during a run (raw_counters.py)
  m  one short run of each kind: fp32, bf16 with sdpa, CUDA graph, events, trace
  n  a real out-of-memory

A machine that is there for minutes is visited twice. `--first --budget 150` looks: k, l, the recorded vectors of a, m,
n. `--budget 500` measures: a to j in the order of their worth, in smaller editions. Every part has its share of the
time that is left, and is ended when that is over; what was not done then is skipped with that reason. `--plan` prints
the shares beside what each part is thought to take, and starts nothing.

Starts daemons of its own in a temporary folder, asks them by the command line only, and ends them. Needs nothing but
Python's standard library; parts that need CUDA, or a Python with torch, or what this version of torchlap does not do
yet, are skipped with the reason. After every part it writes two files anew, and no others: summary.md, and
results.tar.gz with the parts as JSON, the logs of daemons and workers, the databases, and what the driver said. Parts
of earlier calls with the same folder stay in both. The last line is the summary.
Exit status: 0 nothing failed, 1 a part failed, 2 usage.
"""
import argparse
import contextlib
import datetime
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEER = ROOT / "tests" / "bench" / "eager_reference.py"
GOLDEN = ROOT / "tests" / "golden"
PHASES = ("forward", "loss", "backward", "optimizer", "step")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "bf16-weights")
PASSES = ("forward", "forward-backward", "train-step")
PART_SECONDS = 440  # of 8 minutes: the rest is for ending what runs
GRACE_SECONDS = 4  # after which a part that has not ended by itself is broken off
SECONDS_TO_END = 12  # of a budget: the last cancellation, the daemons' end, the files
MOST_LOG_BYTES = 1 << 18  # of each log, its end
TINY = "--layers 2 --heads 2 --d-model 64 --d-ff 128 --vocab 1000".split()
TINY_PEER = "--layers 2 --heads 2 --d-model 64 --d-ff 128 --vocab 1000".split()


class Skip(Exception):
    """A part, or a piece of one, that cannot be done here: the reason."""


class Broken(Exception):
    """The service did not do what it must."""


class TimeOver(Skip):
    """The part's share of the budget is spent."""


class Refused(Broken):
    """The command line said no: its line."""


def first_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no word of a reason"


def output_of(command, timeout=60, **options):
    """stdout, or None where the program is not there, failed or took too long."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                              check=True, **options)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


class Clock:
    """What is left of the part that runs, and of the budget."""

    began = time.monotonic()
    budget_ends = None  # None: there is no budget
    ends = began + PART_SECONDS
    is_armed = False
    shields = 0

    @classmethod
    def set_budget(cls, seconds):
        cls.budget_ends = cls.began + seconds - SECONDS_TO_END

    @classmethod
    def start(cls, share=1.0):
        """A part begins. `share` of what is left of a budget is its; what it leaves, the others have."""
        now = time.monotonic()
        if cls.budget_ends is None:
            cls.ends = now + PART_SECONDS
        else:
            cls.ends = now + min(PART_SECONDS, max(0.0, cls.budget_ends - now) * share)
        cls.is_armed = True
        signal.signal(signal.SIGALRM, cls.break_off)
        signal.setitimer(signal.ITIMER_REAL, cls.ends - now + GRACE_SECONDS, 1)

    @classmethod
    def stop(cls):
        """The part has ended."""
        cls.is_armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    @classmethod
    def break_off(cls, *_):
        """The hard end, for what does not look at the clock: again and again, until the part has ended."""
        if cls.is_armed and not cls.shields:
            raise cls.over("the part was broken off: its time was over")

    @classmethod
    @contextlib.contextmanager
    def shield(cls):
        """For what ends daemons and clients, and takes seconds at most: it is done whole."""
        cls.shields += 1
        try:
            yield
        finally:
            cls.shields -= 1

    @classmethod
    def left(cls):
        left = cls.ends - time.monotonic()
        if left <= 0:
            raise cls.over("the part's time was over")
        return left

    @classmethod
    def over(cls, words):
        """Where no budget was given the time is so long that running out of it is a failure."""
        return Broken(words) if cls.budget_ends is None else TimeOver(words)


class Service:
    """One daemon with a folder, a socket and a claim scope of its own."""

    started = []

    def __init__(self, bin_dir, folder, name, configuration, torch):
        self.bin_dir = bin_dir
        self.name = name
        self.folder = folder / name
        for part in ("run", "state", "config"):
            (self.folder / part).mkdir(parents=True)
        config = self.folder / "config" / "torchlapd.toml"
        config.write_text(configuration)
        socket = self.folder / "run" / "torchlap" / "torchlapd.sock"
        self.environment = dict(os.environ, XDG_STATE_HOME=str(self.folder / "state"),
                                XDG_RUNTIME_DIR=str(self.folder / "run"), XDG_CONFIG_HOME=str(self.folder / "config"),
                                TORCHLAP_ADDRESS=f"unix:{socket}",
                                TORCHLAP_CLAIM_SCOPE=f"acceptance-{os.getpid()}-{name}", NO_COLOR="1")
        self.log = self.folder / "torchlapd.log"
        command = [str(bin_dir / "torchlapd"), "--config", str(config)] + (["--torch", torch] if torch else [])
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        Service.started.append(self)
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        until = time.monotonic() + 30
        while "listens on" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Broken(f"torchlapd did not start: {first_line(self.log.read_text())}")
            time.sleep(0.02)

    def stop(self):
        with Clock.shield():
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20 if Clock.budget_ends is None else 5)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()

    def start(self, *arguments):
        return subprocess.Popen([str(self.bin_dir / "torchlap"), *map(str, arguments)], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def call(self, *arguments, good=(0,)):
        """(exit status, stdout) of `torchlap ARGUMENTS`; Refused for a status that is not among the good ones."""
        left = Clock.left()
        client = self.start(*arguments)
        try:
            out, err = client.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            self.end(client)
            raise Clock.over(f"not done in the {left:.0f} s left: torchlap {' '.join(map(str, arguments))}") from None
        except BaseException:
            self.end(client)
            raise
        if client.returncode not in good:
            raise Refused(first_line(err))
        return client.returncode, out

    def end(self, client):
        """The client of a job, and the job, which does not end with it."""
        with Clock.shield():
            client.kill()
            client.communicate()
            cancel = self.start("cancel", "last")
            try:
                cancel.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                cancel.kill()
                cancel.communicate()

    def json(self, *arguments, **options):
        return json.loads(self.call(*arguments, "--format", "json", **options)[1])

    def run(self, *arguments):
        """The rows of a sweep, one a run, failed attempts included; a failed job is a result here."""
        return self.json("run", *arguments, good=(0, 2))


def last_run(rows):
    """Of each job the run that counts: the OK one, else the last."""
    jobs = {}
    for row in rows:
        if row["job_id"] not in jobs or jobs[row["job_id"]]["outcome"] != "OK":
            jobs[row["job_id"]] = row
    return list(jobs.values())


def ok_run(rows):
    """The OK runs; a Skip where the worker says that it does not do this, Broken for another failure."""
    chosen = last_run(rows)
    for row in chosen:
        if row["outcome"] == "INVALID":
            raise Skip(row["failure_detail"])
        if row["outcome"] != "OK":
            raise Broken(f"run {row['run_id']} ended {row['outcome']}: {row['failure_detail']}")
    return chosen


def refused_is_skipped(action):
    """For what this version may not have: the refusal in one line is the reason."""
    try:
        return action()
    except Refused as refusal:
        raise Skip(str(refusal)) from None


def ratio(above, below):
    return above / below if above is not None and below else None


class Part:
    """What one part found: checks that hold or not, pieces that were skipped, rows, one table for people."""

    def __init__(self, letter, title):
        self.letter, self.title = letter, title
        self.checks, self.skipped, self.rows, self.remarks = [], [], [], []
        self.columns, self.table = [], []
        self.seconds = 0.0

    def check(self, what, is_good, detail=""):
        self.checks.append({"what": what, "ok": bool(is_good), "detail": str(detail)})

    @contextlib.contextmanager
    def piece(self, what):
        """A failure or a skip in here does not end the part."""
        try:
            yield
        except Skip as reason:
            self.skipped.append({"what": what, "reason": str(reason)})
        except Broken as failure:
            self.check(what, False, failure)
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError, subprocess.SubprocessError) as surprise:
            # An answer that is not as it was when this was written: the other pieces go on.
            self.check(what, False, f"{type(surprise).__name__}: {surprise}")

    def head(self, *columns):
        self.columns = list(columns)

    def line(self, *values):
        self.table.append([number(value) for value in values])

    @property
    def status(self):
        if any(not check["ok"] for check in self.checks):
            return "failed"
        return "passed" if self.checks else "skipped"

    def as_json(self, context):
        return {"part": self.letter, "title": self.title, "status": self.status, "seconds": round(self.seconds, 1),
                "context": context, "checks": self.checks, "skipped": self.skipped, "remarks": self.remarks,
                "table": {"columns": self.columns, "rows": self.table}, "rows": self.rows}


def number(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def mib(value):
    return None if value is None else value / 1048576


class Setting:
    """What the parts work with."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.is_cpu = args.device == "cpu"
        self.cores = sorted(os.sched_getaffinity(0))
        self.main = Service(args.bin, folder, "main", self.configuration("1GiB"), args.torch)
        self.device = self.find_device()
        self.results = Results(args.out or default_out(self), folder)
        self.numbers = itertools.count(1)

    def configuration(self, memory):
        if not self.is_cpu:
            return ""
        # One core and one thread: the calm choice.
        return (f'[[device]]\nname = "cpu0"\nkind = "cpu"\ncores = "{self.cores[-1]}"\nthreads = 1\n'
                f'memory = "{memory}"\n')

    def find_device(self):
        """As `torchlap devices` shows it, or None."""
        devices = self.main.json("devices")
        wanted = "cpu0" if self.is_cpu else self.args.device
        return next((device for device in devices if device["name"] == wanted), None)

    def service(self, name, memory="1GiB"):
        return contextlib.closing(ClosingService(self.args.bin, self.folder, name, self.configuration(memory),
                                                 self.args.torch))

    @property
    def is_short(self):
        return Clock.budget_ends is not None

    @functools.cached_property
    def peer_python(self):
        """(program, None), or (None, why there is none): looked for when it is needed, for that takes seconds."""
        candidates = [self.args.python] if self.args.python else [os.environ.get("TORCHLAP_PEER_PYTHON"), "python3"]
        ask = "import torch; print(torch.__version__.split('+')[0], torch.cuda.is_available())"
        reason = "no Python with torch"
        for python in filter(None, candidates):
            answer = output_of([python, "-c", ask], timeout=min(120, Clock.left()))
            if answer is None:
                continue
            version, has_cuda = answer.split()
            if version != "2.11.0":
                reason = f"{python} has torch {version}, must be torch 2.11.0"
            elif has_cuda != "True" and not self.is_cpu:
                reason = f"{python} has a torch that sees no CUDA device"
            else:
                return python, None
        return None, reason

    def need_python(self):
        python, reason = self.peer_python
        if python is None:
            raise Skip(f"{reason} (--python FILE or TORCHLAP_PEER_PYTHON names one)")
        return python

    def need_cuda(self):
        if self.is_cpu:
            raise Skip("only CUDA devices have this")

    @functools.cached_property
    def presets(self):
        """The small ones first; a shape that both editions have once."""
        shapes = {}
        for preset in sorted(self.main.json("presets"), key=lambda preset: preset["parameters"]):
            shape = tuple(preset[key] for key in ("vocab_size", "d_model", "d_ff", "layers", "heads"))
            shapes.setdefault(shape, preset)
        return list(shapes.values())

    def largest_preset(self, bytes_per_parameter, share):
        """Of those whose parameters take no more than this share of the device's memory."""
        most = self.device["memory_bytes"] * share
        fitting = [preset for preset in self.presets if preset["parameters"] * bytes_per_parameter <= most]
        if not fitting:
            raise Skip(f"no preset is small enough for {mib(self.device['memory_bytes']):.0f} MiB")
        return fitting[-1]

    def shape(self, size="small"):
        return TINY if self.is_cpu else ["--model-size", size]

    def on_device(self):
        return ["--device", "cpu0" if self.is_cpu else self.args.device]

    def steps(self, warmup, measured):
        if self.is_cpu:
            warmup, measured = 1, 3
        return ["--warmup-steps", warmup, "--measure-steps", measured]

    def size(self, batch, context):
        if self.is_cpu:
            batch, context = 1, 32
        return ["--batch-size", batch, "--context-length", context]

    def peer(self, arguments):
        """One run of the Python peer on the same cores and device: its JSON."""
        device = [] if self.is_cpu else ["--device", "cuda"]
        threads = ["--threads", "1"] if self.is_cpu else []
        prefix = ["taskset", "-c", str(self.cores[-1])] if self.is_cpu and shutil.which("taskset") else []
        environment = dict(os.environ)
        if not self.is_cpu:
            environment["CUDA_VISIBLE_DEVICES"] = self.device["uuid"]
        out = output_of([*prefix, self.need_python(), str(PEER), "time", *map(str, arguments), *device, *threads],
                        timeout=Clock.left(), env=environment)
        if out is None and Clock.ends <= time.monotonic():
            raise Clock.over("the Python peer was not done in the time left")
        if out is None:
            raise Broken(f"the Python peer failed: eager_reference.py time {' '.join(map(str, arguments))}")
        return json.loads(out)


class ClosingService(Service):
    def close(self):
        self.stop()


# --- the parts -------------------------------------------------------------------------------------------------------


def oracle(setting, part):
    program = next((p for p in (setting.args.bin.parent / "libexec" / "worker_oracle_test",
                                setting.args.bin.parent / "tests" / "worker_oracle_test") if p.is_file()), None)
    if program is None:
        raise Skip("worker_oracle_test is not beside the programs")
    found = re.search(r"LibTorch of (.*)", setting.main.log.read_text())
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(setting.folder)}
    if found:
        torch = pathlib.Path(found[1].strip())
        environment["LD_LIBRARY_PATH"] = ":".join(
            [f"{torch}/lib"] + [f"{torch.parent}/nvidia/{name}/lib" for name in
                                ("cu13", "cudnn", "cusparselt", "nccl", "nvshmem")])
    if not setting.is_cpu:
        environment["TORCHLAP_ORACLE_GPU"] = setting.device["uuid"]
        paths = [environment.get("LD_LIBRARY_PATH"), os.environ.get("LD_LIBRARY_PATH")]
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, paths))
    for file in sorted(GOLDEN.glob("vectors-*.json")):
        try:
            done = subprocess.run([str(program), "--gtest_filter=*AgreesWithTheFileThatTheEnvironmentNames"],
                                  env=dict(environment, TORCHLAP_ORACLE=str(file)), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=Clock.left(), check=False)
        except subprocess.TimeoutExpired:
            raise Clock.over(f"{file.name} was not done in the time left") from None
        agreed = re.search(r"oracle: .*, (\d+) values agree", done.stdout)
        part.check(f"{file.name} agrees", done.returncode == 0 and agreed,
                   f"{agreed[1]} values" if agreed else done.stdout[-1500:])
        part.line(file.name, int(agreed[1]) if agreed else None, "agree" if agreed else "differ")


def losses_on(setting, device, precision):
    return ok_run(refused_is_skipped(lambda: setting.main.run(
        *setting.shape(), *setting.size(1, 128), *setting.steps(1, 4), "--pass-type", "train-step",
        "--precision", precision, "--device", device)))[0]


def part_a(setting, part):
    part.head("what", "value", "verdict")
    with part.piece("recorded vectors"):
        oracle(setting, part)
    if setting.args.first:
        return
    device = setting.on_device()[1]
    # The CPU's own run takes longer than all of the device's.
    where = device if setting.is_short else "cpu0"
    reference = losses_on(setting, where, "fp32")
    for precision in PRECISIONS:
        with part.piece(f"loss in {precision}"):
            is_reference = precision == "fp32" and where == device
            row = reference if is_reference else losses_on(setting, device, precision)
            off = abs(row["first_loss"] / reference["first_loss"] - 1)
            # Every kind of device draws weights of its own from a seed; the recorded vectors are what is exact.
            limit = 1e-4 if precision == "fp32" and setting.is_cpu else 2e-2
            part.rows.append({"precision": precision, "first_loss": row["first_loss"], "last_loss": row["last_loss"],
                              "off": off})
            part.check(f"first loss in {precision} is that of {where} in fp32", off <= limit,
                       f"{row['first_loss']} against {reference['first_loss']}")
            part.check(f"training in {precision} lowers the loss", row["last_loss"] < row["first_loss"],
                       f"{row['first_loss']} to {row['last_loss']}")
            part.line(f"first loss, {precision}", row["first_loss"], f"off by {off:.1e}, at most {limit:.0e}")


# In a short visit: the smallest preset, which all other parts run in fp32, and the one after it.
SHORT_CELLS = [(0, "bf16"), (1, "fp32"), (1, "bf16")]


def cells_of_b(setting):
    """(name, flags, precision) of every preset in every precision; of two in a short visit."""
    if setting.is_cpu:
        return [("tiny", TINY, precision) for precision in PRECISIONS]
    chosen = ([(setting.presets[index], precision) for index, precision in SHORT_CELLS] if setting.is_short else
              list(itertools.product(setting.presets, PRECISIONS)))
    names = [(f"{preset['edition']}/{preset['name']}", precision) for preset, precision in chosen]
    return [(name, ["--model-size", name], precision) for name, precision in names]


def name_of(row):
    return f"{row['edition']}/{row['model_size']}" if row["model_size"] else "tiny"


def answered_before(setting):
    """Rows of an earlier call that wrote to the same folder, by (name, precision): a slow device needs several."""
    rows = setting.results.rows_of("b")
    answered = {}
    for row in rows:
        answered.setdefault((name_of(row), row["precision"]), []).append(row)
    return {key: found for key, found in answered.items()
            if {row["pass_type"] for row in last_run(found) if row["outcome"] != "TIMED_OUT"} == set(PASSES)}


def part_b(setting, part):
    part.head("model", "pass", "precision", "asked", "ran", "outcome", "step (ms)", "peak (MiB)", "note")
    before = answered_before(setting)
    late = []
    for name, flags, precision in cells_of_b(setting):
        with part.piece(f"{name} in {precision}"):
            rows = before.get((name, precision))
            if rows is None and Clock.ends - time.monotonic() < (12 if setting.is_short else 20):
                late.append(f"{name} {precision}")
                continue
            rows = rows or try_cell(setting, flags, precision)
            part.rows += rows
            for row in last_run(rows):
                show_of_b(part, row)
    if late:
        part.skipped.append({"what": f"{len(late)} cells", "reason": f"the part's time was over; --part b goes on with "
                             f"them: {', '.join(late)}"})


def try_cell(setting, flags, precision):
    # All three passes, with their ladders, are to end before the part does.
    limit = max(5, int(Clock.left() / 4))
    return refused_is_skipped(lambda: setting.main.run(
        *flags, *setting.size(4, 256), *setting.steps(2, 5), *setting.on_device(), "--pass-type", *PASSES,
        "--precision", precision, "--time-limit", f"{limit}s"))


def show_of_b(part, row):
    name = name_of(row)
    asked = f"{row['requested_batch_size']} x {row['requested_context_length']}"
    ran = f"{row['batch_size']} x {row['context_length']}"
    part.line(name, row["pass_type"], row["precision"], asked, ran, row["outcome"], row["step_median_ms"],
              mib(row["peak_allocated_bytes"]), row["failure_detail"] or "")
    what = f"{name}, {row['pass_type']}, {row['precision']}"
    if row["outcome"] in ("INVALID", "TIMED_OUT"):
        part.skipped.append({"what": what, "reason": row["failure_detail"]})
    else:
        is_answer = row["outcome"] in ("OK", "OUT_OF_MEMORY", "SKIPPED")
        part.check(f"{what} has an answer", is_answer, f"{row['outcome']} {row['failure_detail'] or ''}".strip())


def part_c(setting, part):
    setting.need_python()
    part.head("workload", "phase", "torchlap (ms)", "Python (ms)", "ratio", "peak ratio")
    repeats = 2 if setting.is_cpu or setting.is_short else 3
    workloads = [("forward-backward", "fp32"), ("train-step", "fp32"), ("forward-backward", "bf16"),
                 ("forward-backward", "tf32")]
    for pass_type, precision in workloads[:1] if setting.is_cpu else workloads[:2] if setting.is_short else workloads:
        with part.piece(f"{pass_type}, {precision}"):
            compare_with_peer(setting, part, pass_type, precision, repeats)


def compare_with_peer(setting, part, pass_type, precision, repeats):
    shape = TINY_PEER if setting.is_cpu else ["--size", "small"]
    batch, context = (1, 32) if setting.is_cpu else (4, 256)
    flags = {"bf16": ["--bf16"], "tf32": ["--tf32"]}.get(precision, [])
    warmup, measured = (1, 3) if setting.is_cpu else (5, 10)

    def ours():
        return ok_run(refused_is_skipped(lambda: setting.main.run(
            *setting.shape(), *setting.size(4, 256), *setting.steps(5, 10), *setting.on_device(),
            "--pass-type", pass_type, "--precision", precision)))[0]

    def theirs():
        return setting.peer([*shape, "--batch", batch, "--context", context, "--pass-type", pass_type,
                             "--timing", "separate", "--warmup", warmup, "--steps", measured, *flags])

    pairs = []
    for repeat in range(repeats):
        if repeat % 2 == 0:
            row = ours()
            pairs.append((row, theirs()))
        else:
            answer = theirs()
            pairs.append((ours(), answer))
    part.rows.append({"pass_type": pass_type, "precision": precision,
                      "torchlap": [row for row, _ in pairs], "python": [answer for _, answer in pairs]})
    peaks = [ratio(row["peak_allocated_bytes"], answer["peak_allocated_bytes"]) for row, answer in pairs]
    for phase in PHASES:
        mine = [row[f"{phase}_median_ms"] for row, _ in pairs]
        other = [answer.get(f"{phase}_median_ms") for _, answer in pairs]
        if None in mine or None in other:
            continue
        part.line(f"{pass_type}, {precision}", phase, statistics.median(mine), statistics.median(other),
                  ratio(statistics.median(mine), statistics.median(other)), peaks[0] if phase == "step" else None)
    part.check(f"{pass_type}, {precision}: both ran", True, f"{repeats} interleaved repeats")
    parameters = {row["parameters"] for row, _ in pairs} | {answer["parameters"] for _, answer in pairs}
    part.check(f"{pass_type}, {precision}: the models are of one size", len(parameters) == 1, sorted(parameters))


def part_d(setting, part):
    part.head("timing", "pass", "step (ms)", "sum of phases (ms)", "step / separate")
    # The first visit has tried `events` with the other one.
    for pass_type in ("train-step",) if setting.is_short else ("forward-backward", "train-step"):
        separate = None
        for timing in ("separate", "combined", "events"):
            with part.piece(f"{pass_type}, {timing}"):
                row = ok_run(refused_is_skipped(lambda: setting.main.run(
                    *setting.shape(), *setting.size(4, 256), *setting.steps(5, 20), *setting.on_device(),
                    "--pass-type", pass_type, "--timing", timing)))[0]
                part.rows.append(row)
                phases = [row[f"{phase}_mean_ms"] for phase in PHASES[:-1] if row[f"{phase}_mean_ms"] is not None]
                separate = separate or row["step_median_ms"]
                part.line(timing, pass_type, row["step_median_ms"], sum(phases) if phases else None,
                          row["step_median_ms"] / separate)
                part.check(f"{pass_type}, {timing}: a step has a time", row["step_median_ms"] > 0)
                if phases:
                    part.check(f"{pass_type}, {timing}: the phases are no longer than the step",
                               sum(phases) <= row["step_mean_ms"] * 1.001, f"{sum(phases)} of {row['step_mean_ms']} ms")
                if timing == "combined":
                    part.check(f"{pass_type}, combined: no times of phases", not phases, phases)
                if timing == "events":
                    check_device_times(setting, part, row)


def check_device_times(setting, part, row):
    samples = [s for s in setting.main.json("show", row["run_id"])["samples"] if not s.get("warmup")]
    pairs = [(s.get("device_step_ns"), s["step_ns"]) for s in samples]
    if not all(device for device, _ in pairs):
        return part.check("events: every step has the device's time", False, pairs[:3])
    worst = max(device / host for device, host in pairs)
    return part.check("events: the device's time of a step is no longer than the host's", worst <= 1.02, worst)


# (pass, batch, context, flags): small and large steps; the number formats and kernels that a graph must hold as well;
# more than 3,072 tokens, from where on the backward of the embedding takes another path.
GRAPH_CASES = [
    ("forward", 1, 128, []), ("forward", 16, 128, []),
    ("forward-backward", 1, 128, []), ("forward-backward", 16, 128, []),
    ("train-step", 1, 128, ["--optimizer", "fused"]), ("train-step", 16, 128, ["--optimizer", "fused"]),
    ("train-step", 4, 128, ["--optimizer", "fused", "--precision", "bf16", "--attention", "sdpa"]),
    ("forward-backward", 4, 1024, []),
    ("train-step", 4, 1024, ["--optimizer", "fused", "--precision", "bf16", "--attention", "sdpa"]),
]
# In the order of worth: what the others do not try, then the smallest steps, which gain most.
SHORT_GRAPH_CASES = GRAPH_CASES[6:] + [GRAPH_CASES[0], GRAPH_CASES[4]]


def part_e(setting, part):
    setting.need_cuda()
    part.head("pass", "batch x context", "eager (ms)", "graph (ms)", "eager / graph")
    for pass_type, batch, context, flags in SHORT_GRAPH_CASES if setting.is_short else GRAPH_CASES:
        what = " ".join([pass_type, f"{batch} x {context}", *flags])
        with part.piece(what):
            arguments = [*setting.shape(), *setting.size(batch, context), *setting.steps(5, 20), *setting.on_device(),
                         *flags, "--pass-type", pass_type, "--timing", "combined"]
            graph = ok_run(refused_is_skipped(lambda: setting.main.run(*arguments, "--cuda-graph")))[0]
            eager = ok_run(setting.main.run(*arguments))[0]
            part.rows += [eager, graph]
            part.line(" ".join([pass_type, *flags]), f"{batch} x {context}", eager["step_median_ms"],
                      graph["step_median_ms"], ratio(eager["step_median_ms"], graph["step_median_ms"]))
            part.check(f"{what}: graph and eager are different series", eager["series_key"] != graph["series_key"])
            part.check(f"{what}: a graph's warm-up says nothing of its replays",
                       graph["settles_at_step"] is None and graph["cold_steady_ratio"] is None)
            compare_losses(part, what, pass_type, eager, graph)


def compare_losses(part, what, pass_type, eager, graph):
    if eager["first_loss"] is None:
        return
    off = abs(graph["first_loss"] / eager["first_loss"] - 1)
    part.check(f"{what}: the first loss is the same", off < 1e-3, off)
    if pass_type == "train-step":
        # A capture trains for steps of its own, and after 25 steps of Adam rounding has grown: that both learn is all
        # that can be asked.
        for name, row in (("eager", eager), ("graph", graph)):
            part.check(f"{what}: training lowers the loss, {name}", row["last_loss"] < row["first_loss"],
                       f"{row['first_loss']} to {row['last_loss']}")
    else:
        off = abs(graph["last_loss"] / eager["last_loss"] - 1)
        part.check(f"{what}: the last loss is the same", off < 1e-3, off)


SMI_FIELDS = {"celsius": "temperature.gpu", "sm_mhz": "clocks.sm", "watts": "power.draw.instant"}


def ask_smi(setting):
    """What nvidia-smi says of SMI_FIELDS now; one of before 530 has a mean power alone."""
    for fields in (SMI_FIELDS, dict(SMI_FIELDS, watts="power.draw")):
        out = output_of(["nvidia-smi", f"--id={setting.device['uuid']}", "--format=csv,noheader,nounits",
                         "--query-gpu=" + ",".join(fields.values())], timeout=10)
        if out:
            return [float(v) if re.fullmatch(r"[0-9.]+", v.strip()) else None for v in out.split(",")]
    return None


def part_f(setting, part):
    setting.need_cuda()
    if shutil.which("nvidia-smi") is None:
        raise Skip("there is no nvidia-smi")
    client = setting.main.start("run", *setting.shape("medium"), *setting.size(4, 256), "--warmup-steps", 5,
                                "--measure-steps", 50 if setting.is_short else 200, *setting.on_device(),
                                "--format", "json")
    readings = []
    while client.poll() is None:
        if Clock.ends <= time.monotonic():
            setting.main.end(client)
            raise Clock.over("the run was not done in the time left")
        said = ask_smi(setting)
        if said:
            readings.append(said)
        time.sleep(0.5)
    row = ok_run(json.loads(client.communicate()[0]))[0]
    shown = setting.main.json("show", row["run_id"])
    part.rows += [shown, {"nvidia_smi": dict(zip(SMI_FIELDS, zip(*readings))) if readings else None}]
    part.head("reading", "torchlap, median", "nvidia-smi, median")
    mine = find_readings(shown)
    if not mine:
        raise Skip("a run has no telemetry in this version of torchlap")
    for index, key in enumerate(SMI_FIELDS):
        values = [v[index] for v in readings if v[index] is not None]
        own = [value for name, value in mine if name.endswith(key)]
        if not values or not own:
            part.skipped.append({"what": key, "reason": "only one of the two has it"})
            continue
        part.line(key, statistics.median(own), statistics.median(values))
        part.check(f"{key} is what nvidia-smi says",
                   min(values) * 0.85 <= statistics.median(own) <= max(values) * 1.15, own[:5])


def find_readings(value, name=""):
    """Every number below a key that ends with one of the fields: (key, number)."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in find_readings(inner, key)]
    if isinstance(value, list):
        return [found for inner in value for found in find_readings(inner, name)]
    is_reading = isinstance(value, (int, float)) and any(name.endswith(key) for key in SMI_FIELDS)
    return [(name, float(value))] if is_reading else []


@contextlib.contextmanager
def neighbour(setting, *arguments):
    """Another process on the same device, as another user's would be: a run of a daemon with a claim of its own."""
    with setting.service(f"neighbour-{next(setting.numbers)}") as other:
        arguments = [*arguments, *setting.on_device(), "--warmup-steps", 0, "--measure-steps"]
        once = ok_run(other.run(*arguments, 1))[0]
        client = other.start("run", *arguments, 100000, "--format", "json", "--time-limit", "7m")
        try:
            while not any(job.get("state", "").upper() == "RUNNING" for job in other.json("queue")):
                if client.poll() is not None:
                    raise Broken(f"the neighbour did not run: {first_line(client.communicate()[1])}")
                time.sleep(0.05)
            # Until it has built its model and computes, which took it no longer than its first run as a whole.
            time.sleep(min(once["duration_s"] * 1.2, Clock.left()))
            yield client
        finally:
            other.end(client)


def part_g(setting, part):
    part.head("what", "step (ms)", "CV", "validity")
    # So many that also a step of 5 ms makes a window in which a verdict can be given.
    arguments = [*setting.shape(), *setting.size(4, 256), "--warmup-steps", 5, "--measure-steps", 60,
                 *setting.on_device(), "--pass-type", "forward-backward"]
    alone = None
    for number_of_run in (1, 2, 3):
        alone = ok_run(setting.main.run(*arguments))[0]
        part.rows.append(alone)
        part.line(f"alone, run {number_of_run}", alone["step_median_ms"], alone["step_cv"], alone["validity"])
        # On a CPU whoever else computes on its core is seen, as it should be.
        if not setting.is_cpu:
            part.check(f"alone is not contaminated, run {number_of_run}", alone["validity"] != "contaminated",
                       alone["validity_reasons"])
    # Not waiting for the neighbour is what is tried here.
    with neighbour(setting, *setting.shape("medium"), *setting.size(8, 256)) as other:
        disturbed = ok_run(setting.main.run(*arguments, "--if-busy", "run"))[0]
        part.check("the neighbour computed all the while", other.poll() is None)
        with part.piece("a busy device, --if-busy fail"):
            setting.need_cuda()
            row = last_run(setting.main.run(*arguments, "--if-busy", "fail"))[0]
            part.check("a job that must not wait fails", row["job_state"] == "FAILED", row["job_state"])
    part.rows.append(disturbed)
    part.line("with a neighbour", disturbed["step_median_ms"], disturbed["step_cv"], disturbed["validity"])
    part.remarks.append(f"with a neighbour a step takes {disturbed['step_median_ms'] / alone['step_median_ms']:.2f}x")
    # One entry of the neighbour during the steps is enough for that, where it can be told from ourselves.
    if "pids-not-translated" in (disturbed["validity_reasons"] or ""):
        part.skipped.append({"what": "the disturbed run is contaminated", "reason": "the driver hides the pids here"})
    else:
        part.check("the disturbed run is contaminated", disturbed["validity"] == "contaminated",
                   disturbed["validity_reasons"])


def part_h(setting, part):
    part.head("what", "asked", "outcome", "ran", "runs", "detail")
    with setting.service("small-memory", "64MiB") as service:
        with part.piece("too large by arithmetic"):
            rows = service.run("--model-size", "10B", "--pass-type", "train-step", "--batch-size", 1,
                               "--context-length", 128, "--warmup-steps", 0, "--measure-steps", 1,
                               *setting.on_device())
            row = show_of_h(part, "10B, train-step", rows)
            part.check("10B: what cannot fit says why", row["outcome"] in ("SKIPPED", "OUT_OF_MEMORY", "OK")
                       and (row["outcome"] == "OK" or row["failure_detail"]), row["failure_detail"])
        with part.piece("a large batch"):
            large_batch(setting, part, service)
        with part.piece("a run after it"):
            row = ok_run(service.run(*setting.shape(), *setting.size(1, 128), *setting.steps(1, 3),
                                     *setting.on_device()))[0]
            part.check("the next run is not hurt", row["outcome"] == "OK")
        with part.piece("a memory fraction"):
            setting.need_cuda()
            # `small` holds 2.1 GB in a training step, and needs about twice that for this batch, on every GPU.
            share = 2.7e9 / setting.device["memory_bytes"]
            if share > 1:
                raise Skip("the device has less memory than the fraction would leave")
            rows = refused_is_skipped(lambda: service.run(
                *setting.shape(), *setting.size(4, 256), *setting.steps(1, 3), *setting.on_device(), "--pass-type",
                "train-step", "--memory-fraction", f"{share:.4f}"))
            row = show_of_h(part, "small with 2.7 GB of the memory", rows)
            part.check("a fraction of the memory runs out", any(r["outcome"] == "OUT_OF_MEMORY" for r in rows),
                       row["outcome"])
        with part.piece("a neighbour who holds memory"):
            setting.need_cuda()
            # What fits beside it runs, and says what the neighbour holds; a short visit builds smaller models.
            held_by_it = setting.largest_preset(16, 0.15 if setting.is_short else 0.3)
            asked = setting.largest_preset(16, 0.3 if setting.is_short else 0.8)
            with neighbour(setting, *shape_of(held_by_it), *setting.size(1, 128), "--pass-type", "train-step"):
                rows = service.run(*shape_of(asked), "--pass-type", "train-step", *setting.size(4, 512),
                                   *setting.steps(0, 1), *setting.on_device(), "--if-busy", "run")
            row = show_of_h(part, f"{asked['name']} beside a neighbour with {held_by_it['name']}", rows)
            held = [r["device_foreign_bytes"] or r["failure_foreign_bytes"] for r in rows]
            if any(held):
                part.check("the memory of the neighbour is counted", max(filter(None, held)) > 2**30, held)
            else:
                part.skipped.append({"what": "memory held by others", "reason": "the run does not say it"})


def shape_of(preset):
    return ["--model-size", f"{preset['edition']}/{preset['name']}"]


def batch_that_runs_out(preset, context, memory_bytes):
    """A power of two: weights, gradients and, of each layer, three times the scores are more than half again of it."""
    resident = preset["parameters"] * 8
    of_a_sequence = preset["layers"] * 3 * preset["heads"] * context * context * 4
    batch = 8
    while resident + batch * of_a_sequence < 1.5 * memory_bytes:
        batch *= 2
    return batch


def large_batch(setting, part, service):
    if setting.is_cpu:
        arguments = [*TINY, "--batch-size", 64, "--context-length", 128, "--pass-type", "forward-backward"]
    else:
        # What must be held whatever the batch leaves room: else no batch fits, and nothing is tried.
        preset = setting.largest_preset(8, 0.1 if setting.is_short else 0.5)
        batch = batch_that_runs_out(preset, 1024, setting.device["memory_bytes"])
        arguments = [*shape_of(preset), "--batch-size", batch, "--context-length", 1024, "--pass-type",
                     "forward-backward"]
    rows = service.run(*arguments, "--warmup-steps", 0, "--measure-steps", 1, *setting.on_device())
    row = show_of_h(part, "a large batch", rows)
    failed = [r for r in rows if r["outcome"] == "OUT_OF_MEMORY"]
    asked = row["requested_batch_size"]
    part.check("memory ran out at the size that was asked for", failed and failed[0]["batch_size"] == asked,
               [r["outcome"] for r in rows])
    for name in ("asked", "allocated", "total"):
        part.check(f"the failure says the bytes {name}", all(r[f"failure_{name}_bytes"] for r in failed),
                   [r[f"failure_{name}_bytes"] for r in failed])
    if not setting.is_cpu:
        part.check("the failure says the bytes reserved and free",
                   all(r["failure_reserved_bytes"] and r["failure_free_bytes"] is not None for r in failed))
    is_smaller = row["outcome"] == "OK" and row["batch_size"] < asked
    part.check("a smaller batch ran, each in a process of its own", is_smaller,
               f"{row['outcome']} at {row['batch_size']}")


def show_of_h(part, what, rows):
    part.rows += rows
    row = last_run(rows)[0]
    part.line(what, f"{row['requested_batch_size']} x {row['requested_context_length']}", row["outcome"],
              f"{row['batch_size']} x {row['context_length']}", len(rows), row["failure_detail"] or "")
    return row


def part_i(setting, part):
    part.head("who", "cells", "wall (s)", "a cell (s)")
    cells = 8 if setting.is_short else 50
    contexts = [str(16 + 8 * n) for n in range(cells)]
    arguments = [*setting.shape(), "--batch-size", 1, "--context-length", *contexts, "--pass-type", "forward",
                 "--warmup-steps", 1, "--measure-steps", 2, *setting.on_device()]
    began = time.monotonic()
    rows = ok_run(setting.main.run(*arguments))
    ours = time.monotonic() - began
    part.rows.append({"torchlap_s": ours, "cells": len(rows)})
    part.line("torchlap", len(rows), ours, ours / len(rows))
    part.check(f"{cells} cells ran", len(rows) == cells, len(rows))
    part.check("in one process each", len({row["run_id"] for row in rows}) == cells)
    with part.piece("a Python process for each cell"):
        setting.need_python()
        shape = TINY_PEER if setting.is_cpu else ["--size", "small"]
        wanted = contexts[:2] if setting.is_short else contexts[:5] if setting.is_cpu else contexts
        done, began = 0, time.monotonic()
        for context in wanted:
            if done and Clock.left() < 30:
                break
            setting.peer([*shape, "--batch", 1, "--context", context, "--pass-type", "forward", "--warmup", 1,
                          "--steps", 2])
            done += 1
        theirs = (time.monotonic() - began) / done
        part.rows.append({"python_s_a_cell": theirs, "cells": done})
        part.line("Python, a process each", done, theirs * done, theirs)
        part.remarks.append(f"torchlap takes {ours / cells / theirs:.2f} of Python's wall time a cell "
                            f"({done} of {cells} Python processes were timed)")


def part_j(setting, part):
    part.head("what", "result")
    with part.piece("calibrate"):
        size = ["--matrix-size", 128] if setting.is_cpu else []
        found = setting.main.json("calibrate", *setting.on_device(), *size)
        part.rows.append(found)
        for peak in found["matmul_peaks"]:
            part.line(f"products in {peak['precision']}", f"{peak['flops_per_s'] / 1e12:.3g} TFLOP/s")
        if found["memory_bytes_per_s"]:
            part.line("copies", f"{found['memory_bytes_per_s'] / 1e9:.3g} GB/s")
        setting.main.run(*setting.shape(), *setting.size(1, 128), *setting.steps(2, 5), *setting.on_device())
        row = ok_run(setting.main.json("export"))[0]
        if found["validity"] == "contaminated":
            raise Skip("the calibration was disturbed, and no run is compared with such a one")
        part.check("a later run has its share of the peak", 0 < (row["matmul_peak_ratio"] or 0) < 1.2,
                   row["matmul_peak_ratio"])
    with part.piece("fit"), contextlib.ExitStack() as opened:
        # On a CPU in a daemon of its own, with little memory; a GPU belongs to the main one.
        service = opened.enter_context(setting.service("fit", "32MiB")) if setting.is_cpu else setting.main
        found = service.json("fit", *setting.shape(), *fit_size(setting), *setting.on_device())
        part.rows.append(found)
        tries = service.json("runs", "--purpose", "fit", "--order", "oldest", "--limit", 1000)
        fits = [row["batch_size"] for row in tries if row["outcome"] == "OK"]
        too_big = [row["batch_size"] for row in tries if row["outcome"] == "OUT_OF_MEMORY"]
        part.line("fit", f"batch {max(fits)}; {min(too_big)} runs out of memory" if too_big else f"batch {max(fits)}")
        part.check("the next larger batch runs out of memory", bool(too_big) and min(too_big) == max(fits) + 1)
    with part.piece("warmup"):
        found = setting.main.json("warmup", *setting.shape(), *setting.size(1, 128), "--measure-steps", 10,
                                  *setting.on_device())
        part.rows.append(found)
        part.line("warmup", " ".join(finding["text"] for finding in found["findings"]))
        part.check("five numbers of warm-up steps were compared", len(found["runs"]) == 5)
    if setting.is_cpu or not setting.is_short:
        with part.piece("trace"):
            trace(setting, part)
    else:
        part.skipped.append({"what": "trace", "reason": "the first visit has it, in part m"})


def fit_size(setting):
    """Each try costs a process: in a short visit so long a context that a batch of about four fits."""
    if setting.is_cpu or not setting.is_short:
        return ["--context-length", 128]
    return ["--batch-size", 2, "--context-length", context_for_few(setting.device["memory_bytes"]), "--warmup-steps",
            1, "--measure-steps", 3]


def context_for_few(memory_bytes):
    """Of `small`: three times the scores of eight sequences, which is not all that they take, are the whole memory."""
    layers, heads, of_scores = 12, 12, 3 * 4
    context = int((memory_bytes / 8 / (layers * heads * of_scores)) ** 0.5)
    return min(8192, max(128, context // 64 * 64))


def trace(setting, part):
    with tempfile.TemporaryDirectory() as folder:
        setting.main.run(*setting.shape(), *setting.size(1, 128), *setting.steps(1, 2), *setting.on_device(),
                         "--trace", folder)
        files = list(pathlib.Path(folder).glob("*.json"))
        events = json.loads(files[0].read_text())["traceEvents"] if files else []
    names = {event.get("name") for event in events}
    part.line("trace", f"{len(files)} file, {len(names)} kinds of events")
    part.check("the trace has the phases", {"forward", "backward"} <= names)
    if not setting.is_cpu:
        # Names of kernels change with the library and the GPU; what the profiler calls them does not.
        part.check("the trace has kernels", any(event.get("cat") == "kernel" for event in events))


def part_k(setting, part):
    part.head("question", "answer")
    with part.piece("nvidia-smi"):
        setting.need_cuda()
        said = output_of(["nvidia-smi", "-q"])
        if said is None:
            raise Skip("there is no nvidia-smi, or it failed")
        setting.results.keep("nvidia-smi-q.txt", said)
        part.line("nvidia-smi -q", f"{len(said.splitlines())} lines in results.tar.gz")
        part.check("nvidia-smi answers", True)
    with part.piece("the kernel module"):
        setting.need_cuda()
        file = pathlib.Path("/proc/driver/nvidia/version")
        if not file.is_file():
            raise Skip(f"there is no {file}")
        setting.results.keep("driver-version.txt", file.read_text())
    with part.piece("doctor"):
        # 9 and others tell of problems, which are what is asked for.
        status, out = setting.main.call("doctor", "--format", "json", good=range(128))
        found = json.loads(out)
        part.rows.append({"exit_status": status, "doctor": found})
        part.line("doctor", f"exit status {status}")
        part.check("doctor answers", bool(found))
    with part.piece("devices"):
        found = setting.main.json("devices")
        part.rows.append({"devices": found})
        for device in found:
            part.line(device["name"], f"{device['model']}, {device['state']}")


def part_l(setting, part):
    setting.need_cuda()
    part.head("counter", "results", "values")
    program = HERE / "raw_counters.py"
    looking = subprocess.Popen([sys.executable, str(program), setting.device["uuid"], "--seconds",
                                str(PART_SECONDS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    whole = setting.results.keep_stream("raw-counters.jsonl", looking.stdout)
    try:
        # Alone, with a run, alone again.
        time.sleep(min(1, Clock.left()))
        row = ok_run(setting.main.run(*setting.shape(), *setting.size(4, 256), "--warmup-steps", 5, "--measure-steps",
                                      60, *setting.on_device()))[0]
        part.rows.append(row)
        time.sleep(min(1, Clock.left()))
    finally:
        looking.terminate()
        looking.wait()
        lines = whole()
    if not lines:
        raise Skip(first_line(looking.stderr.read()))
    looks = [json.loads(line) for line in lines]
    part.check("the driver was asked while it computed", len(looks) >= 5, len(looks))
    part.line("looks", len(looks), f"{max(look['took_ns'] for look in looks) / 1e6:.1f} ms at most")
    for name in looks[0]:
        answers = [look[name] for look in looks if isinstance(look[name], dict)]
        if answers:
            show_counter(part, name, answers)


def show_counter(part, name, answers):
    results = sorted({str(answer["result"]) for answer in answers})
    values = [answer["value"] for answer in answers if answer["value"] is not None]
    shown = [str(value) for value in values if not isinstance(value, (dict, list))]
    if isinstance(values[0] if values else None, list):
        entries = [entry for value in values for entry in value]
        shown = [f"{len(entries)} entries of pids {sorted({entry['pid'] for entry in entries})[:8]}"]
    elif values and not shown:
        shown = [json.dumps(values[0]), json.dumps(values[-1])]
    shown = sorted(set(shown))
    part.line(name, ", ".join(results), ", ".join(shown[:4]) + (", ..." if len(shown) > 4 else ""))


def part_m(setting, part):
    part.head("what", "step (ms)", "validity", "reasons")
    arguments = [*setting.shape(), *setting.size(4, 256), *setting.steps(5, 20), *setting.on_device()]
    kinds = [("fp32", []), ("bf16, sdpa", ["--precision", "bf16", "--attention", "sdpa"]),
             ("CUDA graph", ["--cuda-graph", "--timing", "combined"]), ("events", ["--timing", "events"])]
    for what, flags in kinds:
        with part.piece(what):
            if what in ("CUDA graph", "events"):
                setting.need_cuda()
            row = ok_run(refused_is_skipped(lambda: setting.main.run(*arguments, *flags)))[0]
            part.rows.append(setting.main.json("show", row["run_id"]))
            part.line(what, row["step_median_ms"], row["validity"], row["validity_reasons"])
            part.check(f"{what}: a step has a time", row["step_median_ms"] > 0)
    with part.piece("trace"):
        trace(setting, part)


def part_n(setting, part):
    part.head("what", "asked", "outcome", "ran", "runs", "detail")
    with setting.service("out-of-memory", "64MiB") as service:
        large_batch(setting, part, service)


PARTS = {"a": (part_a, "The recorded vectors and the loss"), "b": (part_b, "Presets, passes, precisions"),
         "c": (part_c, "Beside Python"), "d": (part_d, "Timings against each other"),
         "e": (part_e, "CUDA graphs"), "f": (part_f, "Telemetry beside nvidia-smi"),
         "g": (part_g, "Alone, and beside a second process"), "h": (part_h, "Out of memory"),
         "i": (part_i, "A sweep of small cells"), "j": (part_j, "Peak, fit, warm-up, trace"),
         "k": (part_k, "What the machine says of itself"), "l": (part_l, "Raw counters of a run"),
         "m": (part_m, "One short run of each kind"), "n": (part_n, "A real out-of-memory")}
# In the order of worth: a part, and the share that it should have of the whole.
FIRST_VISIT = [("k", 12), ("l", 22), ("a", 30), ("m", 38), ("n", 34)]
SECOND_VISIT = [("a", 42), ("g", 57), ("h", 72), ("e", 55), ("d", 20), ("f", 18), ("j", 72), ("c", 60), ("b", 46),
                ("i", 42)]

# What things take on a GPU like an H200, in seconds: guesses, rather too long, until a visit has measured them.
COLD = 10  # more, for the first process: LibTorch comes from the disk
RUN = 4.2  # a process with LibTorch in the page cache, a context, `small`, and twenty of its steps
LARGE = 6  # the same with a model of a billion parameters, or one that runs out of memory
PEER = 8  # a Python process that imports torch, and its steps
DAEMON = 2  # its start and its end
# By visit and part: what it does, how often, and how long each takes.
COSTS = {
    "first": {
        "k": [("nvidia-smi, doctor, devices", 1, 10)],
        "l": [("a run, and a second before and after it", 1, RUN + 2), ("a cold start", 1, COLD)],
        "a": [("files of vectors", 2, 8), ("a cold start of another program", 1, 5)],
        "m": [("runs", 4, RUN + 1), ("a trace", 1, 8)],
        "n": [("a daemon", 1, DAEMON), ("sizes of a large batch", 5, LARGE)]},
    "second": {
        "a": [("files of vectors", 2, 8), ("losses", len(PRECISIONS), RUN)],
        "g": [("runs of 60 steps", 3, RUN + 3), ("a neighbour: daemon, first run, start", 1, DAEMON + 14),
              ("a disturbed run", 1, RUN + 6), ("a run that must not wait", 1, 3)],
        "h": [("a daemon, what arithmetic rules out", 1, DAEMON + 1), ("sizes of a large batch", 4, LARGE),
              ("a run after it", 1, RUN), ("sizes within a fraction", 3, RUN),
              ("a neighbour: daemon, first run, start", 1, DAEMON + 13), ("a run beside it", 1, LARGE + 2)],
        "e": [("runs, graph and eager", 2 * len(SHORT_GRAPH_CASES), RUN + 0.8)],
        "d": [("timings", 3, RUN + 1)],
        "f": [("a run of 55 steps of medium", 1, RUN + 6)],
        "j": [("the peaks", 1, 8), ("a run", 1, RUN), ("sizes of fit", 6, LARGE), ("numbers of warm-up steps", 5, 4)],
        "c": [("runs and Python processes", 4, RUN + PEER), ("looking for torch", 1, 6)],
        "b": [("runs", len(PASSES) * len(SHORT_CELLS), RUN + 0.5)],
        "i": [("cells", 8, 3.2), ("Python processes", 2, 6)]},
}


def cost_of(visit, letter):
    return sum(times * seconds for _, times, seconds in COSTS[visit][letter])


def plan_page(args):
    """The shares of both visits, or of the one asked for, with what their parts are thought to take."""
    visits = [("first", FIRST_VISIT, 150), ("second", SECOND_VISIT, 500)]
    chosen = visits[:1] if args.first else visits[1:] if args.budget else visits
    lines = []
    for name, parts, usual in chosen:
        budget = args.budget or usual
        whole = sum(seconds for _, seconds in parts)
        usable = max(0, budget - SECONDS_TO_END)
        lines.append(f"{name} visit: {budget} s, {SECONDS_TO_END} of them to end")
        for letter, seconds in parts:
            share, cost = seconds * usable / whole, cost_of(name, letter)
            does = ", ".join(what if times == 1 else f"{times} {what}" for what, times, _ in COSTS[name][letter])
            lines.append(f"  {letter}  {share:4.0f} s, thought to take {cost:3.0f}: {does}"
                         + ("" if cost <= share else "; it will be ended"))
        lines.append(f"     {usable:4.0f} s, thought to take {sum(cost_of(name, letter) for letter, _ in parts):3.0f}")
    return "\n".join(lines)


def plan_of(args):
    """The parts, each with its share of what is left when it begins."""
    if args.part:
        return [(args.part, 1.0)]
    visit = FIRST_VISIT if args.first else SECOND_VISIT if args.budget else [(letter, 1) for letter in sorted(PARTS)]
    wants = [seconds for _, seconds in visit]
    return [(letter, wanted / sum(wants[index:])) for index, (letter, wanted) in enumerate(visit)]


def do_part(letter, setting, share=1.0):
    function, title = PARTS[letter]
    part = Part(letter, title)
    began = time.monotonic()
    with part.piece("the whole part"):
        Clock.start(share)
        Clock.left()
        if setting.device is None:
            raise Skip(f"torchlap offers no device {setting.args.device}: it has "
                       + ", ".join(device["name"] for device in setting.main.json("devices")))
        function(setting, part)
    Clock.stop()
    part.seconds = time.monotonic() - began
    return part


# --- results ---------------------------------------------------------------------------------------------------------


def context_of(setting):
    status = setting.main.json("status")
    driver = output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]) or ""
    return {"torchlap": status["version"], "device": setting.device and setting.device["name"],
            "model": setting.device and setting.device["model"], "driver": driver.split("\n")[0] or None,
            "kernel": os.uname().release, "machine": os.uname().machine, "cores": len(setting.cores),
            "date": f"{datetime.date.today()}"}


def markdown_of(record):
    lines = [f"## {record['part']}: {record['title']}", "",
             f"{record['status']} in {record['seconds']} s, {sum(c['ok'] for c in record['checks'])} of "
             f"{len(record['checks'])} checks hold", ""]
    table = record["table"]
    if table["rows"]:
        lines += ["| " + " | ".join(table["columns"]) + " |", "|" + "---|" * len(table["columns"])]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table["rows"]] + [""]
    lines += [f"- {remark}" for remark in record["remarks"]]
    lines += [f"- FAILED: {c['what']}: {c['detail']}" for c in record["checks"] if not c["ok"]]
    lines += [f"- skipped: {s['what']}: {s['reason']}" for s in record["skipped"]]
    return "\n".join(lines).rstrip() + "\n"


def page_of(records, context):
    head = ", ".join(f"{key} {value}" for key, value in context.items() if value is not None)
    pages = [f"# Acceptance of torchlap on {context['model'] or context['device'] or 'no device'}\n\n{head}\n"]
    return "\n".join(pages + [markdown_of(record) for record in records])


def end_of(file, most_bytes):
    """Its last lines; a daemon may be writing it."""
    with open(file, "rb") as opened:
        opened.seek(max(0, file.stat().st_size - most_bytes))
        return opened.read()


def copy_database(file, to):
    """As it stands, what is in its log too; never locked for longer than a copy."""
    to.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as source, \
            contextlib.closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


class Results:
    """summary.md and results.tar.gz in a folder: all that is handed on, written anew after every part."""

    ARCHIVE = "results.tar.gz"

    def __init__(self, out, folder):
        self.out, self.services = out, folder
        self.kept = folder / "results"
        self.kept.mkdir()
        out.mkdir(parents=True, exist_ok=True)
        self.read_earlier()

    def read_earlier(self):
        """Parts of earlier calls, so that parts that ran one by one make one page."""
        file = self.out / self.ARCHIVE
        if not file.is_file():
            return
        with tarfile.open(file) as archive:
            for member in archive:
                name = pathlib.PurePath(member.name).name
                if member.isfile() and re.fullmatch(r"[a-z]\.json", name):
                    (self.kept / name).write_bytes(archive.extractfile(member).read())

    def rows_of(self, letter):
        file = self.kept / f"{letter}.json"
        return json.loads(file.read_text())["rows"] if file.is_file() else []

    def keep(self, name, text):
        (self.kept / name).write_text(text)

    def keep_stream(self, name, stream):
        """Reads it in a thread, so that who writes never waits; the result waits for its end and is its lines."""
        lines = []
        thread = threading.Thread(target=lambda: lines.extend(stream), daemon=True)
        thread.start()

        def whole():
            thread.join()
            self.keep(name, "".join(lines))
            return lines

        return whole

    def add(self, record):
        self.keep(f"{record['part']}.json", json.dumps(record, indent=1) + "\n")

    def write(self, context):
        records = [json.loads(file.read_text()) for file in sorted(self.kept.glob("[a-z].json"))]
        (self.out / "summary.md").write_text(page_of(records, context))
        for log in self.services.glob("*/torchlapd.log"):
            with contextlib.suppress(OSError, sqlite3.Error):
                self.take_service(log.parent)
        self.pack()

    def take_service(self, folder):
        to = self.kept / "services" / folder.name
        (to / "logs").mkdir(parents=True, exist_ok=True)
        (to / "torchlapd.log").write_bytes(end_of(folder / "torchlapd.log", MOST_LOG_BYTES))
        state = folder / "state" / "torchlap"
        for log in sorted((state / "logs").glob("*.log")):
            (to / "logs" / log.name).write_bytes(end_of(log, MOST_LOG_BYTES))
        if (state / "torchlap.db").is_file():
            copy_database(state / "torchlap.db", to / "torchlap.db")

    def pack(self):
        new = self.out / f"{self.ARCHIVE}.new"
        try:
            with tarfile.open(new, "w:gz") as archive:
                archive.add(self.kept, "results")
            os.replace(new, self.out / self.ARCHIVE)
        finally:
            new.unlink(missing_ok=True)


def default_out(setting):
    if setting.is_cpu or setting.device is None:
        return pathlib.Path(tempfile.mkdtemp(prefix="torchlap-acceptance-results-"))
    name = re.sub(r"[^A-Za-z0-9]+", "-", setting.device["model"]).strip("-")
    return HERE / "results" / f"{name}-{datetime.date.today()}"


def default_bin():
    beside = ROOT / "bin"
    return beside if (beside / "torchlapd").is_file() else ROOT / "build" / "release" / "bin"


def parse():
    parser = argparse.ArgumentParser(prog="acceptance.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=sorted(PARTS), help="this part alone")
    parser.add_argument("--budget", type=int, metavar="SECONDS",
                        help="all in this time, at least 30: smaller editions of the parts, in the order of worth")
    parser.add_argument("--first", action="store_true",
                        help="the first visit to a machine: k, l, the vectors of a, m, n (default budget: 150)")
    parser.add_argument("--plan", action="store_true",
                        help="print the share of each part and what it is thought to take on a GPU like an H200")
    parser.add_argument("--bin", type=pathlib.Path, metavar="DIR", default=default_bin(),
                        help="the programs (default: bin/ of the bundle, else build/release/bin)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="the results (default: results/DEVICE-DATE beside this; for cpu a temporary folder)")
    parser.add_argument("--device", metavar="NAME", default="cuda:0",
                        help="a CUDA device (default: cuda:0), or cpu: tiny shapes, to keep this program alive")
    parser.add_argument("--torch", metavar="DIR", default=os.environ.get("TORCHLAP_TORCH_DIR"),
                        help="LibTorch for torchlapd --torch (default: what torchlapd finds)")
    parser.add_argument("--python", metavar="FILE",
                        help="a Python with torch 2.11.0 for the peer (default: TORCHLAP_PEER_PYTHON, else python3)")
    args = parser.parse_args()
    if args.plan and args.part:
        parser.error("--plan goes without --part")
    if args.first and args.budget is None:
        args.budget = 150
    if args.first and args.part:
        parser.error("--first goes without --part")
    if args.budget is not None and args.budget < 30:
        parser.error(f"--budget is {args.budget}, must be 30 or more")
    if args.plan:
        return args
    args.bin = args.bin.resolve()
    for name in ("torchlap", "torchlapd", "torchlap-worker"):
        if not os.access(args.bin / name, os.X_OK):
            parser.error(f"--bin: there is no program {args.bin / name}")
    return args


def main():
    args = parse()
    if args.plan:
        print(plan_page(args))
        return
    if args.budget is not None:
        Clock.set_budget(args.budget)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="torchlap-acceptance-") as name:
        try:
            setting = Setting(args, pathlib.Path(name))
        except Broken as failure:
            sys.exit(f"acceptance.sh: {failure}")
        try:
            results, context = setting.results, context_of(setting)
            for letter, share in plan_of(args):
                # Tiny shapes take seconds, however large the part's worth is.
                part = do_part(letter, setting, max(share, 0.5) if setting.is_cpu else share)
                counts[part.status] += 1
                record = part.as_json(context)
                results.add(record)
                results.write(context)
                print(markdown_of(record), flush=True)
        finally:
            # A part that was broken off may have left one.
            for service in Service.started:
                service.stop()
    print(f"results in {results.out}")
    print(f"{counts['passed']} parts passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(int(counts["failed"] > 0))


if __name__ == "__main__":
    main()
