"""A CoAP server over DTLS (coaps, RFC 7252) for MicroPython: GET, and nothing else.

    micropython coap_server.py PORT CERTIFICATE KEY

CERTIFICATE and KEY are paths of PEM or DER files; coaps has the port 5684. Try it with Debian's
package libcoap3-bin:

    coap-client-openssl -R CA coaps://localhost:5684/.well-known/core
"""

import asyncio
import socket
import ssl
import sys
import time

IDLE_S = 300
MAX_CLIENTS = 16

# RFC 7252 3: the types of messages; 12.1: codes, class << 5 | detail.
CONFIRMABLE, NON_CONFIRMABLE, ACKNOWLEDGEMENT, RESET = range(4)
EMPTY = 0x00
GET = 0x01
CONTENT, BAD_OPTION, NOT_FOUND, NOT_ALLOWED = 0x45, 0x82, 0x84, 0x85
# 12.2: options, and the formats of content.
URI_HOST, URI_PORT, URI_PATH, CONTENT_FORMAT, URI_QUERY, ACCEPT = 3, 7, 11, 12, 15, 17
TEXT, LINKS = 0, 40


def hello():
    return TEXT, b"Hello from MicroPython over DTLS\n"


def uptime():
    return TEXT, b"%d\n" % (time.ticks_ms() // 1000)


def links():
    return LINKS, b",".join(b"</%s>" % path for path in RESOURCES)


RESOURCES = {b"hello": hello, b"uptime": uptime, b".well-known/core": links}


def decode(message):
    """(type, code, message id, token, [(option, value)], payload).

    ValueError or IndexError if it is no message.
    """
    if message[0] >> 6 != 1:
        raise ValueError("not CoAP's version 1")
    token_length = message[0] & 15
    if token_length > 8 or len(message) < 4 + token_length:
        raise ValueError("token")
    position = 4 + token_length
    token = message[4:position]

    def extended(nibble):
        nonlocal position
        if nibble < 13:
            return nibble
        if nibble == 15:
            raise ValueError("option")
        size, base = (1, 13) if nibble == 13 else (2, 269)
        value = int.from_bytes(message[position : position + size], "big")
        position += size
        return base + value

    options = []
    option = 0
    while position < len(message) and message[position] != 0xFF:
        first = message[position]
        position += 1
        option += extended(first >> 4)
        length = extended(first & 15)
        if position + length > len(message):
            raise ValueError("option")
        options.append((option, message[position : position + length]))
        position += length
    payload = message[position + 1 :]
    return (message[0] >> 4) & 3, message[1], message[2:4], token, options, payload


def encode(kind, code, message_id, token=b"", content=None):
    """A response without content, or with content = (format, payload)."""
    head = bytes((0x40 | kind << 4 | len(token), code)) + message_id + token
    if content is None:
        return head
    content_format, payload = content
    value = bytes((content_format,)) if content_format else b""
    return head + bytes((CONTENT_FORMAT << 4 | len(value),)) + value + b"\xff" + payload


def respond(code, options):
    """(code, content) for a request."""
    path = []
    for option, value in options:
        if option == URI_PATH:
            path.append(value)
        elif option & 1 and option not in (URI_HOST, URI_PORT, URI_QUERY, ACCEPT):
            return BAD_OPTION, None  # odd ones must not be ignored (5.4.1)
    resource = RESOURCES.get(b"/".join(path))
    if resource is None:
        return NOT_FOUND, None
    if code != GET:
        return NOT_ALLOWED, None
    return CONTENT, resource()


def answer(message, ids):
    """The datagram to answer a datagram with, or None."""
    try:
        kind, code, message_id, token, options, _ = decode(message)
    except (ValueError, IndexError):
        return None  # not a message at all: ignored
    if kind == CONFIRMABLE and (code == EMPTY or code >> 5):
        return encode(RESET, EMPTY, message_id)  # a ping (4.3), or a response to nothing
    if kind not in (CONFIRMABLE, NON_CONFIRMABLE) or code == EMPTY or code >> 5:
        return None
    code, content = respond(code, options)
    if kind == CONFIRMABLE:
        # GET may be done twice: a request that comes again is just answered again.
        return encode(ACKNOWLEDGEMENT, code, message_id, token, content)
    return encode(NON_CONFIRMABLE, code, next(ids), token, content)


def message_ids():
    n = time.ticks_us()
    while True:
        n = (n + 1) & 0xFFFF
        yield n.to_bytes(2, "big")


async def client(connection):
    """Serves one client; whatever goes wrong with it ends only this task."""
    stream = asyncio.StreamReader(connection)
    ids = message_ids()
    try:
        while True:
            # One read is one datagram. The first one does the handshake on its way.
            message = await asyncio.wait_for(stream.read(1280), IDLE_S)
            if not message:
                break  # the client said goodbye
            reply = answer(message, ids)
            if reply:
                connection.write(reply)
    except asyncio.TimeoutError:
        pass
    except (OSError, ValueError) as error:
        print("client failed:", repr(error))
    finally:
        connection.close()


def until_readable(stream):
    yield asyncio.core._io_queue.queue_read(stream)


def make_context(certfile, keyfile):
    context = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    context.dtls_cid = 8  # clients behind a NAT stay known
    return context


async def serve(context, port):
    """Serves all clients, for ever."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(socket.getaddrinfo("0.0.0.0", int(port))[0][-1])
    tasks = set()

    async def run(connection):
        try:
            await client(connection)
        finally:
            tasks.discard(asyncio.current_task())

    with context.listen(sock) as listener:
        listener.setblocking(False)
        print("serving coaps on port", port)
        while True:
            await until_readable(listener)
            try:
                accepted = listener.accept() if len(tasks) < MAX_CLIENTS else None
            except (OSError, MemoryError) as error:
                print("accept failed:", repr(error))
                accepted = None
            if accepted:
                tasks.add(asyncio.create_task(run(accepted[0])))
            else:
                await asyncio.sleep_ms(100)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: coap_server.py PORT CERTIFICATE KEY")
        sys.exit(2)
    asyncio.run(serve(make_context(*sys.argv[2:]), sys.argv[1]))
