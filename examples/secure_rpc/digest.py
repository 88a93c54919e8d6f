"""HTTP Digest authentication, the server's side (RFC 7616): SHA-256 with qop=auth, nothing less.

Nonces are signed, so a challenge costs no memory: only a nonce that was used with the right
password gets an entry, which counts its requests (nc). The table of entries is bounded; what
falls out of it, and all nonces issued before, are stale from then on and cannot be replayed.
"""

import hashlib
import os
import time
from binascii import hexlify

ALGORITHM = "SHA-256"
HASH_LENGTH = 64  # of a SHA-256 in hexadecimal
BLOCK = 64  # bytes, of SHA-256

# Compared with when the user does not exist, so that it takes as long as when it does.
NOBODY = "0" * HASH_LENGTH


class Unauthorized(Exception):
    """The request is to be answered with a challenge; stale: the password was right."""

    def __init__(self, reason, stale=False):
        super().__init__(reason)
        self.reason = reason
        self.stale = stale


def hash_of(*parts):
    return hexlify(hashlib.sha256(":".join(parts).encode()).digest()).decode()


def hmac(key, message):
    """HMAC-SHA-256 (RFC 2104) of bytes in hexadecimal; `key` is no longer than a block."""
    key += bytes(BLOCK - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return hexlify(outer).decode()


def equal(a, b):
    """Compares two strings in a time that depends on their lengths only."""
    a, b = a.encode(), b.encode()
    if len(a) != len(b):
        return False
    difference = 0
    for x, y in zip(a, b):
        difference |= x ^ y
    return difference == 0


def is_hex(text, length):
    return len(text) == length and all(c in "0123456789abcdef" for c in text)


def load_users(path, realm):
    """{user: HA1} of one realm, from a file of lines `user:realm:HA1`, as htdigest.py writes it."""
    users = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            fields = line.split(":")
            if len(fields) != 3 or not fields[0] or not is_hex(fields[2].lower(), HASH_LENGTH):
                # Without the line itself: it may be somebody's password.
                raise ValueError("%s, line %d: not user:realm:SHA-256" % (path, number))
            if fields[1] == realm:
                users[fields[0]] = fields[2].lower()
    return users


def parse_parameters(text):
    """{name: value} of `name=token, name="quoted string"`; ValueError for anything else."""
    found = {}
    at = 0
    while at < len(text):
        if text[at] in " \t,":
            at += 1
            continue
        equals = text.find("=", at)
        if equals < 0:
            raise ValueError("a parameter without a value")
        name = text[at:equals].strip().lower()
        at = equals + 1
        while at < len(text) and text[at] in " \t":
            at += 1
        if text[at : at + 1] == '"':
            value, at = parse_quoted(text, at + 1)
        else:
            start = at
            while at < len(text) and text[at] not in " \t,":
                at += 1
            value = text[start:at]
        while at < len(text) and text[at] in " \t":
            at += 1
        if at < len(text) and text[at] != ",":
            raise ValueError("no comma between two parameters")
        if not name or not value and name != "username" or name in found:
            raise ValueError("a parameter that is empty or given twice")
        found[name] = value
    return found


def parse_quoted(text, at):
    """(value, the index after its closing quote) of a quoted string that begins at `at`."""
    value = ""
    while at < len(text):
        if text[at] == '"':
            return value, at + 1
        if text[at] == "\\":
            at += 1
        value += text[at : at + 1]
        at += 1
    raise ValueError("a quoted string without an end")


class Digest:
    """Challenges clients and checks what they answer."""

    def __init__(self, realm, users, lifetime_s=300, max_nonces=16):
        if not realm or '"' in realm or "\\" in realm or ":" in realm:
            raise ValueError("realm: empty, or with a character that is not allowed in it")
        self.realm = realm
        self._users = users
        self._lifetime_ms = lifetime_s * 1000
        self._max_nonces = max_nonces
        self._key = os.urandom(32)  # nonces end with it: at a reset
        self._serial = 0
        self._counts = {}  # serial number of a nonce -> its highest nc
        self._floor = 0  # nonces up to this serial number are stale

    def challenge(self, stale=False):
        """The value of WWW-Authenticate."""
        self._serial += 1
        body = "%x-%x" % (self._serial, time.ticks_ms())
        nonce = body + "-" + self._signature(body)
        return 'Digest realm="%s", qop="auth", algorithm=%s, nonce="%s", charset=UTF-8%s' % (
            self.realm,
            ALGORITHM,
            nonce,
            ", stale=true" if stale else "",
        )

    def user(self, authorization, method, target):
        """The user who sent this Authorization with `method` for `target` (method and target as
        in the request line). Raises Unauthorized, or ValueError for what is not Digest's syntax.
        """
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest":
            raise Unauthorized("another scheme than Digest")
        given = parse_parameters(rest)
        # Without `algorithm` a client means MD5, without `qop` RFC 2069: no count, no cnonce.
        if given.get("algorithm", "MD5").upper() != ALGORITHM:
            raise Unauthorized("another algorithm than " + ALGORITHM)
        if given.get("qop") != "auth":
            raise Unauthorized("another qop than auth")
        for name in ("username", "realm", "nonce", "uri", "response", "nc", "cnonce"):
            if name not in given:
                raise ValueError("no " + name)
        if not is_hex(given["nc"].lower(), 8):
            raise ValueError("nc is not 8 hexadecimal digits")
        if given["uri"] != target:
            raise ValueError("uri is not that of the request")
        if given["realm"] != self.realm:
            raise Unauthorized("another realm")
        wanted = hash_of(
            self._users.get(given["username"], NOBODY),
            given["nonce"],
            given["nc"],
            given["cnonce"],
            "auth",
            hash_of(method, target),
        )
        right = equal(wanted, given["response"].lower())
        if not right or given["username"] not in self._users:
            raise Unauthorized("wrong user or password")
        self._count(given["nonce"], int(given["nc"], 16))
        return given["username"]

    def _signature(self, body):
        return hmac(self._key, body.encode())[:32]

    def _count(self, nonce, count):
        """Raises Unauthorized unless the nonce is ours and young, and its nc was not seen."""
        body, _, signature = nonce.rpartition("-")
        if not equal(signature, self._signature(body)):
            raise Unauthorized("a nonce of another time", stale=True)
        serial, issued = (int(part, 16) for part in body.split("-"))
        if not 0 <= time.ticks_diff(time.ticks_ms(), issued) <= self._lifetime_ms:
            raise Unauthorized("an old nonce", stale=True)
        if serial <= self._floor or count <= self._counts.get(serial, 0):
            raise Unauthorized("a nonce used before", stale=True)
        if serial not in self._counts and len(self._counts) >= self._max_nonces:
            self._floor = max(self._floor, min(self._counts))
            del self._counts[min(self._counts)]
            if serial <= self._floor:
                raise Unauthorized("a nonce used before", stale=True)
        self._counts[serial] = count
