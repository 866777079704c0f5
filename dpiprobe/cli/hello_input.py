"""What `hello show` and `hello diff` are given, turned into hellos: hex, raw bytes, a capture, a description, from a file or standard input.

Rules of this file: what it is, is known by its first bytes, never by the file's name. Nothing that is a hello in part is refused; what is none at
all is the caller's error (InputError), one sentence.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpiprobe.errors import InputError, UsageError

if TYPE_CHECKING:
    from dpiprobe.tls.hello import ClientHello

CAPTURES = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a",
    b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18",
)  # fmt: skip
"""pcap in both orders and resolutions, pcapng, gzip, zstd, lz4"""
_DUMP = re.compile(rb"^\s*(?:0x)?[0-9a-fA-F]{4,8}:?\s\s?((?:[0-9a-fA-F]{2,4} ?)+)(?:\s\s.*)?$", re.MULTILINE)
SHORTEST = 12  # characters of an argument that is taken for hex: a record header and a byte of what it carries
MOST = 1 << 28  # bytes of input that is no capture; a hello has at most 2^17


@dataclass(frozen=True, slots=True)
class Found:
    """One hello and where it was: `flow` and `packet` where that was a capture (from 1, else 0)."""

    hello: ClientHello
    source: str
    flow: int = 0
    packet: int = 0
    quic: bool = False


def hellos_in(source: str) -> list[Found]:
    """The hellos of a file, of standard input (`-`), or of an argument that is hex itself. InputError where there is none."""
    return hellos_of(source, bytes_of(source))


def hellos_of(source: str, data: bytes) -> list[Found]:
    """The hellos of these bytes; `source` only names them."""
    if not data.strip():
        raise InputError(f"{_called(source)} is empty; give a ClientHello, raw or in hex, or a capture")
    if data.startswith(CAPTURES):
        return _of_capture(source, data)
    if data[:1] == b"{":
        return [Found(_described(source, data), source)]
    from dpiprobe.tls.hello import parse, parse_message

    stream = data if data[:1] in (b"\x14", b"\x15", b"\x16", b"\x18", b"\x01") else hex_bytes(data)
    if stream is None:
        raise InputError(f"{_called(source)} is neither a capture nor a ClientHello, raw or in hex; give one of those")
    hello = parse(stream) or parse_message(stream)
    if hello is None:
        raise InputError(f"{_called(source)} does not begin with a ClientHello; give the client's bytes from the first record on")
    return [Found(hello, source)]


def _called(source: str) -> str:
    """The source as a message names it: a file in full, long hex cut."""
    return "standard input" if source == "-" else source if len(source) < 80 or os.path.exists(source) else f"{source[:60]}..."  # noqa: PTH110


def bytes_of(source: str) -> bytes:
    """What a file, standard input or an argument holds. InputError where it is none of them."""
    if source == "-":
        return sys.stdin.buffer.read(MOST)
    try:
        is_there, is_folder = Path(source).exists(), Path(source).is_dir()
    except (OSError, ValueError):
        is_there = is_folder = False
    if is_there and not is_folder:  # a file, or a pipe as shells make it of <(...)
        try:
            with Path(source).open("rb") as file:
                return file.read(MOST)
        except OSError as error:
            raise InputError(f"{source} cannot be read ({error.strerror}); give another file") from None
    if is_folder:
        raise InputError(f"{_called(source) or 'an empty argument'} is no file; give a file, '-' for standard input, or the hello in hex")
    if hex_bytes(source.encode("utf-8", "surrogateescape")) is not None:
        if len(source) >= SHORTEST:
            return source.encode()
        raise InputError(f"there is no file {source}, and as hex it is too short for a ClientHello; give a file, or the client's bytes from the first on")
    raise InputError(f"there is no file {_called(source)}; give a file, '-' for standard input, or the hello in hex")


def hex_bytes(data: bytes) -> bytes | None:
    """Hex with or without spaces, colons, 0x and line ends, or a hex dump as tshark and xxd print them; None for anything else."""
    text = data.strip()
    rows = _DUMP.findall(text)
    if rows and len(rows) == len([line for line in text.splitlines() if line.strip()]) and len(text.split()) > 2:
        text = b" ".join(rows)
    digits = re.sub(rb"0x|[\s:,\"]", b"", text)
    if not digits or len(digits) % 2 or re.search(rb"[^0-9a-fA-F]", digits):
        return None
    return bytes.fromhex(digits.decode())


def _described(source: str, data: bytes) -> ClientHello:
    import json

    from dpiprobe.tls.description import read_description

    try:
        raw = json.loads(data.splitlines()[0] if data.count(b"\n{") else data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_called(source)} is not JSON ({error}); give what 'dpiprobe hello show --json' prints") from None
    try:
        return read_description(raw)
    except UsageError as wrong:  # what a file says is no fault of the command line
        raise InputError(f"{_called(source)}: {wrong}") from None


def _of_capture(source: str, data: bytes) -> list[Found]:
    from dpiprobe.capture.read import read_capture
    from dpiprobe.flow.hello_streams import hello_streams
    from dpiprobe.flow.settle import settle
    from dpiprobe.tls.hello import parse, parse_message

    found: list[Found] = []
    for one in hello_streams(settle(read_capture(source, data=data).packets)):
        hello = parse_message(one.stream) if one.quic else parse(one.stream)
        if hello is not None:
            found.append(Found(hello, source, one.flow, one.packet, one.quic))
    if not found:
        raise InputError(f"{_called(source)} holds no ClientHello; 'dpiprobe analyze {_called(source)}' says what is in it")
    return found
