"""What shows that a packet was not sent by the server: the guilty, each with verdict, technique and the packets that say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpiprobe.explain import explain
from dpiprobe.wire.build import address
from tests.verdict.scene import CLIENT, PAGE, REDIRECT, Scene, Talk, alert, captured, database, flight

Told = Callable[[Talk], object]


def between_controls(tell: Told, *, times: int = 1, controls: bool = True, **settings: object) -> Scene:
    """`tell` continues a connection behind its hello, `times` times; connections of another name work before and after."""
    scene = Scene()
    if controls:
        scene.works(at=0)
        scene.works(at=500)
    for i in range(times):
        tell(scene.talk("odd.example", 10_000 + 60_000 * i, **settings).handshake().hello())
        if controls:
            scene.works(at=50_000 + 60_000 * i)
    return scene


def odd(scene: Scene) -> Talk:
    return next(t for t in scene.talks if t.name == "odd.example")


def packets(scene: Scene) -> set[int]:
    """Packet numbers that the odd flow's evidence names."""
    explanation = scene.explain()
    judgement = odd(scene).judgement(explanation)
    return {explanation.flows.number(s) for e in judgement.evidence if e.sufficient for s in e.slots}


def test_a_burst_of_resets_that_races_the_answer_is_on_path() -> None:
    scene = between_controls(
        lambda t: t.wait(5).forged("RA", copies=3, ipid=0x4242, window=1541, df=True).wait(45).them("A").wait(1).answer()
    )
    judged = odd(scene).judged
    assert (judged.verdict, judged.technique, judged.position, judged.confidence) == ("blocked", "rst.on-path", "on-path", "high")
    assert judged.signature == "gfw-reset-triple"
    assert judged.mechanism == "tls.reset.sni"
    first = 2 * 14 + 5
    numbers = packets(scene)
    assert len(numbers) >= 3
    assert any("5.0 ms after the ClientHello; smallest round trip to the server 50.0 ms" in r for r in judged.reasons), first
    assert any("answer came" in r for r in judged.reasons)


def test_a_sentence_about_several_packets_says_which_though_a_signature_claims_fewer() -> None:
    scene = between_controls(
        lambda t: t.wait(3).forged("R", df=True).wait(2).forged("RA", copies=3, ipid=0x4242, window=1541, df=True).wait(45).them("A").wait(1).answer()
    )
    judgement = odd(scene).judged
    early = next(e for e in judgement.evidence if e.kind == "early-arrival")
    explanation = scene.explain()
    numbers = [explanation.flows.number(s) for s in early.slots]
    assert len(numbers) == 4 and early.reason.startswith(f"4 packets ({', '.join(map(str, numbers))}), the first: reset 3.0 ms")
    (match,) = [m for m in explanation.matches[judgement.flow] if m.signature == "gfw-reset-triple"]
    assert set(match.packets) < set(numbers)


def test_an_early_reset_and_a_swallowed_hello_are_in_path() -> None:
    scene = between_controls(lambda t: t.wait(5).forged("RA"))
    judged = odd(scene).judged
    assert (judged.verdict, judged.technique, judged.position, judged.direction) == ("blocked", "rst.in-path", "in-path", "to-server")
    capture = scene.capture()
    resets = {int(n) for n, flags in zip(capture.packets.number, capture.packets.flags, strict=True) if flags & 4}
    assert packets(scene) == resets


def test_an_early_bare_reset_needs_a_second_trial() -> None:
    def netfilter(t: Talk) -> object:
        return t.wait(5).forged("R", ipid=0, df=True)

    once, twice = between_controls(netfilter), between_controls(netfilter, times=2)
    assert (odd(once).judged.verdict, odd(once).judged.technique) == ("insufficient", "rst")
    assert (odd(twice).judged.verdict, odd(twice).judged.technique) == ("blocked", "rst.in-path")


def test_an_early_reset_needs_round_trips_to_compare_with() -> None:
    judged = odd(between_controls(lambda t: t.wait(5).forged("RA"), controls=False)).judged
    assert (judged.verdict, judged.because) == ("insufficient", "server-or-third-party")


def test_a_reset_that_echoes_this_connections_timestamps_is_the_servers_however_early() -> None:
    judged = odd(between_controls(lambda t: t.wait(5).them("RA"))).judged
    assert judged.verdict != "blocked"


