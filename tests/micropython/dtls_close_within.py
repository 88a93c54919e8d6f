# A socket in Python that closes its listener, and a connection, while they use it.

try:
    import ssl, select, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
from datagrams import *

for where in ("poll", "recvfrom", "sendto"):
    for what in ("accept", "poll", "read", "write"):
        network = Network()
        listener, sock = listening(network, 4)
        client, _ = calling(network, b"a", client_context(4))
        server = meet(listener, client)
        new, _ = calling(network, b"b", client_context(4))
        step(new)
        network.send(b"stranger", SERVER, b"x")
        poll = select.poll()
        poll.register(server, select.POLLIN)
        poll.register(listener, select.POLLIN)
        was = []

        def close(now):
            if now == where and not was:
                was.append(now)
                listener.close()
                server.close()
                gc.collect()

        sock.hook = close
        show(
            "%s within %s" % (where, what),
            {
                "accept": listener.accept,
                "poll": lambda: [ready[1] for ready in poll.poll(0)],
                "read": lambda: server.read(10),
                "write": lambda: server.write(b"x"),
            }[what],
        )
        if was:
            show("accept", listener.accept)
            show("read", server.read, 1)
            print([ready[1] for ready in poll.poll(0)])
        print(sock.closed)
