"""Every variation of the name, byte for byte."""

from __future__ import annotations

import pytest

from tests.tls.vary.wire import ENDHOST, HOST, NAME, extensions, named, payloads, wire

EXPECTED: dict[str, bytes] = {
    "name-pad-0-0": named(b"www.blocked.example"),
    "name-pad-0-1": named(b"www.blocked.example*"),
    "name-pad-0-2": named(b"www.blocked.example**"),
    "name-pad-1-0": named(b"*www.blocked.example"),
    "name-pad-1-1": named(b"*www.blocked.example*"),
    "name-pad-1-2": named(b"*www.blocked.example**"),
    "name-pad-2-0": named(b"**www.blocked.example"),
    "name-pad-2-1": named(b"**www.blocked.example*"),
    "name-pad-2-2": named(b"**www.blocked.example**"),
    "name-stars-before": named(b"*****www.blocked.example"),
    "name-stars-after": named(b"www.blocked.example*****"),
    "name-spaces-before": named(b"     www.blocked.example"),
    "name-spaces-after": named(b"www.blocked.example     "),
    "name-upper": named(b"WWW.BLOCKED.EXAMPLE"),
    "name-alternating-case": named(b"wWw.bLoCkEd.eXaMpLe"),
    "name-capital-first": named(b"Www.blocked.example"),
    "name-capital-top": named(b"www.blocked.EXAMPLE"),
    "name-capital-sld": named(b"www.BLOCKED.example"),
    "name-trailing-dot": named(b"www.blocked.example."),
    "name-leading-dot": named(b".www.blocked.example"),
    "name-double-dot": named(b"www.blocked..example"),
    "name-nul-before": named(b"\0www.blocked.example"),
    "name-nul-inside": named(b"www.b\0locked.example"),
    "name-nul-after": named(b"www.blocked.example\0"),
    "name-nul-and-other": named(b"www.blocked.example\0.example.net"),
    "name-space-inside": named(b"www.b locked.example"),
    "name-tab-after": named(b"www.blocked.example\t"),
    "name-line-end-after": named(b"www.blocked.example\r\n"),
    "name-high-byte": named(b"www.b\xfclocked.example"),
    "name-fullwidth": named(b"\xef\xbd\x97ww.blocked.example"),  # U+FF57
    "name-punycode": named(b"www.xn--blocked-.example"),
    "name-glue-www": named(b"www.www.blocked.example"),
    "name-glue-before": named(b"wewww.blocked.example"),
    "name-glue-after": named(b"www.blocked.examplem"),
    "name-glue-suffix": named(b"www.blocked.example.tls-chan.net"),
    "name-glue-both": named(b"garbagewww.blocked.example.tls-chan.net"),
    "name-reverse": named(b"elpmaxe.dekcolb.www"),
    "name-reverse-labels": named(b"example.blocked.www"),
    "name-repeat-2": named(b"www.blocked.examplewww.blocked.example"),
    "name-repeat-3": named(b"www.blocked.examplewww.blocked.examplewww.blocked.example"),
    "name-top-com": named(b"www.blocked.com"),
    "name-top-xyz": named(b"www.blocked.xyz"),
    "name-top-net": named(b"www.blocked.net"),
    "name-top-club": named(b"www.blocked.club"),
    "name-top-me": named(b"www.blocked.me"),
    "name-top-org": named(b"www.blocked.org"),
    "name-top-co": named(b"www.blocked.co"),
    "name-top-shop": named(b"www.blocked.shop"),
    "name-top-info": named(b"www.blocked.info"),
    "name-top-live": named(b"www.blocked.live"),
    "name-sub-www": named(b"www.blocked.example"),
    "name-sub-mail": named(b"mail.blocked.example"),
    "name-sub-forum": named(b"forum.blocked.example"),
    "name-sub-m": named(b"m.blocked.example"),
    "name-sub-blog": named(b"blog.blocked.example"),
    "name-sub-shop": named(b"shop.blocked.example"),
    "name-sub-forums": named(b"forums.blocked.example"),
    "name-sub-wiki": named(b"wiki.blocked.example"),
    "name-sub-community": named(b"community.blocked.example"),
    "name-sub-ww1": named(b"ww1.blocked.example"),
    "name-parent": named(b"blocked.example"),
    "name-empty": named(b""),
    "name-omit": wire(extensions()),
    "name-ip4": named(b"192.0.2.1"),
    "name-ip6": named(b"2001:db8::1"),
    "name-port": named(b"www.blocked.example:443"),
    "name-url": named(b"https://www.blocked.example/"),
}  # fmt: skip

DRAWN = {"name-random-case", "name-pad-drawn", "name-related", "name-unrelated", "name-long-300", "name-long-1500", "name-long-17000", "name-long-label"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exact_bytes(name: str) -> None:
    assert payloads(name) == [EXPECTED[name]]


def drawn(recipe: str) -> bytes:
    """The name that was drawn; all bytes but the name's are asserted."""
    (sent,) = payloads(recipe)
    length = int.from_bytes(sent[HOST - 2 : HOST], "big")
    name = sent[HOST : HOST + length]
    assert sent == named(name)
    return name


def test_random_case() -> None:
    name = drawn("name-random-case")
    assert name.lower() == NAME
    assert name not in (NAME, NAME.upper())


def test_drawn_padding() -> None:
    name = drawn("name-pad-drawn")
    assert name.strip(b"*") == NAME
    before = name.index(b"w")
    assert before <= 4 and len(name) - len(NAME) - before <= 4


def test_related_names_share_the_registered_name() -> None:
    name = drawn("name-related")
    assert name.endswith(b".blocked.example")
    assert (len(name), name.count(b"."), name[:8].isalpha()) == (8 + 16, 2, True)


def test_unrelated_names_have_the_same_form() -> None:
    name = drawn("name-unrelated")
    assert [len(label) for label in name.split(b".")] == [3, 7, 7]
    assert name.endswith(b".example") and name[:3] != b"www" and name[4:11] != b"blocked"


@pytest.mark.parametrize("length", [300, 1500])
def test_long_names_end_with_the_name(length: int) -> None:
    name = drawn(f"name-long-{length}")
    assert len(name) == length
    assert name.endswith(b"." + NAME)
    assert all(0 < len(label) <= 63 for label in name.split(b"."))


def test_a_name_longer_than_a_record_takes_two() -> None:
    (sent,) = payloads("name-long-17000")
    assert sent[:5] == bytes.fromhex("160301 4000")
    second = 5 + 0x4000
    joined = sent[5:second] + sent[second + 5 :]
    assert sent[second : second + 5] == bytes.fromhex("160301") + len(sent[second + 5 :]).to_bytes(2, "big")
    name = joined[HOST - 5 : HOST - 5 + 17_000]
    assert b"\x16\x03\x01" + b"\0\0" + joined == named(name)[:3] + b"\0\0" + named(name)[5:]
    assert name.endswith(b"." + NAME)


def test_a_label_longer_than_dns_allows() -> None:
    name = drawn("name-long-label")
    assert (name.index(b"."), name[65:]) == (64, NAME)


def test_parameters_reach_the_bytes() -> None:
    assert payloads("name-pad-1-1:before=3;after=0;fill=-") == [named(b"---www.blocked.example")]
    assert payloads("name-top-com:label=museum") == [named(b"www.blocked.museum")]
    assert payloads("name-nul-inside:text=\\x01\\x02;at=-1") == [named(b"www.blocke\x01\x02d.example")]
    assert payloads("name-ip4:text=203.0.113.9") == [named(b"203.0.113.9")]


assert wire()[HOST:ENDHOST] == NAME
