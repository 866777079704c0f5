"""The kernel's packet filter for a live capture, as a classic BPF program: keep what belongs to the probed connections, nothing else.

What is kept: every packet from or to one of the hosts; TCP and UDP packets to one of the watched local ports, whoever sends them (an
injector may answer from an address of its own); ICMP and ICMPv6 errors. Later fragments are kept by host alone, they have no ports.
What other users of the machine do is not recorded.

Pure; instructions are (code, jump if true, jump if false, k), Documentation/networking/filter.rst of Linux.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

Instruction = tuple[int, int, int, int]

MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS, linux/bpf_common.h
KEEP = 0x40000  # bytes of a packet to keep: all (the largest GSO frame that AF_PACKET shows is 64 KiB plus headers)

_NETWORK = 0xFFF00000  # SKF_NET_OFF: counted from the network header, whatever the link layer is
_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the ethertype
_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30  # BPF_LD | BPF_ABS, 32, 16 and 8 bits
_LD_H_IND = 0x48  # BPF_LD | BPF_H | BPF_IND
_JUMP, _JEQ, _JSET, _RETURN = 0x05, 0x15, 0x45, 0x06
_AND, _LSH, _TAX = 0x54, 0x64, 0x07
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58


def host_filter(hosts: Sequence[str], local_ports: Sequence[int] = ()) -> list[Instruction]:
    """The program for these hosts (addresses as text) and local ports. Raises ValueError where it would not fit the kernel."""
    addresses = [ipaddress.ip_address(host.partition("%")[0]) for host in hosts]
    v4 = _version4([a.packed for a in addresses if a.version == 4], local_ports)
    v6 = _version6([a.packed for a in addresses if a.version == 6], local_ports)
    # Layout: [is it IPv4? -> v4] [is it IPv6? -> v6] [drop] v4... v6...
    program: list[Instruction] = [
        (_LD_H, 0, 0, _PROTOCOL),
        (_JEQ, 0, 1, _IPV4),
        (_JUMP, 0, 0, 3),
        (_JEQ, 0, 1, _IPV6),
        (_JUMP, 0, 0, 1 + len(v4)),
        (_RETURN, 0, 0, 0),
        *v4,
        *v6,
    ]
    if len(program) > MOST_INSTRUCTIONS:
        raise ValueError(f"a filter for {len(local_ports)} ports has {len(program)} instructions, the kernel takes {MOST_INSTRUCTIONS}")
    return program


def packed(program: Sequence[Instruction]) -> bytes:
    """The program as an array of struct sock_filter."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _version4(hosts: Sequence[bytes], ports: Sequence[int]) -> list[Instruction]:
    program: list[Instruction] = []
    for host in hosts:
        program += _equal(_LD_W, [(12, host)]) + _equal(_LD_W, [(16, host)])
    program += [
        (_LD_H, 0, 0, _NETWORK + 6),
        (_JSET, 0, 1, 0x1FFF),  # a later fragment
        (_RETURN, 0, 0, 0),
        (_LD_B, 0, 0, _NETWORK),
        (_AND, 0, 0, 0x0F),
        (_LSH, 0, 0, 2),
        (_TAX, 0, 0, 0),  # X: header length
    ]
    errors = _any_of([(0x50, 0, 0, _NETWORK)], (3, 4, 5, 11, 12))  # RFC 792; BPF_LD | BPF_B | BPF_IND
    return program + _by_protocol(_NETWORK + 9, _ICMP, errors, [(_LD_H_IND, 0, 0, _NETWORK + 2)], ports)


def _version6(hosts: Sequence[bytes], ports: Sequence[int]) -> list[Instruction]:
    program: list[Instruction] = []
    for host in hosts:
        words = [(i, host[i : i + 4]) for i in range(0, 16, 4)]
        program += _equal(_LD_W, [(8 + i, w) for i, w in words]) + _equal(_LD_W, [(24 + i, w) for i, w in words])
    errors = _any_of([(_LD_B, 0, 0, _NETWORK + 40)], (1, 2, 3, 4))  # RFC 4443
    return program + _by_protocol(_NETWORK + 6, _ICMPV6, errors, [(_LD_H, 0, 0, _NETWORK + 42)], ports)


def _by_protocol(
    place: int, icmp: int, errors: list[Instruction], load_port: list[Instruction], ports: Sequence[int]
) -> list[Instruction]:
    """ICMP errors, and TCP or UDP to one of the ports; everything else is dropped. Ends with a return on every path."""
    transport = _any_of(load_port, ports)
    return [
        (_LD_B, 0, 0, place),
        (_JEQ, 0, 1, icmp),
        (_JUMP, 0, 0, 4),
        (_JEQ, 1, 0, _TCP),
        (_JEQ, 0, 1, _UDP),
        (_JUMP, 0, 0, 1 + len(errors)),
        (_RETURN, 0, 0, 0),
        *errors,
        *transport,
    ]


def _equal(load: int, words: list[tuple[int, bytes]]) -> list[Instruction]:
    """Keep the packet where all these 32-bit words of its IP header are as given; else fall through."""
    program: list[Instruction] = []
    for i, (offset, word) in enumerate(words):
        to_next_test = 2 * (len(words) - i - 1) + 1
        program += [(load, 0, 0, _NETWORK + offset), (_JEQ, 0, to_next_test, int.from_bytes(word, "big"))]
    return [*program, (_RETURN, 0, 0, KEEP)]


def _any_of(load: list[Instruction], values: Sequence[int]) -> list[Instruction]:
    """Keep the packet where the loaded number is one of the values, else drop it."""
    program = list(load)
    for value in values:
        program += [(_JEQ, 0, 1, value), (_RETURN, 0, 0, KEEP)]
    return [*program, (_RETURN, 0, 0, 0)]
