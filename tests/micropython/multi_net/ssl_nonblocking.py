# Sockets that do not block: handshake, data and the end, driven by select.poll.
# The other side blocks.

try:
    import select, socket, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
from tcp import HOST, client_context, connect, listen, server_context

SIZE = 200000
BLOCK = bytes(range(250)) * 8


def wait(poller, sock, flags):
    poller.modify(sock, flags)
    assert poller.poll(5000), "nothing happened"


# The other side does nothing before it hears that this one has not waited for it.
def handshake(poller, sock):
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        multitest.broadcast("does not wait")
    while True:
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            wait(poller, sock, select.POLLIN)
        except ssl.SSLWantWriteError:
            wait(poller, sock, select.POLLOUT)


def send_all(poller, sock, size):
    sent = 0
    while sent < size:
        start = sent % 250
        n = sock.write(memoryview(BLOCK)[start : start + min(1500, size - sent)])
        if n is None:
            wait(poller, sock, select.POLLOUT)
        else:
            sent += n


def receive_all(poller, sock, size):
    received = 0
    while received < size:
        data = sock.recv(1000)
        if data is None:
            wait(poller, sock, select.POLLIN)
            continue
        if not data:
            break
        start = received % 250
        assert data == (BLOCK + BLOCK)[start : start + len(data)]
        received += len(data)
    return received


# Server
def instance0():
    multitest.globals(IP=multitest.get_network_ip())
    listener = listen()
    multitest.next()

    # It does not block, the client does.
    s, _ = listener.accept()
    s.setblocking(False)
    s = server_context().wrap_socket(s, server_side=True, do_handshake_on_connect=False)
    poller = select.poll()
    poller.register(s)
    handshake(poller, s)
    print(s.version())
    multitest.broadcast("read")
    send_all(poller, s, SIZE)
    print("received", receive_all(poller, s, SIZE))
    print(s.read(1))
    multitest.broadcast("close")
    wait(poller, s, select.POLLIN)
    print(s.read(1), s.close_notify_received)
    s.close()

    # It blocks, the client does not.
    s, _ = listener.accept()
    multitest.wait("does not wait")
    s = server_context().wrap_socket(s, server_side=True)
    print("received", receive_all(None, s, SIZE))
    send_all(None, s, SIZE)
    s.close()

    # wrap_socket shakes hands to the end also on a socket that does not block.
    s, _ = listener.accept()
    s.setblocking(False)
    s = server_context().wrap_socket(s, server_side=True)
    print(s.version(), s.read(1))
    multitest.broadcast("done")
    s.close()
    listener.close()


# Client
def instance1():
    multitest.next()
    s = connect(IP)
    multitest.wait("does not wait")
    s = client_context().wrap_socket(s, server_hostname=HOST)
    multitest.wait("read")
    print("received", receive_all(None, s, SIZE))
    send_all(None, s, SIZE)
    multitest.wait("close")
    s.close()

    s = connect(IP)
    s.setblocking(False)
    s = client_context().wrap_socket(s, server_hostname=HOST, do_handshake_on_connect=False)
    poller = select.poll()
    poller.register(s)
    handshake(poller, s)
    print(s.version())
    send_all(poller, s, SIZE)
    print("received", receive_all(poller, s, SIZE))
    wait(poller, s, select.POLLIN)
    print(s.read(1), s.close_notify_received)
    s.close()

    s = connect(IP)
    s.setblocking(False)
    s = client_context().wrap_socket(s, server_hostname=HOST)
    print(s.version())
    multitest.wait("done")
    s.close()
