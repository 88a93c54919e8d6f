# Of a private key or a password that came in a buffer nothing is left once the buffer is wiped.
try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

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


def copies(masked):
    """How often the secret is in this process, which never has it in one piece to look for it."""
    page = bytearray(4096)
    found = 0
    with open("/proc/self/mem", "rb", 0) as memory:
        for start, end in regions():
            for address in range(start, end, len(page) - len(masked)):
                try:
                    memory.seek(address)
                    memory.readinto(page)
                except OSError:
                    break
                i = -1
                while True:
                    i = page.find(bytes((masked[0] ^ MASK, masked[1] ^ MASK)), i + 1)
                    if i < 0 or i + len(masked) > len(page):
                        break
                    found += all(page[i + j] ^ MASK == byte for j, byte in enumerate(masked))
                wipe(page)
    return found


def case(what, use):
    secret = bytearray(48)
    with open("/dev/urandom", "rb", 0) as random:
        random.readinto(secret)
    masked = bytes(byte ^ MASK for byte in secret)
    if not copies(masked):
        print(what, "the secret itself is not found")
    try:
        use(secret)
        error = None
    except ValueError as er:
        error = er
    wipe(secret)
    print(what, "copies:", copies(masked), repr(error))


ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
case("nothing", lambda secret: None)
case("password", lambda secret: ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, secret))
case(
    "password from a callable",
    lambda secret: ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, lambda: secret),
)
case("key", lambda secret: ctx.load_cert_chain(pki.ec_der, secret))
case("key and certificate in one", lambda secret: ctx.load_cert_chain(secret, None))