@pytest.mark.parametrize(
    ("payload", "flags", "technique", "mechanism"),
    [
        (alert(40), "PA", "data.alert", "tls.alert.sni"),
        (PAGE, "FPA", "data.blockpage", "http.blockpage"),
        (REDIRECT, "FPA", "data.redirect", "http.redirect"),
        (b"", "FA", "fin", "tls.close.sni"),
    ],
    ids=["alert", "page", "redirect", "close"],
)
def test_an_early_answer_without_timestamps_is_forged(payload: bytes, flags: str, technique: str, mechanism: str) -> None:
    scene = between_controls(lambda t: t.wait(5).forged(flags, payload).wait(0.05).own("A").own("FA"))
    judged = odd(scene).judged
    assert (judged.verdict, judged.technique, judged.mechanism, judged.confidence) == ("blocked", technique, mechanism, "high")
    assert {e.kind for e in judged.evidence} >= {"early-arrival", "timestamps-missing"}


def test_a_late_answer_without_timestamps_is_forged_as_well() -> None:
    judged = odd(between_controls(lambda t: t.wait(55).forged("PA", alert(40)).wait(0.05).own("A").own("FA"))).judged
    assert (judged.verdict, judged.technique, judged.confidence) == ("blocked", "data.alert", "medium")


def test_a_server_that_sheds_timestamps_for_other_names_too_is_no_forger() -> None:
    scene = Scene()
    for at in (0.0, 500.0, 50_000.0):
        talk = scene.talk("fine.example", at).handshake().hello().acknowledge().answer().request().response()
        talk.own("FA").wait(50).them("FA", options=b"").wait(0.1).own("A")
    scene.talk("odd.example", 10_000).handshake().hello().acknowledge().wait(5).them("PA", alert(112), options=b"").them("FA", options=b"")
    assert odd(scene).judged.verdict == "down"


def test_two_answers_with_different_bytes_are_a_race() -> None:
    judged = odd(between_controls(lambda t: t.wait(60).forged("PA", PAGE).wait(20).them("PA", flight(1300)).own("A").own("FA"))).judged
    assert (judged.verdict, judged.technique) == ("blocked", "data.blockpage")
    assert "conflicting-data" in {e.kind for e in judged.evidence}


def test_one_differing_byte_is_a_keep_alive_probe() -> None:
    scene = between_controls(lambda t: t.acknowledge().answer().them("A", b"\xff", seq=t.server.next - 1).request().response().close())
    assert odd(scene).judged.verdict == "ok"


def test_resets_where_no_stack_puts_them_are_seen_beside_a_connection_that_works() -> None:
    def ladder(t: Talk) -> object:
        t.wait(60)
        for ahead in (1460, 4380):
            t.forged("R", seq=t.server.next + ahead, ipid=0x33 + ahead, believed=False)
        return t.them("A").answer().request().response().close()

    judged = odd(between_controls(ladder)).judged
    assert (judged.verdict, judged.outcome, judged.technique) == ("contested", "worked", "rst.on-path")
    assert any("no stack would choose" in r for r in judged.reasons)


def test_a_burst_that_lost_the_race_is_contested() -> None:
    def late(t: Talk) -> object:
        t.acknowledge().answer().wait(5)
        t.forged("RA", copies=3, ipid=0x4242, window=1541, df=True, seq=t.server.next - 1500, believed=False)
        return t.request().response().close()

    judged = odd(between_controls(late)).judged
    assert (judged.verdict, judged.outcome, judged.signature) == ("contested", "worked", "gfw-reset-triple")


def test_an_answer_after_a_reset_shows_the_reset_was_not_the_servers() -> None:
    judged = odd(between_controls(lambda t: t.wait(45).forged("RA").wait(20).them("A").wait(1).answer(), controls=False)).judged
    assert (judged.verdict, judged.technique) == ("blocked", "rst.on-path")


def test_resets_in_steps_with_the_servers_timestamps_are_its_own_packets_changed() -> None:
    def changed(t: Talk) -> object:
        start = t.server.next
        t.acknowledge()
        for place in (0, 1448, 1298):
            t.wait(1).them("RA", seq=start + place)
        return t

    judged = odd(between_controls(changed)).judged
    assert (judged.verdict, judged.technique, judged.position) == ("blocked", "rst.rewrite", "in-path")


