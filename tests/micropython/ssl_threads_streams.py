# Threads on a connection over a stream that waits and does not say so: one reads, another
# writes, closes, hibernates.
# skip: before MicroPython 1.26, threads break the list of what Mbed TLS has of the collector's heap

try:
    import _thread, ssl, sys, time, tls
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from blocking import allocator_is_safe, link, start
from link import EBADF, ETIMEDOUT, client_context, server_context

if not allocator_is_safe(globals()):
    print("SKIP")
    raise SystemExit


HELLO_VERIFY_REQUIRED = -0x6A80


def connected(room=3000):
    """Client, server, and the streams below them."""
    client_end, server_end = link(room)
    join = start(lambda: contexts[1].wrap_socket(server_end, server_side=True))
    client = contexts[0].wrap_socket(client_end)
    return client, join(), client_end, server_end


def number_of(er):
    return er.errno if isinstance(er, OSError) else er


def wait_until_reading(end):
    while not end.reading:
        time.sleep_ms(1)


def exchange():
    # One waits in the transport; another writes meanwhile, polls, asks, hibernates.
    client, server, client_end, server_end = connected()
    buf = bytearray(5)
    for wait in (
        lambda: server.read(5),
        lambda: server.recv(5),
        lambda: server.readline(),
        lambda: server.readinto(buf),
    ):
        join = start(wait)
        wait_until_reading(server_end)
        for _ in range(20):
            assert server.write(b"hello") == 5
            assert client.read(5) == b"hello"
        print(server.version(), server.pending(), server_end.reading)
        asleep = server.hibernate()
        print(asleep == server.hibernating, server_end.reading)
        client.write(b"line\n")
        print(join())
    # A part of a record has come.
    join = start(lambda: server.read(5))
    wait_until_reading(server_end)
    whole = client_end.tx.put
    for n in (3, 4, 9):
        parts = []
        client_end.tx.put = lambda data: parts.append(bytes(data)) or len(data)
        client.write(b"parts")
        client_end.tx.put = whole
        client_end.tx.put(parts[0][:n])
        time.sleep_ms(20)
        assert server.write(b"hello") == 5 and client.read(5) == b"hello"
        asleep = server.hibernate()
        client_end.tx.put(parts[0][n:])
        print(asleep, join())
        join = start(lambda: server.read(5))
        wait_until_reading(server_end)
    client.close()
    print(join())
    server.close()
    print(client_end.together, server_end.together)


def both_ways():
    # Both ends write more than the link takes, and both read: nobody waits for ever.
    client, server, client_end, server_end = connected()
    data = bytes(range(256)) * 80

    def send(sock):
        return sum(sock.write(data) for _ in range(5))

    def receive(sock):
        buf = bytearray(len(data))
        return all(sock.readinto(buf) == len(buf) and buf == data for _ in range(5))

    joins = [start(fun, sock) for sock in (client, server) for fun in (send, receive)]
    print([join() for join in joins])

    # Two write to one connection, two read from one: each call's bytes stay together.
    whole = b"a" * 20000, b"b" * 20000
    joins = [start(client.write, part) for part in whole]
    joins.append(start(server.read, 20000))
    joins.append(start(server.read, 20000))
    got = [join() for join in joins]
    print(got[:2], sorted(got[2:]) == list(whole))
    print(client_end.together, server_end.together)

    # A buffer that another thread makes shorter while it is written.
    shrinks = bytearray(b"s" * 3500)
    join = start(lambda: client.write(shrinks))
    while not client_end.writing:
        time.sleep_ms(1)
    shrinks[:] = b""
    print(server.read(3500) == b"s" * 3500, isinstance(join(), int))
    print(client.write(b"next"), server.recv(100))
    client.close()
    server.close()


def buffers_of_who_waits():
    # A buffer that is resized while its call waits behind another thread's: where it is then counts, and what
    # is no longer there is neither read to nor written.
    client, server, client_end, server_end = connected()
    for more in (bytes(1000), None):
        buf = bytearray(8)
        first = start(client.read, 5)
        wait_until_reading(client_end)
        second = start_to_wait(client.readinto, buf)
        resize(buf, more)
        neighbours = [bytearray(8) for _ in range(20)]
        server.write(b"first")
        print(first())
        if more:
            server.write(b"a second")
        print(number_of(second()), bytes(buf[:12]), any(any(buf) for buf in neighbours))

        text = bytearray(b"as it was")
        first = start(client.write, bytes(3500))
        while not client_end.writing:
            time.sleep_ms(1)
        second = start_to_wait(client.write, text)
        resize(text, more)
        neighbours = [bytearray(b"neighbour") for _ in range(20)]
        print(server.read(3500) == bytes(3500), first(), number_of(second()))
        client.write(b"whole")
        print(server.recv(100) + (server.recv(100) if more else b""))
    client.close()
    server.close()


