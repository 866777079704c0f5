"""Variations of the server_name extension around the name: several entries, other types, several extensions, wrong lengths.

Rules of this file: the name itself stays as it is, letter for letter. `other` is the innocuous name beside it; empty: a random one of equal length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from dpiprobe.tls.craft import equal_length_name
from dpiprobe.tls.extension import raw_server_name, server_name_body
from dpiprobe.tls.hello import HOST_NAME, SERVER_NAME, ClientHello, Extension, ServerName
from dpiprobe.tls.rename import refitted
from dpiprobe.tls.vary.names import name_of
from dpiprobe.tls.vary.variation import Value, Variation

Place = Literal["first", "last"]


def with_bodies(hello: ClientHello, *bodies: bytes) -> ClientHello:
    """The hello with these server_name extensions, one behind the other, where its first one stands."""
    name_of(hello)
    extensions: list[Extension] = []
    done = False
    for extension in hello.extensions or ():
        if extension.type != SERVER_NAME:
            extensions.append(extension)
        elif not done:
            extensions += [Extension(SERVER_NAME, body) for body in bodies]
            done = True
    return refitted(replace(hello, extensions=tuple(extensions)), hello)


def _other(hello: ClientHello, other: str) -> ServerName:
    return ServerName(HOST_NAME, raw_server_name(other or equal_length_name(name_of(hello), hello.random)))


def two_names(hello: ClientHello, name: Place, other: str) -> ClientHello:
    """A list of two host names, the name first or last."""
    pair = [ServerName(HOST_NAME, name_of(hello)), _other(hello, other)]
    return with_bodies(hello, server_name_body(pair if name == "first" else pair[::-1]))


def name_twice(hello: ClientHello) -> ClientHello:
    """A list that holds the name twice."""
    return with_bodies(hello, server_name_body([ServerName(HOST_NAME, name_of(hello))] * 2))


def other_type(hello: ClientHello, kind: int) -> ClientHello:
    """The name as an entry of another type, and no other."""
    return with_bodies(hello, server_name_body([ServerName(kind, name_of(hello))]))


def type_beside(hello: ClientHello, kind: int, name: Place) -> ClientHello:
    """The name as a host name, and an entry of another type with one byte before or behind it."""
    pair = [ServerName(HOST_NAME, name_of(hello)), ServerName(kind, b"x")]
    return with_bodies(hello, server_name_body(pair if name == "first" else pair[::-1]))


def two_extensions(hello: ClientHello, name: Place, other: str) -> ClientHello:
    """Two server_name extensions (which RFC 8446 section 4.2 forbids), the name in the first or the last."""
    pair = [server_name_body([ServerName(HOST_NAME, name_of(hello))]), server_name_body([_other(hello, other)])]
    return with_bodies(hello, *(pair if name == "first" else pair[::-1]))


def extension_twice(hello: ClientHello) -> ClientHello:
    """The same server_name extension twice."""
    return with_bodies(hello, *[server_name_body([ServerName(HOST_NAME, name_of(hello))])] * 2)


def empty_list(hello: ClientHello) -> ClientHello:
    """A list of no entries."""
    return with_bodies(hello, b"\0\0")


def empty_body(hello: ClientHello) -> ClientHello:
    """An extension of no bytes, as only a server may send it (RFC 6066 section 3)."""
    return with_bodies(hello, b"")


def list_length(hello: ClientHello, by: int) -> ClientHello:
    """The list's length told wrong by so many bytes."""
    entry = [ServerName(HOST_NAME, name_of(hello))]
    return with_bodies(hello, server_name_body(entry, (3 + len(entry[0].name) + by) & 0xFFFF))


def name_length(hello: ClientHello, by: int) -> ClientHello:
    """The name's length told wrong by so many bytes; the list's is right."""
    name = name_of(hello)
    entry = bytes((HOST_NAME,)) + ((len(name) + by) & 0xFFFF).to_bytes(2, "big") + name
    return with_bodies(hello, len(entry).to_bytes(2, "big") + entry)


def bytes_behind(hello: ClientHello, count: int) -> ClientHello:
    """Zero bytes behind the list, inside the extension."""
    return with_bodies(hello, server_name_body([ServerName(HOST_NAME, name_of(hello))]) + bytes(count))


def _of(name: str, tests: str, make: Callable[..., ClientHello], /, **parameters: Value) -> Variation:
    return Variation(f"names-{name}", "name_lists", tests, make, parameters, decides="server_name list", source="strategies e1, added")


VARIATIONS: tuple[Variation, ...] = (
    _of("two-name-first", "Which of two host names is looked at: is it the first?", two_names, name="first", other=""),
    _of("two-name-last", "Which of two host names is looked at: is it the last?", two_names, name="last", other=""),
    _of("twice", "Is a list that holds the name twice looked at?", name_twice),
    _of("type-1", "Is an entry of another type (1) looked at?", other_type, kind=1),
    _of("type-255", "Is an entry of another type (255) looked at?", other_type, kind=255),
    _of("type-before", "Does an entry of another type before the name hide it?", type_beside, kind=1, name="last"),
    _of("type-behind", "Does an entry of another type behind the name hide it?", type_beside, kind=1, name="first"),
    _of("two-extensions-name-first", "Which of two server_name extensions is looked at: is it the first?", two_extensions, name="first", other=""),
    _of("two-extensions-name-last", "Which of two server_name extensions is looked at: is it the last?", two_extensions, name="last", other=""),
    _of("extension-twice", "Is a repeated server_name extension looked at?", extension_twice),
    _of("empty-list", "What happens to a server_name list of no entries?", empty_list),
    _of("empty-body", "What happens to a server_name extension of no bytes?", empty_body),
    _of("list-length-short", "Is the list's length believed where it is one byte too short?", list_length, by=-1),
    _of("list-length-long", "Is the list's length believed where it is one byte too long?", list_length, by=1),
    _of("name-length-short", "Is the name's length believed where it is one byte too short?", name_length, by=-1),
    _of("name-length-long", "Is the name's length believed where it is one byte too long?", name_length, by=1),
    _of("bytes-behind", "Do bytes behind the list keep the name from being read?", bytes_behind, count=4),
)  # fmt: skip
