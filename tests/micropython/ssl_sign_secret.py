# Whatever ecdsa_sign_callback does, the private key it was lent is gone when it has returned:
# the memory of the whole process is looked through.
# skip: where there is no /proc/self/mem
try:
    import tls, uctypes

    maps = open("/proc/self/maps")
    mem = open("/proc/self/mem", "rb")
    tls.SSLContext(tls.PROTOCOL_TLS_SERVER).ecdsa_sign_callback = None
except (ImportError, OSError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import pki
from link import End

# Not the key itself: that would be found.
MASK = 0x5A
scalar = None
room = bytearray(1 << 16)
lo, hi = uctypes.addressof(room), uctypes.addressof(room) + len(room)


def copies():
    """How often the key is in what the process can write to."""
    needle = bytearray(scalar)
    own = uctypes.addressof(needle)
    found = 0
    maps.seek(0)
    for line in maps.read().split("\n"):
        if " rw" not in line or "[v" in line:
            continue
        start, end = (int(n, 16) for n in line.split()[0].split("-"))
        if end - start > 1 << 26:  # a sanitizer's own
            continue
        for n in range(len(needle)):
            needle[n] ^= MASK
        try:
            while start < end:
                mem.seek(start)
                n = mem.readinto(room)
                if not n:
                    break
                at = room.find(needle)
                while 0 <= at < n:
                    # Not the needle itself, nor what was read.
                    found += start + at != own and not lo <= start + at < hi
                    at = room.find(needle, at + 1)
                if n < len(room):
                    break
                start += n - len(needle) + 1
        except OSError:
            pass
        for n in range(len(needle)):
            needle[n] ^= MASK
    return found


def returns_none(key, digest):
    return None


def raises(key, digest):
    raise ValueError


def returns_nonsense(key, digest):
    return 5


def returns_too_much(key, digest):
    return bytes(1000)


def sees(key, digest):
    global scalar
    scalar = bytes(b ^ MASK for b in key)
    return None


def handshakes(callback):
    server.ecdsa_sign_callback = callback
    for i in range(3):
        a, b = End(), End()
        a.peer, b.peer = b, a
        ends = (
            server.wrap_socket(a, server_side=True, do_handshake_on_connect=False),
            client.wrap_socket(b, do_handshake_on_connect=False),
        )
        for turn in range(8):
            for end in ends:
                try:
                    end.do_handshake()
                except Exception:
                    pass
        for end in ends:
            end.close()


server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
server.load_cert_chain(pki.ec_der, pki.ec_key_der)
client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
client.verify_mode = tls.CERT_NONE

handshakes(sees)
before = copies()
# The certificate file's own key is there: this finds keys.
print(before > 0)
for callback in (returns_none, raises, returns_nonsense, returns_too_much):
    handshakes(callback)
    print(copies() <= before)
