"""Variations of the server name itself: case, padding, dots, glue, odd bytes, other names.

Rules of this file: the list around the name stays one well-formed entry of type host_name (odd lists are in name_lists.py). Lengths and the
padding extension follow the new name as the client would have them (`rename.with_name`).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_256

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import equal_length_name
from dpiprobe.tls.hello import HOST_NAME, ClientHello, raw_name
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.vary.variation import Value, Variation

CENFUZZ_TOPS = ("com", "xyz", "net", "club", "me", "org", "co", "shop", "info", "live")
CENFUZZ_SUBDOMAINS = ("www", "mail", "forum", "m", "blog", "shop", "forums", "wiki", "community", "ww1")
_LABEL = 63  # RFC 1035 section 2.3.4


def name_of(hello: ClientHello) -> bytes:
    """The host name of a hello. UsageError where it has none."""
    for kind, name in hello.server_names:
        if kind == HOST_NAME and name:
            return name
    raise UsageError("this hello carries no server name to change; give one with --name, or a client whose hello has one")


def labels_of(name: bytes) -> list[bytes]:
    """Labels without the final dot."""
    return name.removesuffix(b".").split(b".")


# ---- generators


def pad(hello: ClientHello, before: int, after: int, fill: str) -> ClientHello:
    """`fill` so many times before and after the name."""
    return with_name(hello, raw_name(fill) * before + name_of(hello) + raw_name(fill) * after)


def pad_drawn(hello: ClientHello, most: int, fill: str) -> ClientHello:
    """`fill` before and after the name, 0 to `most` times each, drawn from the hello's random (CenFuzz's random mode)."""
    if not 0 <= most <= 255:
        raise UsageError(f"{most} times are not drawn; give most=0 to 255")
    before, after = shake_256(b"pad" + hello.random).digest(2)
    return pad(hello, before % (most + 1), after % (most + 1), fill)


def glue(hello: ClientHello, before: str, after: str) -> ClientHello:
    """Text before and after the name."""
    return with_name(hello, raw_name(before) + name_of(hello) + raw_name(after))


def upper(hello: ClientHello) -> ClientHello:
    """Every letter a capital."""
    return with_name(hello, name_of(hello).upper())


def random_case(hello: ClientHello) -> ClientHello:
    """Each letter in a case drawn from the hello's random; never all as they were."""
    name = name_of(hello)
    coins = shake_256(b"case" + hello.random).digest(len(name))
    mixed = bytes([b ^ 0x20 if coin & 1 and chr(b).isalpha() and b < 128 else b for b, coin in zip(name, coins, strict=True)])
    return with_name(hello, mixed if mixed != name else name.swapcase())


def alternating_case(hello: ClientHello) -> ClientHello:
    """Small and capital letters by turns, starting small."""
    name = name_of(hello).lower()
    return with_name(hello, b"".join([name[i : i + 1].upper() if i & 1 else name[i : i + 1] for i in range(len(name))]))


def capital_label(hello: ClientHello, label: int) -> ClientHello:
    """One label in capitals; -1 is the last."""
    labels = labels_of(name_of(hello))
    labels[_index(labels, label)] = labels[_index(labels, label)].upper()
    return with_name(hello, b".".join(labels))


def capital_letter(hello: ClientHello) -> ClientHello:
    """The first letter a capital."""
    name = name_of(hello)
    return with_name(hello, name[:1].upper() + name[1:])


def insert(hello: ClientHello, text: str, at: int) -> ClientHello:
    """Bytes in the middle: `at` counts from the first byte of the second-level label, negative from its end."""
    name, text_bytes = name_of(hello), raw_name(text)
    labels = labels_of(name)
    sld = labels[-2] if len(labels) > 1 else labels[-1]
    start = name.rindex(sld, 0, len(name) - len(labels[-1]) if len(labels) > 1 else len(name))
    place = start + (at if at >= 0 else len(sld) + at)
    if not 0 <= place <= len(name):
        raise UsageError(f"there is no byte {at} in the label {sld.decode('latin-1')!r}; choose a smaller number")
    return with_name(hello, name[:place] + text_bytes + name[place:])


def double_dot(hello: ClientHello) -> ClientHello:
    """The last dot twice: an empty label."""
    name = name_of(hello)
    if b"." not in name:
        raise UsageError("a name without a dot has none to double; give a name of two labels")
    head, _, tail = name.removesuffix(b".").rpartition(b".")
    return with_name(hello, head + b".." + tail)


def reverse(hello: ClientHello) -> ClientHello:
    """The name's bytes from last to first."""
    return with_name(hello, name_of(hello)[::-1])


def reverse_labels(hello: ClientHello) -> ClientHello:
    """The labels from last to first."""
    return with_name(hello, b".".join(labels_of(name_of(hello))[::-1]))


def repeat(hello: ClientHello, times: int) -> ClientHello:
    """The name several times without a separator."""
    return with_name(hello, name_of(hello) * times)


