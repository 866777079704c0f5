"""One record, one line: the JSON Lines that `--json` prints and run folders keep.

Rules of this file:
- Keys stand in the order in which the record has them; the same record gives the same bytes.
- A line is valid JSON and valid UTF-8 whatever the network sent: no NaN or infinity (they become null, which means "not known"), and
  text that is not UTF-8 (surrogates from a lenient decoder, bytes) is shown as \\xHH.
- Nothing is computed here. What a record says is the business of `explain`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FORMAT = "dpiprobe/1"

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False).encode


def line(record: Mapping[str, Any]) -> str:
    """One record as one line of JSON, without the newline."""
    try:
        text = _encode(record)
        text.encode()
    except (TypeError, ValueError):  # the rare record that holds numpy numbers, bytes, NaN, or half a surrogate pair
        text = _encode(plain(record))
    return text


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The records as lines, each with its newline."""
    for record in records:
        yield line(record) + "\n"


def plain(value: Any) -> Any:
    """The same value in what JSON has: dicts, lists, text, numbers, true, false, null.

    NaN and infinities become null, bytes and lone surrogates \\xHH, sets sorted lists, numpy scalars and arrays Python's own numbers and lists.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return text(bytes(value))
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) and key.isascii() else text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value)]
    if hasattr(value, "tolist"):  # numpy, without importing it
        return plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no place in a record")


def text(raw: bytes | str) -> str:
    """Text as it stands; every byte that is no UTF-8 as \\xHH."""
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "backslashreplace")
    try:
        raw.encode()
    except UnicodeEncodeError:
        return raw.encode("utf-8", "surrogateescape" if _only_escapes(raw) else "backslashreplace").decode("utf-8", "backslashreplace")
    return raw


def _only_escapes(raw: str) -> bool:
    """Whether all surrogates are those of Python's surrogateescape (U+DC80 to U+DCFF), which stand for bytes."""
    return all("\udc80" <= c <= "\udcff" for c in raw if "\ud800" <= c <= "\udfff")
