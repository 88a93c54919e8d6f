# TLS and DTLS between a client and a server on one board: certificates verified, mutual, the
# short tag of CCM_8, pre-shared keys; data both ways, and both ends closed.

import ssl
import datagrams, link, pki

ANY = None
CCM_8 = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"
GCM = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"


def certified(client, server):
    server.load_cert_chain(pki.ec_der, pki.ec_key_der)
    client.verify_mode = ssl.CERT_REQUIRED
    client.load_verify_locations(cadata=pki.ca_der)


def mutual(client, server):
    certified(client, server)
    client.load_cert_chain(pki.client_pem, pki.client_key)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=pki.ca_der)


def psk(client, server):
    client.psk_identity = b"sensor 7"
    client.psk_key = bytes(range(16))
    server.server_psk_keys = {b"sensor 7": bytes(range(16))}


# How both ends are set up, and the suite that is asked for.
WAYS = (
    ("certified", certified, ANY),
    ("mutual", mutual, GCM),
    ("certified", certified, CCM_8),
    ("mutual", mutual, CCM_8),
    ("psk", psk, "TLS-PSK-WITH-AES-128-CCM-8"),
    ("psk", psk, "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256"),
)


def tls_pair(client_ctx, server_ctx):
    return link.connected(client_ctx, server_ctx)[:2]


def dtls_pair(client_ctx, server_ctx):
    network = datagrams.Network()
    listener = server_ctx.listen(datagrams.Socket(network, datagrams.SERVER))
    listener.setblocking(False)
    client, _ = datagrams.calling(network, b"client", client_ctx)
    return client, datagrams.meet(listener, client)


def tls12(protocol):
    ctx = ssl.SSLContext(protocol)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2  # whose suites are named here
    return ctx


KINDS = (
    (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER, tls_pair),
    (ssl.PROTOCOL_DTLS_CLIENT, ssl.PROTOCOL_DTLS_SERVER, dtls_pair),
)

for client_protocol, server_protocol, connect in KINDS:
    for name, set_up, suite in WAYS:
        client_ctx, server_ctx = tls12(client_protocol), tls12(server_protocol)
        set_up(client_ctx, server_ctx)
        if suite:
            client_ctx.set_ciphers([suite])
        client, server = connect(client_ctx, server_ctx)
        print(name, client.version(), suite is ANY or client.cipher()[0] == suite)
        print(client.cipher() == server.cipher(), client.getpeercert(True) == pki.ec_der)
        print("client's certificate:", server.getpeercert(True) is not None, server.psk_identity)
        for sender, receiver in ((client, server), (server, client)):
            for size in (1, 100, 1000):
                data = bytes(i & 0xFF for i in range(size))
                print(sender.write(data), receiver.read(size) == data, end=" ")
        print()
        client.close()
        print(server.read(10), server.close_notify_received)
        server.close()
        link.show("closed", server.read, 1)

# A certificate of somebody else's authority is refused, on this board's clock and with its memory.
client_ctx = link.client_context(pki.other_ca_der)
client, server, _, _ = link.pair(client_ctx)
print(link.shake(client, server)[0])
for cert, key in ((pki.expired_der, pki.expired_key_der), (pki.notyet_der, pki.notyet_key_der)):
    client, server, _, _ = link.pair(
        link.client_context(pki.ca_der), link.server_context(cert, key)
    )
    print(link.shake(client, server)[0])
