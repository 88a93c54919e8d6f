# Of a private key or a password that came in a buffer nothing is left once the buffer is wiped.
try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import binascii
import gc
import os
import pki

LIMIT = 64 * 1024 * 1024  # of what is looked through


def regions():
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    return [[int(end, 16) for end in line[0].split("-")] for line in lines if line[1][:2] == "rw"]


# skip: no Linux process, or one with a sanitizer's or valgrind's memory
try:
    if sum(end - start for start, end in regions()) > LIMIT:
        raise OSError
except (OSError, NameError):
    print("SKIP")
    raise SystemExit

MASK = 0x5A


def wipe(secret):
    for i in range(len(secret)):
        secret[i] = 0


PAGE = bytearray(4096)


def copies(masked, where):
    """How often the secret is there, in a process which never has it in one piece to look for it.
    Little is allocated, which might be where a copy was."""
    found = 0
    first = bytes((masked[0] ^ MASK, masked[1] ^ MASK))
    with open("/proc/self/mem", "rb", 0) as memory, open("/dev/zero", "rb", 0) as zeros:
        for start, end in where:
            for address in range(start, end, len(PAGE) - len(masked)):
                try:
                    memory.seek(address)
                    memory.readinto(PAGE)
                except OSError:
                    break
                i = -1
                while True:
                    i = PAGE.find(first, i + 1)
                    if i < 0 or i + len(masked) > len(PAGE):
                        break
                    found += all(PAGE[i + j] ^ MASK == byte for j, byte in enumerate(masked))
                zeros.readinto(PAGE)  # wipe() would take seconds
    return found


def case(what, use, size=48):
    secret = bytearray(size)
    with open("/dev/urandom", "rb", 0) as random:
        random.readinto(secret)
    masked = bytes(byte ^ MASK for byte in secret)
    where = regions()
    if not copies(masked, where):
        print(what, "the secret itself is not found")
    try:
        use(secret)
        error = None
    except ValueError as er:
        error = er
    wipe(secret)
    # There may be other memory now.
    print(what, "copies:", copies(masked, where) or copies(masked, regions()), repr(error))


ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
case("nothing", lambda secret: None)
case("password", lambda secret: ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, secret))
case(
    "password from a callable",
    lambda secret: ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, lambda: secret),
)
case("key", lambda secret: ctx.load_cert_chain(pki.ec_der, secret))
case("key and certificate in one", lambda secret: ctx.load_cert_chain(secret, None))


# In PEM: the secret is in the base64 of it, and the whole is none that can be read.
def pem(head, spoil=b""):
    def use(secret):
        der = bytearray(len(head) + 32)
        der[: len(head)] = head
        for i in range(32):
            der[len(head) + i] = secret[i]
        wipe(secret)
        text = bytearray(b"-----BEGIN PRIVATE KEY-----\n\n" + spoil + b"\n-----END PRIVATE KEY-----\n")
        code = bytearray(binascii.b2a_base64(der))
        wipe(der)
        text[28:28] = code
        try:
            ctx.load_cert_chain(pki.ec_pem, text)
        finally:
            wipe(text)

    return use


ED25519 = bytes.fromhex("302e020100300506032b657004220420")
case("Ed25519", pem(ED25519), 32)
case("damaged behind it", pem(ED25519, b"?"), 32)
case("of a kind that nobody knows", pem(ED25519.replace(b"\x65\x70", b"\x7f\x7f")), 32)


# In a file: a heap full of holes, in which what grows has to move.
def file(secret):
    with open(NAME, "wb") as f:
        f.write(b"0" + bytes(1700))
        f.write(secret)
        f.write(bytes(2300))
    wipe(secret)
    gc.collect()
    holes = [None] * 4000
    n = 0
    try:
        while True:
            holes[n] = bytearray(2000)
            n += 1
    except MemoryError:
        pass
    for i in range(0, n // 2, 2):
        holes[i] = None
    for i in range(n // 2, n // 2 + 10):
        holes[i] = None
    gc.collect()
    try:
        ctx.load_cert_chain(pki.ec_pem, NAME)
    finally:
        os.remove(NAME)


NAME = "ssl_wiped.tmp"
case("file", file)
