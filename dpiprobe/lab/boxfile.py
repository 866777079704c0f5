"""A box of one's own from a file: an `emulate:` block by itself, or inside a signature that is being written.

Rules of this file: read with the same strict YAML as signatures; everything that is wrong is said at once, with its line.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from dpiprobe.errors import InputError, SignatureError
from dpiprobe.signature.emulation import parse_emulation
from dpiprobe.signature.yaml_strict import read


def read_box(file: str) -> dict[str, Any]:
    """The block of the file. Raises InputError where there is no such file, SignatureError with every problem and its line where it is no block."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no UTF-8 text"
        raise InputError(f"cannot read the box {file} ({reason}); name a YAML file with an `emulate:` block") from None
    document = read(text, file)
    problems = list(document.problems)
    block: Any = document.data
    inside: tuple[str | int, ...] = ()
    if isinstance(block, dict) and (slip := _slip(block)) is not None:
        problems.append(f"{document.where((slip,))}: unknown key {slip!r}, did you mean `emulate`?")
        block, inside = block[slip], (slip,)
    if isinstance(block, dict) and "emulate" in block:
        block, inside = block["emulate"], ("emulate",)
    if block is not None:
        told = parse_emulation(block)[1]
        problems += [f"{document.where((*inside, *p))}: {_named(p, message)}" for p, message in told if (*inside, *p) not in document.refused]
    elif not problems:
        problems = [f"{document.where(())}: {message}" for _, message in parse_emulation(block)[1]]
    if problems:
        raise SignatureError(sorted(problems, key=_line), f"the box {file}; `dpiprobe lab grammar` shows every key")
    return dict(block)


def _slip(block: dict[Any, Any]) -> str | None:
    """A key that was meant to be `emulate`: near to it, with a mapping below, where nothing is called so."""
    near = difflib.get_close_matches("emulate", [key for key, value in block.items() if isinstance(key, str) and isinstance(value, dict)], 1, 0.75)
    return near[0] if near and near[0] != "emulate" and "emulate" not in block else None


def _named(path: tuple[str | int, ...], message: str) -> str:
    """What is missing has no place of its own: its key is said."""
    return f"`{path[-1]}` {message}" if message.startswith("is missing") and path else message


def _line(problem: str) -> tuple[int, int]:
    """Where in the file, for the order."""
    numbers = re.search(r":(\d+):(\d+): ", problem)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
