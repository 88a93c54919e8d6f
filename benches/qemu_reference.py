"""On a board that has done nothing yet: the handshake that was measured before this module was.

qemu.py sends it behind a line each for BALLAST, so many small objects, and for CERT and KEY,
upstream's test certificate, which the client does not look at. The link is as plain as it was then:
upstream's module makes a hundred thousand allocations in a handshake, and how long each searches
depends on what else is in the heap. (The very same handshake over qemu_pair.py's link takes a fifth
less, and behind a larger module half as much again.)
"""

import board
import gc
import io
import tls


class Plain(io.IOBase):
    def __init__(self, rx, tx):
        self.rx = rx
        self.tx = tx

    def readinto(self, buf):
        n = min(len(buf), len(self.rx))
        if n == 0:
            return None
        buf[:n] = self.rx[:n]
        self.rx[:] = self.rx[n:]
        return n

    def write(self, buf):
        self.tx.extend(buf)
        return len(buf)

    def ioctl(self, request, argument):
        return 0

    def setblocking(self, flag):
        pass


server_context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(CERT, KEY)
client_context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
client_context.verify_mode = tls.CERT_NONE
gc.collect()
board.begin()
up, down = bytearray(), bytearray()
start = board.instructions()
client = client_context.wrap_socket(
    Plain(down, up), server_hostname="micropython.local", do_handshake_on_connect=False
)
server = server_context.wrap_socket(
    Plain(up, down), server_side=True, do_handshake_on_connect=False
)
sent = None
for _ in range(50):
    if sent is None:
        sent = client.write(b"x")
    if server.read(1):
        break
print(board.instructions() - start)
