"""As much of AMQP 0-9-1 as it takes to see that a broker is ready: a login, and whether a queue is there and how long it is."""

import socket
import struct


class Refused(Exception):
    """The broker answered, and the answer was no. `code` is AMQP's reply code, 0 when it closed the connection without one."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def _short(text):
    data = text.encode()
    return bytes([len(data)]) + data


def _long(data):
    return struct.pack(">I", len(data)) + data


class Connection:
    """A connection with one channel. Raises OSError where the network fails and Refused where the broker does."""

    def __init__(self, host, port, vhost, user, password, timeout=5):
        self._socket = socket.create_connection((host, port), timeout)
        try:
            self._socket.sendall(b"AMQP\x00\x00\x09\x01")
            self._expect(10, 10)
            self._send(0, 10, 11, _long(b"") + _short("PLAIN") + _long(f"\0{user}\0{password}".encode()) + _short("en_US"))
            limits = self._expect(10, 30)[:6]
            self._send(0, 10, 31, limits + struct.pack(">H", 0))
            self._send(0, 10, 40, _short(vhost) + b"\0\0")
            self._expect(10, 41)
            self._send(1, 20, 10, b"\0")
            self._expect(20, 11)
        except BaseException:
            self._socket.close()
            raise

    def require_queue(self, name):
        """How many messages wait in the queue; Refused(404) when it does not exist."""
        self._send(1, 50, 10, b"\0\0" + _short(name) + b"\x01" + _long(b""))
        answer = self._expect(50, 11)
        return struct.unpack_from(">I", answer, 1 + answer[0])[0]

    def close(self):
        """Says goodbye, so that the broker's log has no warning of us."""
        self._send(0, 10, 50, struct.pack(">H", 200) + b"\0" + b"\0\0\0\0")
        self._expect(10, 51)
        self._socket.close()

    def _send(self, channel, class_id, method_id, arguments):
        payload = struct.pack(">HH", class_id, method_id) + arguments
        self._socket.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def _receive(self, count):
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise Refused(0, "the broker closed the connection (a login that it refuses, or a broker that is stopping)")
            data += part
        return data

    def _expect(self, class_id, method_id):
        """The arguments of the next method, which must be this one."""
        while True:
            kind, _, size = struct.unpack(">BHI", self._receive(7))
            payload = self._receive(size + 1)[:-1]
            if kind != 1:
                continue
            method = struct.unpack(">HH", payload[:4])
            if method == (class_id, method_id):
                return payload[4:]
            if method in ((10, 50), (20, 40)):
                code, length = struct.unpack(">HB", payload[4:7])
                raise Refused(code, payload[7 : 7 + length].decode(errors="replace"))
            raise Refused(0, f"unexpected method {method}")
