#!/usr/bin/env python3
"""Whether `torchlap report` writes a page that a browser shows as it is meant.

A daemon of its own makes runs, good and failed ones, whose times the fake worker is told. Chromium opens their pages in
both colour schemes and at the width of a phone. A page must ask for nothing but itself and leave the console empty;
every chart has marks, within its box and at the places of their numbers; letters are large and dark enough to be read
and no page is wider than the window; the numbers in its tables are those of `torchlap export`, rounded. First a page that
breaks this is opened: what these checks do not find there, they would not find elsewhere.

Exit status 77 where there is no Chromium. Needs Python's standard library alone.
"""
import argparse
import csv
import io
import pathlib
import re
import sys
import tempfile
from typing import Any, Callable, Optional

import chromium
import fake_runs
from fake_runs import service

SKIPPED = 77
WIDE, PHONE = 1200, 390
MIB = 1 << 20
EVIL = "<img src=http://host.invalid/a.png onerror=alert(1)> & \"'</title>"

# All that is looked at in a page, as one value.
LOOK = r"""(() => {
  const box = element => { const r = element.getBoundingClientRect();
    return {left: r.left, right: r.right, top: r.top, bottom: r.bottom, width: r.width, height: r.height}; };
  const inner = element => { const range = document.createRange(); range.selectNodeContents(element);
    return box(range).height; };
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => { for (let e = element; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0.99) return c; }
    return [255, 255, 255]; };
  const contrast = element => { const style = getComputedStyle(element);
    const ink = rgb(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
  const shown = element => element.checkVisibility() && !element.closest('.skip');
  const words = [...document.querySelectorAll('body *')].filter(e => shown(e) && e.tagName !== 'title'
    &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const title = e => e.querySelector('title')?.textContent ?? '';
  const chart = c => ({label: c.querySelector('svg').getAttribute('aria-label'), box: box(c),
    marks: [...c.querySelectorAll('.bar, .point, .mark, .path')].map(m => ({box: box(m), kind: m.getAttribute('class'),
      title: title(m) || title(m.closest('g') ?? m)})),
    texts: [...c.querySelectorAll('text')].map(t => ({text: t.textContent, box: box(t)}))});
  const table = t => ({section: t.closest('section')?.id,
    heading: t.closest('article')?.querySelector('h3').textContent,
    titles: [...t.querySelectorAll('thead th')].map(h => h.textContent),
    rows: [...t.querySelectorAll('tbody tr')].map(r => [...r.children].flatMap(d =>
      Array(d.colSpan).fill(d.textContent.trim())))});
  // A row's name stays where the row is scrolled: it must leave room for what it names.
  const names = [...document.querySelectorAll('tbody th')].filter(shown)
    .map(e => ({share: e.getBoundingClientRect().width / e.closest('.scroll').clientWidth, text: e.textContent,
      lines: e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight),
      row: Math.max(0, ...[...e.parentElement.children].slice(1).map(inner))
        / parseFloat(getComputedStyle(e).lineHeight)}));
  return {width: document.documentElement.scrollWidth, window: innerWidth, title: document.title,
    heading: document.querySelector('h1')?.textContent, ground: light(ground(document.body)),
    images: document.images.length, scripts: document.scripts.length, names,
    sections: [...document.querySelectorAll('section')].map(s => s.id),
    faint: words.map(e => ({text: e.textContent.trim().slice(0, 40), contrast: contrast(e),
      size: parseFloat(getComputedStyle(e).fontSize)})).filter(w => w.contrast < 4.5 || w.size < 11),
    charts: [...document.querySelectorAll('.chart')].map(chart),
    tables: [...document.querySelectorAll('table')].map(table)};
})()"""

