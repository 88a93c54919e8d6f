"""A server for many clients, with the accept loop of examples/dtls_echo_server.py.

app=echo  sends everything back; "stats" is answered with the memory in use
app=coap  examples/network/coap_server.py
"""

import asyncio
import gc
import socket
import sys

import coap_server
import dtls_echo_server

from options import address, connection_ids, context, options, udp

given = options()
dtls_echo_server.MAX_CLIENTS = int(given.get("clients", 16))
dtls_echo_server.IDLE_S = coap_server.IDLE_S = float(given.get("idle", 60))
live = 0


def malloc_in_use():
    """Bytes of malloc'd blocks, of malloc_info(); None where the C library has none."""
    try:
        import ffi

        libc = ffi.open(None)
        fopen, fclose = libc.func("P", "fopen", "ss"), libc.func("i", "fclose", "P")
        malloc_info = libc.func("i", "malloc_info", "iP")
    except (ImportError, OSError):
        return None
    name = given["scratch"]
    file = fopen(name, "w")
    malloc_info(0, file)
    fclose(file)
    with open(name) as report:
        text = report.read()
    # The totals of all arenas come last.
    text = text[text.rfind("</heap>") :]

    def size(what):
        at = text.find(what)
        at = text.find('size="', at) + 6
        return int(text[at : text.find('"', at)])

    return (
        size('<system type="current"')
        + size('<total type="mmap"')
        - size('<total type="fast"')
        - size('<total type="rest"')
    )


def stats():
    gc.collect()
    malloc = malloc_in_use()
    gc.collect()
    return b"%d %d %d %d" % (gc.mem_alloc(), malloc or 0, listener.dropped, live)


scratch_queue = asyncio.core.TaskQueue()
scratch_task = asyncio.core.Task(None)


def let_go():
    """Makes the current task, which is about to end, forget what it knew of other tasks.

    The queue of asyncio leaves in each task a pointer to the last one that was queued behind it:
    a task that ended keeps another that ended, and so on; a chance number of them, 448 bytes each,
    stays in use. Queued once more, it points to a task that lives on.
    """
    scratch_queue.push(asyncio.current_task(), 1)
    scratch_queue.push(scratch_task, 2)
    scratch_queue.pop()
    scratch_queue.pop()


async def echo(connection, client):
    global live
    live += 1
    stream = asyncio.StreamReader(connection)
    told = False
    try:
        while True:
            data = await asyncio.wait_for(stream.read(2048), dtls_echo_server.IDLE_S)
            if not data:
                break
            if not told and "quiet" not in given:
                told = True
                cert = connection.getpeercert(True)
                print("CLIENT", *connection.cipher(), "CID", connection_ids(connection))
                print("CERTIFICATE", cert and len(cert))
                print("IDENTITY", connection.psk_identity)
            if "hibernate_after" in given:
                print("SLEEPS", connection.hibernating)
            connection.write(stats() if data == b"stats" else data)
    except asyncio.TimeoutError:
        pass
    except (OSError, ValueError) as error:
        if "quiet" not in given:
            print("FAILED", repr(error))
    finally:
        live -= 1
        connection.close()
        let_go()


async def coap(connection, client):
    await coap_server.client(connection)


async def main():
    global listener
    sock = udp()
    sock.setsockopt(socket.SOL_SOCKET, 8, 1 << 20)  # SO_RCVBUF
    sock.bind(address(given["port"]))
    with context(given, server=True).listen(sock, backlog=int(given.get("backlog", 4))) as listener:
        print("READY")
        await dtls_echo_server.serve(listener, coap if given.get("app") == "coap" else echo)


asyncio.run(main())
