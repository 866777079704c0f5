"""A live AF_PACKET capture: packets with the kernel's timestamps, in both directions, and how many were lost.

Alone responsible for talking to the kernel's packet socket: a TPACKET_V3 ring in shared memory, or plain recvmsg where the ring is refused.

Rules of this file:
- Times are the kernel's, in nanoseconds. The clock after a read lags by up to 24 ms under load; it is never used.
- No packet is lost silently: PACKET_STATISTICS is summed up, and a gap in the ring's block numbers counts as a loss.
- Capturing starts when the object exists; reading may start later, the ring holds what comes in between.
- On loopback the kernel shows each packet twice, outgoing and incoming; one of them is kept (as libpcap does).
- A VLAN tag that the kernel has set apart is put back where it stood on the wire.

Linux: include/uapi/linux/if_packet.h, Documentation/networking/packet_mmap.rst.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import select
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from dpiprobe.capture.bpf import Instruction, packed
from dpiprobe.errors import EnvironmentError_, UsageError

ETHERNET, RAW_IP = 1, 101  # LINKTYPE_ETHERNET, LINKTYPE_RAW: www.tcpdump.org/linktypes.html

_ETH_P_ALL = 0x0003
_SOL_PACKET, _RX_RING, _STATISTICS, _VERSION, _AUXDATA = 263, 5, 6, 10, 8
_TPACKET_V3 = 2
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 26, 35
_SO_RCVBUFFORCE = 33
_PACKET_OUTGOING = 4
_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772
_STATUS_USER, _VLAN_VALID, _VLAN_TPID_VALID = 1, 1 << 4, 1 << 6

_BLOCK = struct.Struct("=IIIIIIQ")  # version, offset to private, status, packets, offset to first packet, length, sequence
_HEADER = struct.Struct("=IIIIIIHHIIHH")  # next, s, ns, snaplen, length, status, mac, net, rxhash, vlan_tci, vlan_tpid, padding
_STATUS_AT, _SEQUENCE_AT = 8, 24
_SOCKADDR_AT = 48  # TPACKET_ALIGN(sizeof(struct tpacket3_hdr)); then struct sockaddr_ll
_PKTTYPE_AT = _SOCKADDR_AT + 10


class Frame(NamedTuple):
    """One captured packet. time: ns since 1970 (kernel) · data: bytes from the link header on · length: bytes on the wire ·
    outgoing: sent by this machine."""

    time: int
    data: bytes
    length: int
    outgoing: bool


class Losses(NamedTuple):
    """What the kernel says of the capture so far: packets that passed the filter, and how many of them were dropped."""

    passed: int
    dropped: int


class Ring:
    """An open capture on one interface. Use it as a context manager, or call `close`.

    `link_type` is the LINKTYPE of the frames; `descriptor` can be handed to another process (see `Ring.adopt`).
    Raises EnvironmentError_ without CAP_NET_RAW or off Linux, UsageError where the interface is not there.
    """

    def __init__(self, interface: str, program: Sequence[Instruction] = (), *, megabytes: int = 32, use_ring: bool = True) -> None:
        self.interface = interface
        try:
            index = socket.if_nametoindex(interface)
        except OSError:
            known = ", ".join(name for _, name in socket.if_nameindex())
            raise UsageError(f"there is no interface {interface!r}; choose one of {known}") from None
        hardware = _hardware_type(interface)
        self.link_type = ETHERNET if hardware in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK) else RAW_IP
        self._loopback = hardware == _ARPHRD_LOOPBACK
        # Protocol 0 receives nothing until bind, so that no packet of another interface or from before the filter gets in.
        self._socket = _packet_socket(socket.SOCK_RAW if self.link_type == ETHERNET else socket.SOCK_DGRAM)
        self._blocks = 0
        # A block is handed over after 20 ms however little is in it, so their number bounds how long the reader may be kept waiting: 16 MB are 2.5 s.
        # Smaller than this a frame of 64 kB (GSO) would not fit.
        self._block_size = 1 << 17
        try:
            if program:
                _attach(self._socket, program)
            if use_ring:
                self._blocks = _make_ring(self._socket, self._block_size, megabytes)
            if not self._blocks:
                _prepare_plain(self._socket)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise EnvironmentError_(f"cannot capture on {interface} ({error.strerror}); bring the interface up or name another with --interface") from error
        self.index = index
        self._ready()

    @classmethod
    def adopt(cls, descriptor: int, link_type: int, loopback: bool, blocks: int, block_size: int) -> Ring:
        """The same capture in another process that inherited its descriptor; the first process must not read from it."""
        ring = cls.__new__(cls)
        ring._socket = socket.socket(fileno=descriptor)
        ring.interface, ring.index = "", 0
        ring.link_type, ring._loopback, ring._blocks, ring._block_size = link_type, loopback, blocks, block_size
        ring._ready()
        return ring

    def _ready(self) -> None:
        self._passed = self._dropped = self._gaps = 0
        self._next_block = 0
        self._sequence: int | None = None
        self._map = mmap.mmap(self._socket.fileno(), self._blocks * self._block_size) if self._blocks else None
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN | select.POLLERR)

    def describe(self) -> tuple[int, int, bool, int, int]:
        """What `adopt` needs: descriptor, link type, loopback, blocks, block size."""
        return self._socket.fileno(), self.link_type, self._loopback, self._blocks, self._block_size

    def fileno(self) -> int:
        """The socket's descriptor, readable when packets have come."""
        return self._socket.fileno()

    @property
    def mapped(self) -> bool:
        """Whether packets come through the shared ring (else through recvmsg)."""
        return self._map is not None

    def read(self, timeout: float) -> list[Frame]:
        """The packets that have come, in the kernel's order; waits up to `timeout` seconds for the first. Empty when none came."""
        frames = self._take_blocks() if self._map is not None else self._take_messages()
        if not frames and timeout > 0:
            self._poll.poll(timeout * 1000)
            frames = self._take_blocks() if self._map is not None else self._take_messages()
        if not frames and self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._gaps += 1  # the interface went down: what came meanwhile is not known
        return frames

    def losses(self) -> Losses:
        """Totals since the capture began. Packets the socket still holds are among `passed`."""
        size = 12 if self._map is not None else 8
        try:
            raw = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, size)
            self._passed += int.from_bytes(raw[0:4], "little" if _LITTLE else "big")
            self._dropped += int.from_bytes(raw[4:8], "little" if _LITTLE else "big")
        except OSError:
            self._gaps += 1  # the kernel does not say: a loss cannot be ruled out
        return Losses(self._passed, self._dropped + self._gaps)

    def close(self) -> None:
        """Stop capturing; what was not read is gone."""
        if self._map is not None:
            self._map.close()
            self._map = None
        self._socket.close()

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_blocks(self) -> list[Frame]:
        """Everything in the blocks that the kernel has handed over; hands them back."""
        ring = self._map
        frames: list[Frame] = []
        if ring is None:
            return frames
        for _ in range(self._blocks):
            start = self._next_block * self._block_size
            _, _, status, count, first, _, sequence = _BLOCK.unpack_from(ring, start)
            if not status & _STATUS_USER:
                break
            if self._sequence is not None and sequence != self._sequence + 1:
                self._gaps += 1
            self._sequence = sequence
            at = start + first
            for _ in range(count):
                frame, step = self._frame(ring, at)
                if frame is not None:
                    frames.append(frame)
                at += step
            struct.pack_into("=I", ring, start + _STATUS_AT, 0)
            self._next_block = (self._next_block + 1) % self._blocks
        return frames

    def _frame(self, ring: mmap.mmap, at: int) -> tuple[Frame | None, int]:
        step, seconds, nanoseconds, captured, length, status, mac, net, _, tci, tpid, _ = _HEADER.unpack_from(ring, at)
        outgoing = ring[at + _PKTTYPE_AT] == _PACKET_OUTGOING
        if outgoing and self._loopback:
            return None, step
        begin = at + (mac if self.link_type == ETHERNET else net)
        data = ring[begin : begin + captured]
        if status & _VLAN_VALID and self.link_type == ETHERNET:
            data, length = _with_vlan(data, tci, tpid if status & _VLAN_TPID_VALID else 0x8100), length + 4
        return Frame(seconds * 1_000_000_000 + nanoseconds, data, length, outgoing), step

    def _take_messages(self) -> list[Frame]:
        frames: list[Frame] = []
        while len(frames) < 1000:
            try:
                data, ancillary, _, address = self._socket.recvmsg(1 << 18, 256, socket.MSG_DONTWAIT | socket.MSG_TRUNC)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    break
                raise
            outgoing = address[2] == _PACKET_OUTGOING
            if outgoing and self._loopback:
                continue
            time, length = 0, len(data)
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack_from("@ll", value)
                    time = seconds * 1_000_000_000 + nanoseconds
                elif level == _SOL_PACKET and kind == _AUXDATA:
                    status, length, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", value)
                    if status & _VLAN_VALID and self.link_type == ETHERNET:
                        data, length = _with_vlan(data, tci, tpid if status & _VLAN_TPID_VALID else 0x8100), length + 4
            frames.append(Frame(time, data, length, outgoing))
        return frames


