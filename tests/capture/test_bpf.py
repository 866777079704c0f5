"""What the kernel's filter keeps: shown by running the program as the kernel would."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.capture.bpf import MOST_INSTRUCTIONS, Instruction, host_filter, packed

SERVER, CLIENT, STRANGER = "192.0.2.1", "198.51.100.7", "203.0.113.9"
SERVER6, CLIENT6 = "2001:db8::1", "2001:db8::7"
PROGRAM = host_filter([SERVER, SERVER6], [40001, 40002])


def kept(program: list[Instruction], ethertype: int, packet: bytes) -> bool:
    """A classic BPF machine with what the filter uses; `packet` starts at the network header. Reading past the end drops."""
    a = x = at = 0
    while True:
        code, jump_true, jump_false, k = program[at]
        at += 1
        if code in (0x20, 0x28, 0x30, 0x40, 0x48, 0x50):
            size = {0: 4, 8: 2, 16: 1}[code & 0x18]
            if k == 0xFFFFF000:
                a = ethertype
                continue
            place = k - 0xFFF00000 + (x if code & 0x40 else 0)
            if place + size > len(packet):
                return False
            a = int.from_bytes(packet[place : place + size], "big")
        elif code == 0x05:
            at += k
        elif code == 0x15:
            at += jump_true if a == k else jump_false
        elif code == 0x45:
            at += jump_true if a & k else jump_false
        elif code == 0x54:
            a &= k
        elif code == 0x64:
            a <<= k
        elif code == 0x07:
            x = a
        elif code == 0x06:
            return k > 0
        else:
            raise AssertionError(f"instruction {code:#x}")


def ipv4(source: str, destination: str, protocol: int, payload: bytes, *, offset: int = 0, options: bytes = b"") -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20, 0, offset, 64, protocol, 0)
    return header + ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + options + payload


def ipv6(source: str, destination: str, following: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB", 0x60000000, len(payload), following, 64)
    return header + ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + payload


def ports(source: int, destination: int) -> bytes:
    return struct.pack("!HH", source, destination) + bytes(16)


@pytest.mark.parametrize(
    ("packet", "keep"),
    [
        (ipv4(CLIENT, SERVER, 6, ports(40001, 443)), True),
        (ipv4(SERVER, CLIENT, 6, ports(443, 40002)), True),
        (ipv4(STRANGER, CLIENT, 6, ports(443, 40001)), True),
        (ipv4(SERVER, CLIENT, 17, ports(443, 40001), options=bytes(8)), True),
        (ipv4(CLIENT, SERVER, 6, ports(50000, 443)), False),
        (ipv4(CLIENT, STRANGER, 6, ports(50000, 443)), False),
        (ipv4(SERVER, CLIENT, 6, b"rest of it", offset=100), True),
        (ipv4(STRANGER, CLIENT, 6, ports(443, 40001), offset=100), False),
        (ipv4(STRANGER, CLIENT, 1, bytes([3, 13, 0, 0, 0, 0, 0, 0]) + ipv4(CLIENT, SERVER, 6, b"")), True),
        (ipv4(STRANGER, CLIENT, 1, bytes([11, 0, 0, 0, 0, 0, 0, 0]) + ipv4(CLIENT, STRANGER, 6, b"")), False),
        (ipv4(SERVER, CLIENT, 1, bytes(30)), False),
        (ipv4(SERVER, CLIENT, 47, bytes(30)), False),
    ],
)
def test_of_ipv4_the_probed_connections_and_errors_about_them_are_kept(packet: bytes, keep: bool) -> None:
    assert kept(PROGRAM, 0x0800, packet) is keep


@pytest.mark.parametrize(
    ("packet", "keep"),
    [
        (ipv6(CLIENT6, SERVER6, 6, ports(40001, 443)), True),
        (ipv6("2001:db8::bad", CLIENT6, 6, ports(443, 40001)), True),
        (ipv6(SERVER6, CLIENT6, 6, ports(443, 50000)), False),
        (ipv6(SERVER6, CLIENT6, 44, bytes(30)), True),
        (ipv6("2001:db8::bad", CLIENT6, 44, bytes(30)), False),
        (ipv6("2001:db8::bad", CLIENT6, 58, bytes([1, 1, 0, 0, 0, 0, 0, 0]) + ipv6(CLIENT6, SERVER6, 6, b"")), True),
        (ipv6(SERVER6, CLIENT6, 58, bytes([135, 0, 0, 0, 0, 0, 0, 0]) + ipv6(CLIENT6, SERVER6, 6, b"")), False),
    ],
)
def test_of_ipv6_the_same(packet: bytes, keep: bool) -> None:
    assert kept(PROGRAM, 0x86DD, packet) is keep


def test_nothing_else_is_kept() -> None:
    assert not kept(PROGRAM, 0x0806, bytes(28))


def test_only_the_version_that_is_probed_is_recorded() -> None:
    assert not kept(host_filter([SERVER6], [40001]), 0x0800, ipv4(CLIENT, SERVER, 6, ports(40001, 443)))


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=700, unique=True), st.integers(1, 65535))
def test_any_number_of_ports_is_matched_exactly(local: list[int], port: int) -> None:
    program = host_filter([SERVER], local)
    assert kept(program, 0x0800, ipv4(STRANGER, CLIENT, 6, ports(port, 0))) is (port in local)
    assert kept(program, 0x0800, ipv4(CLIENT, STRANGER, 6, ports(0, local[-1])))


@given(st.binary(max_size=80), st.sampled_from([0x0800, 0x86DD, 0x0806]))
def test_any_bytes_end_in_a_decision(packet: bytes, ethertype: int) -> None:
    kept(PROGRAM, ethertype, packet)


def test_too_many_ports_are_refused_and_a_full_plan_fits() -> None:
    assert len(host_filter([SERVER], range(1, 1501))) < MOST_INSTRUCTIONS
    with pytest.raises(ValueError, match="the kernel takes 4096"):
        host_filter([SERVER], range(1, 4000))


def test_an_instruction_has_eight_bytes() -> None:
    assert len(packed(PROGRAM)) == 8 * len(PROGRAM)