# Asks for a picture, complains, is too wide, is faint, draws nothing, outside and nowhere, cuts words off, and has
# names that fill the window of their table or fall apart.
TRAP = """<!DOCTYPE html><meta charset=utf-8><title>trap</title><body style="background:#fff;color:#ccc">
<p>faint</p><img src="http://host.invalid/a.png"><div style="width:700px">wide</div>
<script>console.error("a fault")</script>
<div class="chart" style="width:100px"><svg aria-label="empty" width="100" height="20"></svg></div>
<div class="chart" style="width:100px"><svg aria-label="outside" width="100" height="20" style="overflow:visible">
<rect x="90" width="60" height="10" class="bar"/></svg></div>
<div class="chart" style="width:100px"><svg aria-label="flat" width="100" height="20">
<rect width="0" height="0" class="bar"/><text x="-40" y="9">words</text></svg></div>
<div class="scroll" style="width:100px"><table style="line-height:20px"><tbody><tr><th style="min-width:80px">wide</th>
<td>1</td></tr></tbody></table></div><div class="scroll" style="width:100px"><table style="line-height:20px"><tbody>
<tr><th style="width:9px">a b c d e f g h</th><td>1</td></tr></tbody></table></div>"""


def faults_of(look: dict[str, Any], requests: list[str], complaints: list[str], address: str) -> list[str]:
    """What is wrong with a page, whatever it is about."""
    faults = [f"it asks for {url}" for url in requests if url != address]
    faults += [f"console: {line}" for line in complaints]
    if look["width"] > look["window"]:
        faults.append(f"it is {look['width']} px wide in a window of {look['window']} px")
    faults += [f"faint or small: {word}" for word in look["faint"]]
    if look["images"] or look["scripts"]:
        faults.append("it has images or scripts")
    for name in look["names"]:
        if name["share"] > 0.6:
            faults.append(f"the name '{name['text']}' takes {name['share']:.0%} of its table's window")
        if name["lines"] > max(5, name["row"] + 2):
            faults.append(f"the name '{name['text']}' takes {name['lines']:.0f} lines")
    for chart in look["charts"]:
        faults += [f"chart '{chart['label']}': {fault}" for fault in chart_faults(chart, look["window"])]
    return faults


def chart_faults(chart: dict[str, Any], window: float) -> list[str]:
    faults = [] if chart["marks"] else ["no marks"]
    for mark in chart["marks"]:
        inside, around = mark["box"], chart["box"]
        if inside["width"] <= 0 and inside["height"] <= 0:
            faults.append(f"a mark without size: {mark['title']}")
        if (inside["left"] < around["left"] - 1 or inside["right"] > around["right"] + 1
                or inside["top"] < around["top"] - 1 or inside["bottom"] > around["bottom"] + 1):
            faults.append(f"a mark outside: {mark['title']}")
    faults += [f"cut off: {text['text']}" for text in chart["texts"]
               if text["box"]["left"] < -0.5 or text["box"]["right"] > window + 0.5]
    return faults


