"""The Initials of a recorded QUIC client for another server name: its datagrams with nothing changed but what depends on the name.

Alone responsible for putting another ClientHello into recorded datagrams: same connection IDs, packet numbers, order and borders of CRYPTO frames
(Chromium shuffles them and puts PING and PADDING between), same size of every datagram.

Rules of this file:
- The message's pieces are cut where they were; the piece at its end grows or shrinks, and so does padding, so that datagrams keep their size.
- Padding that stands between frames stays where it is as long as there is any. Where there is not enough left, a longer name is the caller's error.
- A client that pads outside of its packets (zeros behind the last one) has packets as long as their frames need, and the zeros make up for it.
"""

from __future__ import annotations

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.tls.clients import client, hello_of
from dpiprobe.tls.hello import build_message
from dpiprobe.tls.quic import INITIAL, LongHeader, read_packets, read_varint, write_varint
from dpiprobe.tls.quic_initial import build_initial, decrypt_initial, initial_keys

_PADDING, _CRYPTO = 0, 6  # RFC 9000 sections 19.1, 19.6


def datagrams_of(name: str, server_name: str | bytes | None) -> tuple[bytes, ...]:
    """The UDP payloads with which this client would ask for another name.

    UsageError where the client does not speak QUIC or the name does not fit; EnvironmentError_ without `cryptography`."""
    found = client(name)
    if not found.datagrams:
        raise UsageError(f"{name} speaks TLS over TCP; choose a client whose transport is quic")
    message = build_message(hello_of(name, server_name))
    size = len(found.stream)
    first: bytes | None = None
    made: list[bytes] = []
    for datagram in found.datagrams:
        out = b""
        for header in read_packets(datagram):
            packet = datagram[header.start : header.end]
            if header.type == INITIAL:
                first = header.dcid if first is None else first
                packet = _rebuilt(datagram, header, first, message, size)
            out += packet
        if len(out) > len(datagram):
            raise UsageError("the name is too long for this client's Initials; choose a shorter one, or another client")
        made.append(out + bytes(len(datagram) - len(out)))
    return tuple(made)


def _rebuilt(datagram: bytes, header: LongHeader, dcid: bytes, message: bytes, size: int) -> bytes:
    """One Initial with the pieces of another message."""
    keys = initial_keys(dcid, header.version)
    payload = decrypt_initial(datagram, header, keys)
    if payload is None or header.packet_number_offset is None:
        raise EnvironmentError_("a recorded Initial cannot be decrypted; install dpiprobe[quic], which brings the package cryptography")
    number, number_length = _packet_number(datagram, header, keys.hp)
    return build_initial(
        _refilled(payload, message, size), header.dcid, scid=header.scid, token=header.token or b"", version=header.version, number=number,
        keys=keys, size=0, number_length=number_length, length_width=_length_width(datagram, header),
    )  # fmt: skip


def _refilled(payload: bytes, message: bytes, size: int) -> bytes:
    """The frames of a payload with other CRYPTO bytes; as long as before, where there is padding among them."""
    frames: list[bytes] = []  # each frame on its own; a run of padding is one
    at = 0
    while at < len(payload):
        if payload[at] == _PADDING:
            end = at
            while end < len(payload) and payload[end] == _PADDING:
                end += 1
            frames.append(payload[at:end])
        elif payload[at] == _CRYPTO:
            offset = read_varint(payload, at + 1)
            length = read_varint(payload, offset[1]) if offset else None
            if offset is None or length is None:
                raise UsageError("a recorded Initial has a malformed CRYPTO frame; record the client again")
            end = length[1] + length[0]
            last = offset[0] + length[0] >= size  # the piece at the end of the message
            piece = message[offset[0] : None if last else offset[0] + length[0]]
            frames.append(payload[at : offset[1]] + write_varint(len(piece), length[1] - offset[1]) + piece)
        else:
            end = at + 1  # PING
            frames.append(payload[at:end])
        at = end
    return b"".join(_fitted(frames, len(payload)))


def _fitted(frames: list[bytes], size: int) -> list[bytes]:
    """The frames with their longest run of padding made longer or shorter, so that together they have `size` bytes, where there is enough."""
    while excess := sum(map(len, frames)) - size:
        longest = max((i for i, f in enumerate(frames) if f[0] == _PADDING), key=lambda i: len(frames[i]), default=None)
        if longest is None:
            break
        room = len(frames[longest]) - excess
        frames = [*frames[:longest], *([bytes(room)] if room > 0 else []), *frames[longest + 1 :]]
    return frames


def _length_width(datagram: bytes, header: LongHeader) -> int:
    """Bytes of the length field, which stands behind the connection IDs and the token (RFC 9000 section 17.2.2)."""
    token = read_varint(datagram, header.start + 1 + 4 + 1 + len(header.dcid) + 1 + len(header.scid))
    return (header.packet_number_offset or 0) - (token[1] + token[0] if token else 0)


def _packet_number(datagram: bytes, header: LongHeader, hp: bytes) -> tuple[int, int]:
    """The packet number of a protected packet and the bytes it takes (RFC 9001 section 5.4)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    at = header.packet_number_offset or 0
    mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(datagram[at + 4 : at + 20])
    length = ((datagram[header.start] ^ mask[0]) & 3) + 1
    return int.from_bytes(bytes([a ^ b for a, b in zip(datagram[at : at + length], mask[1:5], strict=False)]), "big"), length
