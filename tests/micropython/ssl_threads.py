# Threads: two on one connection, close() from another, a context that many use.
# skip: before MicroPython 1.26, threads break the list of what Mbed TLS has of the collector's heap

try:
    import _thread, select, socket, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from blocking import allocator_is_safe, start
from link import EBADF, End, client_context, server_context
from sockets import loopback

if not allocator_is_safe(globals()):
    print("SKIP")
    raise SystemExit

contexts = client_context(), server_context()


def connected():
    """(client, server) over TCP, each handshaking in a thread of its own."""
    client, server = loopback(20100)
    join = start(lambda: contexts[1].wrap_socket(server, server_side=True))
    return contexts[0].wrap_socket(client), join()


def number_of(er):
    return er.errno if isinstance(er, OSError) else er


# One waits in read; another writes meanwhile, polls, asks, hibernates.
client, server = connected()
for wait in (lambda: server.read(5), lambda: server.recv(5), lambda: server.readline()):
    join = start(wait)
    time.sleep_ms(20)
    begin = time.ticks_ms()
    for _ in range(20):
        assert server.write(b"hello") == 5
        assert client.read(5) == b"hello"
    poller = select.poll()
    poller.register(server, select.POLLIN | select.POLLOUT)
    print([event for _, event in poller.poll(0)] == [select.POLLOUT], server.version(), server.pending())
    server.hibernate()
    print(time.ticks_diff(time.ticks_ms(), begin) < 5000)
    client.write(b"line\n")
    print(join())

# Both ends write more than the sockets take, and both read: nobody waits for ever.
data = bytes(range(256)) * 400


def send(sock):
    return sum(sock.write(data) for _ in range(100))


def receive(sock):
    buf = bytearray(len(data))
    return all(sock.readinto(buf) == len(buf) and buf == data for _ in range(100))


def send_for_ever(sock):
    while True:
        sock.write(data)


joins = [start(fun, sock) for sock in (client, server) for fun in (send, receive)]
print([join() for join in joins])

# Two write to one connection, two read from one: each call's bytes stay together.
whole = b"a" * 100000, b"b" * 100000
joins = [start(client.write, part) for part in whole]
joins.append(start(server.read, 100000))
joins.append(start(server.read, 100000))
got = [join() for join in joins]
print(got[:2], sorted(got[2:]) == list(whole))

# close() wakes who waits, and the peer gets close_notify.
for wait in (
    lambda: client.read(1),
    lambda: client.readline(),
    lambda: client.readinto(bytearray(5)),
    lambda: send_for_ever(client),
    lambda: client.unwrap(),
):
    join = start(wait)
    time.sleep_ms(30)
    begin = time.ticks_ms()
    client.close()
    print(number_of(join()) == EBADF, time.ticks_diff(time.ticks_ms(), begin) < 2000)
    server.close()
    client, server = connected()
join = start(lambda: client.read(1))
time.sleep_ms(20)
client.close()
print(server.read(), server.close_notify_received, number_of(join()) == EBADF)
server.close()

# ... at any moment.
for n in range(100):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(socket.getaddrinfo("127.0.0.1", 9)[0][-1])
    sock.setblocking(False)
    busy = contexts[0].wrap_socket(sock, do_handshake_on_connect=False)

    def use():
        for _ in range(200):
            try:
                (busy.do_handshake, lambda: busy.recv(10), lambda: busy.write(b"x"))[n % 3]()
            except OSError as er:
                if er.errno == EBADF:
                    return

    join = start(use)
    for _ in range(n * 20):
        pass
    busy.close()
    assert join() is None
print("closed")

# unwrap() says goodbye while another thread waits to read, who reads no more than the peer's.
client, server = connected()
reading = start(lambda: client.read(1))
time.sleep_ms(20)
ending = start(client.unwrap)
server.settimeout(5)
print(server.read(), server.close_notify_received)
server.close()
print(reading(), ending() is not None)


# One context wraps in several threads at once.
class Null(End):
    def readinto(self, buf):
        return None

    def write(self, buf):
        return None


def wrap(context):
    for _ in range(20):
        context.wrap_socket(Null(), do_handshake_on_connect=False)
    return len(context.get_ciphers()) > 0


for _ in range(10):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    joins = [start(wrap, context) for _ in range(4)]
    results = [join() for join in joins]
    assert results == [True] * 4, results
print("wrapped")
