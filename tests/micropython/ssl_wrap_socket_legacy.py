# Every way in which programs call wrap_socket of `ssl` and `ussl`: names of arguments,
# paths and data, PEM and DER, by position and by keyword.
# skip: needs the vfs module for the paths

try:
    import io, ssl, sys, ussl, vfs
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from files import FileSystem
from link import *

FILES = {
    "/key.pem": pki.ec_key.encode(),
    "/key.der": pki.ec_key_der,
    "/cert.pem": pki.ec_pem.encode(),
    "/cert.der": pki.ec_der,
    "/ca.pem": pki.ca_pem.encode(),
    "/ca.der": pki.ca_der,
    "/both.pem": (pki.ec_pem + pki.ec_key).encode(),
    "/client.key": pki.client_key.encode(),
    "/client.pem": pki.client_pem.encode(),
}


class File(io.IOBase):
    def __init__(self, data):
        self.data = data

    def read(self):
        return self.data

    def ioctl(self, request, arg):
        return 0


class Files(FileSystem):
    def open(self, path, mode):
        if path not in FILES:
            raise OSError(2)
        return File(FILES[path])


vfs.mount(Files(), "/files")

PSK_SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
PSK_SERVER.server_psk_keys = {b"device 7": b"secret", b"\xff\0": bytes(range(32))}


def outcome(client, server):
    """What the handshake comes to at both; whom each side saw."""
    results = shake(client, server)
    if results != (True, True):
        return "refused: %r, %r" % results
    seen = {None: None, pki.ec_der: "server", pki.rsa_der: "rsa"}
    by_client = seen.get(client.getpeercert(True), "?")
    return by_client, server.getpeercert(True) is not None, server.psk_identity


def attempt(make):
    """Prints what becomes of it, or what it raises: of a TypeError that is ours its text too."""
    try:
        print("   ", make())
    except TypeError as er:
        text = str(er)
        print("    TypeError", text if "argument" in text and "'" in text else "")
    except (OSError, ValueError) as er:
        print("   ", repr(er))


def serve(module, *args, **kwargs):
    """A server of these arguments, and a client that trusts whom it should."""
    a, b = link()
    server = module.wrap_socket(b, *args, **kwargs)
    client = ssl.wrap_socket(
        a,
        cert_reqs=ssl.CERT_REQUIRED,
        cadata=pki.ca_der,
        server_hostname=HOST,
        key=pki.client_key,
        cert=pki.client_pem,
        do_handshake=False,
    )
    return outcome(client, server)


def connect(module, *args, server_ctx=None, **kwargs):
    """A client of these arguments, and a server that asks for a certificate."""
    a, b = link()
    client = module.wrap_socket(a, *args, **kwargs)
    if server_ctx is None:
        server_ctx = server_context()
        server_ctx.verify_mode = ssl.CERT_OPTIONAL
        server_ctx.load_verify_locations(cadata=pki.ca_der)
    server = server_ctx.wrap_socket(b, server_side=True, do_handshake_on_connect=False)
    return outcome(client, server)


