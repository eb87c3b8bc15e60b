"""Free ports on loopback, picked so that several of us at once never pick the same."""

import random
import socket

# Below the kernel's own range (32768 and up), from which any outgoing connection could take a port while its server restarts,
# and so also off 35672 to 35682, where rabbitmqctl listens.
RANGE = range(12000, 32768)


class Reservation:
    """Ports promised to this process until `release`, against others that pick at the same moment."""

    def __init__(self):
        self._locks = []

    def pick(self):
        """A port nobody listens on."""
        while True:
            port = random.choice(RANGE)
            # An abstract socket is a lock that the kernel frees with the process and that leaves no file; its names are as wide
            # as the ports are: one network namespace.
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0spot-optimizer-port-{port}")
            except OSError:
                lock.close()
                continue
            if is_free(port):
                self._locks.append(lock)
                return port
            lock.close()

    def release(self):
        """To be called when the servers listen."""
        for lock in self._locks:
            lock.close()
        self._locks.clear()


def is_free(port):
    """Whether a server could listen on it, on loopback as on all addresses."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            # As the servers do: connections of an earlier server that linger in TIME_WAIT do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
