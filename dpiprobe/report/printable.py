"""Text from the network, made safe to show: what a person reads can neither move the cursor nor pretend to be something else.

Rules of this file:
- Server names, reasons and file names come from strangers. Control characters (C0, C1, DEL), line and paragraph separators, and the
  characters that reorder or hide text (Unicode Bidi_Control, zero-width and other format characters) are shown as \\xHH or \\uHHHH.
- Everything else stays as it is; width counts terminal cells (East Asian wide characters take two).
"""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode general categories that must not reach a terminal: control, format, surrogate, private use, unassigned, separators."""


def printable(text: str) -> str:
    """The same text with every character that a terminal would act on, or not show, spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if character.isprintable() and unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Terminal cells that printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, cells: int) -> str:
    """`text` filled with blanks on the right to `cells` terminal cells."""
    return text + " " * max(cells - width(text), 0)


def ranges(numbers: list[int]) -> str:
    """Packet numbers as a person writes them: `64-66, 70`."""
    out: list[str] = []
    first = last = -1
    for number in [*sorted(set(numbers)), -9]:
        if last >= 0 and number == last + 1:
            last = number
            continue
        if last >= 0:
            out.append(f"{first}" if first == last else f"{first}-{last}")
        first = last = number
    return ", ".join(out)


def duration(ns: int) -> str:
    """A time a person can read, with its sign: `20.6 ms`, `1.53 s`, `340 us`."""
    size = abs(ns)
    if size >= 100_000_000_000:
        return f"{ns / 1e9:.0f} s"
    if size >= 1_000_000_000:
        return f"{ns / 1e9:.2f} s"
    if size >= 100_000_000:
        return f"{ns / 1e6:.0f} ms"
    if size >= 1_000_000:
        return f"{ns / 1e6:.1f} ms"
    return f"{ns / 1e3:.0f} us" if size else "0"
