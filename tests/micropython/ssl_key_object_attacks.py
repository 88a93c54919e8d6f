# Objects in the place of a key that do anything, at random: each connection fails in a known way or goes on,
# and the next one works.
try:
    import os, ssl

    ssl.SSLWantSignError, os.urandom
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import gc
import pki
from datagrams import Network, Socket, client_context as dtls_client, server_context as dtls_server
from link import *
from signers import EcKey, RsaKey, to_der

# Others, and more, by hand: ssl_key_object_attacks.seeds = range(...), then import it.
SEEDS = range(160)

ec, other, rsa = EcKey(pki.ec_key_der), EcKey(pki.other_key_der), RsaKey(pki.rsa_key_der)
KEYS = ((pki.ec_der, pki.ec_key_der, ec), (pki.rsa_der, pki.rsa_key_der, rsa))


class Random:
    def __init__(self, seed):
        self.state = seed * 2654435761 + 12345 & 0xFFFFFFFF

    def below(self, n):
        self.state = self.state * 1664525 + 1013904223 & 0xFFFFFFFF
        return (self.state >> 12) % n

    def choice(self, of):
        return of[self.below(len(of))]

    def bytes(self, n):
        return bytes(self.below(256) for _ in range(n))


class Own(Exception):
    pass


class Based(BaseException):
    pass


ERRORS = (
    lambda: Own("own"),
    lambda: Based(),
    lambda: OSError(11),
    lambda: OSError(110),
    lambda: OSError(5, "text"),
    lambda: MemoryError(),
    lambda: KeyboardInterrupt(),
    lambda: SystemExit(),
    lambda: StopIteration(),
    lambda: GeneratorExit(),
    lambda: ssl.SSLWantReadError(),
    lambda: ssl.SSLWantWriteError(),
    lambda: ssl.SSLWantSignError("mine"),
    lambda: NotImplementedError(),
)
RUBBISH = (None, True, 7, 1.5, (), [b""], {}, object(), ssl, "", "text", b"", bytearray(), memoryview(b""), len, Own)


def numbers(random, n):
    """As DER, two numbers: right, too long, too short, zero, negative, or not the shortest way."""

    def number():
        data = random.choice((b"", b"\0", b"\0\0" + random.bytes(n), random.bytes(n), b"\xff" * n, b"\x01", random.bytes(n + 1)))
        return bytes((2, random.choice((len(data), len(data), len(data), len(data) + 1 & 0x7F, 0x80)))) + data

    body = number() + number()
    head = random.choice((bytes((0x30, len(body) & 0xFF)), bytes((0x30, 0x81, len(body) & 0xFF)), b"\x30\x82\xff\xff", b"\x30\x80", b""))
    return head + body


class Attack:
    """The key of one connection."""

    def __init__(self, random, cert, in_memory, key):
        self.random, self.cert, self.in_memory, self.key = random, cert, in_memory, key
        self.ends = []
        self.context = self.both = None
        self.depth = 0
        self.did = []

    def sign(self, digest, *how):
        assert isinstance(digest, bytes) and len(digest) in (20, 28, 32, 48, 64) and len(how) == (0 if self.key is ec else 2)
        random = self.random
        for _ in range(random.below(3)):
            self.act()
        what = random.below(12)
        self.did.append(what)
        if what == 0:
            raise random.choice(ERRORS)()
        if what == 1:
            return random.choice(RUBBISH)
        if what == 2:
            return random.bytes(random.choice((1, 8, 63, 64, 65, 70, 71, 72, 73, 96, 127, 128, 139, 141, 255, 256, 257, 600)))
        if what == 3:
            return numbers(random, random.choice((16, 31, 32, 33, 48)))
        if what < 7:
            return NotImplemented
        if what == 7:
            raise ssl.SSLWantSignError
        made = self.key.sign(digest, *how)
        if what == 8:
            made = bytearray(to_der(made) if self.key is ec and random.below(2) else made)
            made[random.below(len(made))] ^= 1 << random.below(8)
        elif what == 9 and self.key is ec:
            made = random.choice((to_der(made), bytearray(made), memoryview(made), made[32:] + made[:32], made[:32] + bytes(32)))
        return made

    def act(self):
        random = self.random
        what = random.below(12)
        self.did.append("abcdefghijkl"[what])
        try:
            if what == 0:
                gc.collect()
            elif what == 1 and self.ends:
                random.choice(self.ends).close()
            elif what == 2 and self.ends:
                sock = random.choice(self.ends)
                random.choice((sock.do_handshake, lambda: sock.read(1), lambda: sock.write(b"x"), sock.unwrap, lambda: sock.readline()))()
            elif what == 3 and self.ends:
                sock = random.choice(self.ends)
                random.choice((sock.cipher, sock.getpeercert, sock.version, lambda: sock.session, lambda: sock.context, lambda: sock.hibernate()))()
            elif what == 4 and self.context:
                self.context.load_cert_chain(self.cert, random.choice((self.in_memory, self.key, self, Attack(random, self.cert, self.in_memory, self.key))))
            elif what == 5 and self.context:
                self.context.load_cert_chain(pki.ec384_der, pki.ec384_key_der)
            elif what == 6 and self.context and self.depth < 2:
                self.depth += 1
                meet(self, random)
                self.depth -= 1
            elif what == 7:
                self.context = self.both = None
            elif what == 8 and self.context:
                random.choice(ATTRIBUTES)(self.context)
            elif what == 9:
                [bytearray(100) for _ in range(50)]
            elif what == 10 and self.context:
                self.context.load_cert_chain(b"rubbish", self)
            elif what == 11 and self.ends:
                export = getattr(random.choice(self.ends), "export", None)
                if export:
                    export(key=bytes(16))
        except Exception as er:
            assert not isinstance(er, AssertionError), er

    public_key = None