def top_level(hello: ClientHello, label: str) -> ClientHello:
    """Another last label."""
    labels = labels_of(name_of(hello))
    if len(labels) < 2:
        raise UsageError("a name of one label has no top-level domain to replace; give a name of two labels")
    return with_name(hello, b".".join([*labels[:-1], raw_name(label)]))


def subdomain(hello: ClientHello, label: str) -> ClientHello:
    """This label before the registered name, in place of what stood there (the registered name taken as the last two labels)."""
    return with_name(hello, b".".join([raw_name(label), *labels_of(name_of(hello))[-2:]]))


def parent(hello: ClientHello) -> ClientHello:
    """The last two labels alone."""
    labels = labels_of(name_of(hello))
    if len(labels) < 3:
        raise UsageError("this name has no subdomain to leave out; give one of three labels, or use name-sub-www")
    return with_name(hello, b".".join(labels[-2:]))


def related(hello: ClientHello) -> ClientHello:
    """A random sibling under the same registered name, of the length of the name where that is longer."""
    registered = b".".join(labels_of(name_of(hello))[-2:])
    size = min(max(len(name_of(hello)) - len(registered) - 1, 8), _LABEL)
    return with_name(hello, _letters(hello, size) + b"." + registered)


def unrelated(hello: ClientHello) -> ClientHello:
    """A random name of equal length under the same top level."""
    return with_name(hello, equal_length_name(name_of(hello), hello.random))


def fixed(hello: ClientHello, text: str) -> ClientHello:
    """This text, whatever the name was."""
    return with_name(hello, text)


def empty(hello: ClientHello) -> ClientHello:
    """A host name of no bytes."""
    return with_name(hello, b"")


def omit(hello: ClientHello) -> ClientHello:
    """No server_name extension."""
    return with_name(hello, None)


def long_name(hello: ClientHello, length: int) -> ClientHello:
    """The name at the end of one of `length` bytes, filled with labels of 63 letters."""
    name = name_of(hello)
    room = length - len(name) - 1
    if room < 1:
        raise UsageError(f"a name of {len(name)} bytes cannot end one of {length}; ask for at least {len(name) + 2}")
    letters = _letters(hello, room)
    filler = b".".join([letters[i : i + _LABEL] for i in range(0, room, _LABEL + 1)])
    filler += b"a" if len(filler) < room else b""
    return with_name(hello, filler + b"." + name)


def long_label(hello: ClientHello, length: int) -> ClientHello:
    """A first label of `length` letters, longer than the 63 that DNS allows."""
    return with_name(hello, _letters(hello, length) + b"." + name_of(hello))


def fullwidth(hello: ClientHello) -> ClientHello:
    """The first letter in its fullwidth form (U+FF41 ...), which IDNA maps to the plain one, as UTF-8."""
    name = name_of(hello)
    if not 0x21 <= name[0] <= 0x7E:
        raise UsageError("the name does not begin with an ASCII character that has a fullwidth form; give another name")
    return with_name(hello, chr(name[0] + 0xFEE0).encode() + name[1:])


def punycode(hello: ClientHello) -> ClientHello:
    """The second-level label as an A-label that decodes to itself (RFC 3492: basic code points and a final delimiter)."""
    labels = labels_of(name_of(hello))
    labels[-2 if len(labels) > 1 else -1] = b"xn--" + labels[-2 if len(labels) > 1 else -1] + b"-"
    return with_name(hello, b".".join(labels))


def _letters(hello: ClientHello, count: int) -> bytes:
    return bytes([0x61 + b % 26 for b in shake_256(b"letters" + hello.random).digest(count)])


def _index(labels: list[bytes], label: int) -> int:
    if not -len(labels) <= label < len(labels):
        raise UsageError(f"the name has {len(labels)} labels and no label {label}; choose one between 0 and {len(labels) - 1}, or -1 for the last")
    return label


# ---- the catalogue


def _of(name: str, tests: str, make: Callable[..., ClientHello], source: str = "dpiprobe", /, **parameters: Value) -> Variation:
    return Variation(f"name-{name}", "names", tests, make, parameters, source=source)


