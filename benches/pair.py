"""A TLS client and server in one MicroPython, over memory. Started by bench.py.

    pair.py CERTS handshakes none|verified COUNT     time of each handshake
    pair.py CERTS memory                             needs memcount.so, preloaded
    pair.py CERTS throughput WRITE_SIZE MEGABYTES

Prints one line of JSON. P-256, ECDHE-ECDSA-AES256-GCM, TLS 1.2.
"""

import gc
import json
import sys
import time
import tls

from memory_link import SUITE, handshake, pipes

certs, what = sys.argv[1:3]
arguments = sys.argv[3:]


def read(path):
    with open(certs + "/" + path, "rb") as file:
        return file.read()


def contexts(verify):
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(read("ec.der"), read("ec.key.der"))
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.set_ciphers([SUITE])
    if verify:
        client.load_verify_locations(read("ca.der"))
    client.verify_mode = tls.CERT_REQUIRED if verify else tls.CERT_NONE
    return client, server


def time_handshakes(verify, count):
    client_context, server_context = contexts(verify)
    times = []
    for _ in range(count):
        client_pipe, server_pipe = pipes()
        gc.collect()
        start = time.ticks_us()
        client, server = handshake(client_context, server_context, client_pipe, server_pipe)
        times.append(time.ticks_diff(time.ticks_us(), start))
        assert client.cipher()[0] == SUITE, client.cipher()
        client.close()
        server.close()
    times.sort()
    return {"min_us": times[0], "median_us": times[len(times) // 2]}


def measure_memory():
    import ffi

    libc = ffi.open(None)
    live = libc.func("l", "memcount_live", "")
    peak = libc.func("l", "memcount_peak", "")
    allocations = libc.func("l", "memcount_allocations", "")
    reset = libc.func("v", "memcount_reset", "")
    pairs = 8

    client_context, server_context = contexts(True)
    # One pair ahead, for what is made once and kept.
    for end in handshake(client_context, server_context, *pipes()):
        end.close()
    ends = [pipes() for _ in range(pairs)]
    clients, servers = [None] * pairs, [None] * pairs

    def in_use():
        gc.collect()
        gc.collect()
        return gc.mem_alloc(), live()

    before = in_use()
    reset()
    clients[0], servers[0] = handshake(client_context, server_context, *ends[0])
    counted, highest = allocations(), peak() - before[1]
    for index in range(1, pairs):
        clients[index], servers[index] = handshake(client_context, server_context, *ends[index])
    both = in_use()
    for index in range(pairs):
        servers[index].close()
        servers[index] = None
    clients_only = in_use()
    for index in range(pairs):
        clients[index].close()
        clients[index] = None
    after = in_use()
    return {
        "allocations_per_verified_pair": counted,
        "peak_malloc_of_verified_pair": highest,
        "client_gc": (clients_only[0] - after[0]) // pairs,
        "client_malloc": (clients_only[1] - after[1]) // pairs,
        "server_gc": (both[0] - clients_only[0]) // pairs,
        "server_malloc": (both[1] - clients_only[1]) // pairs,
        "left_over_malloc": after[1] - before[1],
    }


def measure_throughput(write_size, megabytes):
    client, server = handshake(*(contexts(False) + pipes()))
    data = memoryview(bytes(write_size))
    received = bytearray(write_size)
    total = megabytes * 1000000
    done = 0
    start = time.ticks_us()
    while done < total:
        count = client.write(data)
        got = 0
        while got < count:
            got += server.readinto(received, count - got)
        done += count
    return {"megabytes_per_s": done / time.ticks_diff(time.ticks_us(), start)}


if what == "handshakes":
    result = time_handshakes(arguments[0] == "verified", int(arguments[1]))
elif what == "memory":
    result = measure_memory()
elif what == "throughput":
    result = measure_throughput(int(arguments[0]), int(arguments[1]))
print(json.dumps(result))
