#!/usr/bin/env python3
"""Whether the programs that exports are made for open them, and find in them what was exported.

A daemon of its own makes runs, good and failed ones, with words that hurt (formulas, quotes, commas, %, #), and one job
with more than ten launches: its runs 7.1 and 7.10 are two. Then what is installed opens the files: sqlite3 the backup;
pandas and duckdb csv, jsonl and steps; gnuplot a plot; pdflatex and typst tables. Each is held to the JSON export. A
program that is not there is skipped, with its name; of pandas, duckdb and typst also the Python packages are taken.

Exit status 77 where nothing that was asked for is there. --need NAME fails where that one is not.
"""
import argparse
import datetime
import importlib
import json
import math
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from typing import Any, Callable, Optional

import fake_runs
from fake_runs import service

SKIPPED = 77
UTC = datetime.timezone.utc
HURTFUL = '=1+1, "50 %" of #3 & _all_ $x$'
JSON_LINES = {"lines": True, "precise_float": True, "dtype": {"run_id": str}}
TEXT_AS = {"run_id": str, "calibration_run_id": str}  # 7.10 is not 7.1


class Skip(Exception):
    """Why a program is not asked: one line."""


class Files:
    """Exports of the same runs in one folder, and the truth about them."""

    def __init__(self, daemon: service.Service, folder: pathlib.Path) -> None:
        self.folder = folder
        fake_runs.submit(daemon, "sizes")
        fake_runs.submit(daemon, "many", launches=12, batch="1", context="8")
        daemon.call("note", "1", "--text", HURTFUL)
        daemon.call("label", "2", "why=-2,+3")
        self.runs = daemon.json("export", "all")
        self.steps = [json.loads(line) for line in
                      daemon.call("export", "all", "--samples", "--format", "jsonl").splitlines()]
        plot = ("plot", "sweep:sizes", "--x", "context", "--by", "batch", "--title", HURTFUL)
        table = ("export", "sweep:sizes", "--caption", HURTFUL)
        medians = (*table, "--pivot", "rows=batch,columns=context,value=step_median")
        ratios = (*table, "--pivot", "rows=batch,columns=context,value=step_median,value=forward_median",
                  "--relative-to", "context=8")
        for name, words in {
                "runs.csv": ("export", "all"), "runs.jsonl": ("export", "all"),
                "steps.csv": ("export", "all", "--samples"), "steps.jsonl": ("export", "all", "--samples"),
                "view.csv": ("sql", "select * from runs"), "plot.gp": plot,
                "table.tex": table, "medians.tex": medians, "ratios.tex": ratios,
                "table.typ": table, "medians.typ": medians, "ratios.typ": ratios}.items():
            daemon.call(*words, "-o", folder / name)
        daemon.call("backup", folder / "backup.db")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def column(self, rows: list[dict[str, Any]], name: str) -> list[Any]:
        return [row[name] for row in rows]


def expect(holds: bool, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def numbers(values: list[Any]) -> Optional[list[float]]:
    """The values as numbers with nan for nothing; None if they are no numbers."""
    known = [value for value in values if value is not None]
    if not known or not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return None
    return [math.nan if value is None else float(value) for value in values]


def same_number(found: Any, wanted: float) -> bool:
    """Some readers of fractions are off by one in the last place; of whole numbers none is."""
    if math.isnan(wanted) or found is None or math.isnan(found):
        return math.isnan(wanted) and (found is None or math.isnan(found))
    return found == wanted or (not wanted.is_integer() and math.isclose(found, wanted, rel_tol=1e-14))


def same_numbers(found: list[Any], wanted: list[float]) -> bool:
    return len(found) == len(wanted) and all(map(same_number, found, wanted))


def as_text(value: Any, in_csv: bool) -> Optional[str]:
    """As a cell of csv, where a formula has an apostrophe before it; labels are k=v."""
    if isinstance(value, dict):
        value = ",".join(f"{key}={word}" for key, word in value.items()) or None
    if in_csv and isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "'"):
        value = "'" + value
    return value


def run_program(words: list[str], folder: pathlib.Path) -> str:
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=120, check=False)
    expect(done.returncode == 0, f"{words[0]} ends with {done.returncode}: {service.last_line(done.stdout)}")
    return done.stdout


def program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed (Debian package {package})")
    return path


