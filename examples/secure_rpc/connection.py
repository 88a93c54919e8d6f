"""A TLS connection whose reads and writes are bounded in size and time."""

import asyncio


class TooLarge(Exception):
    """The peer sends more than is wanted."""


class Connection:
    """Over the streams of asyncio.start_server(ssl=...)."""

    CHUNK = 512

    def __init__(self, reader, writer, write_s=10):
        self._reader = reader
        self._writer = writer
        self._write_s = write_s
        self._buffer = b""

    @property
    def tls(self):
        """The SSLSocket."""
        return self._reader.s

    async def fill(self, timeout_s):
        """Waits until something is there to read. EOFError at the end, asyncio.TimeoutError."""
        if not self._buffer:
            await asyncio.wait_for(self._more(), timeout_s)

    async def read_until(self, end, limit):
        """Bytes up to and with `end`. TooLarge if they are more than `limit`."""
        searched = 0
        while True:
            found = self._buffer.find(end, searched)
            if found >= 0:
                return self._take(found + len(end), limit)
            if len(self._buffer) >= limit:
                raise TooLarge
            searched = max(0, len(self._buffer) - len(end) + 1)
            await self._more()

    async def read_exactly(self, count):
        while len(self._buffer) < count:
            await self._more()
        return self._take(count, count)

    async def discard(self, count=None):
        """Reads `count` bytes, or all until the end, and forgets them."""
        while count is None or count > 0:
            if not self._buffer:
                await self._more()
            gone = len(self._buffer) if count is None else min(count, len(self._buffer))
            self._buffer = self._buffer[gone:]
            if count is not None:
                count -= gone

    async def write(self, data):
        self._writer.write(data)
        await asyncio.wait_for(self._writer.drain(), self._write_s)

    async def close(self):
        await self._writer.wait_closed()

    def _take(self, count, limit):
        if count > limit:
            raise TooLarge
        data = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return data

    async def _more(self):
        # Kept at once: a timeout that cancels the caller must not lose it.
        data = await self._reader.read(self.CHUNK)
        if not data:
            raise EOFError
        self._buffer += data
