"""As much of the protocol as a measurement needs: trust authentication and simple queries."""
import socket
import struct

READY = b"Z\0\0\0\5I"
SYNC = b"S\0\0\0\4"


def message(tag, body):
    return tag + struct.pack(">I", len(body) + 4) + body


def question(protocol, key):
    """Everything that is sent to ask for one row, up to Sync."""
    if protocol == "simple":
        return message(b"Q", f"SELECT abalance FROM pgbench_accounts WHERE aid = {key}\0".encode())
    value = str(key).encode()
    bind = b"\0s\0\0\0\0\1" + struct.pack(">i", len(value)) + value + b"\0\0"
    return message(b"B", bind) + message(b"E", b"\0\0\0\0\0") + SYNC


class Refused(Exception):
    """The server answered with an error."""


class Session:
    """One connection."""

    def __init__(self, port, user, database, timeout_s=60):
        self.buffer = bytearray(1 << 18)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
        self.socket.sendall(struct.pack(">II", len(body) + 8, 196608) + body)
        self.read_until_ready()

    def query(self, sql):
        """Runs `sql` and reads its answer; returns the bytes of it."""
        body = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack(">I", len(body) + 4) + body)
        return self.read_until_ready()

    def read_until_ready(self):
        """Looks at the last six bytes only: the client must cost little beside what it measures."""
        view, total, tail, head = memoryview(self.buffer), 0, b"", b""
        while tail != READY:
            count = self.socket.recv_into(view)
            if not count:
                raise EOFError("the server closed the connection")
            if total < 64:
                head += bytes(view[:min(count, 400)])
            total += count
            tail = (tail + bytes(view[max(0, count - 6):count]))[-6:]
            if head[:1] == b"E" and total < 4096:
                raise Refused(head[5:].replace(b"\0", b" ").decode(errors="replace"))
        return total

    def prepare(self, protocol, questions):
        """Makes the statement known that the questions run, and runs them once; returns the bytes of their answers."""
        if protocol == "prepared":
            self.socket.sendall(message(b"P", b"s\0SELECT abalance FROM pgbench_accounts WHERE aid = $1\0\0\1\0\0\0\x17")
                                + SYNC)
            self.read_until_ready()
        size = 0
        for question in questions * 2:
            self.socket.sendall(question)
            size += self.read_until_ready()
        return size // 2

    def exchange(self, sent, expected):
        """Sends, and reads so many bytes of answers."""
        self.socket.sendall(sent)
        view = memoryview(self.buffer)
        while expected > 0:
            count = self.socket.recv_into(view)
            if not count:
                raise EOFError("the server closed the connection")
            expected -= count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
