# SSLSocket.session = a session: before the handshake, at a client, of the same settings.

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


def keeping_client(version):
    ctx = client_context(pki.ca_der)
    ctx.options &= ~ssl.OP_NO_TICKET
    ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, version)
    return ctx


def giving_server():
    ctx = server_context()
    ctx.num_tickets = 1
    return ctx


def begin(client_ctx, server_ctx, hostname=HOST):
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=hostname)
    return client, server


def finish(client, server):
    """The session for the next one."""
    assert shake(client, server) == (True, True)
    assert client.session_reused is server.session_reused
    server.write(b"hello")
    assert client.read(5) == b"hello"
    return client.session


def refused(label, client, value, expected):
    try:
        client.session = value
        print(label, "can be set")
    except Exception as er:
        text = "" if type(er) is TypeError else er.args[0]
        if (label, version) not in told:
            told.add((label, version))
            if version == VERSIONS[0]:
                print(label, type(er).__name__, text)
        assert type(er) is expected, (label, er)


told = set()
for version in VERSIONS:
    client_ctx, server_ctx = keeping_client(version), giving_server()
    session = finish(*begin(client_ctx, server_ctx))

    client, server = begin(client_ctx, server_ctx)
    for value in (None, 1, b"x", session.serialize(), ssl.SSLSession, client):
        refused("another type", client, value, TypeError)
    refused("a server", server, session, ValueError)
    try:
        del client.session
    except AttributeError:
        pass
    client.session = session
    client.session = session
    again = finish(client, server)
    # Whether it may be used twice is TLS 1.3's to say: it was, by the first setting.
    assert client.session_reused is (version == "TLSv1_2")
    refused("after the handshake", client, again, ValueError)
    client.close()
    refused("closed", client, again, ValueError if version is None else OSError)

    client, server = begin(client_ctx, server_ctx)
    client.session = again
    newer = finish(client, server)
    assert client.session_reused is True
    assert client.getpeercert()

    # When the hello is out, it is too late.
    client, server = begin(client_ctx, server_ctx)
    try:
        client.do_handshake()
    except NOT_YET:
        pass
    refused("begun", client, newer, ValueError)
    finish(client, server)
    assert client.session_reused is False

    # Another host, other settings, another verifier.
    client, server = begin(client_ctx, server_ctx, "other.example")
    refused("host", client, newer, ValueError)
    other_ctx = keeping_client(version)
    other_ctx.verify_mode = ssl.CERT_OPTIONAL
    refused("verify_mode", begin(other_ctx, server_ctx)[0], newer, ValueError)
    refused("keeps none", begin(client_context(pki.ca_der), server_ctx)[0], newer, ValueError)
    client_ctx.verify_callback = lambda cert, depth: 0
    refused("verify_callback", begin(client_ctx, server_ctx)[0], newer, ValueError)
    client_ctx.verify_callback = None

    # Freed, and set by a callback of the very handshake.
    client, server = begin(client_ctx, server_ctx)
    spent = ssl.SSLSession(newer.serialize())
    spent.__del__()
    refused("freed", client, spent, OSError)

    def hook(what):
        refused("within", client, newer, OSError)

    client_end, server_end = link()
    client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=HOST)
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client_end.hook = hook
    finish(client, server)
    client_end.hook = None

    # In the place of one that wrap_socket was given, and of the cache's.
    client_ctx.session_cache = 1
    finish(*begin(client_ctx, server_ctx))
    client, server = begin(client_ctx, server_ctx)
    client.session = newer
    finish(client, server)
    assert client.session_reused is True
    # The session is not needed any more; the socket is not, either.
    client, server = begin(client_ctx, server_ctx)
    client.session = ssl.SSLSession(finish(*begin(client_ctx, server_ctx)).serialize())
    gc.collect()
    finish(client, server)
    assert client.session_reused is True
    client, server = begin(client_ctx, server_ctx)
    client.session = ssl.SSLSession(newer.serialize())
    del client, server
    gc.collect()
print("done")
