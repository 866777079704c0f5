"""Every variation of versions, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import ALPN, EMS, FORMATS, GROUPS, MODES, SHARES, SIGNATURES, extensions, message, payloads, records, sni, wire


def offering(versions: str) -> bytes:
    return wire([EMS, sni(), GROUPS, FORMATS, SIGNATURES, ALPN, ("002b", versions), MODES, SHARES])


OLD = [EMS, sni(), GROUPS, FORMATS, ALPN]  # without signature_algorithms

EXPECTED: dict[str, bytes] = {
    "version-min-0301": offering("08 0304 0303 0302 0301"),
    "version-min-0302": offering("06 0304 0303 0302"),
    "version-min-0303": offering("04 0304 0303"),
    "version-min-0304": offering("02 0304"),
    "version-max-0304": offering("04 0304 0303"),
    "version-max-0303": wire([EMS, sni(), GROUPS, FORMATS, SIGNATURES, ALPN], ciphers="c02f cca8 009c c013 002f"),
    "version-max-0302": wire(OLD, legacy="0302", ciphers="c013 002f"),
    "version-max-0301": wire(OLD, legacy="0301", ciphers="c013 002f"),
    "version-only-7f1c": offering("02 7f1c"),
    "version-legacy-0000": wire(legacy="0000"),
    "version-legacy-0300": wire(legacy="0300"),
    "version-legacy-0301": wire(legacy="0301"),
    "version-legacy-0304": wire(legacy="0304"),
    "version-legacy-ffff": wire(legacy="ffff"),
    "version-record-0000": wire(version="0000"),
    "version-record-0300": wire(version="0300"),
    "version-record-0301": wire(version="0301"),
    "version-record-0302": wire(version="0302"),
    "version-record-0303": wire(version="0303"),
    "version-record-0304": wire(version="0304"),
    "version-record-03ff": wire(version="03ff"),
    "version-record-2020": wire(version="2020"),
    "version-record-7f1c": wire(version="7f1c"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def test_a_hello_without_old_ciphers_gets_those_that_every_old_client_had() -> None:
    from dpiprobe.tls.hello import parse
    from dpiprobe.tls.vary.catalogue import variation
    from dpiprobe.tls.vary.variation import apply

    modern = parse(wire(ciphers="1301 c02f"))
    assert modern is not None
    assert apply(modern, [variation("version-max-0301")]).sending.stream == wire(OLD, legacy="0301", ciphers="c009 c013 c00a c014 002f 0035 000a")


def test_the_record_version_holds_for_every_record() -> None:
    from dpiprobe.tls.vary.catalogue import variation
    from dpiprobe.tls.vary.variation import apply
    from tests.tls.vary.wire import base

    made = apply(base(), [variation("version-record-03ff"), variation("record-3")])
    assert made.sending.stream == b"".join(records(message(extensions(sni())), 64, 159, version="03ff"))
