# The peer is told why: the fatal alerts (RFC 5246, 7.2.2) that failures send.

try:
    import io, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

NAMES = {
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    45: "certificate_expired",
    46: "certificate_unknown",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    80: "internal_error",
}


def alerts(label, client_ctx=None, server_ctx=None, hostname=HOST, spoil=None, synonyms={}):
    """Shakes hands; prints the alerts that each side gets, and the errors that made them."""
    client, server, client_end, server_end = pair(client_ctx, server_ctx, hostname)
    results = [None, None]
    seen = [[], []]
    for turn in range(6):
        for i, (sock, end) in enumerate(((client, client_end), (server, server_end))):
            if spoil:
                spoil(turn, i, end.rx)
            # During the handshake alerts are in the clear.
            records, data = [], bytes(end.rx)
            while len(data) >= 5 and data[1] == 3:
                size = data[3] << 8 | data[4]
                if data[0] == 21 and size == 2:
                    name = NAMES.get(data[6], data[6])
                    seen[i].append((data[5], synonyms.get(name, name)))
                data = data[5 + size :]
            if results[i] is None:
                results[i] = step(sock)
    # The error says which alert it was.
    for i, result in enumerate(results):
        if isinstance(result, OSError) and result.errno == -30592:
            level, name = seen[i][-1]
            told = synonyms.get(result.reason, result.reason)
            if result.alert not in NAMES or told != name or result.args[1:] != ("MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE",):
                print("tells", result.alert, result.reason, result.args)
            out = io.StringIO()
            sys.print_exception(result, out)
            if result.reason not in out.getvalue() or str(result.alert) not in out.getvalue():
                print("shows", out.getvalue())
    errors = [r if r is True or r is None else type(r).__name__ for r in results]
    print(label, "| client gets", seen[0], "| server gets", seen[1], "|", errors)


# What is wrong with the server's certificate, and with the client's.
ca = pki.ca_der
alerts("good", client_context(ca))
alerts("expired", client_context(ca), server_context(pki.expired_der, pki.expired_key_der))
alerts("wrong host", client_context(ca), hostname="elsewhere.example")
alerts("unknown CA", client_context(pki.other_ca_der))
ctx = client_context(ca)
ctx.verify_callback = lambda cert, depth: 1
alerts("verify_callback", ctx)
ctx.verify_callback = lambda cert, depth: 1 // 0
alerts("verify_callback raises", ctx)
server_ctx = server_context()
server_ctx.verify_mode = ssl.CERT_REQUIRED
server_ctx.load_verify_locations(ca)
alerts("no client certificate", client_context(), server_ctx)
ctx = client_context()
ctx.load_cert_chain(pki.other_client_der, pki.other_client_key_der)
alerts("client's unknown CA", ctx, server_ctx)

# Nothing in common.
ctx = client_context()
ctx.set_ciphers(["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
alerts("no cipher suite", ctx)
alerts("server without certificate", None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


# What comes is no TLS, an old TLS, or not what was sent.
def garbage(whom):
    def spoil(turn, i, rx):
        if i == whom and rx and turn == 0:
            rx[:] = b"GET / HTTP/1.0\r\n\r\n"

    return spoil


def edit(whom, at, xor):
    """Changes one byte of the first flight that a side gets."""

    def spoil(turn, i, rx):
        if i == whom and rx and not done:
            done.append(True)
            rx[at] ^= xor

    done = []
    return spoil


# Mbed TLS before 3.6.6 finds another word for it.
alerts("no TLS at the server", spoil=garbage(1), synonyms={"unexpected_message": "decode_error"})
alerts("TLS 1.1 at the server", spoil=edit(1, 10, 1))
alerts("signature spoilt", client_context(ca), spoil=edit(0, -15, 1))


# Encrypted ones, which only the peer's error shows.
def tampered(label, hook):
    client, server, client_end, server_end = connected()
    client.write(b"data")
    hook(server_end.rx)
    show(label, server.read)
    show("    client", client.read)


def mac(rx):
    rx[-1] ^= 1


def content_type(rx):
    rx[0] = 22


def length(rx):
    rx[3] = 0xFF


tampered("mac", mac)
tampered("content type", content_type)
tampered("length", length)
