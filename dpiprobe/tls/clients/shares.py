"""Key shares of our own in a recorded hello, so that somebody holds the private keys and the handshake can be finished.

Alone responsible for making key pairs from a seed, and for the secret that such a pair and a server's share agree on.

Rules of this file:
- The same seed gives the same bytes; the hello keeps its groups, their order, and all lengths. Random and session id are drawn too.
- A group that cannot be made here (Kyber's draft, finite fields, GREASE) keeps the recorded bytes; `agree` answers None for it.
- `cryptography` is imported inside; EnvironmentError_ where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import Any

from dpiprobe.errors import EnvironmentError_
from dpiprobe.tls.hello import KEY_SHARE, ClientHello, Extension, KeyShare

SECP256R1, SECP384R1, SECP521R1, X25519, X448 = 0x0017, 0x0018, 0x0019, 0x001D, 0x001E  # RFC 8446 section 4.2.7
SECP256R1MLKEM768, X25519MLKEM768 = 0x11EB, 0x11EC  # draft-ietf-tls-ecdhe-mlkem
_CURVES = {SECP256R1: ("SECP256R1", 32), SECP384R1: ("SECP384R1", 48), SECP521R1: ("SECP521R1", 66)}
_MLKEM_CIPHERTEXT, _MLKEM_KEY = 1088, 1184  # FIPS 203 table 3


@dataclass(frozen=True, slots=True)
class Pair:
    """One key pair: its group, its share as it stands in the hello, and what holds the private keys."""

    group: int
    share: bytes
    classic: Any
    mlkem: Any = None


@dataclass(frozen=True, slots=True)
class Shares:
    """The pairs of one hello, and the seed for one that a TLS 1.2 server asks for."""

    pairs: tuple[Pair, ...]
    seed: bytes

    def agree(self, group: int, peer: bytes) -> bytes | None:
        """The secret that our pair of this group and the server's share give (RFC 8446 section 7.4); None where we have no such pair, or the
        share is no share of that group."""
        pair = next((p for p in self.pairs if p.group == group), None)
        return None if pair is None else _agree(pair, peer)

    def with_pair(self, group: int) -> tuple[Pair, Shares] | None:
        """A pair of this group, made where there is none, and the shares that hold it; None where it cannot be made."""
        pair = next((p for p in self.pairs if p.group == group), None) or make_pair(group, self.seed)
        return None if pair is None else (pair, replace(self, pairs=(*self.pairs, pair)))


def with_own_shares(hello: ClientHello, seed: bytes) -> tuple[ClientHello, Shares]:
    """The hello with key shares, random and session id made from the seed, and the private keys."""
    drawn = shake_256(b"own random" + seed).digest(64)
    pairs = tuple(pair for share in hello.key_shares if (pair := make_pair(share.group, seed)) is not None and len(pair.share) == len(share.key))
    made = {pair.group: pair.share for pair in pairs}
    shares = b"".join(_written(KeyShare(s.group, made.get(s.group, s.key))) for s in hello.key_shares)
    body = len(shares).to_bytes(2, "big") + shares
    extensions = None if hello.extensions is None else tuple([Extension(e.type, body if e.type == KEY_SHARE else e.data) for e in hello.extensions])
    changed = replace(hello, random=drawn[:32], session_id=drawn[32 : 32 + len(hello.session_id)], extensions=extensions)
    return changed, Shares(pairs, seed)


def make_pair(group: int, seed: bytes) -> Pair | None:
    """A pair of this group from the seed; None for a group that cannot be made here."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    except ImportError as error:
        raise EnvironmentError_("key shares need the package cryptography; install dpiprobe[quic]") from error
    drawn = shake_256(b"own share" + group.to_bytes(2, "big") + seed).digest(72)
    if group == X25519:
        ours = x25519.X25519PrivateKey.from_private_bytes(drawn[:32])
        return Pair(group, ours.public_key().public_bytes_raw(), ours)
    if group == X448:
        more = x448.X448PrivateKey.from_private_bytes(drawn[:56])
        return Pair(group, more.public_key().public_bytes_raw(), more)
    if group in _CURVES:
        name, size = _CURVES[group]
        scalar = int.from_bytes(drawn[: size - 1], "big") + 1  # below the order of the group, which has `size` bytes (P-521: one bit less)
        point = ec.derive_private_key(scalar, getattr(ec, name)())
        return Pair(group, point.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), point)
    if group in (X25519MLKEM768, SECP256R1MLKEM768):
        return _hybrid(group, seed)
    return None


def _hybrid(group: int, seed: bytes) -> Pair | None:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
    except ImportError:  # cryptography before version 47
        return None
    classic = make_pair(X25519 if group == X25519MLKEM768 else SECP256R1, seed + b"hybrid")
    try:
        ours = MLKEM768PrivateKey.from_seed_bytes(shake_256(b"own ml-kem" + seed).digest(64))
    except UnsupportedAlgorithm:
        return None
    if classic is None:
        return None
    key: bytes = ours.public_key().public_bytes_raw()
    return Pair(group, key + classic.share if group == X25519MLKEM768 else classic.share + key, classic, ours)


def _agree(pair: Pair, peer: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

    try:
        if pair.group == X25519:
            agreed: bytes = pair.classic.exchange(x25519.X25519PublicKey.from_public_bytes(peer))
        elif pair.group == X448:
            agreed = pair.classic.exchange(x448.X448PublicKey.from_public_bytes(peer))
        elif pair.group in _CURVES:
            agreed = pair.classic.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, _CURVES[pair.group][0])(), peer))
        elif pair.group == X25519MLKEM768:
            second = _agree(pair.classic, peer[_MLKEM_CIPHERTEXT:])
            return None if second is None else pair.mlkem.decapsulate(peer[:_MLKEM_CIPHERTEXT]) + second
        else:
            size = len(peer) - _MLKEM_CIPHERTEXT
            first = _agree(pair.classic, peer[:size]) if size > 0 else None
            return None if first is None else first + pair.mlkem.decapsulate(peer[size:])
    except ValueError:
        return None
    return agreed


def _written(share: KeyShare) -> bytes:
    return share.group.to_bytes(2, "big") + len(share.key).to_bytes(2, "big") + share.key
