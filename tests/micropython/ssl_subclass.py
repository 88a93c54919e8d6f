# SSLContext as a base class: each attribute and each method does in a subclass what it does in
# the class, whatever else the subclass has. One that is in no table here is printed.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls, ussl
import pki
from link import *


def callback(*args):
    return 0


# Each attribute: the protocol whose contexts have it, a value to store, or nothing to store.
CLIENT, SERVER, DTLS = ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_DTLS_CLIENT
READ_ONLY = object()
ATTRIBUTES = {
    "verify_mode": (SERVER, ssl.CERT_OPTIONAL),
    "check_hostname": (CLIENT, True),
    "verify_flags": (CLIENT, ssl.VERIFY_CRL_CHECK_CHAIN),
    "verify_callback": (CLIENT, callback),
    "ecdsa_sign_callback": (SERVER, callback),
    "check_own_signature": (SERVER, False),
    "sni_callback": (SERVER, callback),
    "pinned_pubkeys": (CLIENT, (bytes(32),)),
    "keylog_filename": (CLIENT, "/dev/null"),
    "hibernate_after": (CLIENT, 1234),
    "minimum_version": (CLIENT, 771),
    "maximum_version": (CLIENT, 772),
    "options": (CLIENT, ssl.SSLContext(CLIENT).options | ssl.OP_NO_TLSv1_3),
    "num_tickets": (SERVER, 1),
    "session_cache": (CLIENT, 3),
    "max_fragment_length": (CLIENT, 512),
    "keep_peer_cert": (CLIENT, False),
    "psk_identity": (CLIENT, b"me"),
    "psk_key": (CLIENT, b"secret"),
    "server_psk_keys": (SERVER, {b"me": b"secret"}),
    "dtls_timeout": (DTLS, (5, 10)),
    "dtls_mtu": (DTLS, 700),
    "dtls_cid": (DTLS, 4),
    "dtls_cid_required": (DTLS, True),
    "_context": (CLIENT, READ_ONLY),
    "memory": (CLIENT, READ_ONLY),
}
try:
    ssl.SSLContext(CLIENT).keylog_filename = "/dev/null"
except NotImplementedError:  # a build without MPSSL_KEYLOG=1
    ATTRIBUTES["keylog_filename"] = (CLIENT, READ_ONLY)
try:
    ssl.SSLContext(CLIENT).verify_flags = ssl.VERIFY_CRL_CHECK_LEAF
except NotImplementedError:  # a build without MPSSL_CRL=1
    ATTRIBUTES["verify_flags"] = (CLIENT, READ_ONLY)


class Datagrams(End):
    def sendto(self, *args):
        pass


def end():
    return link()[0]


# Each method: the protocol, and arguments with which it works.
METHODS = {
    "get_ciphers": (CLIENT, ()),
    "set_ciphers": (CLIENT, lambda: (ssl.SSLContext(CLIENT).get_ciphers()[:1],)),
    "set_ciphersuites": (CLIENT, lambda: (ssl.SSLContext(CLIENT).get_ciphers()[:1],)),
    "set_alpn_protocols": (CLIENT, lambda: (["h2"],)),
    "set_ecdh_curve": (CLIENT, lambda: ("secp256r1",)),
    "load_cert_chain": (SERVER, lambda: (pki.ec_der, pki.ec_key_der)),
    "load_verify_locations": (CLIENT, lambda: (pki.ca_der,)),
    "cert_store_stats": (CLIENT, ()),
    "session_stats": (CLIENT, ()),
    "load_default_certs": (CLIENT, ()),
    "set_default_verify_paths": (CLIENT, ()),
    "wrap_socket": (CLIENT, lambda: (end(), False, False, HOST)),
    "listen": (ssl.PROTOCOL_DTLS_SERVER, lambda: (end(),)),
    "set_psk_client_callback": (CLIENT, lambda: (callback,)),
    "set_psk_server_callback": (SERVER, lambda: (callback,)),
}


