"""A TLS client and server in one MicroPython, over memory. Started by bench.py.

    pair.py CERTS VERSION handshakes none|verified|SUITE COUNT     time of each handshake
    pair.py CERTS VERSION wire none|verified|SUITE           bytes that a handshake sends
    pair.py CERTS VERSION refusals KEY_LENGTH COUNT          time of refused pre-shared keys
    pair.py CERTS VERSION refused wrong|unknown KEY_LENGTH COUNT     one kind of them
    pair.py CERTS VERSION memory                             needs memcount.so, preloaded
    pair.py CERTS VERSION throughput WRITE_SIZE MEGABYTES [SUITE]
    pair.py CERTS VERSION polls COUNT                        COUNT times 1000 polls of an idle connection

Prints one line of JSON. P-256, AES-256-GCM; or SUITE, but for throughput one with a pre-shared key,
at TLS 1.2. VERSION: "TLSv1.2", or "TLSv1.3" where it is compiled in.
"""

import gc
import json
import select
import sys
import time
import tls

sys.path.append(sys.argv[0].rsplit("/", 2)[0] + "/tests/micropython/support")

from memory_link import SUITE, handshake, offer, pipes
from sockets import loopback

certs, version, what, *arguments = sys.argv[1:]

PSK_SUITE = "TLS-PSK-WITH-AES-128-CCM-8"


def read(path):
    with open(certs + "/" + path, "rb") as file:
        return file.read()


IDENTITY = b"sensor-7"


def psk_contexts(suite=None, key_length=16, client_identity=IDENTITY, client_key=None):
    key = bytes(range(key_length))
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.server_psk_keys = {IDENTITY: key}
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.verify_mode = tls.CERT_NONE
    client.psk_identity = client_identity
    client.psk_key = client_key or key
    if suite is not None:
        client.set_ciphers([suite])
    return client, server


def contexts(verify, suite=SUITE):
    """verify: whether, or the suite of a pre-shared key. A client's, a server's, what the suite is called."""
    if isinstance(verify, str):
        return psk_contexts(verify) + (verify,)
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(read("ec.der"), read("ec.key.der"))
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if verify:
        client.load_verify_locations(read("ca.der"))
    client.verify_mode = tls.CERT_REQUIRED if verify else tls.CERT_NONE
    return client, server, offer(client, suite, version)


