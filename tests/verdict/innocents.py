"""Innocent traffic: what servers, clients, networks and captures do without anybody interfering. Each builds one conversation of "odd.example".

A story takes a scene, the time at which it begins and the settings of its connection (timestamps, rtt, long ...).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dpiprobe.cases.certificate import certificate
from dpiprobe.cases.certificate import flight as certificate_flight
from dpiprobe.wire.build import tcp_options
from tests.verdict.scene import PAGE, REDIRECT, Scene, Talk, alert, flight, hello_bytes, record, server_hello

Story = Callable[..., Any]
STORIES: dict[str, Story] = {}
ONCE = {
    "anycast_flap_to_a_near_node", "path_is_out_for_five_seconds_at_the_hello", "path_is_out_in_the_middle_of_a_transfer", "two_transfers_in_one_outage",
}  # fmt: skip
"""Accidents: what strikes one name again and again between working controls is none."""


def innocent(story: Story) -> Story:
    """Register a story."""
    STORIES[story.__name__] = story
    return story


def begin(scene: Scene, at: float, **settings: Any) -> Talk:
    """A connection of the odd name up to its hello."""
    return scene.talk("odd.example", at, **settings).handshake().hello()


# -- the server's own refusals


@innocent
def server_resets_unknown_name(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().them("RA")


@innocent
def server_resets_without_acknowledging_first(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("RA")


@innocent
def server_resets_without_timestamps_though_negotiated(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("RA", options=b"")


@innocent
def server_closes_unknown_name(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("FA").wait(0.1).own("A").wait(1).own("FA").rtt_later("A")


@innocent
def server_closes_then_resets(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).rtt_later("FA").wait(0.1).own("A").own("PA", alert(80)).own("FA")
    talk.rtt_later("R", options=b"", window=0, ipid=0).them("R", options=b"", window=0, ipid=0, seq=talk.server.next)


@innocent
def server_sends_alert(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("PA", alert(112)).them("FA").wait(0.1).own("A").own("FA").rtt_later("A")


@innocent
def server_sends_alert_and_reset(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("PA", alert(40)).them("RA")


@innocent
def plain_http_server_answers_hello(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("PA", b"HTTP/1.1 400 Bad Request\r\n\r\n<html>400</html>").them("FA").wait(0.1).own("FA").rtt_later("A")


@innocent
def server_shows_forbidden_page(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("PA", PAGE).them("FA").wait(0.1).own("FA").rtt_later("A")


@innocent
def bare_reset_of_no_socket(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def reset_and_ack_with_an_id_of_its_own(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("RA", options=b"", window=0, ipid=0x1234, df=False)


@innocent
def reset_with_a_cause_in_its_payload(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().them("RA", b"Go away, we're not home")


@innocent
def reset_of_cloudflare_with_six_zero_bytes(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).rtt_later("R", bytes(6), options=b"", window=0, ipid=0)


@innocent
def server_resets_a_response_half_way(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().answer().request().rtt_later("PA", record(500)).them("RA")


@innocent
def load_balancer_resets_with_another_ttl(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().wait(1).them("RA", options=b"", ttl=59, ipid=0x9999, df=False, window=0)


@innocent
def load_balancer_answers_with_another_ttl(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).rtt_later("A", ttl=57).wait(1)
    talk.them("PA", flight(1200), ttl=57, df=False).own("A").request().response().close()


@innocent
def anycast_flap(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).rtt_later("R", options=b"", window=0, ipid=0, ttl=57)
    talk.gone = True
    talk.wait(30).acknowledge().answer()


@innocent
def anycast_flap_under_a_hello_of_two_segments(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **{**settings, "long": True})
    talk.wait(talk.rtt)
    for _ in range(2):
        talk.them("R", options=b"", window=0, ipid=0, ttl=57).wait(0.1)
    talk.gone = True
    talk.wait(30).acknowledge().answer().them("RA")


@innocent
def anycast_flap_to_a_near_node(scene: Scene, at: float, **settings: Any) -> None:
    """The hello goes to a node 5 ms away that knows no such connection."""
    begin(scene, at, **settings).wait(5).them("R", options=b"", window=0, ipid=0, ttl=60)


@innocent
def reset_overtakes_the_answer(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge()
    start, data = talk.server.next, flight(1400)
    talk.server.next += len(data)
    talk.them("RA")
    talk.gone = True
    talk.wait(25).them("PA", data, seq=start)


@innocent
def reset_overtakes_an_alert(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge()
    start = talk.server.next
    talk.server.next += 7
    talk.them("RA")
    talk.gone = True
    talk.wait(25).them("PA", alert(112), seq=start)


@innocent
def accept_queue_overflows(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings)
    for wait, what in ((300, "hello"), (700, "syn"), (200, "hello"), (1200, "hello"), (700, "syn"), (1800, "hello"), (2200, "syn"), (1000, "hello")):
        talk.wait(wait)
        if what == "hello":
            talk.again(0)
        else:
            talk.syn_ack(again=True).wait(0.04).own("A")


@innocent
def server_hangs_for_one_name(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().wait(15000).own("FA").rtt_later("A")


@innocent
def server_hangs_and_resets_in_the_end(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().wait(15000).own("FA").rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def server_is_slow_for_one_name(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).acknowledge().answer(after=8000).request().response().close()


@innocent
def idle_timeout_meets_a_late_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().wait(9990)
    before = talk.us.next
    talk.hello().wait(5).them("RA", ack=before)


@innocent
def bare_idle_reset_meets_a_late_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().wait(9990)
    talk.hello().wait(5).them("R", options=b"", window=0, ipid=0)


@innocent
def idle_reset_without_timestamps_meets_a_late_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().wait(9990)
    before = talk.us.next
    talk.hello().wait(5).them("RA", options=b"", window=0, ipid=0, ack=before)


@innocent
def server_resets_after_accept_while_the_hello_comes_late(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake()
    before = talk.us.next
    talk.wait(talk.rtt - 5).hello().wait(5).them("RA", options=b"", ack=before)


@innocent
def nat_forgot_the_connection_before_the_hello(scene: Scene, at: float, **settings: Any) -> None:
    """Connected in advance, used after 50 s: the home router answers for a connection it has forgotten."""
    scene.talk("odd.example", at, **settings).handshake().wait(50_000).hello().wait(1).them("R", options=b"", window=0, ipid=0, ttl=64)


@innocent
def nat_forgot_the_connection_before_the_request(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer().wait(50_000).request()
    talk.wait(1).them("R", options=b"", window=0, ipid=0, ttl=64)


@innocent
def alert_of_a_front_that_is_near(scene: Scene, at: float, **settings: Any) -> None:
    """A genuine alert that came at 0.34 of the handshake time."""
    talk = begin(scene, at, **settings)
    talk.wait(0.34 * talk.rtt).them("PA", alert(40)).them("FA").own("A").own("FA").rtt_later("A")


# -- unusual, but working


@innocent
def fast_open(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings)
    stamps = tcp_options(mss=1460, sack_ok=True, timestamps=talk.stamp(talk.us) if talk.timestamps else None, window_scale=7, fast_open=b"12345678")
    talk.own("S", talk.hello_data, ack=0, window=64240, options=stamps)
    talk.wait(talk.rtt).syn_ack().them("PA", flight(1300)).wait(0.1).own("A").request().response().close()


@innocent
def fast_open_refused_name(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings)
    stamps = tcp_options(mss=1460, sack_ok=True, timestamps=talk.stamp(talk.us) if talk.timestamps else None, window_scale=7, fast_open=b"12345678")
    talk.own("S", talk.hello_data, ack=0, window=64240, options=stamps)
    talk.wait(talk.rtt).syn_ack().wait(0.1).them("RA")


@innocent
def hello_retry_request(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).rtt_later("PA", server_hello(retry=True)).wait(0.5)
    talk.own("PA", talk.hello_data).acknowledge().answer().request().response().close()


@innocent
def hello_retry_request_then_alert(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).rtt_later("PA", server_hello(retry=True)).wait(0.5)
    talk.own("PA", talk.hello_data).rtt_later("PA", alert(40)).them("FA").own("A").own("FA").rtt_later("A")


@innocent
def ech_retry(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer()
    talk.own("PA", b"\x17\x03\x03\x00\x13" + bytes(19)).own("FA").rtt_later("FA").own("A")
    talk = scene.talk("odd.example", talk.now, port=talk.us.port + 1, **settings).handshake().hello().acknowledge().answer()
    talk.request().response().close()


@innocent
def client_certificate_refused(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer().request(900)
    talk.rtt_later("PA", record(24, "alert")).them("FA").own("A").own("FA").rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def client_certificate_refused_in_tls12(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer().request(900)
    talk.rtt_later("PA", b"\x15\x03\x03\x00\x1a" + bytes(range(26))).them("RA")


@innocent
def keep_alive_with_a_garbage_byte(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer().request().response()
    for _ in range(3):
        talk.wait(10_000).them("A", b"\xff", seq=talk.server.next - 1).wait(0.1).own("A")
    talk.close()


@innocent
def challenge_acks(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer()
    talk.them("A").wait(1).them("A").own("A").request().response().close()


@innocent
def server_repeats_its_answer(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge()
    start, data = talk.server.next, flight(1400)
    talk.answer(data=data).wait(200).them("PA", data, seq=start).own("A").request().response().close()


@innocent
def server_repeats_in_other_pieces(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge()
    start, data = talk.server.next, flight(4000)
    talk.answer(data=data).wait(200).them("A", data[700:2000], seq=start + 700).own("A").request().response().close()


# -- the client


@innocent
def happy_eyeballs(scene: Scene, at: float, **settings: Any) -> None:
    scene.talk("odd.example", at, **settings).handshake().wait(3).own("RA")


@innocent
def happy_eyeballs_with_a_late_server_reset(scene: Scene, at: float, **settings: Any) -> None:
    scene.talk("odd.example", at, **settings).handshake().wait(3).own("FA").rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def client_gives_up_before_the_syn_ack(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).syn().wait(20).own("R", window=0, options=b"")
    talk.wait(30).syn_ack().dead()


@innocent
def client_aborts_after_the_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).wait(5).own("RA")
    talk.gone = True
    talk.wait(talk.rtt - 5).them("A").wait(1).them("PA", flight(1300))


@innocent
def client_closes_after_the_hello_and_server_resets(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).wait(5).own("FA")
    talk.gone = True
    talk.wait(talk.rtt - 5).them("A").wait(1).them("PA", flight(1300)).wait(talk.rtt).them("R", options=b"", window=0, ipid=0)


@innocent
def reset_after_our_close(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer().request().response().own("FA")
    talk.rtt_later("A").wait(3000).them("R", options=b"", window=0, ipid=0)


@innocent
def resets_to_each_of_our_late_packets(scene: Scene, at: float, **settings: Any) -> None:
    """The server closed and forgot; each late packet of ours gets a bare reset with the number it acknowledged."""
    talk = begin(scene, at, **settings).acknowledge().answer().them("FA")
    told = [talk.server.next - 200, talk.server.next - 1, talk.server.next]
    talk.own("PA", record(24)).own("PA", record(24)).own("FA").wait(talk.rtt)
    for number in told:
        talk.them("R", options=b"", window=0, ipid=0, seq=number)


# -- the network


@innocent
def all_copies_lost_for_two_seconds(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).again(200, 400, 800, 1600).acknowledge().answer().request().response().close()


@innocent
def all_copies_lost_and_client_gives_up(scene: Scene, at: float, **settings: Any) -> None:
    begin(scene, at, **settings).again(200, 400, 800).wait(600).own("FA")


@innocent
def path_is_out_for_five_seconds_at_the_hello(scene: Scene, at: float, **settings: Any) -> None:
    """Nothing comes from anybody; the client gives up; later all is well."""
    begin(scene, at, **settings).again(200, 400, 800, 1600, 2000).wait(500).own("FA").wait(300).own("FA")
    elsewhere = "2001:db8:7::7" if scene.v6 else "198.51.100.77"
    scene.talk("elsewhere.example", at + 900, **{**settings, "server": elsewhere}).syn().wait(1000).syn().wait(2000).syn()


@innocent
def path_is_out_in_the_middle_of_a_transfer(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).acknowledge().answer(1500)
    body = record(200, "request")
    start = talk.us.next
    talk.own("PA", body)
    for wait in (200, 400, 800, 1600, 3200):
        talk.wait(wait).own("PA", body, seq=start)


@innocent
def two_transfers_in_one_outage(scene: Scene, at: float, **settings: Any) -> None:
    path_is_out_in_the_middle_of_a_transfer(scene, at, **settings)
    path_is_out_in_the_middle_of_a_transfer(scene, at + 10, **settings)


@innocent
def large_hello_into_a_pmtu_black_hole(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **{**settings, "long": True})
    talk.rtt_later("A", ack=talk.hello_seq).again(200, 400, 800, 1600, 3200, part=0)


@innocent
def one_packet_over_the_path_mtu(scene: Scene, at: float, **settings: Any) -> None:
    """A tunnel carries 1400 bytes; only the longer name's hello does not fit."""
    begin(scene, at, **{**settings, "length": 1400}).again(200, 400, 800, 1600, 3200)


