"""A daemon of the benchmark's own, and the command line that asks it.

It has a temporary folder, a socket and a claim scope of its own, so that it meets no other daemon, and one CPU device,
`cpu0`, of one core and one thread. Needs Python's standard library alone.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types
from typing import Any, NoReturn, Optional, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEVICE = "cpu0"
START_SECONDS = 60
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class Broken(Exception):
    """The service did not do what it must: one line."""


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no word of a reason"


def stop(process: subprocess.Popen) -> None:
    """Ends a process that this program started, and reaps it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Service:
    """One torchlapd with one CPU device on `core`; a context manager. Throws Broken."""

    def __init__(self, bin_dir: pathlib.Path, core: int, torch: Optional[str] = None, memory: str = "1GiB",
                 worker: Optional[pathlib.Path] = None) -> None:
        """`worker`: another program than the one beside the daemon."""
        self.bin_dir, self.core, self.worker = bin_dir, core, worker
        self.temporary = tempfile.TemporaryDirectory(prefix="torchlap-bench-")
        self.folder = pathlib.Path(self.temporary.name)
        self.log = self.folder / "torchlapd.log"
        self.environment = self._environment()
        self.torch, self.memory = torch, memory
        self.start_again()

    def start_again(self) -> None:
        """Also after `stop(self.process)`: on the same folder, which was left as it is."""
        self.process = self._start(self.torch, self.memory)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise

    def _environment(self) -> dict[str, str]:
        folders = {name: self.folder / name.lower()
                   for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")}
        for folder in folders.values():
            folder.mkdir(mode=0o700)
        socket = folders["XDG_RUNTIME_DIR"] / "torchlap" / "torchlapd.sock"
        return {**os.environ, **{name: str(folder) for name, folder in folders.items()},
                "TORCHLAP_ADDRESS": f"unix:{socket}", "TORCHLAP_CLAIM_SCOPE": f"bench-{os.getpid()}", "NO_COLOR": "1"}

    def _start(self, torch: Optional[str], memory: str) -> subprocess.Popen:
        others = sorted(os.sched_getaffinity(0) - {self.core})
        config = self.folder / "torchlapd.toml"
        config.write_text((f'daemon_cores = "{",".join(map(str, others))}"\n' if others else "")
                          + (f'worker = "{self.worker}"\n' if self.worker else "")
                          + f'[[device]]\nname = "{DEVICE}"\nkind = "cpu"\ncores = "{self.core}"\nthreads = 1\n'
                          f'memory = "{memory}"\n')
        command = [str(self.bin_dir / "torchlapd"), "--config", str(config)] + (["--torch", torch] if torch else [])
        with open(self.log, "w", encoding="utf-8") as log:
            return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_SECONDS
        while "listens on" not in self.log.read_text(encoding="utf-8"):
            if self.process.poll() is not None or time.monotonic() > until:
                raise Broken(f"torchlapd did not start: {last_line(self.log.read_text(encoding='utf-8'))}")
            time.sleep(0.02)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        stop(self.process)
        self.temporary.cleanup()

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self, *arguments: object, output: int) -> subprocess.Popen:
        """`torchlap ARGUMENTS`, not waited for; it prints to the descriptor `output`."""
        return subprocess.Popen([str(self.bin_dir / "torchlap"), *map(str, arguments)], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def call(self, *arguments: object, good: Sequence[int] = (0,)) -> str:
        """stdout of `torchlap ARGUMENTS`."""
        done = subprocess.run([str(self.bin_dir / "torchlap"), *map(str, arguments)], env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode not in good:
            raise Broken(f"torchlap {arguments[0]}: {last_line(done.stderr)}")
        return done.stdout

    def json(self, *arguments: object) -> Any:
        return json.loads(self.call(*arguments, "--format", "json"))

    def submit(self, *flags: object) -> int:
        """The id of one job, on the device."""
        return self.json("submit", *flags, "--device", DEVICE)["job_ids"][0]

    def await_state(self, job: int, states: Sequence[str], seconds: float, pause: float = 0.02) -> None:
        """Asks again and again, which costs some CPU on a core that is not the device's."""
        until = time.monotonic() + seconds
        while (state := self.json("show", job)["state"]) not in states:
            if state in ENDED or time.monotonic() > until:
                raise Broken(f"job {job} is {state}, awaited was {' or '.join(states)}")
            time.sleep(pause)

    def finish(self, job: int, seconds: float, pause: float = 0.1) -> dict[str, Any]:
        """Its last run with samples, when it has SUCCEEDED."""
        self.await_state(job, ("SUCCEEDED",), seconds, pause)
        return self.json("show", self.json("show", job)["runs"][-1]["run_id"])


def stay_off(core: int) -> None:
    """This program, and what it starts from now on, leave `core` alone where there is another one."""
    others = os.sched_getaffinity(0) - {core}
    if others:
        os.sched_setaffinity(0, others)


def end_in_order_on_signals() -> None:
    """TERM and HUP unwind the program like Ctrl-C, so that it ends what it started."""
    def unwind(number: int, _: Optional[types.FrameType]) -> NoReturn:
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, unwind)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every benchmark with a daemon is told."""
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--torch", help="handed to torchlapd: the torch folder to load LibTorch from")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="of the device; the highest one")
    parser.add_argument("--out", type=pathlib.Path, help="write the result, every value included, as JSON")


def check_programs(parser: argparse.ArgumentParser, files: Sequence[pathlib.Path]) -> None:
    for file in files:
        if not file.is_file():
            parser.error(f"{file} is not there, must be a program (--bin)")


def at_least(least: int):
    """For argparse: an integer that is not below `least`."""
    def parse(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"is {text}, must be an integer from {least} on")
        return int(text)
    return parse
