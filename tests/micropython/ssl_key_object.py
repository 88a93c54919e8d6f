# load_cert_chain with an object that signs in the place of the key.
try:
    import ssl

    ssl.SSLWantSignError
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import gc
import pki
import select
import time
from datagrams import Network, Socket, client_context as dtls_client, server_context as dtls_server
from link import *
from signers import EcKey, RsaKey

VERSIONS = [ssl.TLSVersion.TLSv1_2]
if ssl.HAS_TLSv1_3:
    VERSIONS.append(ssl.TLSVersion.TLSv1_3)


def server(cert, key, version=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert, key)
    ctx.maximum_version = version or VERSIONS[-1]
    return ctx


def mutual(cert, key, version=None):
    """A client that shows the certificate, and a server that wants it."""
    ctx = client_context(pki.ca_der)
    ctx.load_cert_chain(cert, key)
    ctx.maximum_version = version or VERSIONS[-1]
    of_server = server_context()
    of_server.verify_mode = ssl.CERT_OPTIONAL  # they are servers' certificates
    of_server.load_verify_locations(cadata=pki.ca_der)
    return ctx, of_server


def each(label, act):
    """Prints what comes of it with each version, which is the same."""
    results = [act(version) for version in VERSIONS]
    print(label, results[0] if all(r == results[0] for r in results) else results)


def talk(client, server):
    assert shake(client, server) == (True, True)
    client.write(b"question")
    server.write(b"answer")
    return server.read(8), client.read(6)


ec, ec384, rsa = EcKey(pki.ec_key_der), EcKey(pki.ec384_key_der), RsaKey(pki.rsa_key_der)
as_der = EcKey(pki.ec_key_der, True)
all_keys = (("P-256", pki.ec_der, ec), ("as DER", pki.ec_der, as_der), ("P-384", pki.ec384_der, ec384), ("RSA", pki.rsa_der, rsa))

print("--- it signs")
for name, cert, key in all_keys:
    each(name + ", server:", lambda v: talk(*pair(client_context(pki.ca_der), server(cert, key, v))[:2]))
    each(name + ", client:", lambda v: talk(*pair(*mutual(cert, key, v))[:2]))
print(ec.asked != [], rsa.asked[0][0], "PSS" in [padding for padding, _, _ in rsa.asked] or not ssl.HAS_TLSv1_3)
print(set(len(digest) for digest in ec384.asked) <= {32, 48, 64})

# Both on one context, and one of them only.
both = server(pki.ec_der, ec)
both.load_cert_chain(pki.rsa_der, rsa)
both.maximum_version = ssl.TLSVersion.TLSv1_2
for suite in ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"):
    client = client_context(pki.ca_der)
    client.set_ciphers([suite])
    before = len(ec.asked), len(rsa.asked)
    print(suite, talk(*pair(client, both)[:2]), len(ec.asked) - before[0], len(rsa.asked) - before[1])