VARIATIONS: tuple[Variation, ...] = (
    *(_of(f"pad-{i}-{j}", f"Does a filter still find the name with {i} stars before and {j} behind it?", pad, "CenFuzz 1", before=i, after=j, fill="*")
      for i in range(3) for j in range(3)),
    _of("pad-drawn", "Does a filter still find the name with 0 to 4 stars before and behind it?", pad_drawn, "CenFuzz 1, random mode", most=4, fill="*"),
    _of("stars-before", "Is the name matched as a suffix, behind five stars?", pad, "CenDPI", before=5, after=0, fill="*"),
    _of("stars-after", "Is the name matched as a prefix, before five stars?", pad, "CenDPI", before=0, after=5, fill="*"),
    _of("spaces-before", "Are spaces before the name stripped before it is matched?", pad, "CenDPI", before=5, after=0, fill=" "),
    _of("spaces-after", "Are spaces behind the name stripped before it is matched?", pad, "CenDPI", before=0, after=5, fill=" "),
    _of("upper", "Is the name matched whatever its case (all capitals)?", upper, "CenDPI"),
    _of("random-case", "Is the name matched whatever its case (letters by chance)?", random_case, "CenDPI"),
    _of("alternating-case", "Is the name matched whatever its case (letters by turns)?", alternating_case),
    _of("capital-first", "Does one capital letter, the first, keep the name from being matched?", capital_letter),
    _of("capital-top", "Is the last label matched whatever its case?", capital_label, label=-1),
    _of("capital-sld", "Is the label before the last matched whatever its case?", capital_label, label=-2),
    _of("trailing-dot", "Is the name with its final dot (absolute form) the same name?", glue, before="", after="."),
    _of("leading-dot", "Does a dot before the name change the match?", glue, before=".", after=""),
    _of("double-dot", "Does an empty label inside the name change the match?", double_dot),
    _of("nul-before", "Does a zero byte before the name end the string for the filter?", glue, before="\\x00", after=""),
    _of("nul-inside", "Does a zero byte inside the name end the string for the filter?", insert, text="\\x00", at=1),
    _of("nul-after", "Does a zero byte behind the name belong to it for the filter?", glue, before="", after="\\x00"),
    _of("nul-and-other", "Is the name cut at a zero byte, with another name behind it?", glue, before="", after="\\x00.example.net"),
    _of("space-inside", "Does a space inside the name keep it from being matched?", insert, text=" ", at=1),
    _of("tab-after", "Does a tab behind the name keep it from being matched?", glue, before="", after="\\x09"),
    _of("line-end-after", "Does a line end behind the name keep it from being matched?", glue, before="", after="\\x0d\\x0a"),
    _of("high-byte", "Does a byte that is no UTF-8 inside the name keep it from being matched?", insert, text="\\xfc", at=1),
    _of("fullwidth", "Does the filter normalise Unicode (first letter in its fullwidth form)?", fullwidth),
    _of("punycode", "Does the filter decode A-labels (second-level label as xn--...-)?", punycode),
    _of("glue-www", "Does a rule for the name hold for www. before it?", glue, "OONI tq-019", before="www.", after=""),
    _of("glue-before", "Is the name matched inside a longer label (letters before it)?", glue, "OONI tq-019", before="we", after=""),
    _of("glue-after", "Is the name matched inside a longer label (a letter behind it)?", glue, "OONI tq-019", before="", after="m"),
    _of("glue-suffix", "Is the name matched as labels of another domain's name?", glue, "OONI tq-019", before="", after=".tls-chan.net"),
    _of("glue-both", "Is the name matched anywhere inside another name?", glue, "OONI tq-019", before="garbage", after=".tls-chan.net"),
    _of("reverse", "Is the name matched from last to first byte (a control that should pass)?", reverse, "CenFuzz 6"),
    _of("reverse-labels", "Is the name matched with its labels in reverse order?", reverse_labels),
    _of("repeat-2", "Is the name matched where it stands twice without a separator?", repeat, "CenFuzz 6", times=2),
    _of("repeat-3", "Is the name matched where it stands three times without a separator?", repeat, "CenFuzz 6", times=3),
    *(_of(f"top-{top}", f"Is the name matched under another top level, .{top}?", top_level, "CenFuzz 7", label=top) for top in CENFUZZ_TOPS),
    *(_of(f"sub-{sub}", f"Is the registered name matched with the subdomain {sub}?", subdomain, "CenFuzz 8", label=sub) for sub in CENFUZZ_SUBDOMAINS),
    _of("parent", "Is the registered name alone matched, without its subdomain?", parent),
    _of("related", "Is every name under the registered name matched (a random sibling)?", related, "OONI tq-026"),
    _of("unrelated", "Is a random name of equal length let through (a control)?", unrelated, "OONI tq-026"),
    _of("empty", "What happens to a host name of no bytes?", empty, "CenFuzz 6"),
    _of("omit", "What happens to a hello without a server_name extension?", omit, "CenFuzz 6"),
    _of("ip4", "What happens to an IPv4 address in place of a name?", fixed, text="192.0.2.1"),
    _of("ip6", "What happens to an IPv6 address in place of a name?", fixed, text="2001:db8::1"),
    _of("port", "Is the name matched with a port behind it?", glue, before="", after=":443"),
    _of("url", "Is the name matched inside a URL?", glue, before="https://", after="/"),
    _of("long-300", "Is the end of a name of more than 255 bytes still matched?", long_name, length=300),
    _of("long-1500", "Is the end of a name that needs two segments matched?", long_name, length=1500),
    _of("long-17000", "Is the end of a name that needs two records matched?", long_name, length=17_000),
    _of("long-label", "Is the name matched behind a label longer than DNS allows?", long_label, length=64),
)  # fmt: skip
