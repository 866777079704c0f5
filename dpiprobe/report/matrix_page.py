"""The matrix as one page of HTML that needs nothing else: no script, no font, no picture from elsewhere.

Rules of this file: plain data in (the JSON of `lab matrix`), text out; every value is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;margin:.6rem 0}
td,th{border:1px solid #c9ced6;padding:.2rem .55rem;text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}th{background:#f1f3f6}.good{background:#e3f4e5}.bad{background:#fbe1de}
.wide{overflow-x:auto}code{background:#f1f3f6;padding:0 .25rem}
@media(prefers-color-scheme:dark){body{background:#14171b;color:#dfe3e8}th,code{background:#22272e}td,th{border-color:#3a414b}.good{background:#1d3a23}.bad{background:#4d211d}}
"""


def page(data: Mapping[str, Any]) -> str:
    """The whole page."""
    summary = data["summary"]
    parts = [
        f"<p>{_e(data['date'])} · <code>{_e(data['command'])}</code> · dpiprobe {_e(data['tool'])}, signatures {_e(str(data['signatures'])[:12])} · "
        f"{summary['runs']} runs, {summary['connections']} connections on the virtual clock in {_e(round(data['seconds']))} s"
        + ("; <b>interrupted: this is what there was</b>" if data["interrupted"] else "") + "</p>",
        "<p>Each run carries out the prober's plan (three trials of the name in question between controls) and is judged twice: from the client's "
        "capture alone, and from both ends' captures. <i>Right</i>: the technique in full depth, or a true parent of it.</p>",
        *_world(data),
    ]
    if "namespaces" in data:
        real = data["namespaces"]
        found = real["agreement"]
        parts.append(f"<h1>With real kernels, in namespaces: {real['summary']['runs']} runs of {real['asked']}</h1>")
        for kind in ("box", "innocent"):
            if found[kind]["runs"]:
                one = found[kind]
                parts.append(
                    f"<p>The same verdict, technique and signature as the same run on the virtual clock, {kind}: client {one['client']}, "
                    f"both ends {one['both']} of {one['runs']}.</p>"
                )
        parts += _world(real)
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>dpiprobe: the matrix</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en">{head}\n<h1>The matrix</h1>\n{body}\n</html>\n'


def _world(world: Mapping[str, Any]) -> list[str]:
    """What came out of one world."""
    summary = world["summary"]
    innocents = summary["innocents"]
    parts: list[str] = []
    if world["failed"]:
        rows = [[(str(f[key]), "") for key in ("name", "condition", "seed", "reason")] for f in world["failed"]]
        parts += [f"<h2>{len(rows)} runs that could not be carried out, in no count below</h2>", _table(["", "condition", "seed", "why"], rows)]
    if innocents["runs"]:
        parts += [
            "<h2>Accusations of innocents</h2>",
            f"<p><b>{innocents['accused']}</b> of {innocents['runs']} runs without any interference; upper 95 % bound {_percent(innocents['upper_95'])}.</p>",
            _accusations(innocents["accusations"]),
        ]
    if summary["software"]:
        software = [
            [(row["name"], ""), ("/".join(row["technique"]), ""), (str(row["runs"]), "")]
            + [(f"{row[view]['right']}: " + ", ".join(f"{n} {what}" for what, n in row[view]["said"].items()), "") for view in ("client", "both")]
            for row in summary["software"]
        ]
        parts += ["<h2>Real software: named rightly</h2>", _table(["", "is", "runs", "client", "both ends"], software)]
    if summary["conditions"]:
        parts += ["<h2>Technique, by condition</h2>", _shares([*summary["conditions"], summary["up_to_2_percent"], summary["at_5_percent"]])]
        parts += ["<h2>Technique, by box</h2>", _shares(summary["boxes"])]
        for key, title in (("technique", "Technique"), ("verdict", "Verdict"), ("position", "Position"), ("signature", "Signature")):
            for view, says in (("client", "client's capture"), ("both", "both ends")):
                parts += [f"<h2>{title}: what it is (rows) and what was said (columns), {says}</h2>", _confusion(summary[key][view])]
        parts += ["<h2>Not right</h2>", _misses(summary["misses"])]
    return parts


def _e(value: object) -> str:
    return escape(str(value))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def _table(head: Iterable[str], rows: Iterable[Sequence[tuple[str, str]]]) -> str:
    """Cells are (text, class)."""
    top = "".join(f"<th>{_e(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f'<td class="{c}">{_e(t)}</td>' if c else f"<td>{_e(t)}</td>" for t, c in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>\n{body}</table></div>'


def _shares(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["", "runs"]
    for view in ("client", "both ends"):
        head += [f"{view}: right", "95 % bounds", "exact", "coarse", "possible", "insufficient", "down", "ok", "wrong"]

    def row(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
        cells = [(entry["name"], ""), (str(entry["runs"]), "")]
        for view in ("client", "both"):
            one = entry[view]
            cells += [(_percent(one["right"]), ""), (f"{_percent(one['from'])} to {_percent(one['to'])}", "")]
            cells += [(str(n) if n else "", "bad" if grade == "wrong" and n else "") for grade, n in one["grades"].items()]
        return cells

    return _table(head, map(row, rows))


def _confusion(table: Mapping[str, Mapping[str, int]]) -> str:
    columns = sorted({said for row in table.values() for said in row}, key=lambda c: (c == "-", c))

    def cells(truth: str, row: Mapping[str, int]) -> list[tuple[str, str]]:
        return [(truth, ""), *((str(row.get(c, "")), "good" if c in truth.split("/") and c in row else "") for c in columns)]

    return _table(["", *columns], [cells(truth, row) for truth, row in table.items()])


def _misses(misses: Sequence[Mapping[str, Any]]) -> str:
    keys = ("name", "condition", "seed", "truth")
    rows = [[*((str(m[k]), "") for k in keys), *((" ".join(str(x) for x in m[v]), "") for v in ("client", "both"))] for m in misses]
    return _table(["box", "condition", "seed", "is", "client says", "both ends say"], rows)


def _accusations(entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return ""
    keys = ("name", "condition", "seed")
    return _table([*("innocent", *keys[1:]), "said"], [[*((str(e[k]), "") for k in keys), ("; ".join(e["accused"]), "bad")] for e in entries])