def time_handshakes(verify, count):
    client_context, server_context, suite = contexts(verify)
    times = []
    for _ in range(count):
        client_pipe, server_pipe = pipes()
        gc.collect()
        start = time.ticks_us()
        client, server = handshake(client_context, server_context, client_pipe, server_pipe)
        times.append(time.ticks_diff(time.ticks_us(), start))
        assert client.cipher()[0] == suite, client.cipher()
        client.close()
        server.close()
    times.sort()
    return {"min_us": times[0], "median_us": times[len(times) // 2]}


def step(connection):
    """Goes on with a handshake: True if it is done, False if it waits; or its OSError."""
    try:
        connection.do_handshake()
        return True
    except OSError as error:
        return False if error.errno in (2, 3) else error  # SSLWantReadError, SSLWantWriteError


def measure_wire(verify):
    client_pipe, server_pipe = pipes()
    client_context, server_context, _ = contexts(verify)
    client = client_context.wrap_socket(
        client_pipe, server_hostname="localhost", do_handshake_on_connect=False
    )
    server = server_context.wrap_socket(
        server_pipe, server_side=True, do_handshake_on_connect=False
    )
    done = [False, False]
    while done != [True, True]:
        done = [step(client), step(server)]
        assert all(isinstance(end, bool) for end in done), done
    return {"client_bytes": client_pipe.sent, "server_bytes": server_pipe.sent}


def refusal(client_context, server_context):
    """How long the server takes from the client's proof, which is wrong, to its alert."""
    client_pipe, server_pipe = pipes()
    client = client_context.wrap_socket(client_pipe, do_handshake_on_connect=False)
    server = server_context.wrap_socket(
        server_pipe, server_side=True, do_handshake_on_connect=False
    )
    gc.collect()
    while True:
        assert step(client) is False
        start = time.ticks_us()
        result = step(server)
        took = time.ticks_diff(time.ticks_us(), start)
        if result is not False:
            break
    assert result.errno == -29056, result  # MBEDTLS_ERR_SSL_INVALID_MAC
    assert step(client).errno == -30592  # MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
    client.close()
    server.close()
    return took


def refused_contexts(what, key_length):
    if what == "wrong":
        return psk_contexts(PSK_SUITE, key_length, client_key=bytes(key_length))
    return psk_contexts(PSK_SUITE, key_length, client_identity=b"sensor-8")


def time_refusals(key_length, count):
    """By turns, so that whatever else the machine does meets both."""
    kinds = {what: refused_contexts(what, key_length) for what in ("wrong", "unknown")}
    times = {what: [] for what in kinds}
    for _ in range(count):
        for what, pair in kinds.items():
            times[what].append(refusal(*pair))
    result = {}
    for what, taken in times.items():
        taken.sort()
        result[what + "_median_us"] = taken[len(taken) // 2]
        result[what + "_mean_us"] = sum(taken) / len(taken)
        # Without the slowest tenth, which the machine's other work makes slow.
        kept = taken[: len(taken) * 9 // 10]
        result[what + "_trimmed_mean_us"] = sum(kept) / len(kept)
    return result


def repeat_refused(what, key_length, count):
    pair = refused_contexts(what, key_length)
    for _ in range(count):
        refusal(*pair)
    return {"refused": count}


def measure_memory():
    import ffi

    libc = ffi.open(None)
    live = libc.func("l", "memcount_live", "")
    peak = libc.func("l", "memcount_peak", "")
    allocations = libc.func("l", "memcount_allocations", "")
    reset = libc.func("v", "memcount_reset", "")
    pairs = 8

    client_context, server_context, _ = contexts(True)
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


def measure_throughput(write_size, megabytes, suite=SUITE):
    client_context, server_context, suite = contexts(False, suite)
    client, server = handshake(client_context, server_context, *pipes())
    assert client.cipher()[0] == suite, client.cipher()
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


POLLED = 20  # connections


def measure_polls(count):
    """Of connections over sockets, as asyncio polls them all whenever one of them has something."""
    client_context, server_context, _ = contexts(False)
    ends = []
    for _ in range(POLLED):
        client, server = loopback(20300)
        for end in (client, server):
            end.setblocking(False)
        ends.append(client_context.wrap_socket(client, server_hostname="localhost", do_handshake_on_connect=False))
        ends.append(server_context.wrap_socket(server, server_side=True, do_handshake_on_connect=False))
    # The same whatever the module, and long enough for TCP's delays.
    for _ in range(30):
        for end in ends:
            assert end.read(1) is None
        time.sleep_ms(5)
    poller = select.poll()
    for end in ends[1::2]:
        poller.register(end, select.POLLIN)
    start = time.ticks_us()
    for _ in range(count * 1000 // POLLED):
        assert not poller.poll(0)
    return {"poll_us": time.ticks_diff(time.ticks_us(), start) / count / 1000}


KINDS = {"none": False, "verified": True}

if what == "handshakes":
    result = time_handshakes(KINDS.get(arguments[0], arguments[0]), int(arguments[1]))
elif what == "wire":
    result = measure_wire(KINDS.get(arguments[0], arguments[0]))
elif what == "refusals":
    result = time_refusals(int(arguments[0]), int(arguments[1]))
elif what == "refused":
    result = repeat_refused(arguments[0], int(arguments[1]), int(arguments[2]))
elif what == "memory":
    result = measure_memory()
elif what == "polls":
    result = measure_polls(int(arguments[0]))
elif what == "throughput":
    result = measure_throughput(int(arguments[0]), int(arguments[1]), *arguments[2:])
print(json.dumps(result))
