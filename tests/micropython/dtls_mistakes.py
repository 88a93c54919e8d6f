# What the exception says where a handshake over datagrams fails: as over streams.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import chains, pki
from datagrams import *

RSA, ECDSA = "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"


def fails(label, client_ctx=None, server_ctx=None, host=HOST):
    """Shakes hands until one side fails by itself: it says what the other will be told."""
    network = Network()
    listener = (server_ctx or server_context()).listen(Socket(network, SERVER))
    listener.setblocking(False)
    client = (client_ctx or client_context()).wrap_socket(
        Socket(network, b"client", SERVER), do_handshake_on_connect=False, server_hostname=host
    )
    accepted = None
    for _ in range(20):
        for who in ("client", "server"):
            try:
                if who == "client":
                    step(client)
                else:
                    accepted = accepted or listener.accept()
                    if accepted:
                        step(accepted[0])
            except Exception as er:
                print(label, who, repr(er), er.alert, er.reason, er.hint)
                return
    print(label, "works")


def client(ca=pki.ca_der, ciphers=None, curve=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    if ca:
        ctx.load_verify_locations(cadata=ca)
    if ciphers:
        ctx.set_ciphers([ciphers])
    if curve:
        ctx.set_ecdh_curve(curve)
    return ctx


fails("good")
fails("no CA", client(None))
fails("wrong name", host="elsewhere.example")
fails("kind of key", client(ciphers=RSA))
fails("certificate's curve", client(curve="secp384r1"))
ctx = server_context()
ctx.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"])
fails("suite", client(ciphers=ECDSA), ctx)
fails("no certificate", None, ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER))
ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
ctx.load_cert_chain(chains.of_old_ca + chains.old_ca, chains.key)
fails("a chain", client(chains.root), ctx)

# The context of a client that was accepted is the listener's.
network = Network()
ctx = server_context()
listener = ctx.listen(Socket(network, SERVER))
listener.setblocking(False)
caller = calling(network, b"client")[0]
peer = meet(listener, caller)
print(peer.context is ctx, peer.server_hostname, peer.server_side, caller.server_hostname)