_LITTLE = struct.pack("=H", 1) == struct.pack("<H", 1)


def _packet_socket(kind: int) -> socket.socket:
    if not hasattr(socket, "AF_PACKET"):
        raise EnvironmentError_("live capture needs Linux; analyze a capture made elsewhere with 'dpiprobe analyze'")
    try:
        return socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC, 0)
    except PermissionError:
        raise EnvironmentError_(
            "capturing packets needs CAP_NET_RAW; run as root or with 'sudo', or see it work without privileges with 'dpiprobe demo'"
        ) from None
    except OSError as error:
        raise EnvironmentError_(f"this kernel has no packet sockets ({error.strerror}); analyze a capture made elsewhere") from None


def _hardware_type(interface: str) -> int:
    """The ARPHRD number, by SIOCGIFHWADDR (works in a namespace without its own sysfs)."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking.fileno(), 0x8927, struct.pack("16s24x", interface.encode()))
    return int(struct.unpack_from("=H", answer, 16)[0])


def _attach(packet: socket.socket, program: Sequence[Instruction]) -> None:
    code = ctypes.create_string_buffer(packed(program))
    packet.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def _make_ring(packet: socket.socket, block_size: int, megabytes: int) -> int:
    """Ask for a ring, smaller ones where memory is short. Returns its number of blocks, 0 where the kernel refuses."""
    try:
        packet.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
    except OSError:
        return 0
    blocks = max(2, (megabytes << 20) // block_size)
    while blocks >= 2:
        # block size, blocks, frame size, frames, retire after ms, private bytes, features
        request = struct.pack("=IIIIIII", block_size, blocks, 2048, block_size // 2048 * blocks, 20, 0, 0)
        try:
            packet.setsockopt(_SOL_PACKET, _RX_RING, request)
            return blocks
        except OSError as error:
            if error.errno != errno.ENOMEM:
                break
            blocks //= 2
    packet.setsockopt(_SOL_PACKET, _VERSION, 0)
    return 0


def _prepare_plain(packet: socket.socket) -> None:
    packet.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    packet.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            packet.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
            break
        except OSError:
            continue


def _with_vlan(data: bytes, tci: int, tpid: int) -> bytes:
    return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]


def check_privilege() -> None:
    """Raise EnvironmentError_ where this process may not open a packet socket."""
    _packet_socket(getattr(socket, "SOCK_RAW", 3)).close()