def test_an_answer_that_the_reset_overtook_shows_nothing() -> None:
    def overtaken(t: Talk) -> object:
        start = t.server.next
        t.server.next += 1300
        t.wait(50).them("RA", options=b"")
        t.gone = True
        return t.wait(25).them("PA", flight(1300), seq=start)

    assert odd(between_controls(overtaken)).judged.verdict == "insufficient"


def test_a_reset_far_beyond_all_that_the_server_sent_has_overtaken_nothing() -> None:
    def guessed(t: Talk) -> object:
        return t.wait(20).forged("R", seq=t.server.next + 500_000_000, believed=False).wait(30).them("A").wait(1).answer().request().response()

    judged = odd(between_controls(guessed)).judged
    assert (judged.verdict, judged.technique) == ("contested", "rst.on-path")


def test_a_router_that_prohibits_the_hello_is_named() -> None:
    scene = between_controls(lambda t: t.wait(5).icmp(3, 13, t.hello_packets[0]).again(200, 400, 800, 1600))
    judged = odd(scene).judged
    assert (judged.verdict, judged.technique) == ("blocked", "icmp")
    assert judged.techniques == ["icmp", "drop.hello"]


@pytest.mark.parametrize("kind_code", [(3, 1), (3, 3), (11, 0)], ids=["host", "port", "time exceeded"])
def test_other_icmp_errors_accuse_nobody(kind_code: tuple[int, int]) -> None:
    scene = between_controls(lambda t: t.wait(5).icmp(*kind_code, t.hello_packets[0]).again(200, 400))
    assert odd(scene).judged.verdict in ("down", "insufficient")


def test_timing_says_nothing_at_the_server_itself() -> None:
    scene = Scene(point=1.0)
    for at in (0.0, 500.0, 50_000.0):
        scene.works(at=at)
    scene.talk("odd.example", 10_000).handshake().hello().wait(50).them("RA", options=b"")
    assert odd(scene).judged.verdict == "insufficient"


def test_a_clock_that_ran_backwards_makes_nothing_early() -> None:
    scene = between_controls(lambda t: t.acknowledge().wait(-46).them("RA", options=b""), times=3)
    rows = sorted(scene.frames, key=lambda f: f[1])
    from tests.verdict.test_innocents import accusations

    assert accusations([(t, p) for t, _, p in rows]) == []


def stripped(talk: Talk) -> Talk:
    """A way that takes the timestamps out of everything that follows the server's SYN/ACK."""
    talk.them("A", options=b"").wait(1).them("PA", flight(1300), options=b"").own("A").own("PA", b"\x17" * 90)
    return talk.wait(50).them("PA", flight(900), options=b"").own("A").own("FA").rtt_later("FA", options=b"")


def test_timestamps_that_never_come_behind_the_syn_ack_were_stripped_on_the_way() -> None:
    assert odd(between_controls(stripped, controls=False)).judged.verdict == "ok"


def test_a_clock_that_ticks_once_a_round_trip_shows_nothing_early() -> None:
    scene = between_controls(lambda t: t.wait(5).forged("RA"))
    tick = 50_000_000  # one round trip
    coarse = captured([(when // tick * tick, packet) for when, packet in scene.ordered()])
    assert "blocked" not in {j.verdict for j in explain(coarse, database=database()).judgements}


def test_a_hello_without_acknowledgement_in_a_lossy_capture_may_have_passed() -> None:
    scene = between_controls(lambda t: t.wait(5).forged("RA"))
    rows = scene.ordered()
    large = next(i for i, (_, packet) in enumerate(rows) if len(packet) > 1000)
    judged = explain(captured(rows[:large] + rows[large + 1 :]), database=database()).judgements
    blocked = [j for j in judged if j.verdict == "blocked"]
    assert [(j.technique, j.position) for j in blocked] == [("rst", "unknown")]


def test_two_directions_with_clocks_of_their_own_show_nothing_early() -> None:
    def slowly(talk: Talk) -> object:  # the only round trips that are not negative then: a delayed acknowledgement
        talk.acknowledge().wait(30).own("PA", b"\x17" * 64).wait(20).them("FA").own("A").own("PA", b"\x17" * 90)
        return talk.wait(400).them("A")

    scene = between_controls(slowly, times=3, controls=False, rtt=20.0)
    apart = sorted((when - 40_000_000 * (packet[12:16] != address(CLIENT)), packet) for when, packet in scene.ordered())
    judged = explain(captured(apart), database=database()).judgements
    assert not [e for j in judged for e in j.evidence if e.kind == "early-arrival" and e.sufficient]
