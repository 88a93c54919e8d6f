# SSLSocket.shared_ciphers(), as in CPython: what a server and its client both have.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

A = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
B = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"
C = "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256"
D = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM"


def run(client_has, server_has, maximum=ssl.TLSVersion.TLSv1_2):
    client_ctx, server_ctx = client_context(), server_context()
    client_ctx.set_ciphers(client_has)
    server_ctx.set_ciphers(server_has)
    server_ctx.maximum_version = maximum
    client, server = pair(client_ctx, server_ctx)[:2]
    before = [sock.shared_ciphers() for sock in (client, server)]
    results = shake(client, server)
    assert before == [None, None] and client.shared_ciphers() is None
    return server.shared_ciphers() if results == (True, True) else [type(result) for result in results]


# In the server's order, with the version that defines it and the bits of the key.
for client_has, server_has in (([A], [A]), ([A, B, C], [C, B, A]), ([C, A], [A, B, C]), ([D, A], [B, D]), ([A], [B])):
    print(run(client_has, server_has))

# Each is once in the list that the server has, and the one agreed on is among them.
client, server = pair()[:2]
print(shake(client, server))
shared = server.shared_ciphers()
print(server.cipher()[0] in [name for name, version, bits in shared], len(shared) == len(set(shared)))
enabled = server.context.get_ciphers()
print([name for name, version, bits in shared] == [name for name in enabled if name in client.context.get_ciphers()])
print({(version, bits) for name, version, bits in shared if version != "TLSv1.3"} == {("TLSv1.2", 128), ("TLSv1.2", 256)})

# Of TLS 1.3, where there is that.
shared = run([A], [A], ssl.TLSVersion.MAXIMUM_SUPPORTED)
print([version for name, version, bits in shared].count("TLSv1.3") == (5 if ssl.HAS_TLSv1_3 else 0), shared[-1])

# Hibernation keeps the one.
if server.hibernate():
    print(server.shared_ciphers() is None, server.cipher()[0] in enabled)
else:
    print(True, True)
