"""Runs the examples with a measuring context around theirs. Started by demo.py, in MicroPython.

    demo_probe.py EXAMPLES MALLINFO server PORT CERTIFICATE KEY
    demo_probe.py EXAMPLES MALLINFO client HOST PORT PATH CAFILE

Prints one line of JSON, marked PROBE, for each connection. MALLINFO is 1 where
mallinfo2() may be called with a pointer to its result as only argument.
"""

import gc
import json
import sys
import time

examples, mallinfo, role = sys.argv[1:4]
arguments = sys.argv[4:]
sys.path.insert(0, examples)

MALLINFO2_SIZE = 80  # ten size_t
MALLINFO2_UORDBLKS = 7  # bytes in use

malloc_in_use = lambda: None
if mallinfo == "1":
    try:
        import array
        import ffi

        libc_mallinfo2 = ffi.open(None).func("v", "mallinfo2", "p")
        result = array.array("Q", bytes(MALLINFO2_SIZE))

        def malloc_in_use():
            libc_mallinfo2(result)
            return result[MALLINFO2_UORDBLKS]

    except (ImportError, OSError):
        pass  # built without ffi, or another libc: malloc stays unmeasured


def heap_in_use():
    gc.collect()
    gc.collect()  # what finalisers gave up in the first pass
    return gc.mem_alloc(), malloc_in_use()


class MeasuringContext:
    """Passes wrap_socket on to the real context, with figures about it."""

    def __init__(self, context):
        self.context = context

    def wrap_socket(self, sock, **options):
        # What does not wait for its handshake waits here, to have it measured.
        waits = options.pop("do_handshake_on_connect", True)
        if not waits:
            sock.setblocking(True)
        gc_before, malloc_before = heap_in_use()
        start = time.ticks_us()
        connection = self.context.wrap_socket(sock, **options)
        handshake_us = time.ticks_diff(time.ticks_us(), start)
        gc_after, malloc_after = heap_in_use()
        cipher, protocol = connection.cipher()
        figures = {
            "protocol": protocol,
            "cipher": cipher,
            "handshake_us": handshake_us,
            "gc_bytes": gc_after - gc_before,
            "malloc_bytes": None if malloc_after is None else malloc_after - malloc_before,
        }
        if not waits:
            connection.setblocking(False)
        print("PROBE", json.dumps(figures))
        return connection


if role == "server":
    import https_server

    port, certfile, keyfile = arguments
    context = MeasuringContext(https_server.make_context(certfile, keyfile))
    listener = https_server.listen(int(port), "127.0.0.1")
    print("READY")
    while True:
        https_server.serve_one(listener, context)
else:
    import https_client

    host, port, path, cafile = arguments
    context = MeasuringContext(https_client.make_context(cafile))
    status, body = https_client.fetch(host, int(port), path, context)
    print("STATUS", status)
    print("BODY", json.dumps(body.decode()))