# A server's key and certificate: each name, each form; which name is by position.
KEYS = (
    pki.ec_key_der,
    pki.ec_key,
    pki.ec_key.encode(),
    bytearray(pki.ec_key_der),
    "/files/key.pem",
    "/files/key.der",
)
CERTS = (
    pki.ec_der,
    pki.ec_pem,
    pki.ec_pem.encode(),
    memoryview(pki.ec_der),
    "/files/cert.pem",
    "/files/cert.der",
)
later = {"server_side": True, "do_handshake": False}
for module in (ssl, ussl):
    print(module.__name__, "server")
    for i in range(len(KEYS)):
        key, cert = KEYS[i], CERTS[i]
        attempt(lambda: serve(module, key=key, cert=cert, **later))
        attempt(lambda: serve(module, keyfile=key, certfile=cert, **later))
        attempt(lambda: serve(module, key=key, certfile=cert, **later))
        attempt(lambda: serve(module, keyfile=key, cert=CERTS[-1 - i], **later))
        attempt(lambda: serve(module, True, key, cert, do_handshake=False))
        attempt(lambda: serve(module, True, key, certfile=cert, do_handshake=False))
    # Both in one.
    for both in (pki.ec_pem + pki.ec_key, (pki.ec_key + pki.ec_pem).encode(), "/files/both.pem"):
        attempt(lambda: serve(module, cert=both, **later))
        attempt(lambda: serve(module, certfile=both, **later))
    # None is as if not given.
    attempt(
        lambda: serve(
            module, key=KEYS[0], cert=CERTS[0], keyfile=None, certfile=None, ca_certs=None, **later
        )
    )
    attempt(lambda: serve(module, key=None, cert=None, keyfile=KEYS[0], certfile=CERTS[0], **later))
    # All of them, by position.
    args = (True, KEYS[0], CERTS[0], module.CERT_REQUIRED, pki.ca_der, None, False)
    for n in range(3, len(args)):
        rest = {} if n == len(args) - 1 else {"do_handshake": False}
        attempt(lambda: serve(module, *(args[: n + 1] if not rest else args[:n]), **rest))
    # A server that asks for certificates.
    for mode in (module.CERT_NONE, module.CERT_OPTIONAL, module.CERT_REQUIRED):
        for name in ("cadata", "ca_certs"):
            kwargs = {"keyfile": KEYS[0], "certfile": CERTS[0], "cert_reqs": mode, name: pki.ca_der}
            attempt(lambda: serve(module, **kwargs, **later))
    attempt(lambda: serve(module, key=KEYS[0], cert=pki.rsa_der, **later))
    attempt(lambda: serve(module, key=b"nonsense", cert=CERTS[0], **later))
    attempt(lambda: serve(module, key="/files/absent", cert=CERTS[0], **later))
    attempt(lambda: serve(module, key=5, cert=CERTS[0], **later))

# A client's: whom it trusts, whom it asks for, what it shows.
CAS = (pki.ca_der, pki.ca_pem, pki.ca_pem.encode(), bytearray(pki.ca_der))
for module in (ssl, ussl):
    print(module.__name__, "client")
    for mode in (module.CERT_NONE, module.CERT_OPTIONAL, module.CERT_REQUIRED):
        for ca in (None, pki.ca_der, pki.other_ca_der):
            for hostname in (None, HOST, "elsewhere.example"):
                print("  ", mode, ca and ca == pki.ca_der, hostname, end="")
                attempt(
                    lambda: connect(
                        module,
                        cert_reqs=mode,
                        cadata=ca,
                        server_hostname=hostname,
                        do_handshake=False,
                    )
                )
    verified = {"cert_reqs": module.CERT_REQUIRED, "server_hostname": HOST, "do_handshake": False}
    for ca in CAS:
        attempt(lambda: connect(module, cadata=ca, **verified))
        attempt(lambda: connect(module, ca_certs=ca, **verified))
    for path in ("/files/ca.pem", "/files/ca.der"):
        attempt(lambda: connect(module, ca_certs=path, **verified))
        attempt(lambda: connect(module, cadata=path, **verified))  # data is data
    args = (False, None, None, module.CERT_REQUIRED, pki.ca_der, HOST, False)
    attempt(lambda: connect(module, *args))
    attempt(lambda: connect(module, *args[:6], do_handshake_on_connect=False))
    shown = {"key": pki.client_key, "cert": pki.client_pem}
    attempt(lambda: connect(module, **shown, **verified))
    attempt(lambda: connect(module, ca_certs=pki.ca_der, **shown, **verified))
    attempt(
        lambda: connect(
            module,
            keyfile="/files/client.key",
            certfile="/files/client.pem",
            cadata=pki.ca_der,
            **verified,
        )
    )
    # Which protocol, nobody asks.
    for version in (None, 2, 3, 5, "TLSv1"):
        attempt(lambda: connect(module, ssl_version=version, do_handshake=False))
    # upstream's umqtt: all arguments in a dict, some of them the defaults.
    attempt(lambda: connect(module, **{"server_hostname": HOST, "do_handshake": False}))

