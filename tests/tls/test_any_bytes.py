"""Whatever the bytes, nothing of this room raises anything but the errors it documents, and what was read is written back exactly.

`HYPOTHESIS_PROFILE=deep pytest tests/tls/test_any_bytes.py` tries 100,000 examples of each.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from dpiprobe.cli.hello_input import hex_bytes
from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.description import describe, read_description
from dpiprobe.tls.difference import differences
from dpiprobe.tls.dissect import dissect
from dpiprobe.tls.ech import read_configs
from dpiprobe.tls.fingerprint import ja3, ja4, ja4_raw
from dpiprobe.tls.freshen import freshened
from dpiprobe.tls.hello import ClientHello, Extension, build, build_message, parse, parse_message
from dpiprobe.tls.position import resolve
from dpiprobe.tls.record import Complete, Invalid, NeedMore, read_client_hello
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.sending import whole
from dpiprobe.tls.twin import innocuous_twin
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.esni_ech import EXAMPLE_CONFIG
from dpiprobe.tls.vary.variation import apply
from tests.tls.vary.wire import base, wire

PLAIN = client_hello("www.blocked.example", b"seed", alpn=BROWSER_ALPN)
SEEDS = [
    PLAIN, wire(),
    *[apply(base(), [CATALOGUE[name]]).sending.stream for name in
      ("record-8", "before-alert", "before-hello-request", "names-two-name-last", "ech-grease", "esni", "pre-shared-key", "extensions-twice",
       "stuff-padding-1400", "extensions-grease", "names-name-length-long")],
]  # fmt: skip
VARIATIONS = st.sampled_from(sorted(set(CATALOGUE) - {"ech-config"}))
MARKS = st.sampled_from(["0", "-1", "half", "host", "sld+1", "midsld", "endhost-1", "sniext+4", "method"])
OTHER = parse(PLAIN)


def use(stream: bytes, name: str, mark: str) -> None:
    """Everything that takes bytes or a hello."""
    answer = read_client_hello(stream)
    assert isinstance(answer, Complete | NeedMore | Invalid)
    assert answer.start >= 0
    hello = parse(stream)
    for found in (hello, parse_message(stream)):
        if found is not None:
            read(found, name)
    if hello is not None:
        assert build(hello) == stream[: hello.end]
        assert isinstance(answer, Complete) == hello.complete
        made = whole(stream)
        for refused in (lambda: resolve(stream, mark), lambda: innocuous_twin(made, b"s")):
            try:
                refused()
            except UsageError:
                continue


def read(hello: ClientHello, name: str) -> None:
    """Everything that takes a hello; what may be refused is refused with the documented error."""
    assert OTHER is not None
    build_message(hello)
    assert ja4(hello) and ja4_raw(hello) and ja3(hello)
    dissect(hello)
    differences(hello, OTHER)
    differences(OTHER, hello)
    assert read_description(describe(hello)) == hello
    freshened(hello, b"s")
    try:
        changed = with_name(hello, "other.example")
        assert parse(build(changed)) == changed or not changed.records
    except UsageError:
        pass
    try:
        sending = apply(hello, [CATALOGUE[name]]).sending
        assert sending.stream
    except UsageError:
        pass


@given(st.binary(max_size=400), VARIATIONS, MARKS)
def test_random_bytes(data: bytes, name: str, mark: str) -> None:
    """Bare, and behind enough of a ClientHello that they are read."""
    use(data, name, mark)
    use(b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data, name, mark)
    body = PLAIN[9:43] + data
    use(b"\x16\x03\x01" + (4 + len(body)).to_bytes(2, "big") + b"\x01" + len(body).to_bytes(3, "big") + body, name, mark)
    hex_bytes(data)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A hello with bytes changed, inserted, taken out, doubled; cut; or two spliced."""
    stream = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.integers(0, 4))
        at = draw(st.integers(0, max(len(stream) - 1, 0)))
        if kind == 0 and stream:
            stream[at] = draw(st.sampled_from([0, 1, 2, 3, 0x16, 0x7F, 0x80, 0xFE, 0xFF]) | st.integers(0, 255))
        elif kind == 1:
            stream[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == 2:
            del stream[at : at + draw(st.integers(1, 40))]
        elif kind == 3:
            stream[at:at] = stream[at : at + draw(st.integers(1, 60))]
        else:
            other = draw(st.sampled_from(SEEDS))
            stream[at:] = other[min(at, len(other)) :]
    return bytes(stream)


@given(mutated(), VARIATIONS, MARKS)
def test_mutated_hellos(stream: bytes, name: str, mark: str) -> None:
    use(stream, name, mark)


KINDS = st.sampled_from([0, 10, 13, 16, 21, 41, 43, 51, 0xFE0D, 0x2A2A]) | st.integers(0, 65535)
extensions = st.lists(st.builds(Extension, KINDS, st.binary(max_size=60)), max_size=8)


@example([Extension(43, b"")], "extensions-grease", 0, b"")
@example([Extension(43, b"\xfe" + bytes(254))], "extensions-grease", 0, b"")
@given(extensions, VARIATIONS, st.integers(0, 65535), st.binary(max_size=300))
def test_hellos_with_any_extensions(found: list[Extension], name: str, version: int, session_id: bytes) -> None:
    """Bodies that are rubbish, where a variation may want to read them."""
    hello = replace(base(), extensions=tuple(found), legacy_version=version, session_id=session_id)
    try:
        build(hello)
    except UsageError:
        return
    read(hello, name)


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_configurations(data: bytes, at: int, value: int) -> None:
    damaged = bytearray(bytes.fromhex(EXAMPLE_CONFIG))
    damaged[at % len(damaged)] = value
    for raw in (data, bytes(damaged), bytes(damaged) + data):
        try:
            read_configs(raw)
        except UsageError:
            continue