def set_attribute(name, value):
    return lambda context: setattr(context, name, value)


ATTRIBUTES = (
    set_attribute("check_own_signature", False),
    set_attribute("check_own_signature", True),
    set_attribute("verify_callback", lambda *args: 0),
    set_attribute("sni_callback", None),
    set_attribute("num_tickets", 1),
    set_attribute("hibernate_after", 0),
    set_attribute("ecdsa_sign_callback", None),
    lambda context: context.__del__(),
    lambda context: context.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"]),
)


def contexts(attack, random):
    datagrams, as_client = random.below(4) == 0, random.below(2) == 1
    make_client, make_server = (dtls_client, dtls_server) if datagrams else (client_context, server_context)
    of_client, of_server = make_client(), make_server()
    mine = of_client if as_client else of_server
    mine.load_cert_chain(attack.cert, attack)
    mine.check_own_signature = random.below(4) != 0
    if as_client:
        of_server.verify_mode = ssl.CERT_OPTIONAL
        of_server.load_verify_locations(cadata=pki.ca_der)
    elif datagrams and attack.key is rsa:
        of_client.set_ciphers(["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
    if not datagrams and random.below(2):
        mine.maximum_version = ssl.TLSVersion.TLSv1_2
    return of_client, of_server, mine, datagrams


def meet(attack, random):
    """Two ends shake hands for a while; what they end with."""
    # Of the same contexts, with the same object, while the other is under way; or of new ones.
    if not attack.both or random.below(3) == 0:
        attack.both = contexts(attack, random)
    of_client, of_server, mine, datagrams = attack.both
    attack.context = mine
    ends = [None, None]
    results = [None, None]
    try:
        if datagrams:
            net = Network()
            listener = of_server.listen(Socket(net, b"server"), clients=4)
            listener.setblocking(False)
            ends[0] = of_client.wrap_socket(
                Socket(net, b"client", b"server"), server_hostname=HOST, do_handshake_on_connect=False
            )
        else:
            ends[:] = pair(of_client, of_server)[:2]
    except OSError as er:
        assert er.errno in (EBADF, EBUSY), er  # freed, or loading
        return results
    del of_client, of_server, mine
    before = attack.ends
    attack.ends = [end for end in ends if end]
    for _ in range(24):
        if datagrams and not ends[1]:
            ends[1] = (listener.accept() or [None])[0]
            attack.ends = [end for end in ends if end]
        for i, end in enumerate(ends):
            if end and results[i] is None:
                result = step_anyhow(end)
                if isinstance(result, ssl.SSLWantSignError):
                    if random.below(3) == 0:
                        attack.act()
                    if random.below(8) == 0:
                        try:
                            random.choice((lambda: end.read(1), lambda: end.write(b"x"), end.close))()
                        except BaseException as er:
                            assert not isinstance(er, AssertionError), er
                    result = None
                results[i] = result
        if None not in results:
            break
    if results == [True, True]:
        try:
            ends[0].write(b"question")
            got = ends[1].read(8)
            assert got in (b"question", b"x", b"xquestio", b"xxquesti", None), got
        except BaseException as er:
            assert not isinstance(er, AssertionError), er
    for end in ends:
        if end and random.below(2):
            end.close()
    attack.ends = before
    return results


def step_anyhow(sock):
    try:
        return step(sock)
    except BaseException as er:
        assert not isinstance(er, AssertionError), er
        return er


def works():
    of_server = server_context(pki.ec_der, pki.ec_key_der)
    return shake(*pair(client_context(pki.ca_der), of_server)[:2]) == (True, True)


def run(seeds):
    counts = {}
    for seed in seeds:
        random = Random(seed)
        cert, in_memory, key = KEYS[random.below(8) == 0]
        attack = Attack(random, cert, in_memory, key)
        try:
            results = meet(attack, random)
        except Exception as er:
            print("seed", seed, attack.did)
            raise er
        for result in results:
            name = type(result).__name__
            counts[name] = counts.get(name, 0) + 1
        if seed % 40 == 0:
            gc.collect()
            assert works(), seed
    return counts


if __name__ == "__main__":
    counts = run(SEEDS)
    print(counts.get("bool", 0) > 20, counts.get("OSError", 0) > 20, counts.get("Own", 0) >= 0)
    print(works())
