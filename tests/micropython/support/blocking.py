"""A link in memory whose ends wait: for threads. And what runs those."""

import io
import sys
import time

import _thread

POLL_RD, POLL_WR = 1, 4


def allocator_is_safe(main):
    """Whether threads may use Mbed TLS at the same time; of a program with these globals. Where
    that has its memory from the collector, as in unix's coverage variant, MicroPython locks the
    list of it from 1.26 on."""
    return "extra_coverage" not in main or sys.implementation.version >= (1, 26, 0)


def start(fun, *args):
    """A thread; the function to call for what it returns or raises."""
    result = []

    def run():
        try:
            result.append(fun(*args))
        except Exception as er:
            result.append(er)

    _thread.start_new_thread(run, ())

    def join():
        for _ in range(20000):
            if result:
                return result[0]
            time.sleep_ms(1)
        return "hangs"

    return join


class Pipe:
    """Bytes one way, `room` at most; or datagrams."""

    def __init__(self, room, datagrams):
        self.room = room
        self.datagrams = datagrams
        self.lock = _thread.allocate_lock()
        self.held = []
        self.size = 0
        self.closed = False

    def ready_to_get(self):
        return self.closed or self.size > 0

    def ready_to_put(self):
        return self.closed or self.size < self.room

    def get(self, buf):
        with self.lock:
            if not self.held:
                return 0 if self.closed else None
            first = self.held.pop(0)
            n = min(len(first), len(buf))
            buf[:n] = first[:n]
            self.size -= len(first)
            if n < len(first) and not self.datagrams:
                self.held.insert(0, first[n:])
                self.size += len(first) - n
            return n

    def put(self, data):
        with self.lock:
            if self.closed:
                return -32
            n = len(data) if self.datagrams else min(len(data), self.room - self.size)
            if self.size >= self.room:
                return None
            self.held.append(bytes(data[:n]))
            self.size += n
            return n


class Blocking(io.IOBase):
    """One end: each transfer waits until it can move something."""

    def __init__(self, rx, tx):
        self.rx = rx
        self.tx = tx
        self.reading = self.writing = 0  # calls under way
        self.together = False  # whether there were ever two of a kind
        self.timeout = None  # milliseconds

    def wait(self, move, buf):
        begin = time.ticks_ms()
        while True:
            n = move(buf)
            if n is not None:
                return n
            if self.timeout is not None and time.ticks_diff(time.ticks_ms(), begin) >= self.timeout:
                return -110
            time.sleep_ms(1)

    def readinto(self, buf):
        self.together = self.together or self.reading != 0
        self.reading += 1
        try:
            return self.wait(self.rx.get, buf)
        finally:
            self.reading -= 1

    def write(self, buf):
        self.together = self.together or self.writing != 0
        self.writing += 1
        try:
            return self.wait(self.tx.put, buf)
        finally:
            self.writing -= 1

    def ioctl(self, request, arg):
        if request == 3:
            ready = (POLL_RD if self.rx.ready_to_get() else 0) | (POLL_WR if self.tx.ready_to_put() else 0)
            return ready & arg
        if request == 4:
            self.rx.closed = self.tx.closed = True
            return 0
        return -22


def link(room=3000, datagrams=False):
    a, b = Pipe(room, datagrams), Pipe(room, datagrams)
    return Blocking(a, b), Blocking(b, a)