def module(name: str, hint: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Skip(f"this Python has no {name} ({hint})") from error


# -- sqlite3

def views_of(query: Callable[[str], list[tuple[Any, ...]]], files: Files) -> None:
    found = {str(row[0]): row[1:] for row in query("SELECT run_id, outcome, step_median_ns FROM runs")}
    expect(sorted(found) == sorted(files.column(files.runs, "run_id")), f"the backup has the runs {sorted(found)}")
    for run in files.runs:
        outcome, median = found[run["run_id"]]
        expect(outcome == run["outcome"], f"run {run['run_id']} is {outcome}, exported is {run['outcome']}")
        if run["step_median_ms"] is not None:
            expect(abs(float(median) / 1e6 - run["step_median_ms"]) < 1e-9, f"run {run['run_id']} took {median} ns")
    expect([int(row[0]) for row in query("SELECT count(*) FROM sweeps")] == [2], "the backup does not have two sweeps")
    good = sum(run["outcome"] == "OK" for run in files.runs)
    steps = query("SELECT count(*) FROM phases WHERE phase = 'step'")
    expect(int(steps[0][0]) == good, f"the backup has {steps[0][0]} steps of runs, exported are {good}")


def open_with_sqlite_module(files: Files) -> str:
    database = sqlite3.connect(f"file:{files.path('backup.db')}?mode=ro", uri=True)
    try:
        expect(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the backup is not sound")
        views_of(lambda sql: database.execute(sql).fetchall(), files)
    finally:
        database.close()
    return f"Python's sqlite3 {sqlite3.sqlite_version}: backup with the views runs, phases, sweeps"


def open_with_sqlite3(files: Files) -> str:
    path = program("sqlite3", "sqlite3")

    def query(sql: str) -> list[tuple[Any, ...]]:
        shown = run_program([path, "-readonly", "-json", files.path("backup.db"), sql], files.folder)
        return [tuple(row.values()) for row in json.loads(shown or "[]")]
    views_of(query, files)
    return "sqlite3 -readonly: backup with the views runs, phases, sweeps"


# -- pandas

def check_frame(frame: Any, rows: list[dict[str, Any]], in_csv: bool, where: str) -> None:
    expect(len(frame) == len(rows) and list(frame.columns) == list(rows[0]), f"{where}: rows or columns differ")
    for name in frame.columns:
        values = [row[name] for row in rows]
        found = frame[name]
        if all(value is None for value in values):
            expect(bool(found.isna().all()), f"{where}, {name}: something stands where nothing was exported")
        elif (wanted := numbers(values)) is not None:
            expect(found.dtype.kind in "if", f"{where}, {name}: numbers are read as {found.dtype}")
            expect(same_numbers(found.tolist(), wanted), f"{where}, {name}: other numbers than exported")
        elif isinstance(values[0], bool):
            expect(found.dtype.kind == "b", f"{where}, {name}: truth values are read as {found.dtype}")
        elif name == "started_at":
            expect(str(found.dtype).startswith("datetime64") and str(found.dtype).endswith("UTC]"),
                   f"{where}, {name}: times are read as {found.dtype}")
            times = [None if value is None else datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
                     for value in values]
            expect([None if time != time else time.to_pydatetime() for time in found] == times,
                   f"{where}, {name}: other times than exported")
        elif in_csv or not isinstance(values[0], dict):
            texts = [None if text != text else text for text in found]
            expect(texts == [as_text(value, in_csv) for value in values],
                   f"{where}, {name}: read is {texts[:3]}, exported {values[:3]}")


def open_with_pandas(files: Files) -> str:
    pandas = module("pandas", "Debian package python3-pandas")
    frame = pandas.read_csv(files.path("runs.csv"), dtype=TEXT_AS, parse_dates=["started_at"])
    check_frame(frame, files.runs, True, "pandas.read_csv of runs")
    expect(frame.run_id.nunique() == len(files.runs), "run ids are read as fewer than there are")
    check_frame(pandas.read_json(files.path("runs.jsonl"), **JSON_LINES), files.runs, False,
                "pandas.read_json of runs")
    check_frame(pandas.read_csv(files.path("steps.csv"), dtype=TEXT_AS), files.steps, True, "pandas.read_csv of steps")
    check_frame(pandas.read_json(files.path("steps.jsonl"), **JSON_LINES), files.steps, False,
                "pandas.read_json of steps")
    view = pandas.read_csv(files.path("view.csv"), dtype=TEXT_AS)
    expect(view.step_median_ns.dtype.kind == "f" and view.batch_size.dtype.kind == "i",
           "columns of torchlap sql are not read as numbers")
    return (f"pandas {pandas.__version__}: csv and jsonl, {frame.shape[0]} runs of {frame.shape[1]} columns and "
            f"{len(files.steps)} steps")


# -- duckdb

def microseconds(text: Optional[str]) -> Optional[int]:
    if text is None:
        return None
    since = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.datetime.fromtimestamp(0, UTC)
    return since // datetime.timedelta(microseconds=1)


def check_relation(duckdb: Any, source: str, rows: list[dict[str, Any]]) -> None:
    database = duckdb.connect()
    kinds = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    expect(list(kinds) == list(rows[0]), f"duckdb, {source}: other columns than exported")
    for name, kind in kinds.items():
        wanted = numbers([row[name] for row in rows])
        if wanted is not None:
            expect(kind in ("BIGINT", "DOUBLE", "HUGEINT", "UBIGINT"),
                   f"duckdb, {source}, {name}: numbers are read as {kind}")
            found = [row[0] for row in database.execute(f'SELECT "{name}" FROM {source}').fetchall()]
            expect(same_numbers(found, wanted), f"duckdb, {source}, {name}: other numbers than exported")
    if "started_at" in kinds:
        # Those of JSON are texts to some versions, which have to be told.
        times = database.execute(f"SELECT epoch_us(started_at::TIMESTAMPTZ) FROM {source}").fetchall()
        expect([row[0] for row in times] == [microseconds(row["started_at"]) for row in rows],
               f"duckdb, {source}: other times than exported")
    ids = database.execute(f"SELECT count(DISTINCT run_id) FROM {source}").fetchall()[0][0]
    expect(kinds["run_id"] == "VARCHAR" and ids == len({row["run_id"] for row in rows}),
           f"duckdb, {source}: run ids are read as {kinds['run_id']}, {ids} of them")
    database.close()


def open_with_duckdb(files: Files) -> str:
    duckdb = module("duckdb", "pip install duckdb")
    types = "types={'run_id': 'VARCHAR', 'calibration_run_id': 'VARCHAR'}"
    check_relation(duckdb, f"read_csv('{files.path('runs.csv')}', {types})", files.runs)
    check_relation(duckdb, f"read_json('{files.path('runs.jsonl')}')", files.runs)
    check_relation(duckdb, f"read_csv('{files.path('steps.csv')}', types={{'run_id': 'VARCHAR'}})", files.steps)
    check_relation(duckdb, f"read_json('{files.path('steps.jsonl')}')", files.steps)
    return f"duckdb {duckdb.__version__}: csv and jsonl, runs and steps{duckdb_backup(duckdb, files)}"


def duckdb_backup(duckdb: Any, files: Files) -> str:
    """Its reader of SQLite files is an extension, which is not fetched here."""
    database = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    packed = pathlib.Path(duckdb.__file__).parents[1].glob(f"duckdb_ext/extensions/v{duckdb.__version__}/*/sqlite_*")
    try:
        database.execute(f"LOAD '{next(packed, 'sqlite')}'")
    except duckdb.Error:
        return " (the backup not: there is no sqlite extension, pip install duckdb-ext-sqlite)"
    database.execute(f"ATTACH '{files.path('backup.db')}' AS backup (TYPE sqlite, READ_ONLY)")
    database.execute("USE backup")
    views_of(lambda sql: database.execute(sql).fetchall(), files)
    return ", backup"


# -- pictures and tables

def open_with_gnuplot(files: Files) -> str:
    path = program("gnuplot", "gnuplot-nox")
    image = files.folder / "plot.svg"
    run_program([path, "-e", f"set terminal svg; set output '{image}'", "plot.gp"], files.folder)
    text = image.read_text(encoding="utf-8")
    lines = [path for path in re.findall(r"<path[^>]*d='([^']*)'", text) if path.count("L") >= 1]
    expect(len(lines) >= 4 and "50 %" in text, f"the picture has {len(lines)} lines")
    return f"gnuplot: a picture of {len(text)} bytes from plot.gp"


LATEX = r"""\documentclass{article}
\usepackage[a3paper,landscape,margin=1cm]{geometry}
\usepackage{booktabs,siunitx}
\begin{document}
\input{table}
\input{medians}
\input{ratios}
\end{document}
"""


def open_with_pdflatex(files: Files) -> str:
    path = program("pdflatex", "texlive-latex-recommended and texlive-science")
    for style in ("booktabs.sty", "siunitx.sty"):
        if subprocess.run(["kpsewhich", style], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            raise Skip(f"LaTeX has no {style} (Debian packages texlive-latex-recommended and texlive-science)")
    (files.folder / "paper.tex").write_text(LATEX, encoding="utf-8")
    log = run_program([path, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], files.folder)
    expect("Overfull" not in log, "a table is wider than the page")
    return f"pdflatex: {pdf_words(files, files.folder / 'paper.pdf')}"


def pdf_words(files: Files, pdf: pathlib.Path) -> str:
    """The tables' numbers stand on the page."""
    reader = shutil.which("pdftotext")
    if reader is None:
        return "a page, not read (Debian package poppler-utils)"
    text = run_program([reader, "-layout", str(pdf), "-"], files.folder)
    known = [float(number) for number in re.findall(r"\d+\.\d+", text)]
    wanted = [run[f"{phase}_{statistic}_ms"] for run in files.runs if run["sweep_id"] == 1 and run["outcome"] == "OK"
              for phase, statistic in (("forward", "mean"), ("backward", "mean"), ("step", "mean"), ("step", "median"))]
    missing = [number for number in wanted if not any(abs(number - other) <= 0.005 for other in known)]
    expect(not missing and "CRASHED" in text and "50 %" in text, f"the page lacks {missing}: {text}")
    # Not `1.5± 0.1`.
    expect(not re.search(r"\d±", text), f"a number and its noise are glued together: {text}")
    return f"a page with {len(wanted)} numbers"


def open_with_typst(files: Files) -> str:
    document = files.folder / "paper.typ"
    document.write_text("#set page(width: 50cm, height: auto)\n" + "".join(
        f'#include "{name}.typ"\n' for name in ("table", "medians", "ratios")), encoding="utf-8")
    pdf = files.folder / "typst.pdf"
    if path := shutil.which("typst"):
        run_program([path, "compile", str(document), str(pdf)], files.folder)
    else:
        module("typst", "pip install typst").compile(str(document), output=str(pdf))
    return f"typst: {pdf_words(files, pdf)}"


PROGRAMS: dict[str, Callable[[Files], str]] = {
    "sqlite-module": open_with_sqlite_module, "sqlite3": open_with_sqlite3, "pandas": open_with_pandas,
    "duckdb": open_with_duckdb, "gnuplot": open_with_gnuplot, "pdflatex": open_with_pdflatex, "typst": open_with_typst}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fake_runs.add_arguments(parser)
    parser.add_argument("--need", action="append", default=[], choices=list(PROGRAMS), help="must be there; repeatable")
    parser.add_argument("--keep", type=pathlib.Path, help="an existing, empty folder: the files are left there")
    parser.add_argument("--only", action="append", default=[], choices=list(PROGRAMS), help="no others; repeatable")
    arguments = parser.parse_args()
    asked = arguments.only or list(PROGRAMS)
    fake_runs.check_arguments(parser, arguments)
    failed, skipped = [], []
    with tempfile.TemporaryDirectory(prefix="torchlap-exports-") as temporary:
        with fake_runs.start(arguments, pathlib.Path(temporary)) as daemon:
            files = Files(daemon, arguments.keep or pathlib.Path(temporary))
        for name in asked:
            try:
                print(PROGRAMS[name](files))
            except Skip as reason:
                print(f"skipped: {reason}")
                skipped.append(name)
            except AssertionError as fault:
                print(f"FAILED: {fault}")
                failed.append(name)
    print(f"{len(asked) - len(skipped) - len(failed)} of {len(asked)} ways to open exports are good, "
          f"{len(skipped)} skipped")
    missing = sorted(set(arguments.need) & set(skipped))
    if failed or missing:
        print(f"not good: {', '.join(failed + missing)}")
        return 1
    return SKIPPED if len(skipped) == len(asked) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except service.Broken as fault:
        sys.exit(f"exports_opened.py: {fault}")
