# What an exception says when a handshake fails: the alert, whoever sent it, which certificate it
# is about, and the mistake that may be behind it. docs/ssl.md has the same rows.

try:
    import io, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import chains, pki
from link import *


ECONNRESET = 104


def tell(who, er):
    if not isinstance(er, Exception):
        print("   ", who, er)
        return
    print("   ", who, repr(er), er.alert, er.reason, er.hint)
    # What code looks at is upstream's.
    assert er.args == (er.errno, er.args[1]) if isinstance(er, OSError) else len(er.args) == 1
    assert str(er) == str(er.args if len(er.args) > 1 else er.args[0])
    # A traceback has it all.
    out = io.StringIO()
    sys.print_exception(er, out)
    shown = out.getvalue()
    for part in (er.alert, er.reason, er.hint):
        assert part is None or str(part) in shown, shown
    assert ("the peer sent" in shown) == (er.args[0] == -30592), shown


def fails(label, client_ctx=None, server_ctx=None, hostname=HOST, client_gets=None, server_gets=None):
    print(label)
    client, server, client_end, server_end = pair(client_ctx, server_ctx, hostname)
    for end, data in ((client_end, client_gets), (server_end, server_gets)):
        if data:
            end.rx.extend(data)
    for who, er in zip(("client", "server"), shake(client, server)):
        tell(who, er)
    return client, server


def client(ca=None, ciphers=None, curve=None, cert=None, key=None):
    ctx = client_context(ca)
    if ciphers:
        ctx.set_ciphers([ciphers])
    if curve:
        ctx.set_ecdh_curve(curve)
    if cert:
        ctx.load_cert_chain(cert, key)
    return ctx


def server(cert=None, key=None, ciphers=None, curve=None):
    ctx = server_context(cert, key)
    if ciphers:
        ctx.set_ciphers([ciphers])
    if curve:
        ctx.set_ecdh_curve(curve)
    return ctx


# The certificate.
ctx = client()
ctx.verify_mode = ssl.CERT_REQUIRED
fails("no CA", ctx)
fails("wrong name", client(pki.ca_der), hostname="elsewhere.example")
fails("wrong address", client(pki.ca_der), hostname="127.0.0.9")
fails("only a common name", client(pki.selfsigned_der), server(pki.selfsigned_der, pki.selfsigned_key_der), "a.b")
fails("clock", client(pki.ca_der), server(pki.notyet_der, pki.notyet_key_der))
fails("unknown CA", client(pki.other_ca_der))
demanding = server()
demanding.verify_mode = ssl.CERT_REQUIRED
demanding.load_verify_locations(pki.ca_der)
fails("usage", client(cert=pki.ec_der, key=pki.ec_key_der), demanding)
fails("no client certificate", None, demanding)
fails("a chain", client(chains.root), server(chains.of_old_ca + chains.old_ca, chains.key))
fails(
    "a chain and a name",
    client(chains.root),
    server(chains.of_old_ca + chains.old_ca, chains.key),
    hostname="a.b",
)
ctx = server(chains.plain, chains.key)
ctx.verify_mode = ssl.CERT_REQUIRED
ctx.load_verify_locations(chains.root)
fails("a client's chain", client(cert=chains.of_old_ca + chains.old_ca, key=chains.key), ctx)

# Nothing in common.
RSA, ECDSA = "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
fails("suite", client(ciphers=ECDSA), server(ciphers="TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"))
fails("kind of key", client(ciphers=RSA))
fails("curve", client(curve="secp384r1"), server(pki.rsa_der, pki.rsa_key_der, curve="secp256r1"))
PSK = "TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256"
with_psk = client(ciphers=PSK, curve="x25519"), server(ciphers=PSK, curve="secp256r1")
for ctx in with_psk:
    ctx.psk_identity, ctx.psk_key = "id", b"a key"
fails("curve with a pre-shared key", *with_psk)
fails("certificate's curve", client(curve="secp384r1"))
fails("usage of a server's", None, server(pki.client_pem, pki.client_key))
fails("no certificate", None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def tls_1_1(hello):
    return hello[:10] + b"\x02" + hello[11:]


def no_ecdsa(hello):
    """All the algorithms that go with EC keys become RSA's."""
    # signature_algorithms, behind the session's id, which is random with TLS 1.3.
    at = hello.index(b"\x00\x0d", 44 + hello[43])
    size = hello[at + 3]
    algorithms = bytearray(hello[at + 6 : at + 4 + size])
    for i in range(1, len(algorithms), 2):
        algorithms[i] = 1
    return hello[: at + 6] + bytes(algorithms) + hello[at + 4 + size :]


for label, change in (("version", tls_1_1), ("signature", no_ecdsa)):
    print(label)
    a, b, client_end, server_end = pair()
    step(a)
    server_end.rx[:] = change(bytes(server_end.rx))
    tell("server", step(b))
    tell("client", step(a))

# A peer that has sent its alert and left, while this side still writes; and one that leaves without.
for errno in (EPIPE, ECONNRESET, EIO):
    for last in (b"", b"\x15\x03\x03\x00\x02\x02\x30", b"\x15\x03\x03\x00\x02\x01\x00", b"\x16\x03\x03\x00\x02\x02\x30"):
        for taken in (0, 1, 60):
            a, b, client_end, server_end = pair()
            step(a)
            step(b)
            takes = [taken] if taken else []

            def leave(what):
                if what != "write":
                    return None
                if takes:
                    return takes.pop()
                if not server_end.closed:
                    client_end.rx[:] = last
                    server_end.closed = 1
                return -errno

            client_end.hook = leave
            result = step(a)
            told = getattr(result, "reason", None)
            assert told == ("unknown_ca" if errno != EIO and last[-2:] == b"\x02\x30" and last[0] == 0x15 else None)
            assert told or result.errno == errno, result
        print("leaves", errno == EIO, len(last), repr(result) if told else "errno", told)

# No TLS.
fails("a server of HTTP", client_gets=b"HTTP/1.0 400 Bad Request\r\n\r\n")

# Pre-shared keys.
if ssl.HAS_PSK:
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.psk_identity, ctx.psk_key = b"id", b"0123456789abcdef"
    psk = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    psk.server_psk_keys = {b"id": b"another key, it is"}
    fails("another key", ctx, psk)
    psk.server_psk_keys = {}
    fails("another identity", ctx, psk)
    fails("no pre-shared keys", ctx)
    fails("only pre-shared keys", None, psk)

# An exception without them, as a program may make.
client_result, server_result = shake(*pair(client(pki.other_ca_der))[:2])
for kind in (type(client_result), type(server_result)):
    for args in ((), (1,), (1, 2), (1, 2, 3, 4, 5)):
        print(repr(kind(*args)), kind(*args).args)
print(ssl.CertificateError is ssl.SSLCertVerificationError, isinstance(client_result, ssl.CertificateError))
print(isinstance(client_result, ValueError), isinstance(client_result, OSError))

# A record that does not authenticate.
a, b, a_end, b_end = connected()
a.write(b"data")
b_end.rx[-1] ^= 1
for who, sock in (("server", b), ("client", a)):
    try:
        sock.read(1)
    except OSError as er:
        tell(who, er)
