"""Variations of the cipher suites: one alone, or the same in another order.

Rules of this file: one suite alone is the whole list, without GREASE and signalling values. A suite of TLS 1.2 makes the hello one whose highest
version is 1.2, as CenFuzz did; a suite of TLS 1.3 keeps the offer of TLS 1.3 (with 1.2 as the highest version it could not be meant, but
`cipher-1301-in-0303` and its like send that too).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.tls.hello import ClientHello
from dpiprobe.tls.rename import refitted
from dpiprobe.tls.vary.variation import Value, Variation
from dpiprobe.tls.vary.versions import TLS_1_2, TLS_1_3, highest

CENFUZZ = {
    0x0005: "RSA_RC4_128_SHA", 0x000A: "RSA_3DES_EDE_CBC_SHA", 0x002F: "RSA_AES128_CBC_SHA", 0x0035: "RSA_AES256_CBC_SHA",
    0x003C: "RSA_AES128_CBC_SHA256", 0x009C: "RSA_AES128_GCM", 0x009D: "RSA_AES256_GCM", 0xC007: "ECDHE_ECDSA_RC4",
    0xC009: "ECDHE_ECDSA_AES128_CBC_SHA", 0xC00A: "ECDHE_ECDSA_AES256_CBC_SHA", 0xC011: "ECDHE_RSA_RC4", 0xC012: "ECDHE_RSA_3DES",
    0xC013: "ECDHE_RSA_AES128_CBC_SHA", 0xC014: "ECDHE_RSA_AES256_CBC_SHA", 0xC023: "ECDHE_ECDSA_AES128_CBC_SHA256",
    0xC027: "ECDHE_RSA_AES128_CBC_SHA256", 0xC02F: "ECDHE_RSA_AES128_GCM", 0xC02B: "ECDHE_ECDSA_AES128_GCM", 0xC030: "ECDHE_RSA_AES256_GCM",
    0xC02C: "ECDHE_ECDSA_AES256_GCM", 0xCCA8: "ECDHE_RSA_CHACHA20", 0xCCA9: "ECDHE_ECDSA_CHACHA20", 0x1301: "AES_128_GCM_SHA256",
    0x1302: "AES_256_GCM_SHA384", 0x1303: "CHACHA20_POLY1305_SHA256",
}  # fmt: skip
"""CenFuzz's 25 (strategies e1.4), with short names"""


def single(hello: ClientHello, cipher: int, version: int) -> ClientHello:
    """One suite alone, in a hello whose highest version is `version`."""
    return refitted(replace(highest(hello, version) if version < TLS_1_3 else hello, ciphers=(cipher,)), hello)


def reverse(hello: ClientHello) -> ClientHello:
    """The suites from last to first."""
    return refitted(replace(hello, ciphers=hello.ciphers[::-1]), hello)


def shuffle(hello: ClientHello) -> ClientHello:
    """The suites in an order drawn from the hello's random."""
    keys = shake_256(b"ciphers" + hello.random).digest(4 * len(hello.ciphers))
    order = sorted(range(len(hello.ciphers)), key=lambda i: keys[4 * i : 4 * i + 4])
    return refitted(replace(hello, ciphers=tuple([hello.ciphers[i] for i in order])), hello)


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str, decides: str = "offer", **parameters: Value) -> Variation:
    return Variation(f"cipher-{name}", "ciphers", tests, make, parameters, decides=decides, source=source)


VARIATIONS: tuple[Variation, ...] = (
    *(_of(f"{c:04x}", f"Is a hello that offers {word} alone filtered the same?", single, "CenFuzz 4", cipher=c, version=TLS_1_3 if c >> 8 == 0x13 else TLS_1_2)
      for c, word in CENFUZZ.items()),
    *(_of(f"{c:04x}-in-0303", f"Is {CENFUZZ[c]} alone, which TLS 1.2 cannot use, looked at in a hello of TLS 1.2?", single, "CenFuzz 4",
          cipher=c, version=TLS_1_2) for c in (0x1301, 0x1302, 0x1303)),
    _of("order-reversed", "Does the filter know clients by the order of their ciphers (reversed)?", reverse, "dpiprobe", "cipher order"),
    _of("order-shuffled", "Does the filter know clients by the order of their ciphers (shuffled)?", shuffle, "dpiprobe", "cipher order"),
)  # fmt: skip