@innocent
def ttl_limited_probe(scene: Scene, at: float, **settings: Any) -> None:
    scene.talk("odd.example", at, **settings).handshake().hello(ttl=5).again(200, 400, 800, 1600, 3200, ttl=5)


@innocent
def ttl_limited_probe_with_time_exceeded(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().hello(ttl=5)
    for wait in (15, 400, 800, 1600, 3200):
        talk.wait(wait).icmp(*((3, 0) if scene.v6 else (11, 0)), talk.hello_packets[0]).again(0, ttl=5)


@innocent
def host_unreachable_in_the_middle(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings).again(200, 400)
    talk.icmp(*((1, 3) if scene.v6 else (3, 1)), talk.hello_packets[0])


@innocent
def server_itself_prohibits(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings)
    talk.wait(talk.rtt).icmp(*((1, 1) if scene.v6 else (3, 10)), talk.hello_packets[0], source=talk.server.address)


# -- the capture


@innocent
def capture_lost_the_answer(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings)
    talk.wait(talk.rtt).them("A", lost=True).them("PA", flight(1300), lost=True).wait(1).own("A").request()
    talk.rtt_later("RA")


@innocent
def capture_lost_the_servers_side(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings)
    talk.wait(talk.rtt).them("A", lost=True).again(200, 400, 800, 1600, 3200)
    talk.them("PA", flight(1300), lost=True).own("A")


@innocent
def only_the_client_is_captured(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).syn()
    talk.wait(talk.rtt).them("SA", lost=True).own("A").hello().wait(talk.rtt).them("A", flight(1300), lost=True).own("A").request()
    talk.own("FA").wait(talk.rtt).own("A")


@innocent
def only_the_server_is_captured(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings)
    talk.own("S", ack=0, lost=True).wait(talk.rtt).syn_ack().own("A", lost=True).hello(lost=True).acknowledge().them("RA")


@innocent
def capture_begins_after_the_handshake(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings)
    talk.own("S", ack=0, lost=True).wait(talk.rtt).them("SA", lost=True).own("A", lost=True).hello().rtt_later("RA", options=b"", ipid=0)


@innocent
def capture_begins_after_the_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings)
    talk.own("S", ack=0, lost=True).wait(talk.rtt).them("SA", lost=True).own("A", lost=True).hello(lost=True).rtt_later("R", options=b"", ipid=0)