class Checker:
    """Opens pages, and gathers what is wrong."""

    def __init__(self, browser: chromium.Chromium, pictures: Optional[pathlib.Path]) -> None:
        self.browser, self.pictures = browser, pictures
        self.faults: list[str] = []
        self.pages = self.numbers = self.places = 0

    def expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.faults.append(words)

    def open(self, file: pathlib.Path, width: int, dark: bool) -> dict[str, Any]:
        self.browser.show(file, width, dark)
        look = self.browser.value(LOOK)
        name = f"{file.stem}, {width} px, {'dark' if dark else 'light'}"
        found = faults_of(look, self.browser.requests(), self.browser.complaints(), file.resolve().as_uri())
        self.faults += [f"{name}: {fault}" for fault in found]
        self.expect((look["ground"] < 0.1) == dark, f"{name}: its paper has the lightness {look['ground']:.2f}")
        if self.pictures:
            self.browser.picture(self.pictures / f"{file.stem}_{width}_{'dark' if dark else 'light'}.png")
        self.pages += 1
        return look

    def open_all(self, file: pathlib.Path) -> dict[str, Any]:
        self.open(file, PHONE, False)
        self.open(file, PHONE, True)
        self.open(file, WIDE, True)
        return self.open(file, WIDE, False)

    def check_trap(self, folder: pathlib.Path) -> None:
        """Every kind of fault is found where it is."""
        file = folder / "trap.html"
        file.write_text(TRAP, encoding="utf-8")
        self.browser.show(file, PHONE)
        found = "\n".join(faults_of(self.browser.value(LOOK), self.browser.requests(), self.browser.complaints(),
                                    file.resolve().as_uri()))
        for words in ("asks for http://host.invalid/a.png", "console: a fault", "px wide in a window of 390 px",
                      "faint or small: {'text': 'faint'", "images or scripts", "'empty': no marks",
                      "'outside': a mark outside", "'flat': a mark without size", "cut off: words",
                      "the name 'wide' takes 8", "the name 'a b c d e f g h' takes 8 lines"):
            self.expect(words in found, f"a page with the fault '{words}' passes: {found}")

    # -- numbers

    def expect_shown(self, text: str, value: float, where: str) -> None:
        """`text` begins with `value`, rounded to the digits that it has; 8600 may be 8649."""
        number = re.match(r"[+-]?[\d.]+", text)
        if number is None:
            self.faults.append(f"{where}: '{text}' is no number, exported is {value}")
            return
        digits = number.group()
        decimals = len(digits.partition(".")[2])
        unit = 10.0 ** -decimals if decimals else 10.0 ** (len(digits) - len(digits.rstrip("0")))
        self.numbers += 1
        self.expect(abs(float(digits) - value) <= unit * 0.5000001,
                    f"{where}: the page has {text}, exported is {value}")

    def expect_exported(self, text: str, cell: str, where: str) -> None:
        """Of a cell of the export; one that is empty is a dash."""
        if cell:
            self.expect_shown(text, float(cell), where)
        else:
            self.expect(text == "–", f"{where}: the page has {text}, exported is nothing")

    def expect_mean(self, text: str, row: dict[str, str], phase: str, where: str) -> None:
        mean, _, spread = text.partition(" ± ")
        self.expect_shown(mean, float(row[f"{phase}_mean_ms"]), where)
        if spread:
            self.expect_shown(spread, float(row[f"{phase}_std_ms"]), where + ", spread")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def the_table(look: dict[str, Any], section: str) -> dict[str, Any]:
    found = [table for table in look["tables"] if table["section"] == section]
    if not found:
        raise service.Broken(f"the page has no table in its section {section}")
    return found[0]


def named(table: dict[str, Any]) -> list[dict[str, str]]:
    return [dict(zip(table["titles"], row)) for row in table["rows"]]


def check_results(check: Checker, look: dict[str, Any], runs: list[dict[str, str]]) -> None:
    """Of one launch a cell: a row of the table is a run of the export."""
    by_size = {(run["batch_size"], run["context_length"]): run for run in runs}
    table = named(the_table(look, "results"))
    check.expect(len(table) == len(runs), f"results: {len(table)} rows, exported are {len(runs)}")
    for row in table:
        run = by_size[row["batch"], row["context"]]
        where = f"results, batch {row['batch']}, context {row['context']}"
        if run["outcome"] != "OK":
            check.expect(run["outcome"] in row["verdict"] and row["step (ms)"] == run["outcome"],
                         f"{where}: the page does not say {run['outcome']}: {row}")
            continue
        for phase in ("forward", "backward", "step"):
            check.expect_mean(row[f"{phase} (ms)"], run, phase, f"{where}, {phase}")
        check.expect_shown(row["bwd/fwd"], float(run["backward_forward_ratio"]), f"{where}, bwd/fwd")
        check.expect_shown(row["tokens/s"], float(run["tokens_per_s"]), f"{where}, tokens/s")
        check.expect_shown(row["peak (MiB)"], int(run["peak_allocated_bytes"]) / MIB, f"{where}, peak")


