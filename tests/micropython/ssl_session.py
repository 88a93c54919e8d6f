# SSLSession, SSLSocket.session and .session_reused, wrap_socket(session=), SSLContext.num_tickets.

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

if not hasattr(ssl, "SSLSession"):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

VERSIONS = ["TLSv1_2"] + (["TLSv1_3"] if ssl.HAS_TLSv1_3 else [])


def keeping_client(version="TLSv1_2", ca=pki.ca_der):
    ctx = client_context(ca)
    ctx.options &= ~ssl.OP_NO_TICKET
    ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, version)
    return ctx


def giving_server():
    ctx = server_context()
    ctx.num_tickets = 1
    return ctx


def connect(client_ctx, server_ctx, session=None, hostname=HOST):
    """A connection on which the server has said something: (client, server)."""
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client = client_ctx.wrap_socket(
        client_end, do_handshake_on_connect=False, server_hostname=hostname, session=session
    )
    assert client.session_reused is server.session_reused is None
    assert shake(client, server) == (True, True)
    assert client.session_reused is server.session_reused
    server.write(b"hello")
    assert client.read(5) == b"hello"
    return client, server


# Only where somebody asks for it.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
print(ctx.num_tickets, bool(ctx.options & ssl.OP_NO_TICKET))
ctx.num_tickets = 2
print(ctx.num_tickets, bool(ctx.options & ssl.OP_NO_TICKET))
ctx.options |= ssl.OP_NO_TICKET
print(ctx.num_tickets)
for value in (0, 4, 5, -1, 1 << 40, None, "x", True):
    show(value, setattr, ctx, "num_tickets", value)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(ctx.num_tickets, bool(ctx.options & ssl.OP_NO_TICKET))
show("a client", setattr, ctx, "num_tickets", 1)
client, server = connected()[:2]
print(client.session, server.session, client.session_reused, server.session_reused)

def quiet(label, fun, *args, **kwargs):
    try:
        result = fun(*args, **kwargs)
    except (TypeError, ValueError):
        result = None
    assert result is None, label


for version in VERSIONS:
    tell = show if version == VERSIONS[0] else quiet  # it is the same of each
    client_ctx, server_ctx = keeping_client(version), giving_server()
    client, server = connect(client_ctx, server_ctx)
    session = client.session
    assert type(session) is ssl.SSLSession and server.session is None
    assert len(session.id) == 32 and session.has_ticket is True
    assert session.timeout == session.ticket_lifetime_hint == 86400 and session.time > 0
    for name in ("id", "time", "timeout", "ticket_lifetime_hint", "has_ticket", "other"):
        try:
            setattr(session, name, 1)
            print("can be set", name)
        except AttributeError:
            pass
    cert = client.getpeercert()
    client.close()

    client, server = connect(client_ctx, server_ctx, session)
    assert client.session_reused is True
    assert client.getpeercert() == cert
    newer = client.session
    # A ticket of TLS 1.3 is good for once, by whichever object.
    assert connect(client_ctx, server_ctx, client.session)[0].session_reused is True
    assert connect(client_ctx, server_ctx, newer)[0].session_reused is (version == "TLSv1_2")

    # Saved, and loaded in another life.
    saved = connect(client_ctx, server_ctx)[0].session.serialize()
    assert type(saved) is bytes
    for form in (saved, bytearray(saved), memoryview(saved)):
        again = ssl.SSLSession(form)
        assert again.serialize() == bytes(again) == saved
    again.__del__()
    for use in (lambda: again.time, again.serialize):
        try:
            use()
            assert False
        except OSError as er:
            assert er.errno == EBADF
    other_life = keeping_client(version)
    assert connect(other_life, server_ctx, ssl.SSLSession(saved))[0].session_reused is True

    # Another host, other settings, no setting at all.
    session = connect(client_ctx, server_ctx)[0].session
    for what, ctx, hostname in (
        ("host", client_ctx, "other.example"),
        ("nobody verifies", keeping_client(version, None), HOST),
        ("asks for nothing", client_context(pki.ca_der), HOST),
    ):
        tell(what, ctx.wrap_socket, link()[0], False, False, hostname, session=session)
    ctx = keeping_client(version)
    ctx.verify_mode = ssl.CERT_OPTIONAL
    tell("verify_mode", ctx.wrap_socket, link()[0], False, False, HOST, session=session)
    tell("a server", server_ctx.wrap_socket, link()[0], True, False, session=session)
    for value in (1, b"x", "x", saved):
        tell("a", ctx.wrap_socket, link()[0], False, False, HOST, session=value)

    # verify_callback: with the same one only, and never from bytes.
    def accept(cert, depth):
        seen.append(depth)
        return 0

    seen = []
    tell("without callback", lambda: client_ctx.wrap_socket(link()[0], False, False, HOST, session=session) and None)
    client_ctx.verify_callback = accept
    tell("got without", client_ctx.wrap_socket, link()[0], False, False, HOST, session=session)
    session = connect(client_ctx, server_ctx)[0].session
    assert seen
    assert connect(client_ctx, server_ctx, session)[0].session_reused is True
    session = connect(client_ctx, server_ctx)[0].session
    client_ctx.verify_callback = lambda cert, depth: 0
    tell("another callback", client_ctx.wrap_socket, link()[0], False, False, HOST, session=session)
    client_ctx.verify_callback = accept
    loaded = ssl.SSLSession(session.serialize())
    tell("loaded", client_ctx.wrap_socket, link()[0], False, False, HOST, session=loaded)
    client_ctx.verify_callback = None
    tell("loaded, none", client_ctx.wrap_socket, link()[0], False, False, HOST, session=loaded)

    # A server that has a verify_callback, or asks by name, gives none.
    for name in ("verify_callback", "sni_callback"):
        if name == "sni_callback" and not ssl.HAS_SNI:
            continue
        ctx = giving_server()
        setattr(ctx, name, lambda *args: None)
        session = connect(keeping_client(version), ctx)[0].session
        assert session is None or not session.has_ticket, name

# Bytes that are none.
for value in (b"", b"x", bytes(300), saved[:-1], saved + b"x", saved[:40] + b"x" + saved[41:]):
    show("bytes", ssl.SSLSession, value)
for args in ((), (1,), (None,), ("x", 1)):
    show(args, ssl.SSLSession, *args)

# Nothing is left of what is dropped.
for _ in range(50):
    connect(keeping_client(), giving_server())
gc.collect()
print("done")