# -- more of the same, found by thinking as an injector


@innocent
def syn_sent_twice_and_second_one_refused(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **{**settings, "rtt": 50}).syn().wait(20).syn().wait(30).syn_ack().wait(0.04).own("A").hello()
    talk.wait(19).them("RA", options=b"", window=0, ipid=0, seq=0, ack=talk.hello_seq)


@innocent
def captive_portal(scene: Scene, at: float, **settings: Any) -> None:
    """A gateway 3 ms away answers every name of an address that nobody else reaches."""
    for i, name in enumerate(("odd.example", "fine.example", "other.example")):
        talk = scene.talk(name, at + i * 50, **{**settings, "rtt": 3, "server": "2001:db8:9::9" if scene.v6 else "198.51.100.99"})
        talk.handshake().hello().rtt_later("PA", REDIRECT).them("FA").wait(0.1).own("FA").rtt_later("A")


@innocent
def segments_answered_one_by_one(scene: Scene, at: float, **settings: Any) -> None:
    """A front without the socket answers each of three segments with a reset of constant ID."""
    talk = begin(scene, at, **{**settings, "segments": 3})
    talk.wait(talk.rtt)
    at_byte = talk.hello_seq
    for part, _ in talk.parts():
        at_byte += len(part)
        talk.wait(0.1).them("RA", options=b"", ipid=0x77, window=1024, ack=at_byte)


