"""JA4 and JA3 of a ClientHello.

Alone responsible for turning a hello into the two fingerprints that the field compares. JA4 follows the public, BSD-licensed description
(FoxIO, technical_details/JA4.md); the other members of the JA4 family have a licence of their own and are not here. JA3: Salesforce,
"TLS Fingerprinting with JA3 and JA3S" (2019). Both leave GREASE (RFC 8701) out wherever it can stand.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5, sha256

from dpiprobe.tls.hello import ALPN, SERVER_NAME, ClientHello

GREASE = frozenset(n << 12 | 0x0A00 | n << 4 | 0x0A for n in range(16))  # RFC 8701 section 2: 0x0a0a, 0x1a1a ... 0xfafa
NO_HASH = "000000000000"  # JA4: stands for an empty list

VERSIONS = {  # JA4, "TLS and DTLS version"
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2", 0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip


def ja4(hello: ClientHello, transport: str = "t") -> str:
    """JA4 of a hello; `transport` is 't' (TLS over TCP), 'q' (QUIC) or 'd' (DTLS)."""
    head, ciphers, kinds, algorithms = _ja4_parts(hello, transport)
    return f"{head}_{_hash12(ciphers, ())}_{_hash12(kinds, algorithms)}"


def ja4_raw(hello: ClientHello, transport: str = "t") -> str:
    """JA4_r: the same with the sorted lists themselves instead of their hashes."""
    head, ciphers, kinds, algorithms = _ja4_parts(hello, transport)
    return f"{head}_{_listed(ciphers, ())}_{_listed(kinds, algorithms)}"


def ja3_string(hello: ClientHello) -> str:
    """version,ciphers,extensions,groups,point formats; decimal, joined by '-'."""
    lists = (hello.ciphers, [kind for kind, _ in hello.extensions or ()], hello.groups, hello.point_formats)
    return ",".join([str(hello.legacy_version), *("-".join([str(n) for n in numbers if n not in GREASE]) for numbers in lists)])


def ja3(hello: ClientHello) -> str:
    """MD5 of the JA3 string, in hex."""
    return md5(ja3_string(hello).encode(), usedforsecurity=False).hexdigest()


Numbers = tuple[int, ...]


def _ja4_parts(hello: ClientHello, transport: str) -> tuple[str, Numbers, Numbers, Numbers]:
    """The open part; sorted ciphers; sorted extensions without name and ALPN; signature algorithms in order."""
    ciphers = sorted([n for n in hello.ciphers if n not in GREASE])
    kinds = sorted([kind for kind, _ in hello.extensions or () if kind not in GREASE])
    versions = [n for n in hello.supported_versions if n not in GREASE]
    version = VERSIONS.get(max(versions) if versions else hello.legacy_version, "00")
    name = "d" if kinds and kinds[0] == SERVER_NAME else "i"
    head = f"{transport}{version}{name}{min(len(ciphers), 99):02d}{min(len(kinds), 99):02d}{_alpn_mark(hello.alpn)}"
    algorithms = tuple([n for n in hello.signature_algorithms if n not in GREASE])
    return head, tuple(ciphers), tuple([kind for kind in kinds if kind not in (SERVER_NAME, ALPN)]), algorithms


def _alpn_mark(protocols: tuple[bytes, ...]) -> str:
    if not protocols or not protocols[0]:
        return "00"
    first = protocols[0]
    if _alphanumeric(first[0]) and _alphanumeric(first[-1]):
        return chr(first[0]) + chr(first[-1])
    return first.hex()[0] + first.hex()[-1]


def _alphanumeric(byte: int) -> bool:
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


def _listed(numbers: Numbers, more: Numbers) -> str:
    text = ",".join([f"{n:04x}" for n in numbers])
    return f"{text}_{','.join([f'{n:04x}' for n in more])}" if more else text


@lru_cache(maxsize=4096)
def _hash12(numbers: Numbers, more: Numbers) -> str:
    """The same few lists come again and again: one client software, one list."""
    return sha256(_listed(numbers, more).encode()).hexdigest()[:12] if numbers or more else NO_HASH
