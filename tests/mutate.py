#!/usr/bin/env python3
"""Do the unit tests notice a fault? One small change at a time is made in a copy of a source (a comparison turned, a
number one larger, a condition inverted, a statement left out), the copy is compiled in place of the source and linked
into the test program that covers it, and the program is run. A change that no test notices has survived: it is
printed with its line. The source tree and the build are not touched.

Needs a build (cmake --build --preset release --target client_test). Takes some 5 seconds a mutant on one core: twenty
minutes for client/time_words.cc with its 240, 75 for all 900. --sample takes so many of each file.

Exit status 1 when less than --goal of the mutants is killed."""
import argparse
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
from typing import Iterator, NamedTuple, Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Each source with the program of its tests. Both are named here, so that the share of one file stays comparable.
FILES = {
    "client/cost.cc": "client_test",
    "client/exit_code.cc": "client_test",
    "client/format/cells.cc": "client_test",
    "client/format/legend.cc": "client_test",
    "client/output.cc": "client_test",
    "client/parse_words.cc": "client_test",
    "client/progress.cc": "client_test",
    "client/selector.cc": "client_test",
    "client/time_words.cc": "client_test",
    "client/value_list.cc": "client_test",
}
RUN_SECONDS = 120

# Pattern and replacements; the first group, where there is one, is what is replaced.
OPERATORS = [
    (r" (<=) ", ["<", ">"]), (r" (>=) ", [">", "<"]), (r" (<) ", ["<=", ">"]), (r" (>) ", [">=", "<"]),
    (r" (==) ", ["!="]), (r" (!=) ", ["=="]), (r" (&&) ", ["||"]), (r" (\|\|) ", ["&&"]),
    (r" (\+) ", ["-"]), (r" (-) ", ["+"]), (r" (\*) ", ["/"]), (r" (/) ", ["*"]), (r" (%) ", ["/"]),
    (r" (\+=) ", ["-="]), (r" (-=) ", ["+="]),
    (r"(?<=[(\s])(!)(?=[a-z(*])", [""]),
    (r"\b(true)\b", ["false"]), (r"\b(false)\b", ["true"]),
    (r"(?<=return )(std::nullopt)(?=;)", []),
]
NUMBER = re.compile(r"(?<![\w.'\"%<{:])(\d[\d']*)(?![\w.'\"])")
STATEMENT = re.compile(r"^\s+(?:\w+(?:\.|->)[\w.>-]+\(.*\)|\w+ [-+]?= .*|\+\+\w+);$")


