"""One connection: sends say= (hexadecimal) until something comes back, exchanges= times.

mode=blocking   wrap_socket() handshakes
mode=deferred   the handshake happens in read()
hibernate=1     between each write and read (of modes that block); prints how often
mode=asyncio    on a socket that does not block, in asyncio
state=FILE      one of several lives (of modes that block): goes on with what is in the file, if it is there, and
                leaves the connection in it, without a word to the server; bind= a port of its own
"""

import asyncio
import errno
import sys
import time

from options import address, connection_ids, context, options, read, udp

given = options()
mode = given.get("mode", "blocking")
question = bytes.fromhex(given.get("say", b"hello\n".hex()))
exchanges = int(given.get("exchanges", 1))
TRIES = 30
start = time.ticks_ms()
slept = 0


def rest(connection):
    global slept
    if "hibernate" in given:
        slept += connection.hibernate()


def said(connection, answer):
    print("CIPHER", *connection.cipher())
    print("CID", connection_ids(connection), "BAD", connection.bad_records)
    print("HINT", connection.psk_identity_hint)
    print("ANSWER", answer.hex())


def ask(connection):
    for _ in range(TRIES):
        rest(connection)
        connection.write(question)
        rest(connection)
        try:
            return connection.read(2048)
        except OSError as error:
            if error.errno not in (errno.ETIMEDOUT, errno.EAGAIN):
                raise
    raise OSError(errno.ETIMEDOUT)


def last_life():
    try:
        return read(given["state"])
    except OSError:
        return None


def leave(connection):
    state = connection.export(key=bytes(16))
    with open(given["state"], "wb") as file:
        file.write(state)
    print("STATE", len(state))


def blocking():
    sock = udp()
    if "bind" in given:
        sock.bind(address(given["bind"]))
    sock.connect(address(given["port"]))
    if "limit" in given:
        sock.settimeout(float(given["limit"]))
    print("START")
    state = last_life() if "state" in given else None
    if state:
        connection = ctx.restore(sock, state, key=bytes(16))
        print("WENT ON")
    else:
        connection = ctx.wrap_socket(
            sock, server_hostname="localhost", do_handshake_on_connect=mode == "blocking"
        )
    if mode == "deferred":
        try:
            connection.read(1)
        except OSError as error:  # nothing to read in time; but the handshake
            if connection.cipher() is None:
                raise
    print("HANDSHAKE", time.ticks_diff(time.ticks_ms(), start))
    connection.settimeout(1)
    for _ in range(exchanges):
        said(connection, ask(connection))
    rest(connection)
    print("SLEPT", slept)
    if "state" in given:
        leave(connection)
    else:
        connection.close()


def until_readable(stream):
    yield asyncio.core._io_queue.queue_read(stream)


async def nonblocking():
    sock = udp()
    sock.connect(address(given["port"]))
    sock.setblocking(False)
    connection = ctx.wrap_socket(
        sock, server_hostname="localhost", do_handshake_on_connect=False
    )
    stream = asyncio.StreamReader(connection)
    print("START")
    while connection.cipher() is None:
        try:
            connection.do_handshake()
        except OSError as error:
            if error.errno not in (2, 3):  # SSLWantReadError, SSLWantWriteError
                raise
            await until_readable(connection)
    print("HANDSHAKE", time.ticks_diff(time.ticks_ms(), start))
    for _ in range(exchanges):
        for _ in range(TRIES):
            connection.write(question)
            try:
                answer = await asyncio.wait_for(stream.read(2048), 1)
                break
            except asyncio.TimeoutError:
                pass
        said(connection, answer)
    connection.close()


ctx = context(given)
try:
    if mode == "asyncio":
        asyncio.run(nonblocking())
    else:
        blocking()
except (OSError, ValueError, KeyboardInterrupt) as error:
    print("RAISED", repr(error), "AFTER", time.ticks_diff(time.ticks_ms(), start))
    sys.exit(1)
