# SSLContext.keylog_filename, of a build with MPSSL_KEYLOG=1.

import sys

sys.path.append("../support")

import io
import os
import ssl

import pki
from link import *

NAME = "ssl_keylog.tmp"
LABELS = {
    "TLSv1.2": ["CLIENT_RANDOM"],
    "TLSv1.3": [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ],
}


def lines(name=NAME):
    try:
        with open(name) as file:
            return [line.split() for line in file.read().splitlines()]
    finally:
        os.unlink(name)


client_ctx = client_context(pki.ca_der)
server_ctx = server_context()
print(client_ctx.keylog_filename)

# It must be there, or be made, and is added to.
show("no such directory", setattr, client_ctx, "keylog_filename", "nowhere/" + NAME)
print(client_ctx.keylog_filename)
for wrong in (5, b"\0", [NAME]):
    try:
        client_ctx.keylog_filename = wrong
    except (TypeError, ValueError, OSError) as er:
        print("refused")
client_ctx.keylog_filename = NAME
print(client_ctx.keylog_filename, lines())
with open(NAME, "w") as file:
    file.write("# mine\n")
for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED):
    client_ctx.maximum_version = maximum
    client = connected(client_ctx, server_ctx)[0]
    log = lines()
    if log[0] == ["#", "mine"]:
        log.pop(0)
        print("added")
    print([line[0] for line in log] == LABELS[client.version()], {len(line) for line in log})
    print(len({line[1] for line in log}), len({line[2] for line in log}) == len(log))

# The server's own file has the same.
server_ctx.keylog_filename = NAME + "2"
connected(client_ctx, server_ctx)
print(lines() == lines(NAME + "2"))

# A connection keeps what its context said when it was made.
client, server = pair(client_ctx, server_ctx)[:2]
client_ctx.keylog_filename = server_ctx.keylog_filename = None
print(shake(client, server), len(lines()) > 0, len(lines(NAME + "2")) > 0)
connected(client_ctx, server_ctx)
try:
    lines()
except OSError:
    print("none")


# What cannot be written ends the handshake with what was raised; the next one works.
class Disk:
    def __init__(self):
        self.does = None

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def open(self, name, mode):
        if self.does == "open":
            raise OSError(13)
        return File(self)


class File(io.IOBase):
    def __init__(self, disk):
        self.disk = disk

    def write(self, data):
        if self.disk.does == "write":
            raise KeyError(mode)
        if self.disk.does == "close":
            client.close()
        self.data = data
        return len(data) - (self.disk.does == "short")

    def ioctl(self, request, arg):
        return 0


disk = Disk()
try:
    import vfs
except ImportError:
    vfs = os
vfs.mount(disk, "/disk")
client_ctx.keylog_filename = "/disk/log"
for mode in ("open", "write", "short", "close", None):
    disk.does = mode
    client, server = pair(client_ctx, server_ctx)[:2]
    results = shake(client, server)
    print(mode, [result if result is True else type(result) for result in results])
vfs.umount("/disk")
