"""Many clients of one server at a time, count= of them; all say something, twice."""

import gc
import time

from options import address, context, options, udp

given = options()
ctx = context(given)
server = address(given["port"])
clients = []
for i in range(int(given["count"])):
    sock = udp()
    sock.connect(server)
    sock.settimeout(10)
    clients.append(ctx.wrap_socket(sock, server_hostname="localhost"))
for round in range(2):
    for i, client in enumerate(clients):
        client.write(b"client %d" % i)
    for i, client in enumerate(clients):
        answer = client.read(100)
        assert answer == b"client %d" % i, (i, answer)
print("ALIVE", len(clients))
clients[0].write(b"stats")
print("STATS", clients[0].read(200).decode())
gc.collect()
input()
for client in clients:
    client.close()
print("CLOSED")
