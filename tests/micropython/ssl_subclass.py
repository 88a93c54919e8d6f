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
    "verify_callback": (CLIENT, callback),
    "ecdsa_sign_callback": (SERVER, callback),
    "hibernate_after": (CLIENT, 1234),
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


class Datagrams(End):
    def sendto(self, *args):
        pass


def end():
    return link()[0]


# Each method: the protocol, and arguments with which it works.
METHODS = {
    "get_ciphers": (CLIENT, ()),
    "set_ciphers": (CLIENT, lambda: (ssl.SSLContext(CLIENT).get_ciphers()[:1],)),
    "set_ecdh_curve": (CLIENT, lambda: ("secp256r1",)),
    "load_cert_chain": (SERVER, lambda: (pki.ec_der, pki.ec_key_der)),
    "load_verify_locations": (CLIENT, lambda: (pki.ca_der,)),
    "cert_store_stats": (CLIENT, ()),
    "load_default_certs": (CLIENT, ()),
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
    print([name for name in names(base) if name not in ATTRIBUTES and name not in METHODS])
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
                except AttributeError:
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
        for name, (protocol, args) in METHODS.items():
            if name not in names(base):
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
