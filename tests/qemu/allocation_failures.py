# Mbed TLS's Nth allocation fails, or all from the Nth on: nothing but ENOMEM comes of it, nothing
# is left behind, and the next connection works. Not at every N: a whole pass takes an hour.

import board, gc
import datagrams, link, pki


def tls_pair():
    return link.connected(link.client_context(pki.ca_der))[:2]


def dtls_pair():
    network = datagrams.Network()
    listener, _ = datagrams.listening(network)
    client, _ = datagrams.calling(network, b"client")
    return client, datagrams.meet(listener, client)


def is_no_memory(er):
    return getattr(er, "errno", 0) == 12


def talk(connect):
    """Whether a byte came across; "no memory" or another exception otherwise."""
    try:
        client, server = connect()
        client.write(b"x")
        # On a slow machine a datagram of the handshake may have come twice.
        arrived = any(server.read(1) == b"x" for _ in range(4))
        client.close()
        server.close()
        return arrived
    except AssertionError as er:  # of link.connected: what became of client and server
        return "no memory" if any(is_no_memory(e) for e in er.args[0]) else er
    except (OSError, ValueError) as er:
        return "no memory" if is_no_memory(er) else er


def in_use():
    gc.collect()
    gc.collect()
    return board.tracked()[0]


def points(count):
    """The first hundred of `count`, then fewer."""
    n = 1
    while n <= count:
        yield n
        n += 1 if n < 100 else 1 + n // 5


for name, connect in (("TLS", tls_pair), ("DTLS", dtls_pair)):
    talk(connect)
    gc.collect()
    board.begin()
    assert talk(connect) is True
    count = board.tracked()[2]
    before = in_use()
    print(name, "more than a hundred:", count > 100)
    for on in (False, True):
        failed = missed = 0
        for n in points(count):
            board.begin()  # the same random numbers, so the same allocations
            board.fail(n, on)
            result = talk(connect)
            pending = board.fail(0, False)
            missed += pending and not on
            if result == "no memory":
                failed += 1
            elif result is not True or on:  # once: after a collection the call is made again
                print(name, n, on, pending, "came to", repr(result))
            left = in_use()
            if left > before:
                print(name, n, on, "left", left - before, "bytes")
                before = left
        # One that fails once is mostly made again.
        print(name, "from N on:" if on else "N:", failed > (10 if on else 0), missed)
        print("the next connection:", talk(connect))