@innocent
def server_resets_three_retransmissions(scene: Scene, at: float, **settings: Any) -> None:
    talk = begin(scene, at, **settings)
    talk.wait(talk.rtt)
    for _ in range(3):
        talk.wait(1).them("R", options=b"", window=0, ipid=0)

GET = b"GET / HTTP/1.1\r\nHost: odd.example\r\n\r\n"


# -- the rest of the design's list (section 5) and of the look-alikes (techniques, section 8)


def elsewhere(scene: Scene) -> str:
    """Another address, where the story's own rules hold for all names."""
    return "2001:db8:9::9" if scene.v6 else "198.51.100.99"


@innocent
def syn_cookie_has_expired(scene: Scene, at: float, **settings: Any) -> None:
    """The hello comes so late that the cookie no longer counts: the server has no connection, and says so."""
    talk = scene.talk("odd.example", at, **settings).handshake().wait(130_000).hello()
    talk.rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def syn_cookies_under_a_flood(scene: Scene, at: float, **settings: Any) -> None:
    """The client's ACK got lost, the server keeps nothing and repeats nothing: each copy of the hello is checked against the cookie and dropped."""
    talk = begin(scene, at, **settings).again(300, 600, 1200, 2400)
    talk.wait(talk.rtt).syn_ack(again=True).wait(0.04).own("A").wait(4000).own("FA")


