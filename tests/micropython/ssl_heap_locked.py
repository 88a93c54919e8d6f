# With the heap locked a handshake begins as it does otherwise. What then wants memory that
# cannot be had is ENOMEM, and nothing is lost by it.
# skip: TLS 1.3 makes a key for its first message, in the heap

try:
    import ssl, sys, socket
    from micropython import heap_lock, heap_unlock
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

ENOMEM = 12

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("127.0.0.1", 8000)[0][-1])
listener.listen(1)


def tcp():
    """Both ends of a connection; neither waits."""
    client = socket.socket()
    client.connect(socket.getaddrinfo("127.0.0.1", 8000)[0][-1])
    server, _ = listener.accept()
    client.setblocking(False)
    server.setblocking(False)
    return client, server


def locked(sock, data=None, into=None):
    """What a write, a readinto or a close returns with the heap locked; of an OSError the
    number, below 0. A call of anything but a method of C would itself want memory."""
    result = None
    heap_lock()
    try:
        if data is not None:
            result = sock.write(data)
        elif into is not None:
            result = sock.readinto(into)
        else:
            sock.close()
    except OSError as er:
        heap_unlock()
        return -er.errno if er.errno > 0 else er.errno
    heap_unlock()
    return result


# A server that speaks no TLS.
plain, answers = tcp()
client = client_context().wrap_socket(plain, do_handshake_on_connect=False)
result = locked(client, b"x")
if result == -ENOMEM and getattr(ssl, "HAS_TLSv1_3", False):
    print("SKIP")
    raise SystemExit
print("hello", result)
print("came", answers.recv(1) == b"\x16")
answers.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
result = None
while result is None:
    result = locked(client, b"x")
print("no TLS", result)
client.close()
answers.close()

# A handshake that needs memory goes on when there is some.
a, b = tcp()
client_ctx, server_ctx = client_context(), server_context()
client = client_ctx.wrap_socket(a, do_handshake_on_connect=False, server_hostname=HOST)
server = server_ctx.wrap_socket(b, server_side=True, do_handshake_on_connect=False)
buf = bytearray(1)
results = [None, None]
while None in results:
    for i, sock in enumerate((client, server)):
        result = locked(sock, into=buf)
        if result not in (None, -ENOMEM):
            print("handshake", result)
        results[i] = results[i] or step(sock)
print("shaken", results)

# Open: what a locked heap refuses is taken later, once.
received = bytearray(2000)
for n in (1, 500, 2000):
    data = bytes(i & 0xFF for i in range(n))
    for sender, receiver in ((client, server), (server, client)):
        done = 0
        while done < n:
            rest = data[done:]
            result = locked(sender, rest)
            if result == -ENOMEM:
                result = sender.write(rest)
            done += result or 0
        view, got = memoryview(received), 0
        while got < n:
            rest = view[got:]
            result = locked(receiver, into=rest)
            if result == -ENOMEM:
                result = receiver.readinto(rest)
            got += result or 0
        print(n, got == n and received[:n] == data)
print("close", locked(client))
print("end", server.read())
server.close()
listener.close()
