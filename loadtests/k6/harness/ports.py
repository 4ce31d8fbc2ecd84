"""Free loopback ports that stay free while what listens there is started again."""
import random
import socket

_given = set()


def free():
    """One below those that the system gives to outgoing connections, and not the same twice."""
    while True:
        port = random.randint(15000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
