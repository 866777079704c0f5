"""Variations with encrypted names: ECH as GREASE or under a configuration, and the old ESNI.

Rules of this file: where the name is encrypted, the server_name extension carries the configuration's public name (ECH) or is left out (ESNI), as
browsers had it; variations that keep the name in clear beside it say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.ech import build_config, configs_of, encrypted
from dpiprobe.tls.extension import ech_body, esni_body
from dpiprobe.tls.hello import ENCRYPTED_CLIENT_HELLO, ESNI, PRE_SHARED_KEY, ClientHello, Extension
from dpiprobe.tls.rename import refitted, with_name
from dpiprobe.tls.vary.extensions import extensions_of
from dpiprobe.tls.vary.names import name_of
from dpiprobe.tls.vary.variation import Value, Variation

EXAMPLE_KEY = "388c5d677360853a281031ca19d1af97d6d4bc144d074862d6a75875dabd6606"
"""X25519 public key of SHA-256("dpiprobe ech"): no secret, good for nothing but showing what a hello under a configuration looks like"""
EXAMPLE_CONFIG = build_config(0x2A, bytes.fromhex(EXAMPLE_KEY), b"public.example").hex()


def _added(hello: ClientHello, number: int, body: bytes) -> ClientHello:
    """With this extension in place of the one there is, else last but before pre_shared_key."""
    extensions = [Extension(number, body) if e.type == number else e for e in extensions_of(hello)]
    if hello.extension(number) is None:
        at = len(extensions) - (1 if extensions[-1].type == PRE_SHARED_KEY else 0)
        extensions.insert(at, Extension(number, body))
    return refitted(replace(hello, extensions=tuple(extensions)), hello)


def ech_grease(hello: ClientHello, payload: int, outer: str) -> ClientHello:
    """encrypted_client_hello as a client without a configuration sends it (RFC 9849 section 6.2). outer: a name for server_name; empty: its own."""
    drawn = shake_256(b"ech grease" + hello.random).digest(33 + payload)
    named = with_name(hello, outer) if outer else hello
    return _added(named, ENCRYPTED_CLIENT_HELLO, ech_body(drawn[0], drawn[1:33], drawn[33:]))


def ech_config(hello: ClientHello, config: str) -> ClientHello:
    """The whole hello encrypted under the first configuration of this list (base64 or hex); outside stands its public name."""
    return encrypted(hello, configs_of(config)[0], hello.random)


def esni(hello: ClientHello, length: int, with_clear_name: bool) -> ClientHello:
    """encrypted_server_name 0xffce, without or with the name in clear."""
    named = hello if with_clear_name else with_name(hello, None)
    if with_clear_name:
        name_of(hello)
    return _added(named, ESNI, esni_body(hello.random, length))


def without(hello: ClientHello) -> ClientHello:
    """Without encrypted_client_hello."""
    if hello.extension(ENCRYPTED_CLIENT_HELLO) is None:
        raise UsageError("this client sends no encrypted_client_hello; leave ech-none out, or choose a client that sends it")
    return refitted(replace(hello, extensions=tuple([e for e in extensions_of(hello) if e.type != ENCRYPTED_CLIENT_HELLO])), hello)


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str, /, **parameters: Value) -> Variation:
    return Variation(name, "esni_ech", tests, make, parameters, decides="encrypted name", source=source)


VARIATIONS: tuple[Variation, ...] = (
    _of("ech-grease", "Is a hello with an encrypted_client_hello that means nothing (GREASE) stopped?", ech_grease, "OONI echcheck", payload=144, outer=""),
    _of("ech-grease-other-name", "Is encrypted_client_hello stopped whatever the name in clear?", ech_grease, "OONI echcheck", payload=144,
        outer="www.example.com"),
    _of("ech-config", "Does a name inside an encrypted hello pass, under a configuration?", ech_config, "OONI echcheck", config=EXAMPLE_CONFIG),
    _of("ech-none", "Does a browser's hello pass without its encrypted_client_hello?", without, "OONI echcheck"),
    _of("esni", "Is encrypted_server_name (0xffce, of 2018 to 2020) stopped, without a name in clear?", esni, "issue", length=292, with_clear_name=False),
    _of("esni-and-name", "Is encrypted_server_name (0xffce) stopped beside a name in clear?", esni, "issue", length=292, with_clear_name=True),
)  # fmt: skip
