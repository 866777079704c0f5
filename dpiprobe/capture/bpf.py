"""The kernel's packet filter for a live capture, as a classic BPF program: keep what belongs to the probed connections, nothing else.

What is kept: TCP and UDP packets from or to one of the local ports, whoever the other side is (an injector may answer from an address
of its own); later fragments, and IPv6 packets with extension headers, of the probed hosts; ICMP and ICMPv6 errors that quote a packet to
a probed host. What other programs of the machine do is not recorded.

Pure; instructions are (code, jump if true, jump if false, k), Documentation/networking/filter.rst of Linux.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence

Instruction = tuple[int, int, int, int]

MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS, linux/bpf_common.h
KEEP = 0x40000  # bytes of a packet to keep: all (the largest GSO frame that AF_PACKET shows is 64 KiB plus headers)

_NETWORK = 0xFFF00000  # SKF_NET_OFF: counted from the network header, whatever the link layer is
_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the ethertype
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # BPF_LD | BPF_ABS of 32, 16 and 8 bits
_PLUS_X = 0x20  # BPF_IND instead of BPF_ABS: the place counts from X
_JUMP, _EQUAL, _ANY_BIT, _RETURN = 0x05, 0x15, 0x45, 0x06
_AND, _SHIFT_LEFT, _TO_X = 0x54, 0x64, 0x07
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_ERRORS4, _ERRORS6 = (3, 4, 5, 11, 12), (1, 2, 3, 4)  # RFC 792, RFC 4443: the types that quote a packet
_CHUNK = 200  # values that share one return; jumps reach 255 instructions

_DROP_IT: Instruction = (_RETURN, 0, 0, 0)
_KEEP_IT: Instruction = (_RETURN, 0, 0, KEEP)


def host_filter(hosts: Sequence[str], local_ports: Sequence[int]) -> list[Instruction]:
    """The program for these hosts (addresses as text) and local ports. Raises ValueError where it would not fit the kernel."""
    addresses = [ipaddress.ip_address(host.partition("%")[0]) for host in hosts]
    v4 = _version4([a.packed for a in addresses if a.version == 4], local_ports)
    v6 = _version6([a.packed for a in addresses if a.version == 6], local_ports)
    # Only the version that is probed is looked at.
    kinds = {a.version for a in addresses}
    program: list[Instruction] = [(_LOAD_HALF, 0, 0, _PROTOCOL)]
    program += _where(_IPV4, v4 if 4 in kinds else [_DROP_IT])
    program += _where(_IPV6, v6 if 6 in kinds else [_DROP_IT])
    program.append(_DROP_IT)
    if len(program) > MOST_INSTRUCTIONS:
        raise ValueError(f"a filter for {len(local_ports)} ports has {len(program)} instructions, the kernel takes {MOST_INSTRUCTIONS}")
    return program


def packed(program: Sequence[Instruction]) -> bytes:
    """The program as an array of struct sock_filter."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _where(value: int, then: list[Instruction]) -> list[Instruction]:
    """Run `then` (which returns on every path) where the loaded value is this one; else go on, the value still loaded."""
    return [(_EQUAL, 1, 0, value), (_JUMP, 0, 0, len(then)), *then]


def _version4(hosts: Sequence[bytes], ports: Sequence[int]) -> list[Instruction]:
    header_length: list[Instruction] = [(_LOAD_BYTE, 0, 0, _NETWORK), (_AND, 0, 0, 0x0F), (_SHIFT_LEFT, 0, 0, 2), (_TO_X, 0, 0, 0)]
    fragment = [*_keep_hosts(hosts, (12, 16)), _DROP_IT]
    error = [
        *header_length,
        (_LOAD_BYTE + _PLUS_X, 0, 0, _NETWORK),
        *_unless(_ERRORS4),
        *_keep_hosts(hosts, (8 + 16,), _PLUS_X),
        _DROP_IT,
    ]
    transport = [
        *header_length,
        (_LOAD_HALF + _PLUS_X, 0, 0, _NETWORK),
        *_keep_any(ports),
        (_LOAD_HALF + _PLUS_X, 0, 0, _NETWORK + 2),
        *_keep_any(ports),
        _DROP_IT,
    ]
    return [
        (_LOAD_HALF, 0, 0, _NETWORK + 6),
        (_ANY_BIT, 0, len(fragment), 0x1FFF),
        *fragment,
        (_LOAD_BYTE, 0, 0, _NETWORK + 9),
        *_where(_ICMP, error),
        *_transport_or(transport, [_DROP_IT]),
    ]


def _version6(hosts: Sequence[bytes], ports: Sequence[int]) -> list[Instruction]:
    error = [(_LOAD_BYTE, 0, 0, _NETWORK + 40), *_unless(_ERRORS6), *_keep_hosts(hosts, (48 + 24,)), _DROP_IT]
    transport = [
        (_LOAD_HALF, 0, 0, _NETWORK + 40),
        *_keep_any(ports),
        (_LOAD_HALF, 0, 0, _NETWORK + 42),
        *_keep_any(ports),
        _DROP_IT,
    ]
    other = [*_keep_hosts(hosts, (8, 24)), _DROP_IT]
    return [(_LOAD_BYTE, 0, 0, _NETWORK + 6), *_where(_ICMPV6, error), *_transport_or(transport, other)]


def _transport_or(transport: list[Instruction], other: list[Instruction]) -> list[Instruction]:
    """`transport` where the loaded protocol is TCP or UDP, else `other`; both return on every path."""
    return [(_EQUAL, 2, 0, _TCP), (_EQUAL, 1, 0, _UDP), (_JUMP, 0, 0, len(transport)), *transport, *other]


def _keep_hosts(hosts: Iterable[bytes], places: Sequence[int], x: int = 0) -> list[Instruction]:
    """Keep the packet where an address of its IP header, at one of the places, is one of the hosts; else go on."""
    program: list[Instruction] = []
    for host in hosts:
        words = [host[i : i + 4] for i in range(0, len(host), 4)]
        for place in places:
            for i, word in enumerate(words):
                to_the_end = 2 * (len(words) - i - 1) + 1
                program += [(_LOAD_WORD + x, 0, 0, _NETWORK + place + 4 * i), (_EQUAL, 0, to_the_end, int.from_bytes(word, "big"))]
            program.append(_KEEP_IT)
    return program


def _keep_any(values: Sequence[int]) -> list[Instruction]:
    """Keep the packet where the loaded number is one of the values; else go on."""
    program: list[Instruction] = []
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        program += [(_EQUAL, len(chunk) - i, 0, value) for i, value in enumerate(chunk)]
        program += [(_JUMP, 0, 0, 1), _KEEP_IT]
    return program


def _unless(values: Sequence[int]) -> list[Instruction]:
    """Drop the packet unless the loaded number is one of the values; then go on."""
    return [*((_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)), _DROP_IT]
