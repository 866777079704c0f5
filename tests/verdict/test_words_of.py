"""Words around a technique."""

from __future__ import annotations

import pytest

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST
from dpiprobe.signature.words import MECHANISMS, TECHNIQUES
from dpiprobe.verdict.words_of import mechanism_of, position_of, rank, related


@pytest.mark.parametrize("technique", sorted(TECHNIQUES))
def test_every_technique_has_words_of_the_vocabulary(technique: str) -> None:
    for kind in (0, CLIENT_HELLO, HTTP_REQUEST):
        mechanism = mechanism_of(technique, kind, True)
        assert mechanism is None or mechanism in MECHANISMS
    assert position_of(technique) in {"on-path", "in-path", "endpoint", "unknown"}


def test_without_a_control_the_name_is_not_part_of_the_mechanism() -> None:
    assert mechanism_of("rst.on-path", CLIENT_HELLO, True) == "tls.reset.sni"
    assert mechanism_of("rst.on-path", CLIENT_HELLO, False) == "tls.reset"
    assert mechanism_of("rst", HTTP_REQUEST, True) == "http.reset.host"


def test_precedence_is_that_of_the_design() -> None:
    order = [
        "residual.drop",
        "data.alert",
        "rst.on-path",
        "proxy.close",
        "fin",
        "icmp",
        "mitm",
        "proxy",
        "drop.hello",
        "throttle.shape",
        "address.rst",
    ]
    assert sorted(order, key=rank) == order


def test_related_words_stand_above_one_another() -> None:
    assert related("rst", "rst.on-path")
    assert not related("rst.in-path", "rst.on-path")
    assert not related("rst", "rstx")
