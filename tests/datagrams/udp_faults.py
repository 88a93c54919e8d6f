"""A UDP proxy on loopback that loses, duplicates and reorders, and acts as a NAT that forgets.

    udp_faults.py TARGET_PORT [seed=1] [loss=0.1] [duplicate=0.1] [reorder=0.1] [rebind=0]

prints the port it listens on and goes on until it is ended. What happens to the nth datagram of a
direction depends on the seed and n alone.
"""

import contextlib
import heapq
import random
import select
import socket
import sys
import threading
import time

# Record types (RFC 5246 6.2.1, RFC 9146 4) whose datagrams are not the handshake's.
APPLICATION_DATA = (23, 25)


class Direction:
    """What happens to the datagrams of one direction."""

    def __init__(self, seed, loss, duplicate, reorder, lost):
        self.random = random.Random(seed)
        self.loss, self.duplicate, self.reorder = loss, duplicate, reorder
        self.lost = set(lost)  # these are lost whatever the dice say; the first is 1
        self.count = 0
        self.fates = {"lost": 0, "duplicated": 0, "reordered": 0, "forwarded": 0}

    def delays(self):
        """After how many seconds to forward the next datagram; once, twice or never."""
        self.count += 1
        loss, duplicate, reorder, delay, again = (self.random.random() for _ in range(5))
        if self.count in self.lost or loss < self.loss:
            self.fates["lost"] += 1
            return []
        self.fates["forwarded"] += 1
        delays = [0]
        if reorder < self.reorder:
            self.fates["reordered"] += 1
            delays = [0.03 + delay * 0.05]
        if duplicate < self.duplicate:
            self.fates["duplicated"] += 1
            delays.append(again * 0.05)
        return delays


class UdpFaults:
    """The proxy, in a thread of its own. `port`: for clients to call."""

    def __init__(
        self, target_port, seed=1, loss=0, duplicate=0, reorder=0,
        client_lost=(), server_lost=(), rebind_data=False,
    ):  # fmt: skip
        """`rebind_data`: each datagram of application data comes from a new port."""
        self.target = ("127.0.0.1", target_port)
        self.to_server = Direction(2 * seed, loss, duplicate, reorder, client_lost)
        self.to_client = Direction(2 * seed + 1, loss, duplicate, reorder, server_lost)
        self.rebind_data = rebind_data
        self.rebound = 0
        self.socket = self._bound()
        self.port = self.socket.getsockname()[1]
        self.clients = {}  # the socket towards the server -> the client's address
        self.current = {}  # the other way round
        self.queue = []
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _bound():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        return sock

    def _way_to_server(self, client, datagram):
        new = self.rebind_data and datagram[:1] and datagram[0] in APPLICATION_DATA
        if new or client not in self.current:
            self.rebound += client in self.current
            self.current[client] = self._bound()
            self.clients[self.current[client]] = client
        return self.current[client]

    def _push(self, delays, sock, datagram, address):
        for delay in delays:
            at = time.monotonic() + delay
            heapq.heappush(self.queue, (at, len(self.queue), random.random(), sock, datagram, address))

    def _step(self):
        wait = 0.05
        if self.queue:
            wait = min(wait, max(0, self.queue[0][0] - time.monotonic()))
        for sock in select.select([self.socket, *self.clients], [], [], wait)[0]:
            with contextlib.suppress(ConnectionError):
                datagram, address = sock.recvfrom(65536)
                if sock is self.socket:
                    way = self._way_to_server(address, datagram)
                    self._push(self.to_server.delays(), way, datagram, self.target)
                elif self.current[self.clients[sock]] is sock or not self.rebind_data:
                    # What comes to a port that the NAT has forgotten is lost.
                    client = self.clients[sock]
                    self._push(self.to_client.delays(), self.socket, datagram, client)
        while self.queue and self.queue[0][0] <= time.monotonic():
            *_, sock, datagram, address = heapq.heappop(self.queue)
            with contextlib.suppress(ConnectionError):
                sock.sendto(datagram, address)

    def _run(self):
        try:
            while not self.ended:
                self._step()
        finally:
            for sock in (self.socket, *self.clients):
                sock.close()

    def close(self):
        self.ended = True
        self.thread.join(2)

    def __str__(self):
        return f"to server {self.to_server.fates}, to client {self.to_client.fates}, rebound {self.rebound}"


def main():
    port, *rest = sys.argv[1:]
    given = dict(argument.split("=", 1) for argument in rest)
    proxy = UdpFaults(
        int(port),
        int(given.get("seed", 1)),
        *(float(given.get(name, 0.1)) for name in ("loss", "duplicate", "reorder")),
        rebind_data=given.get("rebind", "0") != "0",
    )
    print(proxy.port, flush=True)
    try:
        proxy.thread.join()
    except KeyboardInterrupt:
        proxy.close()
        print(proxy)


if __name__ == "__main__":
    main()
