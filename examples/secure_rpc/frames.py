"""The web socket protocol, the server's side (RFC 6455): text messages over a Connection."""

import asyncio
import hashlib
from binascii import a2b_base64, b2a_base64

from request import HttpError

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

NORMAL, PROTOCOL_ERROR, NOT_TEXT, NOT_UTF8, TOO_BIG = 1000, 1002, 1003, 1007, 1009


class Closing(Exception):
    """The connection is to be closed with this code."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def upgrade(request):
    """The header lines that accept a request to upgrade; HttpError."""
    key = request.header("sec-websocket-key") or ""
    if request.method != "GET" or "upgrade" not in request.tokens("connection"):
        raise HttpError(400)
    if request.header("sec-websocket-version") != VERSION:
        raise HttpError(426, ["Sec-WebSocket-Version: " + VERSION])
    try:
        if len(a2b_base64(key)) != 16:
            raise ValueError
    except ValueError:
        raise HttpError(400) from None
    accept = b2a_base64(hashlib.sha1(key.encode() + GUID).digest()).strip().decode()
    return ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + accept]


class WebSocket:
    def __init__(self, connection, max_message, frame_s, idle_s):
        self._connection = connection
        self._max_message = max_message
        self._frame_s = frame_s
        self._idle_s = idle_s

    async def receive(self):
        """The next text message as bytes of UTF-8. Closing when there will be none."""
        message = None
        while True:
            if message is None:
                await self._wait()
            frame = self._frame(len(message or b""))
            final, opcode, payload = await asyncio.wait_for(frame, self._frame_s)
            if opcode == CLOSE:
                raise Closing(NORMAL)
            if opcode == PING:
                await self._send(PONG, payload)
            elif opcode == BINARY:
                raise Closing(NOT_TEXT)
            elif opcode in (TEXT, CONTINUATION):
                if (opcode == TEXT) != (message is None):
                    raise Closing(PROTOCOL_ERROR)
                message = payload if message is None else message + payload
                if final:
                    return checked(message)
            elif opcode != PONG:
                raise Closing(PROTOCOL_ERROR)

    async def send(self, text):
        await self._send(TEXT, text)

    async def close(self, code):
        await self._send(CLOSE, code.to_bytes(2, "big"))

    async def _wait(self):
        """Waits for the peer; one that says nothing for too long is asked, once."""
        try:
            await self._connection.fill(self._idle_s)
        except asyncio.TimeoutError:
            await self._send(PING, b"")
            await self._connection.fill(self._idle_s)

    async def _frame(self, length_before):
        """(final, opcode, payload)"""
        first, second = await self._connection.read_exactly(2)
        final, opcode, length = first >= 0x80, first & 0x0F, second & 0x7F
        # No extension was agreed on; a client masks; control frames are short and whole.
        if first & 0x70 or second < 0x80 or opcode >= CLOSE and (not final or length > 125):
            raise Closing(PROTOCOL_ERROR)
        if length > 125:
            extended = await self._connection.read_exactly(2 if length == 126 else 8)
            length = int.from_bytes(extended, "big")
        if opcode < CLOSE and length_before + length > self._max_message:
            raise Closing(TOO_BIG)
        mask = await self._connection.read_exactly(4)
        payload = await self._connection.read_exactly(length)
        return final, opcode, unmasked(payload, mask)

    async def _send(self, opcode, payload):
        if isinstance(payload, str):
            payload = payload.encode()
        length = len(payload)
        head = bytes((0x80 | opcode,))
        if length < 126:
            head += bytes((length,))
        elif length < 65536:
            head += b"\x7e" + length.to_bytes(2, "big")
        else:
            head += b"\x7f" + length.to_bytes(8, "big")
        await self._connection.write(head + payload)


def unmasked(payload, mask):
    # As two long numbers: a loop over the bytes takes a hundred times as long.
    mask = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return number.to_bytes(len(payload), "big")


def checked(message):
    try:
        str(message, "utf-8")
    except ValueError:
        raise Closing(NOT_UTF8) from None
    return message
