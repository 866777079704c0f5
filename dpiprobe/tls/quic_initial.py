"""The ClientHello inside QUIC Initial packets.

Alone responsible for the Initial keys (RFC 9001 section 5.2, RFC 9369 section 3.3), for removing packet protection (RFC 9001 sections 5.3, 5.4)
and for gathering CRYPTO frames over packets and datagrams. Anyone on the path can do this: the keys follow from the destination connection ID.

Rules of this file: never raises on network bytes. `cryptography` is imported inside; without it every function that reads answers None.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from dpiprobe.errors import EnvironmentError_
from dpiprobe.tls.quic import INITIAL, V1, V2, LongHeader, initial_type_bits, read_packets, read_varint, write_varint

SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 section 5.2
SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 section 3.3.1
SALT_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # draft-ietf-quic-tls-29 section 5.2, to draft 32
SALT_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")  # draft-ietf-quic-tls-23 section 5.2, to draft 28
MAX_HELLO = 65_536  # CRYPTO bytes that are gathered; unverified, a bound against nonsense

_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO = 0, 1, 2, 3, 6  # RFC 9000 section 19: frames an Initial may carry (and CONNECTION_CLOSE)


@dataclass(frozen=True, slots=True)
class Keys:
    """AES-128-GCM key, IV and header protection key of one side's Initials."""

    key: bytes
    iv: bytes
    hp: bytes


@lru_cache(maxsize=256)
def initial_keys(dcid: bytes, version: int, side: str = "client") -> Keys:
    """Keys of `side` ('client' or 'server'); `dcid` is the destination connection ID of the client's first Initial."""
    draft = version & 0xFF if version >> 8 == 0xFF0000 else 99
    salt = SALT_V2 if version == V2 else SALT_DRAFT_23 if draft < 29 else SALT_DRAFT_29 if draft < 33 else SALT_V1
    prefix = "quicv2" if version == V2 else "quic"
    secret = _expand(hmac.digest(salt, dcid, "sha256"), f"{side} in", 32)
    return Keys(_expand(secret, f"{prefix} key", 16), _expand(secret, f"{prefix} iv", 12), _expand(secret, f"{prefix} hp", 16))


def client_hello_of(datagrams: Sequence[bytes]) -> bytes | None:
    """Handshake bytes from offset 0 on, without holes, that the Initials of a client's datagrams (of one conversation) carry.

    `tls.hello.parse_message` reads them and says whether they are complete. None where nothing could be decrypted, or `cryptography` is
    not installed."""
    pieces: list[tuple[int, bytes]] = []
    first: bytes | None = None
    for datagram in datagrams:
        for header in read_packets(datagram):
            if header.type != INITIAL:
                continue
            first = header.dcid if first is None else first
            for dcid in dict.fromkeys((first, header.dcid)):  # after a Retry the keys follow the new connection ID
                payload = decrypt_initial(datagram, header, initial_keys(dcid, header.version))
                if payload is not None:
                    pieces += crypto_frames(payload)
                    break
    return _join(pieces)


def decrypt_initial(datagram: bytes, header: LongHeader, keys: Keys) -> bytes | None:
    """The frames of one Initial packet; None where the tag does not fit, the packet is cut, or `cryptography` is absent."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        return None
    at = header.packet_number_offset
    if header.cut or at is None or header.end < at + 4 + 16:
        return None
    encryptor = Cipher(algorithms.AES(keys.hp), modes.ECB()).encryptor()
    mask = encryptor.update(datagram[at + 4 : at + 20])
    first = datagram[header.start] ^ mask[0] & 0x0F
    length = (first & 3) + 1
    number = bytes([a ^ b for a, b in zip(datagram[at : at + length], mask[1:5], strict=False)])
    associated = bytes((first,)) + datagram[header.start + 1 : at] + number
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return AESGCM(keys.key).decrypt(nonce, datagram[at + length : header.end], associated)
    except InvalidTag:
        return None


def build_initial(frames: bytes, dcid: bytes, *, scid: bytes = b"", token: bytes = b"", version: int = V1, number: int = 0,
                  keys: Keys | None = None, size: int = 1200, number_length: int = 4, length_width: int = 2) -> bytes:  # fmt: skip
    """One protected Initial packet that carries these frames, padded to `size` bytes (RFC 9000 section 14.1 asks a client for 1200).

    `keys`: None makes the client's from `dcid`; give them where `dcid` is not the first one. `length_width`: bytes that the length field takes
    (ngtcp2 writes four). EnvironmentError_ without `cryptography`."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise EnvironmentError_("building a QUIC Initial needs the package cryptography; install dpiprobe[quic]") from error
    keys = keys or initial_keys(dcid, version)
    first = 0xC0 | initial_type_bits(version) << 4 | number_length - 1
    head = bytes((first,)) + version.to_bytes(4, "big") + bytes((len(dcid),)) + dcid + bytes((len(scid),)) + scid
    head += write_varint(len(token)) + token
    overhead = len(head) + length_width + number_length + 16
    payload = frames + bytes(max(size - overhead - len(frames), 4 - number_length - len(frames), 0))
    packet_number = number.to_bytes(number_length, "big")
    length = number_length + len(payload) + 16
    head += write_varint(length, length_width)
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, payload, head + packet_number)
    sample = (packet_number + sealed)[4:20]
    mask = Cipher(algorithms.AES(keys.hp), modes.ECB()).encryptor().update(sample)
    hidden = bytes([a ^ b for a, b in zip(packet_number, mask[1:5], strict=False)])
    return bytes((first ^ mask[0] & 0x0F,)) + head[1:] + hidden + sealed


def crypto_frame(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame (RFC 9000 section 19.6)."""
    return b"\x06" + write_varint(offset) + write_varint(len(data)) + data


def crypto_frames(payload: bytes) -> list[tuple[int, bytes]]:
    """(offset, data) of the CRYPTO frames of an Initial's payload, up to the first frame that is malformed or not allowed there."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(payload):
        kind = payload[at]
        at += 1
        if kind in (_PADDING, _PING):
            continue
        if kind in (_ACK, _ACK_ECN):
            skipped = _skip_ack(payload, at, kind)
            if skipped is None:
                break
            at = skipped
            continue
        offset = read_varint(payload, at) if kind == _CRYPTO else None
        length = read_varint(payload, offset[1]) if offset else None
        if offset is None or length is None or length[1] + length[0] > len(payload):
            break
        found.append((offset[0], payload[length[1] : length[1] + length[0]]))
        at = length[1] + length[0]
    return found


def _skip_ack(payload: bytes, at: int, kind: int) -> int | None:
    """Offset behind an ACK frame (RFC 9000 section 19.3)."""
    fields: list[int] = []
    count = 4  # largest, delay, range count, first range
    while len(fields) < count:
        item = read_varint(payload, at)
        if item is None:
            return None
        fields.append(item[0])
        at = item[1]
        if len(fields) == 3:
            count = 4 + 2 * item[0] + (3 if kind == _ACK_ECN else 0)
    return at


def _join(pieces: list[tuple[int, bytes]]) -> bytes | None:
    out = bytearray()
    for offset, data in sorted(pieces, key=lambda piece: piece[0]):
        if offset > len(out) or len(out) > MAX_HELLO:
            break
        out += data[len(out) - offset :]
    return bytes(out) if out else None


def _expand(secret: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1) with SHA-256 and an empty context, at most 32 bytes."""
    full = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    return hmac.new(secret, info + b"\x01", sha256).digest()[:length]
