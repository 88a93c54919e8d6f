# Timeouts of blocking sockets: ETIMEDOUT from every call that waits, which then goes on.
# Waiting costs no CPU time, and closing does not wait.

try:
    import socket, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
from tcp import HOST, client_context, connect, listen, server_context

BLOCK = bytes(range(256)) * 8


def timed_out(label, fun, *args):
    start, cpu = time.ticks_ms(), time.clock()
    try:
        result = fun(*args)
    except OSError as er:
        result = er.errno
    ms = time.ticks_diff(time.ticks_ms(), start)
    print(label, result, 180 <= ms, time.clock() - cpu < 0.1)


def fill(s):
    """Sends until buffers are full, which may find more room when it seems so. Bytes sent."""
    sent = timeouts = 0
    while timeouts < 3:
        start = time.ticks_ms()
        try:
            sent += s.send(BLOCK)
            timeouts = 0
        except OSError as er:
            assert er.errno == 110 and time.ticks_diff(time.ticks_ms(), start) >= 180
            timeouts += 1
    print("full", sent > 0)
    return sent


# Server
def instance0():
    multitest.globals(IP=multitest.get_network_ip())
    listener = listen()
    multitest.next()
    s, _ = listener.accept()
    multitest.wait("client gave up")

    # Now this side waits for a client that says nothing.
    s.settimeout(5)
    s = server_context().wrap_socket(s, server_side=True)
    print(s.version())
    s.settimeout(0.2)
    timed_out("server read", s.read, 5)
    timed_out("server read", s.read)
    timed_out("server readinto", s.readinto, bytearray(5))
    timed_out("server readline", s.readline)
    timed_out("server recv", s.recv, 5)
    multitest.broadcast("server gave up")
    s.settimeout(5)
    print(s.readline())

    # The client writes and nobody reads, until it has given up.
    multitest.broadcast("no reader")
    multitest.wait("client gave up writing")
    total = 0
    while True:
        data = s.recv(2048)
        if not data:
            break
        start = total % 256
        assert data == (BLOCK + BLOCK)[start : start + len(data)]
        total += len(data)
    print("received", total > 0, total % len(BLOCK), s.close_notify_received)
    s.close()
    multitest.wait("sent %d" % total)

    # A client that does not get to shake hands at all.
    s, _ = listener.accept()
    multitest.wait("client closed")
    s.close()

    # One that does not get its close_notify out.
    s, _ = listener.accept()
    s = server_context().wrap_socket(s, server_side=True)
    multitest.broadcast("no reader again")
    multitest.wait("closed anyway")
    s.close()
    listener.close()


# Client
def instance1():
    multitest.next()
    s = connect(IP)
    s.settimeout(0.2)
    s = client_context().wrap_socket(s, server_hostname=HOST, do_handshake_on_connect=False)
    timed_out("handshake", s.do_handshake)
    timed_out("handshake", s.do_handshake)
    timed_out("handshake by read", s.read, 1)
    timed_out("handshake by write", s.write, b"x")
    multitest.broadcast("client gave up")
    s.settimeout(5)
    s.do_handshake()
    print(s.version())
    multitest.wait("server gave up")
    s.write(b"a line\n")

    multitest.wait("no reader")
    s.settimeout(0.2)
    sent = fill(s)
    multitest.broadcast("client gave up writing")
    # The same bytes again: they go out once.
    s.settimeout(5)
    part = 0
    while part < len(BLOCK):
        part += s.send(memoryview(BLOCK)[part:])
    sent += part
    # unwrap sends close_notify and drops what comes until the other's.
    s.unwrap().close()
    multitest.broadcast("sent %d" % sent)

    s = connect(IP)
    s.settimeout(0.2)
    start = time.ticks_ms()
    try:
        client_context().wrap_socket(s, server_hostname=HOST)
    except OSError as er:
        print("wrap_socket", er.errno, time.ticks_diff(time.ticks_ms(), start) >= 180)
    s.close()  # it is still this side's to close
    multitest.broadcast("client closed")

    s = client_context().wrap_socket(connect(IP), server_hostname=HOST)
    multitest.wait("no reader again")
    s.settimeout(0.2)
    fill(s)
    s.settimeout(10)
    start = time.ticks_ms()
    s.close()
    print("close waits", time.ticks_diff(time.ticks_ms(), start) > 1000)
    multitest.broadcast("closed anyway")
