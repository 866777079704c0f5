"""Figures as tables of docs/performance.md, between two marks; what stands outside them is written by people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.programs import PROGRAMS

BEGIN, END = "<!-- bench: what follows is written by `make bench` -->", "<!-- bench: end -->"


def tables(figures: dict[str, Any]) -> str:
    """All tables that there are figures for."""
    there = figures["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
    parts = [f"Measured on {there['date']}: {there['cores']} cores of {there['processor']}; {versions}."]
    if figures["quick"]:
        parts.append("**A quick run with small captures: the order of things, not a result.**")
    if {"tshark -T fields", "ndpiReader -q", "cat"} & set(figures["missing"]):
        parts.append("**A table without tshark, ndpiReader and cat is no result.** Missing here: " + ", ".join(figures["missing"]) + ".")
    count = {name: f"{number:,}" for name, number in figures["packets"].items()}
    if "table" in figures:
        parts += [f"### One capture of {count['big']} packets, a quarter of its flows interfered with", _programs(figures["table"], figures["packets"]["big"])]
    if "tenth" in figures:
        number = figures["packets"]["a tenth interfered"]
        parts += [f"### {number:,} packets, a tenth of their flows interfered with", _programs(figures["tenth"], number)]
    if "all" in figures:
        number = figures["packets"]["all interfered"]
        parts += [f"### {number:,} packets, every flow interfered with", _programs(figures["all"], number)]
    if "small" in figures:
        parts += [f"### {count['small']} packets: what starting costs", _programs(figures["small"], figures["packets"]["small"])]
    if "length" in figures:
        parts += ["### By length", _series(figures["length"], "capture")]
    if "signatures" in figures:
        parts += [f"### By signatures ({count['tenth']} packets)", _series(figures["signatures"], "database")]
    if "stages" in figures:
        total = sum(figures["stages"].values())
        lines = [f"| {name} | {seconds:.2f} | {100 * seconds / total:.0f} % |" for name, seconds in figures["stages"].items()]
        parts += [f"### By stage ({count['big']} packets, in one process)", "\n".join(["| stage | seconds | part |", "|---|---|---|", *lines])]
    if "many" in figures:
        many = dict(figures["many"])
        number = many.pop("captures")
        parts += [f"### {number:,} small captures ({count['many']} packets) into Parquet", _series(many, "workers")]
    if "hellos" in figures:
        parts += ["### ClientHellos", _hellos(figures["hellos"]["rates"])]
    return "\n\n".join([*parts, _wanted(figures)]) + "\n"


def short(figures: dict[str, Any]) -> str:
    """The table for the README: one capture, what each program takes of dpiprobe's time."""
    there, found = figures["machine"], figures["table"]
    machine = f"{there['cores']} cores of {there['processor']}, {there['date']}"
    lines = [
        f"One capture of {figures['packets']['big']:,} packets, a quarter of its flows interfered with; {machine}:", "",
        "| program | does | seconds | peak MiB | time, dpiprobe = 1 |", "|---|---|---|---|---|",
    ]  # fmt: skip
    does = {program.name: program.does for program in PROGRAMS}
    for name, row in sorted(found.items(), key=lambda item: item[1]["seconds"]):
        mark = "**" if name.startswith("dpiprobe") else ""
        what = does.get(name, "verdicts" + (", a line a flow" if "json" in name else ", a table"))
        lines.append(f"| {mark}`{name}`{mark} | {what} | {_seconds(row['seconds'])} | {row['peak']:.0f} | {row['ratio']:.3g} |")
    return "\n".join(lines) + "\n"


def _programs(found: dict[str, Any], packets: int) -> str:
    lines = ["| program | seconds | CPU seconds | packets/s | peak MiB | time, dpiprobe = 1 |", "|---|---|---|---|---|---|"]
    for name, row in sorted(found.items(), key=lambda item: item[1]["seconds"]):
        mark = "**" if name.startswith("dpiprobe") else ""
        took = f"{_seconds(row['seconds'])} | {_seconds(row['cpu'])} | {_rate(packets / row['seconds'])}"
        lines.append(f"| {mark}`{name}`{mark} | {took} | {row['peak']:.0f} | {row['ratio']:.3g} |")
    return "\n".join(lines)


