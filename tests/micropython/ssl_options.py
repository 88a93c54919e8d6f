# SSLContext.options with OP_*, SSLContext.set_ciphersuites, as CPython's.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

NAMES = [name for name in dir(ssl) if name.startswith("OP_")]
print(NAMES)

# What is always so, and what can be chosen.
for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
    ctx = ssl.SSLContext(protocol)
    always = ctx.options
    print([name for name in NAMES if always & getattr(ssl, name)])
    # Of a client that can go on with sessions, and asks for tickets.
    asks = hasattr(ssl, "SSLSession") and protocol == ssl.PROTOCOL_TLS_CLIENT
    least = always & ~ssl.OP_NO_TICKET if asks else always
    for name in NAMES:
        ctx.options = always | getattr(ssl, name)
        assert ctx.options == always | getattr(ssl, name), name
        ctx.options = 0
        assert ctx.options == least, name
for value in (1, 0x40000000, 1 << 40, -1, True, None, "x", 1.5):
    show(value, setattr, ctx, "options", value)
assert ctx.options == always


# What it comes to: by options of the client's and of the server's.
def version(client_options, server_options):
    contexts = client_context(), server_context()
    for ctx, options in zip(contexts, (client_options, server_options)):
        ctx.options |= options
    client, server = pair(*contexts)[:2]
    results = shake(client, server)
    return client.version() if results == (True, True) else "no"


NO_1_2, NO_1_3 = ssl.OP_NO_TLSv1_2, ssl.OP_NO_TLSv1_3
highest = "TLSv1.3" if ssl.HAS_TLSv1_3 else "TLSv1.2"
assert version(0, 0) == highest
for options in ((NO_1_3, 0), (0, NO_1_3), (NO_1_3, NO_1_3)):
    assert version(*options) == "TLSv1.2", options
for options in ((NO_1_2, 0), (0, NO_1_2), (NO_1_2, NO_1_2), (NO_1_2, NO_1_3), (NO_1_3, NO_1_2)):
    expected = "TLSv1.3" if ssl.HAS_TLSv1_3 and NO_1_3 not in options else None
    try:
        result = version(*options)
    except ValueError as er:
        result = None if str(er) == "unsupported protocol version" and not ssl.HAS_TLSv1_3 else er
    else:
        result = None if result == "no" else result
    assert result == expected, (options, result)

# With no version left there is no connection, and the context is as good as before.
ctx = client_context()
ctx.options |= NO_1_2 | NO_1_3
show("none left", ctx.wrap_socket, link()[0], False, False, HOST)
ctx.options = 0
connected(ctx)
if hasattr(ssl, "PROTOCOL_DTLS_CLIENT"):
    ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    ctx.verify_mode = ssl.CERT_NONE
    ctx.options |= NO_1_2
    show("datagrams", ctx.wrap_socket, link()[0], False, False, HOST)
ctx = client_context()
ctx.maximum_version = ssl.TLSVersion.TLSv1_2
ctx.options |= NO_1_2
show("bounds and options", ctx.wrap_socket, link()[0], False, False, HOST)

# TLS 1.3's suites by themselves: those of TLS 1.2 stay.
ctx = client_context()
if not ssl.HAS_TLSv1_3:
    try:
        ctx.set_ciphersuites("TLS_AES_128_GCM_SHA256")
        print("set_ciphersuites without TLS 1.3")
    except NotImplementedError:
        pass
else:
    is_1_3 = lambda name: name.startswith("TLS1-3-")
    others = [name for name in ctx.get_ciphers() if not is_1_3(name)]
    AES_128, AES_256 = "TLS1-3-AES-128-GCM-SHA256", "TLS1-3-AES-256-GCM-SHA384"
    for given, suites in (
        (AES_256, [AES_256]),
        (AES_256 + ":" + AES_128, [AES_256, AES_128]),
        ([AES_128], [AES_128]),
        ((AES_128, AES_256), [AES_128, AES_256]),
        ("", []),
        ([], []),
    ):
        ctx.set_ciphersuites(given)
        assert ctx.get_ciphers() == suites + others, ctx.get_ciphers()
        client, server = connected(ctx)[:2]
        assert (client.cipher()[0] in suites) == bool(suites), client.cipher()
        assert client.version() == ("TLSv1.3" if suites else "TLSv1.2")
    ctx.set_ciphersuites(AES_256)
    for bad in ("x", others[0], AES_128 + ":", ":", [AES_128, others[0]], [1]):
        try:
            ctx.set_ciphersuites(bad)
            print(bad)
        except (OSError, TypeError):
            pass
    for bad in (None, 1, {}):
        try:
            ctx.set_ciphersuites(bad)
            print(bad)
        except TypeError:
            pass
    ctx.set_ciphers(others[:1])
    assert ctx.get_ciphers() == [AES_256] + others[:1], ctx.get_ciphers()
    ctx.options |= NO_1_3
    assert ctx.get_ciphers() == others[:1], ctx.get_ciphers()
    ctx.options = 0
    ctx.set_ciphers([AES_128])
    assert ctx.get_ciphers() == [AES_256], ctx.get_ciphers()