def check_phases(check: Checker, look: dict[str, Any], runs: list[dict[str, str]]) -> None:
    good = [run for run in runs if run["outcome"] == "OK"]
    table = named(the_table(look, "phases"))
    cells = list(dict.fromkeys(row["cell"] for row in table))
    check.expect(len(cells) == len(good), f"phases: {len(cells)} cells, exported are {len(good)}")
    for row in table:
        run = good[cells.index(row["cell"])]
        where = f"phases, {row['cell']}, {row['phase']}"
        check.expect_mean(row["mean (ms)"], run, row["phase"], where)
        for title, column in (("median (ms) [95 %]", "median"), ("min (ms)", "min"), ("max (ms)", "max"),
                              ("p95 (ms)", "p95")):
            check.expect_exported(row[title], run[f"{row['phase']}_{column}_ms"], f"{where}, {column}")


def check_steps(check: Checker, look: dict[str, Any], samples: list[dict[str, str]]) -> None:
    tables = [table for table in look["tables"] if table["section"] == "steps"]
    shown = {(table["heading"].split()[0], row["step"]): row for table in tables for row in named(table)}
    check.expect(len(shown) == len(samples), f"steps: {len(shown)} rows, exported are {len(samples)}")
    for sample in samples:
        row = shown.get((sample["run_id"], sample["step"]))
        where = f"steps, run {sample['run_id']}, step {sample['step']}"
        if row is None:
            check.faults.append(f"{where}: it is not in the page")
            continue
        for phase in ("forward", "loss", "backward", "step"):
            check.expect_shown(row[f"{phase} (ms)"], int(sample[f"{phase}_ns"]) / 1e6, f"{where}, {phase}")


def check_bars(check: Checker, look: dict[str, Any], runs: list[dict[str, str]]) -> None:
    """Bars are as long as their medians."""
    phases = [f"{run[f'{phase}_median_ms']}" for run in runs if run["outcome"] == "OK"
              for phase in ("forward", "loss", "backward", "step")]
    charts = [chart for chart in look["charts"] if chart["label"].startswith("Median time of each phase")]
    widths = [mark["box"]["width"] for chart in charts for mark in chart["marks"] if "bar" in mark["kind"].split()]
    if len(widths) != len(phases):
        check.faults.append(f"bars: {len(widths)} are drawn, exported are {len(phases)} medians")
        return
    check_line(check, list(zip(map(float, phases), widths)), "bars")
    scale = max(widths) / max(map(float, phases))
    check.expect(all(abs(width - scale * float(value)) < 1 for value, width in zip(phases, widths)),
                 "bars do not begin at 0")


def check_line(check: Checker, pairs: list[tuple[float, float]], where: str) -> None:
    """Values and pixels lie on a line."""
    low, high = min(pairs), max(pairs)
    if low[0] == high[0]:
        check.faults.append(f"{where}: all values are {low[0]}")
        return
    slope = (high[1] - low[1]) / (high[0] - low[0])
    check.places += len(pairs)
    check.expect(abs(slope) * (high[0] - low[0]) > 20, f"{where}: all within {abs(high[1] - low[1]):.0f} px")
    for value, pixel in pairs:
        check.expect(abs(low[1] + slope * (value - low[0]) - pixel) < 1.5, f"{where}: {value} stands at {pixel:.1f} px")


def check_points(check: Checker, look: dict[str, Any], samples: list[dict[str, str]]) -> None:
    """Points of steps stand where their times are; arrows at the edge do not."""
    charts = [chart for chart in look["charts"] if chart["label"].startswith("Time of each step of run")]
    lines = 0
    for chart in charts:
        run_id = re.search(r"run ([\d.]+)", chart["label"]).group(1)
        ms = {sample["step"]: int(sample["step_ns"]) / 1e6 for sample in samples if sample["run_id"] == run_id}
        pairs = []
        for mark in chart["marks"]:
            point = re.match(r"step (\d+): ([\d.]+) ms", mark["title"])
            if point is None:
                continue
            check.expect_shown(point.group(2), ms[point.group(1)], f"point, run {run_id}, step {point.group(1)}")
            if "warmup" not in mark["kind"].split():
                pairs.append((ms[point.group(1)], (mark["box"]["top"] + mark["box"]["bottom"]) / 2))
        # A run that ended in its warm-up has no others.
        if pairs:
            check_line(check, pairs, f"points of run {run_id}")
            lines += 1
    check.expect(lines > 0, f"points: none of {len(charts)} charts has a measured step at a place that was looked at")


