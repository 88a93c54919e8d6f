"""One life of a connection: over the socket fd=, which this process has inherited, as role= client or server.

With a file state= it goes on where the last life has stopped; else it shakes hands. Then it says line= and reads a
line, or reads one and answers it with "echo:" before it, leaves its state, and is killed. counter= is a file's name.
"""

import os
import ssl
import sys

from options import options, read

given = options()
sys.path.append(given["storage"])
import storage  # noqa: E402 (of examples/sensor_sleep)

client = given["role"] == "client"
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER)
if client:
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(cadata=read(given["ca"]))
else:
    ctx.load_cert_chain(given["cert"], given["key"])
ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, given["version"])
counter = storage.Counter(given["counter"])
key = bytes(range(32))
transport = open(int(given["fd"]), "r+b")
try:
    state = storage.load(given["state"])
    if state:
        connection = ctx.restore(transport, state, key=key, counter=counter)
    else:
        connection = ctx.wrap_socket(
            transport, server_side=not client, server_hostname="localhost" if client else None
        )
    if client:
        connection.write(given["line"].encode() + b"\n")
        print("LINE", connection.readline())
        print("SUBJECT", connection.getpeercert()["subject"])
    else:
        connection.write(b"echo:" + connection.readline())
    print("VERSION", connection.version(), connection.cipher()[0], bool(state))
    state = connection.export(key=key, counter=counter)
    print("STATE", len(state))
    storage.save(given["state"], state)
except (OSError, ValueError) as error:
    print("ERROR", repr(error))
    sys.exit(1)
os.system("kill -9 $PPID")
