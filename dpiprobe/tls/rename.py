"""Another server name in a hello, everything else as the same client would send it.

Alone responsible for the consequences of a name's length: the extension's lengths, the padding extension, the records.

Rules of this file:
- Extensions, their order, and all bytes that do not depend on the name stay. ALPN does not depend on it, nor does an ECH GREASE payload.
- Clients that pad (BoringSSL, OpenSSL with SSL_OP_TLSEXT_PADDING, NSS) do so where the handshake message has 256 to 511 bytes, up to 512, and
  always by at least one byte: a server of F5 hung on lengths in that range (RFC 7685 section 4). A padding of another kind is left alone.
- The result is as `parse` would read it: `parse(build(with_name(hello, name))) == with_name(hello, name)`.
- Binders of pre-shared keys, which sign the whole hello, become wrong.
"""

from __future__ import annotations

from dataclasses import replace

from dpiprobe.errors import UsageError
from dpiprobe.tls.extension import raw_server_name, server_name_body
from dpiprobe.tls.fingerprint import GREASE
from dpiprobe.tls.hello import (
    HOST_NAME,
    PADDING,
    PRE_SHARED_KEY,
    SERVER_NAME,
    ClientHello,
    Extension,
    ServerName,
    build,
    build_message,
    parse,
    parse_message,
    read_server_names,
)
from dpiprobe.tls.record import HANDSHAKE, HEADER, MAX_FRAGMENT

PADDED_FROM, PADDED_SIZE = 256, 512  # bytes of the handshake message; see the rules


def with_name(hello: ClientHello, name: str | bytes | None, *, pads: bool | None = None) -> ClientHello:
    """The same client's hello for another name.

    name: text as `printable_name` writes it, or raw bytes; None takes the extension out (what clients do for an address). Where the hello
    has none it becomes the first extension, behind a leading GREASE one.
    pads: whether this client pads; None: as the hello itself shows, which cannot be seen where its length needed none.
    UsageError where the hello is cut or malformed, or its server_name extension is not one well-formed list with a host name."""
    check_whole(hello)
    extensions = list(hello.extensions or ())
    at = next((i for i, e in enumerate(extensions) if e.type == SERVER_NAME), None)
    if name is None:
        if at is not None:
            del extensions[at]
    else:
        raw = raw_server_name(name)
        if at is None:
            first = 1 if extensions and extensions[0].type in GREASE else 0
            extensions.insert(first, Extension(SERVER_NAME, server_name_body([ServerName(HOST_NAME, raw)])))
        else:
            extensions[at] = Extension(SERVER_NAME, _other_name(extensions[at].data, raw))
    changed = replace(hello, extensions=tuple(extensions) if extensions or hello.extensions is not None else None)
    return refitted(changed, hello) if pads is None else reframed(_padded(changed) if pads else changed)


def refitted(hello: ClientHello, like: ClientHello) -> ClientHello:
    """A hello that was changed, with the padding that its client would give it now (the client pads where `like`, its hello, shows it)."""
    return reframed(_padded(hello) if _pads(like) else hello)


def reframed(hello: ClientHello) -> ClientHello:
    """The hello with its records as `build` sends them, for a hello that was changed."""
    length = _plain_length(hello)
    if length is not None:
        return replace(hello, records=(hello.records[0]._replace(length=length),), end=HEADER + length, problems=())
    again = parse(build(hello)) if hello.records else parse_message(build(hello))
    if again is None:
        raise UsageError("these fields make no ClientHello; keep type, versions and lengths within what TLS can carry")
    return again


def _plain_length(hello: ClientHello) -> int | None:
    """Bytes of the message where it is the common case, one whole record that `parse` would read back as it is; None where that needs a look."""
    if hello.extensions is None or hello.prefix or hello.extra or hello.tail or hello.stopped_at or not hello.complete or len(hello.records) != 1:
        return None
    if hello.declared_length is not None or hello.declared_extensions is not None or len(hello.random) != 32:
        return None
    if hello.records[0].type != HANDSHAKE or hello.records[0].version >> 8 != 3 or len(hello.session_id) > 32 or len(hello.compression) > 255:
        return None
    block = sum([4 + len(e.data) for e in hello.extensions])
    length = 4 + 2 + 32 + 1 + len(hello.session_id) + 2 + 2 * len(hello.ciphers) + 1 + len(hello.compression) + 2 + block
    return length if length <= MAX_FRAGMENT else None


def check_whole(hello: ClientHello) -> None:
    """UsageError where the hello is cut, or its lengths are wrong."""
    if not hello.complete or hello.stopped_at or (hello.declared_length, hello.declared_extensions) != (None, None):
        raise UsageError("these bytes are not one whole, well-formed ClientHello; give the client's stream from its first record on")


def _other_name(data: bytes, raw: bytes) -> bytes:
    """A server_name body with its first host name replaced."""
    names = list(read_server_names(data))
    at = next((i for i, entry in enumerate(names) if entry.type == HOST_NAME), None)
    if at is None or server_name_body(names) != data:
        raise UsageError("this ClientHello carries no well-formed host name to replace; choose another, or build one with client_hello()")
    names[at] = ServerName(HOST_NAME, raw)
    return server_name_body(names)


def _pads(hello: ClientHello) -> bool:
    """Whether the hello's padding extension is the one that the rule above gives."""
    size = hello.padding
    return size is not None and size == _padding_for(len(build_message(hello)) - 4 - size)


def _padding_for(bare: int) -> int | None:
    """Bytes in the padding extension of a message that has `bare` bytes without it; None: there is none."""
    return max(PADDED_SIZE - bare - 4, 1) if PADDED_FROM <= bare < PADDED_SIZE else None


def _padded(hello: ClientHello) -> ClientHello:
    """With the padding that the rule gives: where it stood, else last, but before pre_shared_key (RFC 8446 section 4.2.11: that is last)."""
    extensions = list(hello.extensions or ())
    at = next((i for i, e in enumerate(extensions) if e.type == PADDING), None)
    if at is not None:
        del extensions[at]
    size = _padding_for(len(build_message(replace(hello, extensions=tuple(extensions)))))
    if size is not None:
        last = len(extensions) - (1 if extensions and extensions[-1].type == PRE_SHARED_KEY else 0)
        extensions.insert(last if at is None else at, Extension(PADDING, bytes(size)))
    return replace(hello, extensions=tuple(extensions))
