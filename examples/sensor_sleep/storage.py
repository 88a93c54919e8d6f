"""Bytes and a number that survive deep sleep and a reset, in files.

The number is a counter for SSLSocket.export and SSLContext.restore. What it has come to is on the flash
before advance() returns. A flash page wears out with some 100,000 writes, which a file system spreads. Where there
is memory that keeps its content without wear (an RTC with a battery, FRAM), keep the number there.
"""

import os


def load(path):
    """The file's bytes, or b"" if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def save(path, data):
    """Replaces the file, all or nothing, even if the power fails."""
    new = path + ".new"
    with open(new, "wb") as file:
        file.write(data)
        file.flush()
    if hasattr(os, "sync"):
        os.sync()
    os.rename(new, path)
    if hasattr(os, "sync"):
        os.sync()


def remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


class Counter:
    """Never comes to the same number twice."""

    def __init__(self, path):
        self.path = path

    def stored(self):
        data = load(self.path)
        return int.from_bytes(data, "big") if len(data) == 4 else 0

    def next(self):
        return self.stored() + 1

    def advance(self, n):
        if n <= self.stored():
            raise ValueError("used before")
        save(self.path, n.to_bytes(4, "big"))