@innocent
def rate_limit_swallows_connections_of_the_prober(scene: Scene, at: float, **settings: Any) -> None:
    """A dozen connections in two seconds; the server's firewall drops the rest for a minute."""
    for i in range(12):
        begin(scene, at + 150 * i, **{**settings, "port": 61_000 + i}).acknowledge().answer().close()
    for i in range(3):
        scene.talk("odd.example", at + 3000 + 8000 * i, **{**settings, "port": 61_100 + i}).syn().wait(1000).syn().wait(2000).syn()
    begin(scene, at + 70_000, **{**settings, "port": 61_200}).acknowledge().answer().close()


@innocent
def rate_limit_refuses_connections_of_the_prober(scene: Scene, at: float, **settings: Any) -> None:
    for i in range(8):
        begin(scene, at + 150 * i, **{**settings, "port": 61_000 + i}).acknowledge().answer().close()
    for i in range(3):
        scene.talk("odd.example", at + 3000 + 500 * i, **{**settings, "port": 61_100 + i}).syn().rtt_later("RA", seq=0, options=b"", window=0, ipid=0)
    begin(scene, at + 70_000, **{**settings, "port": 61_200}).acknowledge().answer().close()


@innocent
def rate_limit_shows_a_page(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().own("PA", GET)
    talk.rtt_later("FPA", b"HTTP/1.1 429 Too Many Requests\r\n\r\n<html><title>429</title></html>").own("A").own("FA").rtt_later("A")


@innocent
def front_that_routes_by_name_closes_an_unknown_one(scene: Scene, at: float, **settings: Any) -> None:
    """An operator's own front, 8 ms away: it shakes hands for all names, passes known ones on to a server far behind, and closes on the rest."""
    near = {**settings, "rtt": 8, "server": elsewhere(scene)}
    for i, name in enumerate(("fine.example", "other.example")):
        talk = scene.talk(name, at + 300 * i, **near).handshake().hello().acknowledge().answer(after=90)
        talk.request().response().close()
    scene.talk("odd.example", at + 1000, **near).handshake().hello().acknowledge().them("FA").own("A").own("FA").rtt_later("A")
    scene.talk("odd.example", at + 2000, **near).handshake().hello().acknowledge().them("RA")
    scene.talk("odd.example", at + 3000, **near).handshake().hello().acknowledge().them("PA", alert(112)).them("FA").own("A").own("FA")
    scene.talk("fine.example", at + 30_000, **near).handshake().hello().acknowledge().answer(after=90).request().response().close()


@innocent
def front_that_routes_by_name_swallows_an_unknown_one(scene: Scene, at: float, **settings: Any) -> None:
    near = {**settings, "rtt": 8, "server": elsewhere(scene)}
    scene.talk("fine.example", at, **near).handshake().hello().acknowledge().answer(after=90).request().response().close()
    scene.talk("odd.example", at + 1000, **near).handshake().hello().acknowledge().wait(12_000).own("FA").rtt_later("A")
    scene.talk("fine.example", at + 30_000, **near).handshake().hello().acknowledge().answer(after=90).request().response().close()


@innocent
def inspection_that_the_user_agreed_to(scene: Scene, at: float, **settings: Any) -> None:
    """A company's proxy on the way shows certificates of its own; passed through for one name, it answers for the others."""
    for i, (name, authority) in enumerate((("fine.example", "Company CA"), ("odd.example", "Public CA"), ("other.example", "Company CA"))):
        talk = scene.talk(name, at + 400 * i, **{**settings, "rtt": 4, "server": elsewhere(scene)}).handshake().hello().acknowledge()
        talk.answer(data=certificate_flight(name, certificate(name, authority))).request().response().close()


@innocent
def content_network_redirects_an_unknown_host(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().own("PA", GET).rtt_later("PA", REDIRECT)
    talk.them("FA").wait(0.1).own("FA").rtt_later("A")


@innocent
def country_is_not_served(scene: Scene, at: float, **settings: Any) -> None:
    """The server itself refuses readers of a country: a page with 451 (RFC 7725)."""
    talk = scene.talk("odd.example", at, **settings).handshake().own("PA", GET)
    talk.rtt_later("PA", b"HTTP/1.1 451 Unavailable For Legal Reasons\r\nContent-Length: 27\r\n\r\n<html>not available</html>\n").own("A").close()


@innocent
def kernel_of_a_raw_prober_resets(scene: Scene, at: float, **settings: Any) -> None:
    """The prober's own kernel knows no such socket and resets at the SYN/ACK; the hello that follows meets a server that has forgotten."""
    talk = scene.talk("odd.example", at, **settings).syn().wait(50).syn_ack().wait(0.03).own("R", window=0, options=b"", ipid=0)
    talk.wait(0.3).own("A").hello().rtt_later("R", options=b"", window=0, ipid=0)


@innocent
def scanner_passes(scene: Scene, at: float, **settings: Any) -> None:
    """SYN, SYN/ACK, and a reset of the scanner's kernel."""
    for i in range(5):
        talk = scene.talk(None, at + 20 * i, **{**settings, "port": 62_000 + i})
        talk.own("S", ack=0, window=65_535, options=b"", ipid=54_321).wait(talk.rtt).syn_ack().wait(0.05).own("R", window=0, options=b"", ipid=0)


@innocent
def flood_of_syns(scene: Scene, at: float, **settings: Any) -> None:
    """One SYN for each of many ports, of which the server answers a few, again and again."""
    for i in range(30):
        talk = scene.talk(None, at + i, **{**settings, "port": 62_000 + i}).syn()
        if i % 10 == 0:
            talk.wait(talk.rtt).syn_ack().wait(1000).syn_ack(again=True)


@innocent
def windows_resets_behind_its_close(scene: Scene, at: float, **settings: Any) -> None:
    """A FIN, and half a minute later a reset+ack with window 0 and DF."""
    talk = begin(scene, at, **settings).acknowledge().answer().request().response().them("FA").own("A")
    talk.wait(30_000).them("RA", window=0)


@innocent
def syn_was_lost_and_the_handshake_looks_slow(scene: Scene, at: float, **settings: Any) -> None:
    """The SYN goes again after a second; measured from the first, an alert after one round trip would look early."""
    talk = scene.talk("odd.example", at, **settings).syn().wait(1000).syn().wait(50).syn_ack().wait(0.04).own("A").hello()
    talk.rtt_later("PA", alert(112)).them("FA").own("A").own("FA")


# -- other protocols


@innocent
def hello_after_starttls(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().wait(50).them("PA", b"220 mx ESMTP\r\n").own("PA", b"STARTTLS\r\n")
    talk.rtt_later("PA", b"220 go ahead\r\n").own("PA", hello_bytes("odd.example")).rtt_later("RA")


@innocent
def greeting_crosses_the_hello(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake()
    talk.wait(0.9 * talk.rtt).own("PA", hello_bytes("odd.example")).wait(0.12 * talk.rtt)
    talk.them("PA", b"220 ftp ready\r\n", ack=talk.us.next - len(hello_bytes("odd.example"))).own("A").wait(0.88 * talk.rtt).them("RA")


@innocent
def request_timeout_page_crosses_the_request(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().wait(30_000).own("PA", GET).wait(4)
    talk.them("FPA", b"HTTP/1.1 408 Request Timeout\r\n\r\n<html><title>408</title></html>", ack=talk.us.next - len(GET)).own("A").own("FA")


@innocent
def idle_reset_crosses_a_later_request(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake()
    for _ in range(2):
        talk.own("PA", GET).rtt_later("PA", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").own("A")
    talk.wait(60_000).own("PA", GET).wait(3).them("RA", ack=talk.us.next - len(GET))


@innocent
def proxy_forbids_a_connect(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().own("PA", b"CONNECT odd.example:443 HTTP/1.1\r\nHost: odd.example:443\r\n\r\n")
    talk.rtt_later("FPA", b"HTTP/1.1 403 Forbidden\r\n\r\n<html><title>Denied</title></html>").own("A").own("FA").rtt_later("A")


@innocent
def upload_refused_half_way(scene: Scene, at: float, **settings: Any) -> None:
    talk = scene.talk("odd.example", at, **settings).handshake().own("PA", b"POST / HTTP/1.1\r\nHost: odd.example\r\nContent-Length: 90000\r\n\r\n")
    for _ in range(5):
        talk.own("A", b"q" * 1400)
    talk.rtt_later("FPA", b"HTTP/1.1 413 Content Too Large\r\n\r\n").own("A", b"q" * 1400).wait(3)
    talk.them("R", options=b"", window=0, ipid=0).them("R", options=b"", window=0, ipid=0, seq=talk.server.next)