# Pre-shared keys, as the old documentation has them.
for module in (ssl, ussl):
    print(module.__name__, "psk")
    psk = {"server_ctx": PSK_SERVER, "do_handshake": False}
    for ident in ("device 7", b"device 7", bytearray(b"device 7")):
        for key in ("secret", b"secret", bytearray(b"secret")):
            attempt(lambda: connect(module, psk_ident=ident, psk_key=key, **psk))
    attempt(lambda: connect(module, psk_ident=b"\xff\0", psk_key=bytes(range(32)), **psk))
    attempt(lambda: connect(module, psk_ident="device 7", psk_key="wrong", **psk))
    attempt(lambda: connect(module, psk_ident="nobody", psk_key="secret", **psk))
    attempt(lambda: connect(module, psk_ident=None, psk_key=None, do_handshake=False))
    # With what is for certificates.
    attempt(
        lambda: connect(
            module,
            psk_ident="device 7",
            psk_key="secret",
            cert_reqs=module.CERT_REQUIRED,
            server_hostname=HOST,
            cadata=pki.ca_der,
            **psk,
        )
    )
    # Not with a server of certificates.
    attempt(
        lambda: connect(
            module, psk_ident="device 7", psk_key="secret", cadata=pki.ca_der, do_handshake=False
        )
    )
    attempt(lambda: connect(module, psk_ident="device 7", **psk))
    attempt(lambda: connect(module, psk_key="secret", **psk))
    attempt(lambda: connect(module, psk_ident="", psk_key="secret", **psk))
    attempt(lambda: connect(module, psk_ident="device 7", psk_key="", **psk))
    attempt(lambda: connect(module, psk_ident="device 7", psk_key=b"k" * 49, **psk))
    attempt(lambda: connect(module, psk_ident="i" * 129, psk_key="secret", **psk))
    attempt(lambda: connect(module, psk_ident=5, psk_key="secret", **psk))
    attempt(lambda: connect(module, psk_ident="device 7", psk_key=5, **psk))
    attempt(lambda: serve(module, psk_ident="device 7", psk_key="secret", **later))

# Both names of one argument; a name that is none.
a, b = link()
for module in (ssl, ussl):
    print(module.__name__, "names")
    for first, second in (
        ("key", "keyfile"),
        ("cert", "certfile"),
        ("cadata", "ca_certs"),
        ("do_handshake", "do_handshake_on_connect"),
    ):
        for kwargs in ({first: False, second: False}, {first: b"x", second: b"y"}):
            attempt(lambda: module.wrap_socket(a, **kwargs))
    attempt(lambda: module.wrap_socket(a, False, b"key", None, keyfile=b"key"))
    attempt(lambda: module.wrap_socket(a, False, None, b"cert", certfile=b"cert"))
    attempt(lambda: module.wrap_socket(a, False, None, None, 0, b"ca", ca_certs=b"ca"))
    attempt(
        lambda: module.wrap_socket(
            a, False, None, None, 0, None, None, False, do_handshake_on_connect=False
        )
    )
    for name in (
        "nonsense",
        "password",
        "ciphers",
        "psk_identity",
        "server_psk_keys",
        "check_hostname",
    ):
        attempt(lambda: module.wrap_socket(a, **{name: None}))
    attempt(lambda: module.wrap_socket(a, sock=b))
    attempt(lambda: module.wrap_socket())
    attempt(lambda: module.wrap_socket(a, *[None] * 8))
    attempt(lambda: module.wrap_socket(5))
    attempt(lambda: module.wrap_socket(a, cert_reqs=3))
    attempt(lambda: module.wrap_socket(a, cert_reqs="x"))
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
for method, args in (
    (ctx.wrap_socket, (a,)),
    (ctx.load_cert_chain, (pki.ec_der,)),
    (ctx.load_verify_locations, (pki.ca_der,)),
    (ctx.set_psk_server_callback, (None,)),
    (ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER).listen, (a,)),
):
    attempt(lambda: method(*args, nonsense=1))
print(a.closed)

# Either name defers the handshake; without, it is done when wrap_socket returns.
for module in (ssl, ussl):
    print(module.__name__, "handshake")
    for kwargs in (
        {"do_handshake": False},
        {"do_handshake_on_connect": False},
        {"do_handshake": True},
        {"do_handshake_on_connect": True},
        {},
    ):
        a, b = link()
        b.closed = 1  # a handshake fails at once
        show(kwargs, lambda: module.wrap_socket(a, **kwargs).version())
