"""A DTLS echo server for MicroPython: many clients on one UDP socket, each in its own task.

    micropython dtls_echo_server.py PORT CERTIFICATE KEY

CERTIFICATE and KEY are paths of PEM or DER files. Try it with dtls_client.py, or with

    openssl s_client -dtls1_2 -connect 127.0.0.1:PORT -CAfile CA
"""

import asyncio
import socket
import ssl
import sys

# Nobody says goodbye when a radio goes silent: a client unheard of for so long is let go.
IDLE_S = 60
# Connections cost memory. Who comes when there are so many has to wait and try again.
MAX_CLIENTS = 16


def make_context(certfile, keyfile):
    """One context serves all clients, for the server's whole life."""
    context = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    # Clients that offer a Connection ID stay known when a NAT gives them another port.
    context.dtls_cid = 8
    return context


def bind(port, host="0.0.0.0"):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(socket.getaddrinfo(host, port)[0][-1])
    return sock


def until_readable(stream):
    """Await this before accept(): asyncio itself has nothing to wait for a listener with."""
    yield asyncio.core._io_queue.queue_read(stream)


async def echo(connection, address):
    """Serves one client; whatever goes wrong with it ends only this task."""
    stream = asyncio.StreamReader(connection)
    try:
        while True:
            # One read is one datagram. The first one does the handshake on its way.
            data = await asyncio.wait_for(stream.read(2048), IDLE_S)
            if not data:
                break  # the client said goodbye
            # One write is one datagram. It is not sent again if it gets lost.
            connection.write(data)
    except asyncio.TimeoutError:
        print("client left in silence")
    except (OSError, ValueError) as error:
        print("client failed:", repr(error))
    finally:
        connection.close()


async def serve(listener, handler):
    """Starts handler(connection, address) for each client that comes. Runs for ever."""
    listener.setblocking(False)
    tasks = set()

    async def run(connection, address):
        try:
            await handler(connection, address)
        finally:
            tasks.discard(asyncio.current_task())

    while True:
        await until_readable(listener)
        try:
            accepted = listener.accept() if len(tasks) < MAX_CLIENTS else None
        except (OSError, MemoryError) as error:  # no memory, perhaps: the others go on
            print("accept failed:", repr(error))
            accepted = None
        if accepted:
            tasks.add(asyncio.create_task(run(*accepted)))
        else:
            await asyncio.sleep_ms(100)  # the client waits in the listener's backlog


async def main(port, certfile, keyfile):
    context = make_context(certfile, keyfile)
    with context.listen(bind(int(port))) as listener:
        print("serving dtls echo on port", port)
        await serve(listener, echo)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: dtls_echo_server.py PORT CERTIFICATE KEY")
        sys.exit(2)
    asyncio.run(main(*sys.argv[1:]))