class Mutant(NamedTuple):
    line: int
    before: str
    after: str


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with something to change: no comment, include or declaration of a template."""
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if stripped and not stripped.startswith(("//", "#", "template", "using", "namespace")):
            yield number, line


def spans_of_text(line: str) -> list[tuple[int, int]]:
    """Strings, characters and a comment at the end: what is in them is no code."""
    return [match.span() for match in re.finditer(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'|//.*$', line)]


def mutants_of(text: str) -> list[Mutant]:
    found = []
    for number, line in code_lines(text):
        quoted = spans_of_text(line)

        def change(start: int, end: int, new: str) -> None:
            if not any(first <= start < last for first, last in quoted):
                found.append(Mutant(number, line, line[:start] + new + line[end:]))

        for pattern, replacements in OPERATORS:
            for match in re.finditer(pattern, line):
                for new in replacements:
                    change(*match.span(1), new)
        for match in NUMBER.finditer(line):
            change(*match.span(1), str(int(match[1].replace("'", "")) + 1))
        condition = re.match(r"^\s*(?:} else )?if \((.*)\)( \{| return.*;| continue;| break;)$", line)
        if condition and ";" not in condition[1]:
            change(condition.start(1), condition.end(1), f"!({condition[1]})")
        if STATEMENT.match(line):
            found.append(Mutant(number, line, re.match(r"\s*", line)[0] + ";"))
    return list(dict.fromkeys(found))


class Build:
    """How one object is compiled and its test program linked, as ninja would do it."""

    def __init__(self, folder: pathlib.Path, source: str, program: str, place: pathlib.Path) -> None:
        self.folder, self.place = folder, place
        self.copy = place / pathlib.Path(source).name
        self.object, self.program = place / "mutant.o", place / program
        commands = subprocess.run(["ninja", "-C", str(folder), "-t", "commands", f"tests/{program}"], check=True,
                                  capture_output=True, text=True).stdout.splitlines()
        self.compile = self._compile_command(commands, source)
        self.link = self._link_command(commands[-1], program)

    def _compile_command(self, commands: list[str], source: str) -> list[str]:
        wanted = str(ROOT / source)
        words = next(shlex.split(line) for line in commands if line.endswith(f"-c {wanted}"))
        words = words[1:] if words[0].endswith("ccache") else words
        words[words.index("-o") + 1] = str(self.object)
        if "-MF" in words:
            words[words.index("-MF") + 1] = str(self.place / "mutant.d")
        # A mutant is no worse for a warning.
        return [str(self.copy) if word == wanted else word for word in words if word != "-Werror"] + ["-O0"]

    def _link_command(self, line: str, program: str) -> list[str]:
        words = [word for word in shlex.split(line) if word not in (":", "&&")]
        at = words.index("-o")
        words[at + 1] = str(self.program)
        # Before the archives: what it defines is not taken from them any more.
        return words[:at + 2] + [str(self.object)] + words[at + 2:]

    def test(self, text: str) -> Optional[bool]:
        """Whether the tests noticed; None: it does not compile."""
        self.copy.write_text(text)
        for command in (self.compile, self.link):
            if subprocess.run(command, cwd=self.folder, capture_output=True).returncode != 0:
                return None
        try:
            run = subprocess.run([str(self.program), "--gtest_brief=1", "--gtest_fail_fast"], cwd=self.folder / "tests",
                                 capture_output=True, timeout=RUN_SECONDS, env={**os.environ, "HOME": str(self.place)})
        except subprocess.TimeoutExpired:
            return True
        return run.returncode != 0


def measure(source: str, args: argparse.Namespace) -> tuple[int, int]:
    """Killed and compiled mutants."""
    text = (ROOT / source).read_text()
    chosen = mutants_of(text)
    if args.sample and args.sample < len(chosen):
        chosen = sorted(random.Random(args.seed).sample(chosen, args.sample))
    with tempfile.TemporaryDirectory() as place:
        build = Build(args.build.resolve(), source, FILES[source], pathlib.Path(place))
        if build.test(text) is not False:
            sys.exit(f"{source}: {FILES[source]} does not pass as it is, so it can tell nothing")
        results = []
        for mutant in chosen:
            lines = text.splitlines(keepends=True)
            lines[mutant.line] = mutant.after + "\n"
            results.append(build.test("".join(lines)))
            if results[-1] is False:
                print(f"{source}:{mutant.line + 1}: survived\n  {mutant.before.strip()}\n  {mutant.after.strip()}",
                      flush=True)
    compiled = sum(result is not None for result in results)
    return sum(result is True for result in results), compiled


def share(killed: int, compiled: int) -> str:
    return f"{killed} of {compiled} killed" + (f", {100 * killed / compiled:.1f} %" if compiled else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="of " + " ".join(FILES) + " (all)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="(build/release)")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each file (0: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--goal", type=float, default=95, help="least share in per cent (95)")
    args = parser.parse_args()
    for name in args.files:
        if name not in FILES:
            parser.error(f"{name} is not one of {' '.join(FILES)}")
    killed = compiled = 0
    for source in args.files or FILES:
        file_killed, file_compiled = measure(source, args)
        print(f"{source}: {share(file_killed, file_compiled)}", flush=True)
        killed, compiled = killed + file_killed, compiled + file_compiled
    print(f"all: {share(killed, compiled)}")
    return 0 if 100 * killed >= args.goal * compiled else 1


if __name__ == "__main__":
    sys.exit(main())