def _series(found: dict[str, Any], head: str) -> str:
    lines = [f"| {head} | seconds | CPU seconds | peak MiB | ratio |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {_seconds(row['seconds'])} | {_seconds(row['cpu'])} | {row['peak']:.0f} | {row['ratio']:.2f} |" for name, row in found.items()]
    return "\n".join(lines)


def _hellos(rates: dict[str, dict[str, float]]) -> str:
    """Hellos a second on one core, by program."""
    programs = list(dict.fromkeys(program for found in rates.values() for program in found))
    lines = [f"| a second, one core | {' | '.join(programs)} |", "|---" * (len(programs) + 1) + "|"]
    lines += [f"| {task} | {' | '.join(_rate(found[p]) if p in found else '-' for p in programs)} |" for task, found in rates.items()]
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rate(value: float) -> str:
    return f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.0f} k" if value >= 1e4 else f"{value:,.0f}"


def _wanted(figures: dict[str, Any]) -> str:
    """What was asked for, and whether it is so."""

    def ratio(part: str, name: str) -> float | None:
        row = figures.get(part, {}).get(name)
        return None if row is None else float(row["ratio"])

    def over(value: float | None) -> float | None:
        return None if value is None else 1 / value

    peaks = [figures.get("length", {}).get(name, {}).get("peak") for name in ("1x", "4x")]
    memory = max((row["peak"] for name, row in figures.get("table", {}).items() if name.startswith("dpiprobe")), default=None)
    wanted: list[tuple[str, float | None, str, float, str]] = [
        ("times as fast as `tshark -T fields`", ratio("table", "tshark -T fields"), "at least", 25, "80"),
        ("times as fast as `ndpiReader -q`", ratio("table", "ndpiReader -q"), "at least", 3, "10"),
        ("times the time of `cat`", over(ratio("table", "cat")), "at most", 14, "5"),
        ("times as fast as `tshark -T fields`, a tenth interfered with", ratio("tenth", "tshark -T fields"), "at least", 25, "80"),
        ("times as fast as `ndpiReader -q`, a tenth interfered with", ratio("tenth", "ndpiReader -q"), "at least", 3, "10"),
        ("times the time of `cat`, a tenth interfered with", over(ratio("tenth", "cat")), "at most", 14, "5"),
        ("MiB at the peak", memory, "at most", 600, "300"),
        ("times the memory for four times the packets", peaks[1] / peaks[0] if all(peaks) else None, "at most", 1.2, ""),
        ("times the time for four times the packets", ratio("length", "4x"), "at most", 4.4, ""),
        ("times as fast as tshark where every flow is interfered with", ratio("all", "tshark -T fields"), "at least", 8, "25"),
        ("times as fast as tshark on the small capture", ratio("small", "tshark -T fields"), "at least", 1, "2"),
        ("times the time for 1000 signatures in place of 10", ratio("signatures", "1000 signatures"), "at most", 3, ""),
        ("times as fast with two jobs as with one, many captures", ratio("many", "jobs 1"), "at least", 1.7, ""),
        ("times the pool's time for Dask with two workers", ratio("many", "Dask local:2"), "at most", 1.5, ""),
    ]
    lines = ["### What was asked for", "", "| | measured | must | aim | |", "|---|---|---|---|---|"]
    for what, value, word, bound, aim in wanted:
        if value is None:
            continue
        good = value >= bound if word == "at least" else value <= bound
        lines.append(f"| {what} | {value:.3g} | {word} {bound:g} | {aim} | {'yes' if good else '**no**'} |")
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Put the tables into the page, between the marks; a page without them stays as it is."""
    old = page.read_text()
    if BEGIN not in old:
        return
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
