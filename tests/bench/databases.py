"""Signature folders of any size: those that ship, and copies of them with other numbers. `python -m tests.bench.databases COUNT FOLDER`.

Rules of this file: seeded; a copy is a signature that another device might have (other IP IDs, other windows), so its clauses cost what real ones cost.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import yaml

from dpiprobe.signature.database import packaged_folder
from dpiprobe.signature.reader import read_folder

SEED = 20261124


def write(count: int, folder: Path) -> int:
    """Write `count` signatures into `folder`; how many there are."""
    chance = random.Random(SEED)
    shipped = sorted(packaged_folder().rglob("*.yaml"))
    plain = {path.stem: yaml.safe_load(path.read_text()) for path in shipped}
    if count < len(plain):
        free = [name for name, signature in plain.items() if "earlier" not in str(signature)]
        plain = {name: plain[name] for name in sorted(chance.sample(free, count))}
    models = [signature for signature in plain.values() if _resets(signature)] or list(plain.values())
    number = 0
    while len(plain) < count:
        number += 1
        made = _vary(chance.choice(models), number, chance)
        plain[made["id"]] = made
    folder.mkdir(parents=True, exist_ok=True)
    for name, signature in plain.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(signature, sort_keys=False))
    _, problems = read_folder(folder)
    if problems:
        raise SystemExit("\n".join(problems[:5]))
    return len(plain)


def _resets(signature: dict[str, Any]) -> bool:
    """It expects TCP packets that can be told by IP ID and window."""
    clauses = [clause for clause in (signature.get("expect") or {}).values() if isinstance(clause, dict)]
    return any("flags" in clause for clause in clauses)


def _vary(model: dict[str, Any], number: int, chance: random.Random) -> dict[str, Any]:
    expect = {}
    for name, clause in model["expect"].items():
        varied = dict(clause) if isinstance(clause, dict) else clause
        if isinstance(varied, dict) and "flags" in varied:
            varied["ipid"] = chance.randrange(1, 65536)
            varied["window"] = chance.randrange(1, 65536)
        expect[name] = varied
    made = {**model, "id": f"{model['id']}-{number:04d}", "expect": expect}
    made.pop("supersedes", None)
    made.pop("generic", None)
    return made


if __name__ == "__main__":
    print(write(int(sys.argv[1]), Path(sys.argv[2])))
