"""What `hello extract` and `replay` are given, turned into recorded hellos with their segments.

Alone responsible for exported bytes of several packets: one line of hex a packet, as `tshark -T fields -e tcp.payload` prints them, put together
to hellos. All else is read as `hello show` reads it (`hello_input`).

Rules of this file: hellos that come without a capture count as flows 1, 2, 3 in their order and know neither endpoints nor times.
"""

from __future__ import annotations

from dpiprobe.cli.hello_input import CAPTURES, bytes_of, hellos_of, hex_bytes
from dpiprobe.flow.hello_segments import SentHello, SentSegment


def recorded_in(source: str) -> list[SentHello]:
    """The recorded hellos of a capture, a file of hex or raw bytes, standard input, or hex itself. InputError where that is none of them."""
    data = bytes_of(source)
    if data.startswith(CAPTURES):
        from dpiprobe.capture.read import read_capture
        from dpiprobe.flow.hello_segments import sent_hellos
        from dpiprobe.flow.settle import settle

        return list(sent_hellos(settle(read_capture(source, data=data).packets)))
    if found := _of_lines(data):
        return found
    from dpiprobe.tls.hello import build

    streams = [(build(one.hello), not one.hello.records and not one.hello.prefix) for one in hellos_of(source, data)]
    return [_bare(i, [stream], quic=bare) for i, (stream, bare) in enumerate(streams, 1)]


def _of_lines(data: bytes) -> list[SentHello]:
    """Hellos of two or more lines that are hex each, every line a packet's payload; () where the text is something else."""
    lines = [line for line in data.splitlines() if line.strip()]
    if len(lines) < 2 or not data.isascii():
        return []
    from dpiprobe.tls.hello import parse
    from dpiprobe.tls.record import NeedMore, read_client_hello

    found: list[list[bytes]] = []
    waiting = False
    for line in lines:
        payload = hex_bytes(line)
        if payload is None:
            return []
        if waiting:
            found[-1].append(payload)
        elif parse(payload) is not None:
            found.append([payload])
        else:
            continue  # a packet that is no hello, such as an answer or data
        waiting = isinstance(read_client_hello(b"".join(found[-1])), NeedMore)
    return [_bare(i, pieces) for i, pieces in enumerate(found, 1)]


def _bare(flow: int, pieces: list[bytes], *, quic: bool = False) -> SentHello:
    segments: list[SentSegment] = []
    at = 0
    for piece in pieces:
        segments.append(SentSegment(0, at, len(piece), 0))
        at += len(piece)
    return SentHello(flow, 0, "", "", b"".join(pieces), quic, 0, tuple(segments), True)
