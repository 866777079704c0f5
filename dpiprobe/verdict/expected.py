"""Certificates that the caller says a name is served with (`--expect-certificate`), against those that flows were shown.

Rules of this file:
- Only what a capture shows: up to TLS 1.2, complete certificates (RFC 8446 encrypts them).
- `differs` is proof that TLS ended elsewhere only where another authority issued what was shown: one authority issues new certificates, and several
  at once, for one name. From a hash alone the authority is not known, so a hash never proves it.
- A certificate speaks for the names that it holds (RFC 6125, one wildcard label), or for the one name that the caller gives.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dpiprobe.errors import InputError, UsageError
from dpiprobe.flow.flows import CLIENT_HELLO, SERVER
from dpiprobe.flow.trigger import gather
from dpiprobe.observe.build import Observed
from dpiprobe.tls.server import dns_names, issuer, read_server, subject
from dpiprobe.verdict.model import Evidence

Shown = Literal["same", "reissued", "differs"]
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.S)
_HASH = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}", re.I)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a name may be served with. names: None for every name that is no control · prints: SHA-256 of each certificate, of the server or of an
    authority · authorities: who issued them, or whom they are of; empty where only hashes are known"""

    names: tuple[str, ...] | None
    prints: frozenset[str]
    authorities: frozenset[bytes] = frozenset()

    def speaks_for(self, name: str | None) -> bool:
        """Whether it says anything about this name."""
        if self.names is None:
            return name is not None
        return name is not None and any(_covers(pattern, name.lower()) for pattern in self.names)


def looks_like_hash(text: str) -> bool:
    """32 bytes in hexadecimal, with colons or without."""
    return _HASH.fullmatch(text) is not None


def expected_of(value: bytes | str, name: str | None = None, what: str = "the certificate") -> Expected:
    """From a file's bytes (PEM or DER, the server's certificate first) or a SHA-256 in hexadecimal. `name`: the only one it speaks for.

    UsageError where it names no host and none is given; InputError where the bytes hold no certificate.
    """
    given = (name.lower(),) if name else None
    if isinstance(value, str):
        return Expected(given, frozenset({value.replace(":", "").lower()}))
    certificates = _certificates(value)
    if not certificates or issuer(certificates[0]) is None:
        raise InputError(f"{what} holds no certificate; it takes PEM or DER")
    hosts = tuple(n.lower() for n in dns_names(certificates[0]))
    if given is None and not hosts:
        raise UsageError(f"{what} names no host; say which it is for: NAME={what}")
    owners = certificates[1:] if hosts else certificates  # a server's own certificate issues none
    authorities = {issuer(der) for der in certificates} | {subject(der) for der in owners}
    prints = frozenset(hashlib.sha256(der).hexdigest() for der in certificates)
    return Expected(given or hosts, prints, frozenset(party for party in authorities if party is not None))


def _certificates(data: bytes) -> list[bytes]:
    blocks = _PEM.findall(data)
    if not blocks:
        return [data] if data[:1] == b"\x30" else []
    try:
        return [base64.b64decode(b"".join(block.split()), validate=True) for block in blocks]
    except binascii.Error:
        return []


def _covers(pattern: str, name: str) -> bool:
    return pattern == name or (pattern.startswith("*.") and "." in name and name.split(".", 1)[1] == pattern[2:])


def shown(observed: Observed, f: int, expected: Sequence[Expected]) -> tuple[Shown, bytes] | None:
    """How what flow f was shown relates to what is expected for its name, with the certificate; None where nothing is expected or visible."""
    trigger = observed.flows.triggers[f]
    if trigger is None or trigger.kind != CLIENT_HELLO:
        return None
    mine = [e for e in expected if e.speaks_for(trigger.server_name)]
    chain = _chain(observed, f) if mine else ()
    if not chain:
        return None
    prints = {hashlib.sha256(der).hexdigest() for der in chain}
    if any(prints & e.prints for e in mine):
        return "same", chain[0]
    own = issuer(chain[0])
    known = all(e.authorities for e in mine) and own is not None
    return ("differs" if known and not any(own in e.authorities for e in mine) else "reissued"), chain[0]


def _chain(observed: Observed, f: int) -> tuple[bytes, ...]:
    """The certificates that flow f was shown, the server's first."""
    flows = observed.flows
    span = slice(int(flows.start[f]), int(flows.stop[f]))
    mine = np.arange(span.start, span.stop)[(flows.origin[span] == SERVER) & (flows.packets.payload_length[flows.row[span]] > 0)]
    answer = read_server(gather(flows.packets, flows.row, mine, flows.offset, flows.end, 0)) if len(mine) else None
    return tuple(answer.certificates) if answer is not None else ()


def against_expected(observed: Observed, f: int, expected: Sequence[Expected], *, served: bool) -> list[Evidence]:
    """The certificate of a flow that worked, against the one that the caller says its name has. `served`: the server's capture holds this very
    connection; then it served it, whatever it is."""
    told = shown(observed, f, expected)
    if told is None:
        return []
    word, der = told
    reason = f"the certificate (SHA-256 {hashlib.sha256(der).hexdigest()[:16]}...) is " + {
        "same": "the expected one", "reissued": "not the expected one; the authority may be the same",
        "differs": "none of those expected, and from another authority",
    }[word]  # fmt: skip
    kind = "expected-certificate" if word == "same" else "unexpected-certificate"
    return [Evidence(kind, "mitm", [int(observed.flows.answer[f])], reason, word == "differs" and not served)]