print("a key that only signs decrypts nothing:", [suite for suite in both.get_ciphers() if "TLS-RSA-" in suite])
both.set_ciphers(["TLS-RSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
print(both.get_ciphers())

print("--- datagrams")


def meet(of_client, of_server, lost=None):
    """Shakes hands over datagrams, of which one may get lost; whether both came to the end."""
    net = Network()
    if lost is not None:
        net.lose = lambda datagram: len(net.sent) == lost
    of_server.dtls_timeout = of_client.dtls_timeout = (200, 20000)
    listener = of_server.listen(Socket(net, b"server"), clients=4)  # less in one piece
    listener.setblocking(False)
    sock = Socket(net, b"client", b"server")
    ends = [of_client.wrap_socket(sock, server_hostname=HOST, do_handshake_on_connect=False), None]
    done = [False, False]
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < 60000:
        ends[1] = ends[1] or (listener.accept() or [None])[0]
        for i, end in enumerate(ends):
            if end and not done[i]:
                result = step(end)
                assert result in (None, True) or isinstance(result, ssl.SSLWantSignError), result
                done[i] = result is True
        if all(done):
            break
        time.sleep_ms(1)
    return done


for name, cert, key in all_keys[:1] + all_keys[3:]:
    of_server, of_client = dtls_server(), dtls_client()
    of_server.load_cert_chain(cert, key)
    if cert is pki.rsa_der:
        of_client.set_ciphers(["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
    before = len(key.asked)
    print(name, meet(of_client, of_server), len(key.asked) - before)

print("--- its public half")


class Says:
    def __init__(self, public_key):
        self.public_key = public_key

    def sign(self, digest):
        return ec.sign(digest)


def raises():
    raise KeyError("public_key")


at = pki.ec_der.index(b"\x30\x59\x30\x13\x06\x07")
info = pki.ec_der[at : at + 91]
for label, public in (
    ("point", b"\x04" + ec.point),
    ("its coordinates", ec.point),
    ("a method", lambda: bytearray(ec.point)),
    ("SubjectPublicKeyInfo", info),
    ("None", None),
    ("another", b"\x04" + ec.point[:-1] + b"?"),
    ("another's coordinates", bytes(64)),
    ("compressed", b"\x02" + ec.point[:32]),
    ("cut", ec.point[:63]),
    ("cut SubjectPublicKeyInfo", info[:-1]),
    ("empty", b""),
    ("of another curve", ec384.public_key()),
    ("no bytes", 5),
    ("raises", raises),
):
    try:
        server(pki.ec_der, Says(public))
        print(label, "is good")
    except Exception as er:
        print(label, "TypeError" if isinstance(er, TypeError) else repr(er))

print("--- what is no key, and no certificate")
ctx = server(pki.ec_der, ec)
for cert, key in (
    (pki.ec_der, object()),
    (pki.ec_der, 5),
    (b"rubbish", Says(None)),
    (None, Says(None)),
    (pki.ec_key_der, Says(None)),
    (pki.rsa_der, ec),
):
    try:
        ctx.load_cert_chain(cert, key)
        print("loaded")
    except Exception as er:
        print("TypeError" if isinstance(er, TypeError) else repr(er))
# What failed has changed nothing.
print(talk(*pair(client_context(pki.ca_der), ctx)[:2]))
ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
before = len(ec.asked)
print(talk(*pair(client_context(pki.ca_der), ctx)[:2]), len(ec.asked) - before)

print("--- what it answers")
sockets = []


class Signer:
    def __init__(self, act):
        self.act = act
        self.asked = 0

    def sign(self, digest, *padding):
        self.asked += 1
        return self.act(digest, *padding)


class Own(Exception):
    pass


own = Own("cause")


def fails(digest):
    raise own


def raises_interrupt(digest):
    raise KeyboardInterrupt


def reenters(digest):
    for action in (
        lambda: sockets[-1].do_handshake(),
        lambda: sockets[-1].read(1),
        lambda: sockets[-1].write(b"x"),
        lambda: sockets[-1].cipher(),
        lambda: sockets[-1].unwrap(),
    ):
        try:
            action()
            print("no error")
        except OSError as er:
            assert er.errno == EBUSY, er
    return ec.sign(digest)


def closes(digest):
    sockets[-1].close()
    return ec.sign(digest)


def collects(digest):
    gc.collect()
    made = ec.sign(digest)
    gc.collect()
    return made


def loads_another(digest):
    contexts[-1].load_cert_chain(pki.ec384_der, ec384)
    return ec.sign(digest)


def spoilt(at):
    def spoil(digest):
        made = bytearray(to_der(ec.sign(digest)))
        made[at] ^= 1
        return made

    return spoil


from signers import to_der

contexts = []


def padded(digest):
    """DER with a zero too many in front of r."""
    made = to_der(ec.sign(digest))
    return bytes((0x30, made[1] + 1, 2, made[3] + 1, 0)) + made[4:]


answers = (
    ("it raises", fails),
    ("KeyboardInterrupt", raises_interrupt),
    ("None", lambda digest: None),
    ("a number", lambda digest: 7),
    ("nothing", lambda digest: b""),
    ("rubbish", lambda digest: b"rubbish"),
    ("a str", lambda digest: "s" * 64),
    ("zeros", lambda digest: bytes(64)),
    ("r of zeros", lambda digest: bytes(32) + ec.sign(digest)[32:]),
    ("a byte too many", lambda digest: ec.sign(digest) + b"\0"),
    ("a byte too few", lambda digest: ec.sign(digest)[:-1]),
    ("too long", lambda digest: bytes(1000)),
    ("of something else", lambda digest: ec.sign(bytes(32))),
    ("of another key", lambda digest: ec384.sign(digest)),
    ("of another key, as long", lambda digest: EcKey(pki.other_key_der).sign(digest)),
    ("DER, spoilt in front", spoilt(0)),
    ("DER, another length", spoilt(1)),
    ("DER, spoilt behind", spoilt(-1)),
    ("DER and a byte", lambda digest: to_der(ec.sign(digest)) + b"\0"),
    ("DER with a zero too many", padded),
    ("it is called again", reenters),
    ("it closes the socket", closes),
    ("it collects garbage", collects),
    ("it loads another", loads_another),
)


def outcome(results):
    return [r if r in (None, True) else "TypeError" if isinstance(r, TypeError) else repr(r) for r in results]


def bad(act, version, as_client):
    signer = Signer(act)
    if as_client:
        of_client, of_server = mutual(pki.ec_der, signer, version)
        contexts.append(of_client)
    else:
        of_client, of_server = client_context(pki.ca_der), server(pki.ec_der, signer, version)
        contexts.append(of_server)
    c, s, client_end, server_end = pair(of_client, of_server)
    sockets.append(c if as_client else s)
    try:
        results = shake(c, s)
    except KeyboardInterrupt:
        return "KeyboardInterrupt", step(sockets[-1]).args
    mine = results[0 if as_client else 1]
    assert signer.asked == 1, signer.asked
    if act is fails:
        assert mine is own
    return outcome([mine])[0]


for label, act in answers:
    results = [bad(act, v, as_client) for v in VERSIONS for as_client in (False, True)]
    print(label, results[0] if all(r == results[0] for r in results) else results)
del sockets[:], contexts[:]

print("--- a bad signature is not sent, unless nobody is to look")
for check in (True, False):
    ctx = server(pki.ec_der, Signer(lambda digest: ec.sign(bytes(32))), ssl.TLSVersion.TLSv1_2)
    ctx.check_own_signature = check
    c, s, client_end, server_end = pair(client_context(pki.ca_der), ctx)
    step(c)
    step(s)
    print(ctx.check_own_signature, b"\x0c\x00\x00" in client_end.rx, [isinstance(r, Exception) for r in shake(c, s)])
for cert, key in ((pki.ec_der, as_der), (pki.rsa_der, rsa)):
    ctx = server(cert, key)
    ctx.check_own_signature = False
    print(talk(*pair(client_context(pki.ca_der), ctx)[:2]))
print(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).check_own_signature)

print("--- RSA")
for label, act in (
    ("too short", lambda *args: rsa.sign(*args)[1:]),
    ("too long", lambda *args: rsa.sign(*args) + b"\0"),
    ("another padding", lambda digest, padding, hash: rsa.sign(digest, "PSS" if padding == "PKCS1v15" else "PKCS1v15", hash)),
    ("of something else", lambda digest, padding, hash: rsa.sign(bytes(len(digest)), padding, hash)),
):
    results = [outcome(shake(*pair(client_context(pki.ca_der), server(pki.rsa_der, Signer(act), v))[:2]))[1] for v in VERSIONS]
    print(label, results[0] if all(r == results[0] for r in results) else results)

print("--- not yet")


class Slow:
    """A key that has a signature when it is asked for the same one the n-th time."""

    def __init__(self, key, n, raises=False):
        self.key, self.n, self.raises = key, n, raises
        self.digests = []

    def sign(self, *args):
        self.digests.append(args)
        if len(self.digests) % self.n:
            if self.raises:
                raise ssl.SSLWantSignError
            return NotImplemented
        return self.key.sign(*args)


def slowly(version, cert, key, n, raises, as_client):
    slow = Slow(key, n, raises)
    if as_client:
        c, s, client_end, server_end = pair(*mutual(cert, slow, version))
    else:
        c, s, client_end, server_end = pair(client_context(pki.ca_der), server(cert, slow, version))
    mine = c if as_client else s
    waited, results = 0, [None, None]
    for _ in range(50):
        for i, sock in enumerate((c, s)):
            if results[i] is None:
                result = step(sock)
                if isinstance(result, ssl.SSLWantSignError):
                    assert sock is mine and result.args == (9,), result
                    waited += 1
                    gc.collect()
                    result = None
                results[i] = result
    assert results == [True, True], results
    # It was asked for one signature, again and again.
    assert len(set(slow.digests)) == 1, slow.digests
    c.write(b"question")
    s.write(b"answer")
    return s.read(8), c.read(6), waited, len(slow.digests)


for name, cert, key in all_keys:
    for as_client in (False, True):
        for n, raises in ((2, True), (5, False)):
            each("%s %s" % (name, "client" if as_client else "server"), lambda v: slowly(v, cert, key, n, raises, as_client))


print("read and write come to nothing meanwhile, and a poll to nothing for a while")
for version in (VERSIONS * 2)[:2]:  # as often in a build without TLS 1.3
    slow = Slow(ec, 3)
    c, s, client_end, server_end = pair(client_context(pki.ca_der), server(pki.ec_der, slow, version))
    step(c)
    print(s.read(1), len(slow.digests))
    print(s.write(b"x"), len(slow.digests))
    poller = select.poll()
    poller.register(s, select.POLLIN | select.POLLOUT)
    print([event for _, event in poller.poll(1000)] == [select.POLLIN | select.POLLOUT])
    print(s.read(1), len(slow.digests))
    print(shake(c, s), len(slow.digests))


print("then it fails, or the socket is closed, or forgotten")
for version in (VERSIONS * 2)[:2]:  # as often in a build without TLS 1.3
    for as_client in (False, True):
        answers = [NotImplemented, NotImplemented, own]

        def next_answer(digest):
            answer = answers.pop(0)
            if answer is own:
                raise own
            return answer

        signer = Signer(next_answer)
        if as_client:
            c, s, _, _ = pair(*mutual(pki.ec_der, signer, version))
        else:
            c, s, _, _ = pair(client_context(pki.ca_der), server(pki.ec_der, signer, version))
        mine = c if as_client else s
        got = []
        for _ in range(12):
            for sock in (c, s):
                result = step(sock)
                if sock is mine and result not in (None, True):
                    got.append(result)
        print(type(got[0]).__name__, type(got[1]).__name__, got[2] is own, got[3].args)

        for wrong in (lambda digest: bytes(64), lambda digest: ec.sign(bytes(32))):
            acts = [lambda digest: NotImplemented, wrong]
            signer = Signer(lambda digest: acts.pop(0)(digest))
            if as_client:
                c, s, _, _ = pair(*mutual(pki.ec_der, signer, version))
            else:
                c, s, _, _ = pair(client_context(pki.ca_der), server(pki.ec_der, signer, version))
            mine = c if as_client else s
            got = []
            for _ in range(4):
                for sock in (c, s):
                    result = step(sock)
                    if sock is mine and result not in (None, True):
                        got.append(result)
            print(got[1])

        slow = Slow(ec, 1000)
        if as_client:
            c, s, _, _ = pair(*mutual(pki.ec_der, slow, version))
        else:
            c, s, _, _ = pair(client_context(pki.ca_der), server(pki.ec_der, slow, version))
        for _ in range(3):
            step(c), step(s)
        mine = c if as_client else s
        mine.close()
        print(step(mine).args)

print("datagrams")
for as_client in (False, True):
    for lost in (None, 2, 4):
        slow = Slow(ec, 4)
        of_server, of_client = dtls_server(), dtls_client()
        if as_client:
            of_client.load_cert_chain(pki.ec_der, slow)
            of_server.verify_mode = ssl.CERT_OPTIONAL
            of_server.load_verify_locations(cadata=pki.ca_der)
        else:
            of_server.load_cert_chain(pki.ec_der, slow)
        print(meet(of_client, of_server, lost), len(set(slow.digests)), len(slow.digests))

print("--- a connection keeps the object")


def alone():
    ctx = server(pki.ec_der, EcKey(pki.ec_key_der))
    c, s, _, _ = pair(client_context(pki.ca_der), ctx)
    return c, s


c, s = alone()
for _ in range(3):
    gc.collect()
    [[0] * 100 for _ in range(100)]
print(talk(c, s))

print("--- names of keys")


def provider(name):
    print("asked for", repr(name))
    if name == "raises":
        raise own
    return {"0": ec, "bytes": pki.ec_key_der}.get(name, 5)


ssl.key_providers["TEST"] = provider
for name in ("TEST:0", "TEST:bytes", "TEST:1", "TEST:raises", "TEST:", "TEST:0:1", "OTHER:0", b"TEST:0"):
    try:
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(pki.ec_der, name)
        print(name, talk(*pair(client_context(pki.ca_der), ctx)[:2]))
    except Exception as er:
        print(name, "TypeError" if isinstance(er, TypeError) else repr(er)[:40])
import ussl

print(ussl.key_providers is ssl.key_providers)

if ssl.HAS_SNI:
    print("--- of a context that sni_callback chooses")
    chosen, plain = server(pki.ec_der, ec), server_context(pki.ec_der, pki.ec_key_der)
    of_rsa = server(pki.rsa_der, rsa)

    def choose(sock, name, context):
        try:
            sock.context = of_rsa
        except ValueError as er:
            print(er)
        sock.context = chosen

    first = server(pki.ec384_der, ec384)
    for ctx in (first, plain):
        for label, callback in (("chosen", choose), ("not", None)):
            ctx.sni_callback = callback
            before = len(ec.asked), len(ec384.asked)
            talk(*pair(client_context(pki.ca_der), ctx)[:2])
            print(label, len(ec.asked) - before[0], len(ec384.asked) - before[1])