def memory_values(look: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(row["batch"], row["context"]): row["peak (MiB)"] for row in named(the_table(look, "memory"))}


def check_memory(check: Checker, look: dict[str, Any], runs: list[dict[str, str]]) -> None:
    shown = memory_values(look)
    for run in runs:
        if run["outcome"] == "OK":
            size = run["batch_size"], run["context_length"]
            check.expect_shown(shown[size], int(run["peak_allocated_bytes"]) / MIB, f"memory, batch and context {size}")
    charts = [chart for chart in look["charts"] if chart["label"].startswith("Peak of memory")]
    check.expect(bool(charts), "memory: there is no chart")
    for chart in charts:
        places = [(mark["box"]["top"] + mark["box"]["bottom"]) / 2 for mark in chart["marks"]]
        check.expect(max(places) - min(places) > 20, "memory: the points stand on one line across")


def check_pages(check: Checker, daemon: service.Service, folder: pathlib.Path) -> None:
    fake_runs.submit(daemon, "sizes")
    page = folder / "sizes.html"
    daemon.call("report", "sweep:sizes", "--title", EVIL, "-o", page)
    runs = rows_of(daemon.call("export", "sweep:sizes", "--format", "csv"))
    samples = rows_of(daemon.call("export", "sweep:sizes", "--samples", "--format", "csv"))
    check.expect(sorted(run["outcome"] for run in runs) == fake_runs.OUTCOMES,
                 f"the runs are not as the worker was told: {[run['outcome'] for run in runs]}")
    look = check.open_all(page)
    check.expect(look["title"] == EVIL and look["heading"] == EVIL, f"its title is {look['title']}")
    for about in (check_results, check_phases, check_bars, check_memory):
        about(check, look, runs)
    for about_steps in (check_steps, check_points):
        about_steps(check, look, samples)

    daemon.call("baseline", "set", "sweep:sizes", "--reason", "the first")
    fake_runs.submit(daemon, "again", launches=4)
    page = folder / "again.html"
    daemon.call("report", "sweep:again", "-o", page)
    look = check.open_all(page)
    for section in ("results", "phases", "steps", "memory", "baseline", "trend", "environment", "again"):
        check.expect(section in look["sections"], f"a page of launches and a baseline has no section {section}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fake_runs.add_arguments(parser)
    parser.add_argument("--pictures", type=pathlib.Path, help="an existing folder: pages are kept there, with pictures")
    arguments = parser.parse_args()
    fake_runs.check_arguments(parser, arguments)
    program = chromium.find()
    if program is None:
        print("skipped: there is no Chromium (Debian package chromium, deploy/install_packages.sh opened)")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="torchlap-pages-") as temporary:
        folder = arguments.pictures or pathlib.Path(temporary)
        with chromium.Chromium(program) as browser, \
                fake_runs.start(arguments, pathlib.Path(temporary)) as daemon:
            check = Checker(browser, arguments.pictures)
            check.check_trap(pathlib.Path(temporary))
            check_pages(check, daemon, folder)
    for fault in check.faults:
        print(fault)
    print(f"{check.pages} views of pages, {check.numbers} numbers as exported, {check.places} marks at their places, "
          f"{len(check.faults)} faults")
    return 1 if check.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (service.Broken, chromium.BrowserFault) as fault:
        sys.exit(f"report_in_chromium.py: {fault}")
