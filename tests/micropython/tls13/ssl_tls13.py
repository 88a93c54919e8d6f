# TLS 1.3 (RFC 8446): versions, suites, groups, pre-shared keys, refusals, what does not fit.

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

Version = ssl.TLSVersion
print(ssl.HAS_TLSv1_2, ssl.HAS_TLSv1_3)


def contexts(**attributes):
    both = client_context(), server_context()
    for ctx in both:
        for name, value in attributes.items():
            setattr(ctx, name, value)
    return both


def talk(client, server):
    """A few records each way."""
    for size in (1, 4096, 20000):
        for sender, receiver in ((client, server), (server, client)):
            data = bytes(i * 7 & 255 for i in range(size))
            sent, got = 0, b""
            while len(got) < size:
                if sent < size:
                    sent += sender.write(data[sent:]) or 0
                got += receiver.read(5000) or b""
            assert got == data


def connect(client_ctx, server_ctx):
    client, server, *_ = pair(client_ctx, server_ctx)
    result = shake(client, server)
    print(result, client.version(), server.version(), client.cipher() and client.cipher()[0])
    if result == (True, True):
        talk(client, server)
    return client, server


connect(*contexts())
print("the highest version that both have")
for client_bounds, server_bounds in (
    ((Version.TLSv1_2, Version.TLSv1_2), (Version.TLSv1_2, Version.TLSv1_3)),
    ((Version.TLSv1_2, Version.TLSv1_3), (Version.TLSv1_2, Version.TLSv1_2)),
    ((Version.TLSv1_3, Version.TLSv1_3), (Version.MINIMUM_SUPPORTED, Version.MAXIMUM_SUPPORTED)),
    ((Version.TLSv1_3, Version.TLSv1_3), (Version.TLSv1_2, Version.TLSv1_2)),
):
    both = contexts()
    for ctx, (lowest, highest) in zip(both, (client_bounds, server_bounds)):
        ctx.minimum_version, ctx.maximum_version = lowest, highest
    connect(*both)
ctx = client_context()
ctx.minimum_version, ctx.maximum_version = Version.TLSv1_3, Version.TLSv1_2
show("no version", ctx.wrap_socket, link()[0], server_hostname=HOST)
for protocol in (ssl.PROTOCOL_DTLS_CLIENT, ssl.PROTOCOL_DTLS_SERVER):
    ctx = ssl.SSLContext(protocol)
    show("DTLS", setattr, ctx, "minimum_version", Version.TLSv1_3)
    print([name for name in ctx.get_ciphers() if name.startswith("TLS1-3-")])

print("set_ciphers is about TLS 1.2, as CPython's; naming suites of 1.3 chooses them")
for names in (["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"], ["TLS1-3-AES-256-GCM-SHA384"]):
    both = contexts()
    both[0].set_ciphers(names)
    print(both[0].get_ciphers())
    connect(*both)

print("groups")
for client_groups, server_groups in (
    (["x25519"], ["x25519", "prime256v1"]),
    (["secp384r1", "prime256v1"], ["prime256v1"]),
    (["x25519", "secp384r1"], ["secp384r1"]),
    (["x25519"], ["secp384r1"]),
):
    both = contexts()
    for ctx, groups in zip(both, (client_groups, server_groups)):
        ctx.set_ecdh_curve(groups)
    connect(*both)

print("external pre-shared keys")
client_ctx, server_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
client_ctx.psk_identity, client_ctx.psk_key = b"device", b"k" * 32
server_ctx.server_psk_keys = {b"device": b"k" * 32}
client, server = connect(client_ctx, server_ctx)
print(server.psk_identity)
client_ctx.psk_key = b"K" * 32
connect(client_ctx, server_ctx)
client_ctx.psk_identity = b"nobody"
connect(client_ctx, server_ctx)
# A certificate stands for no key.
client, server, *_ = pair(client_ctx, server_context())
print([type(er) for er in shake(client, server)], client.version())
# The hint, by which a callback chooses, is TLS 1.2's.
client_ctx.set_psk_client_callback(lambda hint: (b"device", b"k" * 32))
connect(client_ctx, server_ctx)

print("a client learns of its refusal when it reads")
both = contexts()
both[1].verify_mode = ssl.CERT_REQUIRED
both[1].load_verify_locations(cadata=pki.ca_der)
client, server = connect(*both)
show("read", client.read)
client, server, *_ = pair(client_context(pki.other_ca_der), server_context())
print([type(er) for er in shake(client, server)])

print("keys that wait are PSA's, of which there are so many")
both = contexts()
waiting = [pair(*both) for _ in range(40)]
results = [step(client) for client, *_ in waiting]
refused = [er for er in results if er is not None]
slots = 32 if sys.platform == "linux" else 8
print(len(refused) <= 40 - slots + 2, {repr(er) for er in refused} <= {repr(OSError(12))})
waiting = client = server = None
gc.collect()
connect(*both)
# One that has failed has none, as long as it may be around.
nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
failed = [pair(both[0], nobody) for _ in range(40)]
print({type(er) for client, server, *_ in failed for er in shake(client, server)})
connect(*both)