def make(base):
    class Plain(base):
        pass

    class Initialised(base):
        def __init__(self, protocol, more=None):
            self.before = 1
            super().__init__(protocol)
            self.more = more

    class Below(Initialised):
        pass

    class Mixin:
        def hello(self):
            return "hello"

    class Mixed(Mixin, base):
        pass

    class Watched(base):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)

    return (base, Plain, Initialised, Below, Mixed, Watched)


def names(cls):
    return [name for name in dir(cls) if name[:2] != "__"]


def same(a, b):
    return a is b or a == b


for base in (ssl.SSLContext, tls.SSLContext):
    # restore is below.
    print([name for name in names(base) if name not in ATTRIBUTES and name not in METHODS and name != "restore"])
    for cls in make(base):
        wrong = []
        for name, (protocol, value) in ATTRIBUTES.items():
            if name not in names(base):
                continue
            ctx = cls(protocol)
            default = getattr(base(protocol), name)
            if type(value) is bool:
                value = not default
            if name != "_context" and not same(getattr(ctx, name), default):
                wrong.append((name, "default"))
            if value is READ_ONLY:
                try:
                    setattr(ctx, name, 1)
                    wrong.append((name, "stored"))
                except (AttributeError, NotImplementedError):
                    pass
            else:
                setattr(ctx, name, value)
                if not same(getattr(ctx, name), value) or same(default, value):
                    wrong.append((name, getattr(ctx, name)))
            try:
                delattr(ctx, name)
                wrong.append((name, "deleted"))
            except AttributeError:
                pass
            # What is in the instance does not get to the connections.
            if name in ctx.__dict__:
                wrong.append((name, "in the instance"))
        ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
        try:
            ctx.own = 1
            del ctx.own
            del ctx.own
            wrong.append(("own", "deleted twice"))
        except AttributeError:
            pass
        for name, (protocol, args) in METHODS.items():
            if name not in names(base) or (name == "set_ciphersuites" and not ssl.HAS_TLSv1_3):
                continue
            args = args or tuple
            expected = type(getattr(base(protocol), name)(*args()))
            calls = [
                lambda: getattr(cls(protocol), name)(*args()),
                lambda: getattr(base, name)(cls(protocol), *args()),
                lambda: getattr(cls, name)(cls(protocol), *args()),
            ]

            class Over(cls):
                pass

            def over(self, *args):
                return getattr(super(Over, self), name)(*args)

            setattr(Over, name, over)
            calls.append(lambda: getattr(Over(protocol), name)(*args()))
            for call in calls:
                try:
                    if type(call()) is not expected:
                        wrong.append((name, "result"))
                except Exception as er:
                    wrong.append((name, repr(er)))
        print(cls is base or cls.__name__, wrong)

# What counts: connections. With an anchor that is not the server's, and a wrong name.
for base in (ssl.SSLContext, tls.SSLContext):
    for cls in make(base):
        out = []
        for ca, name in ((pki.other_ca_der, HOST), (pki.ca_der, "elsewhere.example"), (pki.ca_der, HOST)):
            ctx = cls(CLIENT)
            ctx.verify_mode = ssl.CERT_REQUIRED
            ctx.load_verify_locations(ca)
            out.append(shake(*pair(ctx, None, name)[:2])[0] is True)
        ctx = cls(SERVER)
        ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
        ctx.verify_mode = ssl.CERT_REQUIRED
        ctx.load_verify_locations(pki.ca_der)
        out.append(shake(*pair(None, ctx)[:2])[1] is True)
        refused = []
        ctx = cls(CLIENT)
        ctx.verify_mode = ssl.CERT_OPTIONAL
        ctx.verify_callback = lambda der, depth: refused.append(depth) or -1
        out.append(shake(*pair(ctx)[:2])[0] is True)
        print(cls is base or cls.__name__, out, refused)



# A connection that outlives its socket, by contexts of the one class and the other.
class Counter:
    stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        self.stored = n


