"""The listening socket: open it, and close it without losing a client that has connected."""

import ctypes
import os
import socket
import struct
import sys
import time

# How many connections the kernel holds until they are accepted. It is limited by somaxconn.
BACKLOG = 2048
# How much of its responses the kernel takes for a client, beyond what is on its way to it.
UNSENT_BYTES = 131_072

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h. Python has no name for it.
# A classic BPF program over the TCP header (socket(7), kernel's networking/filter.rst): drop what
# has SYN without ACK, which is the first packet of a new connection.
_DROP_SYN = [
    (0x30, 0, 0, 13),  # Load byte 13, the flags.
    (0x54, 0, 0, 0x12),  # Keep SYN and ACK.
    (0x15, 0, 1, 0x02),  # If only SYN is left,
    (0x06, 0, 0, 0),  # drop the packet,
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole.
]
_TCPI_UNACKED = 24  # Offset in struct tcp_info. For a listening socket: the connections that wait.
_LOOK_EVERY_S = 0.05


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket that child processes can inherit. Raises OSError.

    `::` takes IPv4, too, where the system can do both on one socket.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
    )
    # Connections inherit this. Without it the kernel takes megabytes for each client, and the loop
    # stands still while it copies them.
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    os.set_inheritable(listener.fileno(), True)
    return listener


def refuse_new(listener: socket.socket, *, within_s: float) -> None:
    """Let no new connection begin, and wait until the workers have taken those that have.

    The kernel resets connections that wait in a listening socket when it is closed, although their
    clients believe that they are connected. A client whose first packet is dropped sends it again
    after a second, and is refused by then. Linux only: elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(code))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
    except OSError:
        return  # A kernel without it: as before.
    give_up_at = time.monotonic() + within_s
    empty_looks = 0
    # Twice, because a handshake may have been under way at the first look.
    while empty_looks < 2 and time.monotonic() < give_up_at:
        time.sleep(_LOOK_EVERY_S)
        empty_looks = empty_looks + 1 if _waiting(listener) == 0 else 0


def _waiting(listener: socket.socket) -> int:
    """Return how many connections wait to be accepted."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    count: int = struct.unpack_from("I", info, _TCPI_UNACKED)[0]
    return count
