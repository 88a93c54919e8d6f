"""What qemu.py measures, on the board. Prints JSON. It is sent there behind memory_link.py and a
line each for WHAT, VERSION, CA and the credentials that are needed, so that nothing else is in the
heap: how long an allocation searches, and upstream's module makes a hundred thousand in a handshake,
depends on what is.

WHAT is "pair": handshakes, heap and records; "chain": handshakes with a chain of two certificates;
or "records": the making of contexts, handshakes and records by AES-128-GCM.

Instructions come from QEMU's -icount, heap from the garbage collector and from the counted
allocator of ports/qemu/board. Between two figures nothing else runs, and the board's clock and
random sequence start anew, so a second run comes to the same numbers.
"""

import board
import gc
import json
import tls

PIPE = 6000  # a flight of the handshake, or a record
RECORD = 4096  # what fits the outgoing buffer of upstream's configuration
PSK_SUITE = "TLS-PSK-WITH-AES-128-CCM-8"
figures = {}


def contexts(suite=SUITE):
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    if WHAT != "chain":
        server.load_cert_chain(EC, EC_KEY)
    elif hasattr(server, "psk_key"):
        server.load_cert_chain(CHAIN_PEM, LEAF_KEY)
    else:
        # Upstream's configuration has no PEM. A second call of its module appends.
        server.load_cert_chain(LEAF, LEAF_KEY)
        server.load_cert_chain(INTERMEDIATE, LEAF_KEY)
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(CA)
    return client, server, offer(client, suite, VERSION)


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def counted(name, both, ends):
    """A handshake from here, into figures."""
    client_context, server_context, suite = both
    gc.collect()
    board.begin()
    held = board.tracked()[0]
    start = board.instructions()
    client, server = handshake(client_context, server_context, *ends)
    figures[name + "_instructions"] = board.instructions() - start
    _, peak, allocations = board.tracked()
    figures[name + "_peak"] = peak - held
    figures[name + "_allocations"] = allocations
    figures[name + "_stack"] = board.stack()
    assert client.cipher()[0] == suite, client.cipher()
    return client, server


def carry(sender, receiver, data, into):
    """16 KB, in four records: the instructions of both ends."""
    gc.collect()
    start = board.instructions()
    for _ in range(4):
        assert sender.write(data) == RECORD
        got = 0
        while got < RECORD:
            got += receiver.readinto(into[got:])
    return board.instructions() - start


def in_heaps(prefix, suite=SUITE):
    """How long an allocation searches is a matter of what lies where, so: in three heaps."""
    for occupied in (0, 200, 400):
        ballast = [bytearray(40) for _ in range(occupied)]
        for index in range(0, occupied, 2):
            ballast[index] = None
        gc.collect()
        for end in counted("%sheap_%d" % (prefix, occupied), contexts(suite), ends):
            end.close()


ends = pipes(PIPE)
if WHAT == "records":
    gc.collect()
    for end, protocol in (("client", tls.PROTOCOL_TLS_CLIENT), ("server", tls.PROTOCOL_TLS_SERVER)):
        start = board.instructions()
        context = tls.SSLContext(protocol)
        figures[end + "_context_instructions"] = board.instructions() - start
    del context
    in_heaps("aes_128_", AES_128_SUITE)
    client, server = counted("aes_128", contexts(AES_128_SUITE), ends)
    data, into = memoryview(bytes(RECORD)), memoryview(bytearray(RECORD))
    figures["aes_128_to_server_instructions"] = carry(client, server, data, into)
    figures["aes_128_to_client_instructions"] = carry(server, client, data, into)
else:
    in_heaps("")

if WHAT == "pair":
    before = in_use()
    both = contexts()
    figures["contexts_heap"] = in_use() - before
    before = in_use()
    client, server = counted("verified", both, ends)
    connected = in_use()
    data, into = memoryview(bytes(RECORD)), memoryview(bytearray(RECORD))
    figures["to_server_instructions"] = carry(client, server, data, into)
    figures["to_client_instructions"] = carry(server, client, data, into)
    del data, into
    # A closed connection keeps its Python object until that is dropped.
    with_both = in_use()
    server.close()
    server = None
    client_only = in_use()
    client.close()
    client = None
    figures["server_heap"] = with_both - client_only
    figures["client_heap"] = client_only - in_use()
    figures["pair_heap"] = connected - before

    both = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    if hasattr(both[0], "psk_key"):  # not in upstream's releases
        both[0].psk_identity = b"sensor-7"
        both[0].psk_key = bytes(range(16))
        both[1].server_psk_keys = {b"sensor-7": bytes(range(16))}
        counted("psk", both + (offer(both[0], PSK_SUITE, VERSION),), ends)
print(json.dumps(figures))