def trusting(cls):
    ctx = cls(CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(pki.ca_der)
    return ctx


for base in (ssl.SSLContext, tls.SSLContext) if ssl.HAS_HIBERNATION else ():
    for cls in make(base):
        client, server, end_, _ = pair(trusting(cls))
        assert shake(client, server) == (True, True)
        client.write(b"x")
        server.read(1)
        counter = Counter()
        for again in (cls, base, cls):
            ctx = trusting(again)
            client = ctx.restore(end_, client.export(key=None, counter=counter), key=None, counter=counter)
            assert client.write(b"y") == 1 and server.read(1) == b"y" and client.context is ctx

# Own attributes, methods and properties.
class Own(ssl.SSLContext):
    level = 3

    @property
    def strict(self):
        return self.verify_mode == ssl.CERT_REQUIRED

    @strict.setter
    def strict(self, value):
        self.verify_mode = ssl.CERT_REQUIRED if value else ssl.CERT_NONE

    def wrap_socket(self, sock, **kwargs):
        self.wrapped = kwargs
        return super().wrap_socket(sock, do_handshake_on_connect=False, **kwargs)


ctx = Own(CLIENT)
ctx.strict = True
ctx.level += 1
print(ctx.verify_mode, ctx.strict, ctx.level, Own.level)
print(type(ctx.wrap_socket(end(), server_hostname=HOST)) is ssl.SSLSocket, ctx.wrapped)
print(isinstance(ctx, ssl.SSLContext), isinstance(ctx, tls.SSLContext), ussl.SSLContext is ssl.SSLContext)


# A context that was never made, and what is none.
class Unmade(ssl.SSLContext):
    def __init__(self):
        pass


show("unmade", Unmade)
unmade = object.__new__(ssl.SSLContext)
for name in sorted(ATTRIBUTES) + sorted(METHODS):
    if name not in names(ssl.SSLContext):
        continue
    for obj in (unmade, 5, object(), ssl.wrap_socket(end(), do_handshake=False)):
        actions = (
            lambda: getattr(ssl.SSLContext, name)(obj),
            lambda: getattr(ssl.SSLContext, name).__get__(obj, None),
            lambda: getattr(ssl.SSLContext, name).__set__(obj, 1),
        )
        for action in actions:
            try:
                print(name, obj, "returned", action())
            except (TypeError, AttributeError):
                pass
for action in (lambda ctx: ctx.verify_mode, lambda ctx: setattr(ctx, "verify_mode", 2), lambda ctx: ctx.get_ciphers()):
    try:
        print("returned", action(unmade))
    except (TypeError, AttributeError):
        print("not made")

# What stands in an attribute's place holds for connections as it reads, wherever it stands: in a
# subclass, as a property of its own, or in an instance that was stored to past the class.
def refuse(cert, depth):
    return 7


def placed(base, name, value, protocol):
    class Attribute(base):
        pass

    setattr(Attribute, name, value)

    class Property(base):
        pass

    setattr(Property, name, property(lambda self: value))

    class Below(Attribute):
        pass

    for cls in (Attribute, Property, Below):
        yield cls.__name__, cls(protocol)
    # Stored in the instance, where the class has its own.
    ctx = Attribute(protocol)
    setattr(Attribute, name, getattr(base(protocol), name))
    setattr(ctx, name, value)
    yield "instance", ctx
    ctx = base(protocol)
    object.__setattr__(ctx, name, value)
    yield "past the class", ctx


def attempt(ctx, name=HOST, server=None):
    """What comes of a handshake, or of none."""
    try:
        return [r is True or type(r).__name__ for r in shake(*pair(ctx, server, name)[:2])]
    except Exception as er:
        return type(er).__name__


for base in (ssl.SSLContext, tls.SSLContext):
    wrong = []
    for name, value in (("verify_mode", ssl.CERT_REQUIRED), ("check_hostname", True)):
        for how, ctx in placed(base, name, value, CLIENT):
            out = []
            for ca, host in ((pki.other_ca_der, HOST), (pki.ca_der, "elsewhere.example"), (pki.ca_der, None), (pki.ca_der, HOST)):
                if ca is pki.other_ca_der:
                    ctx.load_verify_locations(ca)
                    out.append(attempt(ctx, host))
                    ctx.load_verify_locations(pki.ca_der)
                else:
                    out.append(attempt(ctx, host))
            if [r == [True, True] for r in out] != [False, False, False, True] or ctx.verify_mode != 2:
                wrong.append((name, how, out))
    for how, ctx in placed(base, "verify_callback", refuse, CLIENT):
        if how in ("Attribute", "Below"):
            type(ctx).verify_callback = lambda self, cert, depth: 7  # a method
        ctx.load_verify_locations(pki.ca_der)
        ctx.verify_mode = ssl.CERT_REQUIRED
        if attempt(ctx) == [True, True]:
            wrong.append(("verify_callback", how))
    # Which others hold is read back from a connection.
    for how, ctx in placed(base, "keep_peer_cert", False, CLIENT):
        ctx.verify_mode = ssl.CERT_NONE
        client, server = pair(ctx)[:2]
        if shake(client, server) != (True, True) or client.getpeercert(True) is not None:
            wrong.append(("keep_peer_cert", how))
    for how, ctx in placed(base, "hibernate_after", 0, CLIENT):
        ctx.verify_mode = ssl.CERT_NONE
        client, server = pair(ctx)[:2]
        if shake(client, server) != (True, True):
            wrong.append(("hibernate_after", how))
        client.write(b"x")
        if ssl.HAS_HIBERNATION and not client.hibernating:
            wrong.append(("hibernate_after", how))
    keys = {b"me": b"secret"}
    for how, ctx in placed(base, "server_psk_keys", keys, SERVER):
        client = ssl.SSLContext(CLIENT)
        client.psk_identity = b"me"
        client.psk_key = b"secret"
        if ssl.HAS_PSK and attempt(client, None, ctx) != [True, True]:
            wrong.append(("server_psk_keys", how))
    # What it cannot be is an error, and no connection is made.
    for name, value in (("verify_mode", 3), ("verify_mode", None), ("max_fragment_length", 5), ("hibernate_after", "x")):
        for how, ctx in placed(base, name, value, CLIENT):
            if attempt(ctx) not in ("ValueError", "TypeError"):
                wrong.append((name, value, how, attempt(ctx)))
    print(wrong)

# super() is no value where MicroPython's gives a property none: the setting holds.
for base in (ssl.SSLContext, tls.SSLContext):
    for name in ATTRIBUTES:

        class Above(base):
            pass

        setattr(Above, name, property(lambda self: getattr(super(Above, self), name)))
        ctx = Above(CLIENT)
        if name != "verify_mode":
            ctx.verify_mode = ssl.CERT_REQUIRED
            ctx.load_verify_locations(pki.other_ca_der)
            if attempt(ctx) == [True, True]:
                print("not verified", name)
            ctx.load_verify_locations(pki.ca_der)
        else:
            base.verify_mode.__set__(ctx, ssl.CERT_NONE)
        if attempt(ctx) != [True, True]:
            print(name, attempt(ctx))

# A client whose class weakens what was stored, too.
class Weak(ssl.SSLContext):
    check_hostname = False


ctx = Weak(CLIENT)
ctx.verify_mode = ssl.CERT_REQUIRED
ctx.load_verify_locations(pki.ca_der)
print(attempt(ctx, "elsewhere.example"), ctx.check_hostname)

# A socket can be neither made nor subclassed: only wrap_socket knows what is under it.
try:
    ssl.SSLSocket()
except TypeError:
    print("TypeError")
try:

    class Sub(ssl.SSLSocket):
        pass
except TypeError:
    print("TypeError")
