"""Bytes and a number that survive deep sleep and a reset, in files.

The number is a counter for SSLSocket.export and SSLContext.restore. What it has come to is in its file
before advance() returns. A flash page wears out with some 100,000 writes, which a file system spreads. Where there
is memory that keeps its content without wear (an RTC with a battery, FRAM), keep the number there.
"""

import errno
import os


def load(path):
    """The file's bytes; None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise  # it is there, and nobody knows what is in it
        return None


def save(path, data):
    """Replaces the file, all or nothing. On a board it is on the flash then; a computer may still have it in
    memory when its power fails."""
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
        if data is None:
            return 0
        if len(data) != 4:
            raise ValueError("the counter is damaged")  # to begin anew would be to come to a number twice
        return int.from_bytes(data, "big")

    def next(self):
        return self.stored() + 1

    def advance(self, n):
        if n <= self.stored():
            raise ValueError("used before")
        save(self.path, n.to_bytes(4, "big"))
