"""Which packets belong together, and which side is the client."""

from __future__ import annotations

from dpiprobe.flow.flows import BY_HELLO, BY_PORT, BY_SYN, QUIC_INITIAL
from dpiprobe.flow.settle import settle
from dpiprobe.tls.hello import parse
from dpiprobe.tls.quic_initial import build_initial, crypto_frame
from dpiprobe.wire.build import address, ip, udp
from dpiprobe.wire.packets import UDP
from dpiprobe.wire.parse import parse_packets
from tests.flow.talk import HELLO, SERVER_HELLO, Talk


def test_no_packets_are_no_flows() -> None:
    assert len(settle(parse_packets([]))) == 0


def test_one_packet_is_a_flow() -> None:
    flows = Talk().c("S").flows()
    assert len(flows) == 1
    assert list(flows.slots(0)) == [0]


def test_the_sender_of_the_syn_is_the_client_whatever_the_ports() -> None:
    flows = Talk(port=443, to=50000).shake().flows()
    assert (flows.client_port[0], flows.server_port[0], flows.oriented_by[0]) == (443, 50000, BY_SYN)


def test_the_receiver_of_a_syn_ack_is_the_client() -> None:
    flows = Talk(port=443, to=50000).s("SA").flows()
    assert (flows.client_port[0], flows.oriented_by[0]) == (443, BY_SYN)


def test_without_a_handshake_the_sender_of_the_hello_is_the_client() -> None:
    flows = Talk(port=443, to=50000).s("A").hello().flows()
    assert (flows.client_port[0], flows.oriented_by[0]) == (443, BY_HELLO)


def test_without_either_the_lower_port_is_the_servers() -> None:
    flows = Talk().s("A", b"abc").c("A").flows()
    assert (flows.client_port[0], flows.oriented_by[0]) == (40000, BY_PORT)


def test_between_equal_ports_who_spoke_first_is_the_client() -> None:
    flows = Talk(port=500, to=500).s("A", b"abc").c("A").flows()
    assert flows.packets.addresses[flows.client[0]] == address("198.51.100.20")


def test_port_reuse_starts_a_new_flow() -> None:
    talk = Talk().shake().hello()
    flows = Talk(isn=77000, tape=talk).shake().hello().flows()
    assert [list(flows.slots(f)) for f in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_retransmitted_syn_does_not() -> None:
    assert len(Talk().c("S").c("S").s("SA").c("A").c("S").flows()) == 1


def test_a_syn_sent_again_after_a_refusal_does_not() -> None:
    assert len(Talk().c("S").s("RA").c("S").s("RA").flows()) == 1


def test_the_same_syn_after_data_and_reset_does() -> None:
    assert len(Talk().shake().hello().s("R").shake().hello().flows()) == 2


def test_a_syn_inside_a_mid_stream_beginning_of_its_other_side_does_not() -> None:
    assert len(Talk().s("FA").c("S").s("SA").flows()) == 1


def test_flows_are_numbered_by_first_packet() -> None:
    talk = Talk(port=60000, server="198.51.100.99").c("S")
    flows = Talk(port=40000, tape=talk).c("S").flows()
    assert flows.client_port.tolist() == [60000, 40000]


def quic_hello() -> bytes:
    hello = parse(HELLO)
    assert hello is not None
    return build_initial(crypto_frame(0, HELLO[5:]), b"12345678")


def test_a_quic_conversation_is_a_flow_with_its_name() -> None:
    flows = Talk().datagram(True, quic_hello().ljust(1200, b"\0")).datagram(False, b"\xc0\0\0\0\1\0\0" + bytes(1200)).flows()
    trigger = flows.triggers[0]
    assert trigger is not None
    assert (flows.transport[0], trigger.kind, trigger.server_name) == (UDP, QUIC_INITIAL, "blocked.example")
    assert (flows.hello[0], flows.answer[0]) == (0, 1)
    assert (flows.client_seen[0], flows.server_seen[0]) == (1200, 1207)


def test_datagrams_of_equal_length_are_no_capture_copies() -> None:
    talk = Talk().datagram(True, quic_hello().ljust(1200, b"\0"))
    for i in range(3):
        talk.datagram(False, bytes([0xC0, 0, 0, 0, 1, 0, i]) + bytes(1200), at=10 + i / 100)
    assert talk.flows().duplicate.tolist() == [0, 0, 0, 0]


def test_other_udp_is_no_flow() -> None:
    a, b = address("192.0.2.1"), address("192.0.2.2")
    assert len(settle(parse_packets([ip(a, b, UDP, udp(a, b, 5000, 53, b"\x12\x34\x01\x00\0\1\0\0\0\0"))]))) == 0


def test_a_dns_answer_beside_quic_stays_out() -> None:
    a, b = address("192.0.2.10"), address("198.51.100.20")
    talk = Talk().datagram(True, quic_hello().ljust(1200, b"\0")).add(ip(b, a, UDP, udp(b, a, 53, 40000, bytes(100))))
    assert len(talk.flows().row) == 1


def test_one_direction_alone_keeps_what_it_shows() -> None:
    flows = Talk().s("SA").s("A", ack=len(HELLO)).s("PA", SERVER_HELLO, ack=len(HELLO)).flows()
    assert (flows.syn[0], flows.syn_ack[0], flows.hello[0], flows.server_seen[0]) == (-1, 0, -1, len(SERVER_HELLO))
    assert flows.server_acked[0] == len(HELLO)
