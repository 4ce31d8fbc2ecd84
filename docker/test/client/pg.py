"""As much of PostgreSQL's protocol as the tests of the containers need: TLS, SCRAM-SHA-256 and simple queries."""
import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct


class Refused(Exception):
    """The server answered with an error: `fields` by their letters, C the SQLSTATE, M the message."""

    def __init__(self, body):
        parts = body.rstrip(b"\0").split(b"\0")
        self.fields = {chr(part[0]): part[1:].decode(errors="replace") for part in parts if part}
        super().__init__(f"{self.fields.get('C')}: {self.fields.get('M')}")

    @property
    def state(self):
        return self.fields.get("C", "")


class Gone(Exception):
    """The connection ended. `told` is the SQLSTATE that the server said before, if it said one."""

    def __init__(self, told):
        super().__init__(f"the connection ended ({told or 'without a word'})")
        self.told = told


class Session:
    """One connection. `place` is (host, port, user, password, database); `authority` a file of certificates for TLS."""

    def __init__(self, place, authority=None, timeout_s=30):
        host, port, user, password, database = place
        self.told = None
        # As libpq does: every address of the name, until one answers. One that has just gone says nothing.
        self.socket = socket.create_connection((host, port), 3)
        self.socket.settimeout(timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if authority:
            self.socket.sendall(struct.pack(">II", 8, 80877103))
            if self.socket.recv(1) != b"S":
                raise OSError("the server does not speak TLS")
            self.socket = ssl.create_default_context(cafile=authority).wrap_socket(self.socket, server_hostname=host)
        self.stream = self.socket.makefile("rb")
        body = f"user\0{user}\0database\0{database}\0\0".encode()
        self.socket.sendall(struct.pack(">II", len(body) + 8, 196608) + body)
        self.authenticate(password)
        self.rows()

    def authenticate(self, password):
        while True:
            kind, body = self.message()
            if kind != b"R":
                raise OSError(f"unexpected message {kind}")
            (request,) = struct.unpack(">I", body[:4])
            if request == 0:
                return
            if request != 10:
                raise OSError(f"the server asks for authentication {request}, not for SCRAM")
            self.scram(password)

    def scram(self, password):
        """RFC 5802 and 7677, without channel binding."""
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n=,r={nonce}"
        message = f"n,,{first}".encode()
        self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", len(message)) + message)
        server = self.message()[1][4:].decode()
        said = dict(part.split("=", 1) for part in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={said['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{server},{last}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.send(b"p", f"{last},p={proof}".encode())
        self.message()

    def query(self, sql):
        """Runs `sql`; the rows as tuples of text."""
        try:
            self.send(b"Q", sql.encode() + b"\0")
        except OSError:
            # What the server said before it closed may lie there still.
            self.rows()
            raise Gone(self.told) from None
        return self.rows()

    def rows(self):
        rows, refused = [], None
        while True:
            kind, body = self.message()
            if kind == b"D":
                rows.append(row(body))
            elif kind == b"E":
                refused = Refused(body)
                self.told = refused.state
            elif kind == b"Z":
                if refused:
                    raise refused
                return rows

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack(">I", len(body) + 4) + body)

    def message(self):
        try:
            head = self.stream.read(5)
            if len(head) < 5:
                raise Gone(self.told)
            (length,) = struct.unpack(">I", head[1:])
            body = self.stream.read(length - 4)
        except TimeoutError:
            raise
        except OSError:
            raise Gone(self.told) from None
        if len(body) < length - 4:
            raise Gone(self.told)
        if head[:1] == b"E" and not body.startswith(b"SERROR"):
            # FATAL: nothing comes after it.
            refused = Refused(body)
            self.told = refused.state
            if self.told != "57P01":
                raise refused
        return head[:1], body

    def close(self):
        try:
            self.send(b"X", b"")
        except OSError:
            pass
        self.socket.close()


def row(body):
    (count,) = struct.unpack(">H", body[:2])
    values, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack(">i", body[at:at + 4])
        at += 4
        values.append(None if length < 0 else body[at:at + length].decode())
        at += max(0, length)
    return tuple(values)
