"""What the benchmarks print and write: a Markdown table, and JSON with every value and its context."""
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
from typing import Any, Optional, Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(map(str, columns))] + [["-" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["| " + " | ".join(value.ljust(width) for value, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def share(part: int, whole: int, interval: Optional[tuple[float, float]] = None) -> str:
    """`3 of 200 (1.5 %, 0.3 to 4.3 %)`."""
    text = f"{part} of {whole}"
    if whole == 0:
        return text
    bounds = f", {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %" if interval else ""
    return f"{text} ({100 * part / whole:.1f} %{bounds})"


def processor() -> Optional[str]:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else None


def version_of(program: pathlib.Path) -> Optional[str]:
    done = subprocess.run([str(program), "--version"], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() or None


def context(bin_dir: Optional[pathlib.Path] = None) -> dict[str, Any]:
    """Where and when; called before anything is started, so that the load is the machine's own."""
    return {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": platform.machine(), "kernel": platform.release(), "processor": processor(),
            "cores": sorted(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0],
            "torchlap": version_of(bin_dir / "torchlap") if bin_dir else None}


def about(found: dict[str, Any]) -> str:
    return (f"{found['processor']}, {len(found['cores'])} cores, kernel {found['kernel']}, "
            f"load {found['load_average']:.2f} before the start\n")


def write(file: Optional[pathlib.Path], result: dict[str, Any]) -> None:
    """Whole or not at all."""
    if file is None:
        return
    unfinished = file.with_name(file.name + ".part")
    unfinished.write_text(json.dumps(result, indent=1, default=str) + "\n", encoding="utf-8")
    unfinished.replace(file)
