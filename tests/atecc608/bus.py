"""machine.I2C, as far as the driver needs it, to tests/atecc608/simulator.py."""

import socket

ENODEV = 19
WAKE_LOW_US = 60


class I2C:
    def __init__(self, port, freq=100_000):
        self.freq = freq
        self.sock = socket.socket()
        self.sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])

    def _read(self, n):
        data = b""
        while len(data) < n:
            data += self.sock.recv(n - len(data))
        return data

    def _send(self, kind, address, n, data=b""):
        self.sock.send(kind + bytes((address, n >> 8, n & 0xFF)) + data)
        if self._read(1) != b"\1":
            raise OSError(ENODEV)

    def writeto(self, address, data):
        # The eight bits of address 0 are the pulse that wakes the chip, if it is long enough.
        if address == 0 and 8_000_000 // self.freq < WAKE_LOW_US:
            raise OSError(ENODEV)
        self._send(b"W", address, len(data), data)
        return len(data)

    def readfrom(self, address, n):
        self._send(b"R", address, n)
        return self._read(n)
