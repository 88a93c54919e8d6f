"""Objects that sign, as a chip does; here with a key that they have themselves."""

import hashlib
import os

# Of secp256r1 and secp384r1, by the length of their order: p, the order, the base point.
CURVES = {
    32: (
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    48: (
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
}


def double(point, p):
    x, y, z = point
    if not y:
        return 0, 1, 0
    s = 4 * x * y * y % p
    m = 3 * (x - z * z) * (x + z * z) % p  # a is -3
    x2 = (m * m - 2 * s) % p
    return x2, (m * (s - x2) - 8 * pow(y, 4, p)) % p, 2 * y * z % p


def add(a, b, p):
    if not a[2]:
        return b
    (x1, y1, z1), (x2, y2, _) = a, b  # b is affine
    u, s = x2 * z1 * z1 % p, y2 * pow(z1, 3, p) % p
    if u == x1:
        return double(a, p) if s == y1 else (0, 1, 0)
    h, r = u - x1, s - y1
    h2 = h * h % p
    h3, v = h * h2 % p, x1 * h2 % p
    x3 = (r * r - h3 - 2 * v) % p
    return x3, (r * (v - x3) - y1 * h3) % p, z1 * h % p


def multiply(k, point, p):
    result = (0, 1, 0)
    for i in range(383, -1, -1):
        result = double(result, p)
        if k >> i & 1:
            result = add(result, point, p)
    x, y, z = result
    inverse = pow(z, p - 2, p)
    return x * inverse * inverse % p, y * pow(inverse, 3, p) % p


def element(der):
    """The content of what DER begins with, and what is behind."""
    n, at = der[1], 2
    if n > 0x7F:
        at += n & 0x7F
        n = int.from_bytes(der[2:at], "big")
    return der[at : at + n], der[at + n :]


def integer(n):
    data = n.to_bytes(n_bytes(n) + 1, "big")
    if not data[1] & 0x80:
        data = data[1:]
    return bytes((2, len(data))) + data


def n_bytes(n):
    length = 1
    while n >> (8 * length):
        length += 1
    return length


def to_der(raw):
    half = len(raw) // 2
    body = integer(int.from_bytes(raw[:half], "big")) + integer(int.from_bytes(raw[half:], "big"))
    head = bytes((0x30, len(body))) if len(body) < 128 else bytes((0x30, 0x81, len(body)))
    return head + body


class EcKey:
    """Of a SEC1 key in DER. It signs with r and s, or as DER."""

    def __init__(self, der, as_der=False):
        body, _ = element(der)
        _, body = element(body)
        secret, _ = element(body)
        self.n = len(secret)
        self.d = int.from_bytes(secret, "big")
        self.as_der = as_der
        self.asked = []
        p, _, x, y = CURVES[self.n]
        x, y = multiply(self.d, (x, y, 1), p)
        self.point = x.to_bytes(self.n, "big") + y.to_bytes(self.n, "big")

    def public_key(self):
        return b"\x04" + self.point

    def sign(self, digest):
        self.asked.append(digest)
        p, order, x, y = CURVES[self.n]
        while True:
            k = int.from_bytes(os.urandom(self.n), "big") % order
            r = multiply(k, (x, y, 1), p)[0] % order if k else 0
            s = pow(k, order - 2, order) * (int.from_bytes(digest[: self.n], "big") + r * self.d) % order
            if r and s:
                break
        raw = r.to_bytes(self.n, "big") + s.to_bytes(self.n, "big")
        return to_der(raw) if self.as_der else raw


# DigestInfo (RFC 8017 9.2), in front of the hash.
INFO = {
    "sha256": b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    "sha384": b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
    "sha512": b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}


def roots(count, power):
    """The first 64 bits behind the point of the roots of the first primes."""
    found, n = [], 2
    while len(found) < count:
        if all(n % i for i in range(2, n)):
            low, high = 0, 1 << 70
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if pow(middle, power) > n << 64 * power else (middle, high)
            found.append(low & (1 << 64) - 1)
        n += 1
    return found


K = []


def sha512(data):
    """FIPS 180-4; MicroPython has none."""
    if not K:
        K.extend(roots(80, 3))
        K.append(roots(8, 2))
    ones = (1 << 64) - 1
    turn = lambda x, n: (x >> n | x << 64 - n) & ones
    state = K[80]
    data += b"\x80" + bytes(-(len(data) + 17) % 128) + (len(data) * 8).to_bytes(16, "big")
    for at in range(0, len(data), 128):
        w = [int.from_bytes(data[i : i + 8], "big") for i in range(at, at + 128, 8)]
        for i in range(16, 80):
            x, y = w[i - 15], w[i - 2]
            x = turn(x, 1) ^ turn(x, 8) ^ x >> 7
            y = turn(y, 19) ^ turn(y, 61) ^ y >> 6
            w.append((w[i - 16] + x + w[i - 7] + y) & ones)
        a, b, c, d, e, f, g, h = state
        for i in range(80):
            x = turn(e, 14) ^ turn(e, 18) ^ turn(e, 41)
            x += h + (e & f ^ ~e & g) + K[i] + w[i]
            y = (turn(a, 28) ^ turn(a, 34) ^ turn(a, 39)) + (a & b ^ a & c ^ b & c)
            a, b, c, d, e, f, g, h = x + y & ones, a, b, c, d + x & ones, e, f, g
        state = [x + y & ones for x, y in zip(state, (a, b, c, d, e, f, g, h))]
    return b"".join(x.to_bytes(8, "big") for x in state)


def pss(digest, length, hash):
    """EMSA-PSS (RFC 8017 9.1.1) of a hash, for a modulus of `length` bytes."""
    digest_of = sha512 if hash == "sha512" else lambda data: hashlib.sha256(data).digest()
    salt = os.urandom(len(digest))
    h = digest_of(bytes(8) + digest + salt)
    db = bytes(length - 2 * len(h) - 2) + b"\x01" + salt
    mask, n = b"", 0
    while len(mask) < len(db):
        mask += digest_of(h + n.to_bytes(4, "big"))
        n += 1
    db = bytearray(a ^ b for a, b in zip(db, mask))
    db[0] &= 0x7F
    return bytes(db) + h + b"\xbc"


class RsaKey:
    """Of a PKCS#1 key in DER."""

    def __init__(self, der):
        body, _ = element(der)
        _, body = element(body)
        n, body = element(body)
        _, body = element(body)
        d, _ = element(body)
        self.n, self.d = int.from_bytes(n, "big"), int.from_bytes(d, "big")
        self.length = n_bytes(self.n)
        self.asked = []

    def sign(self, digest, padding, hash):
        self.asked.append((padding, hash, len(digest)))
        if padding == "PSS":
            block = pss(digest, self.length, hash)
        else:
            info = INFO[hash] + digest
            block = b"\x00\x01" + b"\xff" * (self.length - 3 - len(info)) + b"\x00" + info
        return pow(int.from_bytes(block, "big"), self.d, self.n).to_bytes(self.length, "big")
