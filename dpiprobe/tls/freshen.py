"""A recorded hello as its client would send it another time: what a client draws anew is drawn anew, from a seed.

Alone responsible for which bytes those are: random, session id, X25519 and ML-KEM key shares, the key and payload of ECH GREASE.

Rules of this file:
- Lengths stay. So do GREASE numbers, the order of extensions (Chromium draws both: one recording is one draw) and key shares on other curves, whose
  bytes must be a point that only arithmetic could make.
- No randomness: the same seed gives the same bytes. Nobody holds the keys, so no handshake completes; nothing dpiprobe looks at comes later.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import shake_256

from dpiprobe.tls.extension import X25519, X25519MLKEM768, ech_body, key_share_body, x25519mlkem768_key
from dpiprobe.tls.hello import ENCRYPTED_CLIENT_HELLO, KEY_SHARE, ClientHello, Extension, KeyShare

_X25519, _HYBRID = 32, 1216  # bytes of a share: RFC 7748 section 5, draft-ietf-tls-ecdhe-mlkem


def freshened(hello: ClientHello, seed: bytes) -> ClientHello:
    """The hello with other random bytes of the same lengths."""
    drawn = shake_256(b"freshen" + seed).digest(96)
    bodies: dict[int, bytes] = {}
    shares = hello.key_shares
    if shares and key_share_body(shares) == hello.extension(KEY_SHARE):
        bodies[KEY_SHARE] = key_share_body([_share(s, seed, drawn[64:]) for s in shares])
    ech = hello.extension(ENCRYPTED_CLIENT_HELLO)
    if ech is not None and (fresh := _ech(ech, seed)) is not None:
        bodies[ENCRYPTED_CLIENT_HELLO] = fresh
    size = len(hello.session_id)
    session_id = drawn[32:64] if size == 32 else shake_256(b"session id" + seed).digest(size)
    extensions = None if hello.extensions is None else tuple([Extension(e.type, bodies.get(e.type, e.data)) for e in hello.extensions])
    return replace(hello, random=drawn[: len(hello.random)], session_id=session_id, extensions=extensions)


def _share(share: KeyShare, seed: bytes, x25519: bytes) -> KeyShare:
    if share.group == X25519 and len(share.key) == _X25519:
        return KeyShare(share.group, x25519)
    if share.group == X25519MLKEM768 and len(share.key) == _HYBRID:
        return KeyShare(share.group, x25519mlkem768_key(seed, x25519))
    return share


def _ech(data: bytes, seed: bytes) -> bytes | None:
    """An outer encrypted_client_hello with other bytes; None where it is none."""
    if len(data) < 10 or data[0] != 0:
        return None
    enc = data[6] << 8 | data[7]
    payload = int.from_bytes(data[8 + enc : 10 + enc], "big")
    if len(data) != 10 + enc + payload:
        return None
    drawn = shake_256(b"ech" + seed).digest(1 + enc + payload)
    return ech_body(drawn[0], drawn[1 : 1 + enc], drawn[1 + enc :], data[1] << 8 | data[2], data[3] << 8 | data[4])
