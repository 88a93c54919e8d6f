# select.poll on SSLSockets, over streams and over sockets.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import select, socket
from link import *

IN, OUT = select.POLLIN, select.POLLOUT
NAMES = ((IN, "in"), (OUT, "out"), (select.POLLERR, "err"), (POLL_HUP, "hup"), (POLL_NVAL, "nval"))


def poll(sock, flags=IN | OUT):
    poller = select.poll()
    poller.register(sock, flags)
    ready = poller.poll(0)
    return [name for flag, name in NAMES if ready and ready[0][1] & flag]


# A handshake driven by poll alone, each side doing what it is told that it can.
for call in ("do_handshake", "read", "write"):
    client, server, client_end, server_end = pair()
    results = [None, None]
    for turn in range(20):
        for i, sock in enumerate((client, server)):
            if results[i] is None and poll(sock, (IN if turn or i else OUT)):
                if call == "do_handshake":
                    results[i] = step(sock)
                elif call == "read":
                    sock.read(1)
                else:
                    sock.write(b"x")
                if sock.version():
                    results[i] = True
        if None not in results:
            break
    print(call, results, turn < 5)

# A client that could not yet send: readable means, now it can.
client, server, client_end, server_end = pair()
client_end.block_writes = True
print(repr(client.read(1)), poll(client, IN), poll(client, OUT), poll(client))
client_end.block_writes = False
print(poll(client, IN), poll(client, OUT), poll(client))
print(step(client), poll(client, OUT), poll(client, IN))
# A write that waits for the server's answer: writable means, there is one.
print(client.write(b"x"), poll(client, OUT), poll(client, IN))
step(server)
print(poll(client, OUT), poll(client, IN), poll(client))
print(shake(client, server))

# Open: nothing to read, then something in the transport, then in the socket.
print(poll(client), poll(client, IN), poll(server))
client.write(b"data")
print(poll(server), poll(server, IN), server.pending())
print(server.read(1), server.pending(), server_end.rx)
print(poll(server), poll(server, IN))
server_end.block_writes = True
print(poll(server), poll(server, IN), poll(server, OUT))
# What is in the socket needs no transport.
calls = []
server_end.hook = lambda what: calls.append(what)
print(poll(server, IN), calls)
print(server.read(3), server.pending())
print(poll(server, IN), poll(server))
server_end.hook = None
server_end.block_writes = False

# Two records, one read: the second is in the transport.
client.write(b"one")
client.write(b"two")
print(server.recv(10), poll(server, IN), server.recv(10), poll(server, IN))

# The end of the stream can be read, again and again.
client.close()
print(poll(server, IN), server.read(), poll(server, IN), poll(server))
server_end.rx[:] = b""
print(server.read(), poll(server, IN))

# Closed, and failed: NVAL, without asking the transport.
calls[:] = []
client_end.hook = lambda what: calls.append(what)
print(poll(client), poll(client, IN), calls)
client, server, client_end, server_end = connected()
client.write(b"x")
server_end.rx[-1] ^= 1
print(poll(server, IN))
show("read", server.read)
server_end.hook = lambda what: calls.append(what)
print(poll(server), poll(server, IN), calls)

# Over a transport that says more: what was not asked for comes along.
client, server, client_end, server_end = connected()
client_end.hook = lambda what: POLL_HUP | POLL_RD if what == "poll" else None
print(poll(client, IN))

# Over TCP, on this machine: one poll for both ends, a lot of data each way at the same time.
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(socket.getaddrinfo("127.0.0.1", 8000)[0][-1])
listener.listen(1)
tcp_client = socket.socket()
tcp_client.connect(socket.getaddrinfo("127.0.0.1", 8000)[0][-1])
tcp_server = listener.accept()[0]
listener.close()
tcp_client.setblocking(False)
tcp_server.setblocking(False)
server = server_context().wrap_socket(tcp_server, server_side=True, do_handshake_on_connect=False)
client = client_context().wrap_socket(tcp_client, do_handshake_on_connect=False)
print(poll(client), poll(server))

SIZE = 300000
BLOCK = bytes(range(250)) * 8
sent = {id(client): 0, id(server): 0}
received = {id(client): 0, id(server): 0}
poller = select.poll()
for sock in (client, server):
    poller.register(sock, IN | OUT)
rounds = 0
while min(received.values()) < SIZE:
    events = poller.poll(5000)
    if not events:
        print("stuck", sent, received)
        break
    rounds += 1
    for sock, event in events:
        i = id(sock)
        if event & IN:
            data = sock.read(1000)
            if data:
                start = received[i] % 250
                assert data == (BLOCK + BLOCK)[start : start + len(data)]
                received[i] += len(data)
        if event & OUT:
            if sent[i] < SIZE:
                # Always what follows what was taken, so never other bytes for a record half sent.
                start = sent[i] % 250
                sent[i] += sock.write(memoryview(BLOCK)[start : start + 1500]) or 0
            else:
                poller.modify(sock, IN)
print(min(received.values()) >= SIZE)
print(sent == {id(client): received[id(server)], id(server): received[id(client)]})
print(poll(client), poll(server))
client.close()
print(select.POLLIN in [event & IN for _, event in poller.poll(5000) if _ is server])
print(server.read(), server.close_notify_received, poll(client))
poller.unregister(client)
server.close()