def start_to_wait(fun, buf):
    """A thread that waits for its turn by now."""
    begun = []
    join = start(lambda: begun.append(True) or fun(buf))
    while not begun:
        time.sleep_ms(1)
    time.sleep_ms(200)
    return join


def resize(buf, more):
    if more:
        buf.extend(more)
    else:
        buf[:] = b""


def closing():
    for wait in (
        lambda client: client.read(1),
        lambda client: client.readline(),
        lambda client: client.readinto(bytearray(5)),
        lambda client: [client.write(bytes(5000)) for _ in range(50)],
        lambda client: client.unwrap(),
    ):
        client, server, client_end, server_end = connected()
        join = start(wait, client)
        time.sleep_ms(30)
        begin = time.ticks_ms()
        client.close()
        took = time.ticks_diff(time.ticks_ms(), begin)
        print(number_of(join()) == EBADF, took < 2000 or took)
        server.close()

    # The peer is told.
    client, server, client_end, server_end = connected()
    join = start(lambda: client.read(1))
    wait_until_reading(client_end)
    client.close()
    print(server.read(), server.close_notify_received, number_of(join()) == EBADF)
    server.close()


def failing():
    # What the transport reports or raises is the reader's; nothing is lost, and the writer
    # does not see it.
    client, server, client_end, server_end = connected()
    server_end.timeout = 30
    for _ in range(2):
        join = start(lambda: server.read(5))
        wait_until_reading(server_end)
        assert server.write(b"hello") == 5 and client.read(5) == b"hello"
        print(number_of(join()) == ETIMEDOUT)
    client.write(b"abc")
    try:
        server.readline()
    except OSError as er:
        print(er.errno == ETIMEDOUT)
    client.write(b"def\n")
    print(server.readline())

    get = server_end.rx.get

    def fails(buf):
        raise RuntimeError("from the stream")

    server_end.rx.get = fails
    join = start(lambda: server.read(5))
    print(join())
    server_end.rx.get = get
    client.write(b"still")
    print(server.read(5))

    # A write that fails goes on where it was.
    client_end.timeout = 20
    data = bytes(range(250)) * 40
    try:
        client.write(data)
    except OSError as er:
        print(er.errno == ETIMEDOUT)
    join = start(lambda: server.read(len(data)))
    print(client.write(data), join() == data)
    client.close()
    server.close()


def handshakes():
    # Two threads that both need the handshake.
    client_end, server_end = link()
    client = contexts[0].wrap_socket(client_end, do_handshake_on_connect=False)
    server = contexts[1].wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    joins = [start(fun, 5) for fun in (client.read, server.read)]
    joins += [start(fun, b"12345") for fun in (client.write, server.write)]
    print([join() for join in joins], client_end.together, server_end.together)
    client.close()
    server.close()


def datagrams():
    client_end, server_end = link(datagrams=True)
    context = tls.SSLContext(tls.PROTOCOL_DTLS_SERVER)
    context.load_cert_chain(pki.ec_der, pki.ec_key_der)
    client_context = tls.SSLContext(tls.PROTOCOL_DTLS_CLIENT)
    client_context.verify_mode = tls.CERT_NONE
    args = {"server_side": True}
    if sys.implementation.version >= (1, 26, 0):
        args["client_id"] = b"client"

    def serve():
        while True:
            try:
                return context.wrap_socket(server_end, **args)
            except OSError as er:
                if er.errno != HELLO_VERIFY_REQUIRED:
                    raise

    join = start(serve)
    client = client_context.wrap_socket(client_end)
    server = join()
    join = start(lambda: server.read(100))
    wait_until_reading(server_end)
    for _ in range(20):
        server.write(b"hello")
        assert client.read(10) == b"hello"
    client.write(b"datagram")
    print(join())
    print(client_end.together, server_end.together)
    client.close()
    server.close()


contexts = client_context(), server_context()
for test in (exchange, both_ways, buffers_of_who_waits, closing, failing, handshakes, datagrams):
    test()
