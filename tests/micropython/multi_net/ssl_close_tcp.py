# How connections end over TCP: close_notify, a cut without it, a reset, a peer that is gone.

try:
    import socket, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
from tcp import HOST, client_context, connect, listen, server_context

def attempt(fun, *args):
    try:
        return fun(*args)
    except OSError as er:
        return er.errno


# Server
def instance0():
    multitest.globals(IP=multitest.get_network_ip())
    listener = listen()
    ctx = server_context()
    multitest.next()

    def accept():
        return ctx.wrap_socket(listener.accept()[0], server_side=True)

    # The client closes: the end, said to be one. It is readable, again and again.
    s = accept()
    print(s.read(), s.read(), s.recv(10), s.close_notify_received)
    # Answering it goes nowhere, which is no error of close().
    multitest.wait("closed")
    for _ in range(20):
        result = attempt(s.write, b"too late")
        if result != 8:
            break
        time.sleep_ms(50)
    print(result in (32, 104))  # EPIPE, ECONNRESET
    print(s.close(), s.close())

    # The client's TCP socket closes: the end, but nobody said so.
    s = accept()
    print(s.read(), s.read(), s.close_notify_received)
    print(s.close())

    # Cut in the middle of a record.
    s = accept()
    multitest.broadcast("cut")
    print(s.read(), s.close_notify_received)
    s.close()

    # Reset: the transport's error, not the end.
    s = accept()
    multitest.wait("reset")
    print(attempt(s.read, 100))
    print(s.close_notify_received, s.close())

    # This side is first to close, with data of the client's still to be read.
    s = accept()
    s.write(b"bye")
    s.close()
    multitest.broadcast("closed first")

    listener.close()


# Client
def instance1():
    multitest.next()
    ctx = client_context()

    def open():
        sock = connect(IP)
        return ctx.wrap_socket(sock, server_hostname=HOST), sock

    s, sock = open()
    s.write(b"last words")
    s.close()
    # The TCP socket is closed as well.
    print(attempt(sock.read, 1))
    multitest.broadcast("closed")

    s, sock = open()
    s.write(b"last words")
    sock.close()
    # What is left of the TLS socket says so, and closes without a word.
    print(attempt(s.write, b"x"))
    print(s.close())

    s, sock = open()
    multitest.wait("cut")
    # The header of a record, and the first byte of ten.
    sock.write(b"\x17\x03\x03\x00\x0ax")
    sock.close()
    s.close()

    s, sock = open()
    # Linger for 0 s: closing is a reset.
    sock.setsockopt(socket.SOL_SOCKET, 13, b"\x01\0\0\0\0\0\0\0")
    sock.close()
    multitest.broadcast("reset")

    s, sock = open()
    multitest.wait("closed first")
    print(s.read(), s.close_notify_received)
    print(s.close())
