"""The parts of examples/secure_rpc that have published vectors, or many cases each."""

from acl import Acl, Caller, glob
from digest import Digest, Unauthorized, equal, hash_of, hmac, parse_parameters
from frames import unmasked, upgrade
from request import HttpError, Request
from rpc import RpcError, parse


def raises(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("%r: no %s" % (arguments, kind.__name__))


# RFC 7616, 3.9.1.
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RESPONSE = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
ha1 = hash_of("Mufasa", "http-auth@example.org", "Circle of Life")
ha2 = hash_of("GET", "/dir/index.html")
assert hash_of(ha1, NONCE, "00000001", CNONCE, "auth", ha2) == RESPONSE

header = 'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
header += 'algorithm=SHA-256, nonce="%s", nc=00000001, cnonce="%s", ' % (NONCE, CNONCE)
header += 'qop=auth, response="%s", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
digest = Digest("http-auth@example.org", {"Mufasa": ha1})
# The password is right and the nonce none of ours: stale. With another password: not stale.
assert raises(Unauthorized, digest.user, header % RESPONSE, "GET", "/dir/index.html").stale
wrong = RESPONSE[:-1] + "2"
assert not raises(Unauthorized, digest.user, header % wrong, "GET", "/dir/index.html").stale
assert not raises(Unauthorized, digest.user, header % RESPONSE, "PUT", "/dir/index.html").stale
raises(ValueError, digest.user, header % RESPONSE, "GET", "/dir/other.html")

# RFC 4231, test cases 1 and 2.
assert hmac(b"\x0b" * 20, b"Hi There") == (
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
)
assert hmac(b"Jefe", b"what do ya want for nothing?") == (
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
)

assert equal("abc", "abc") and equal("", "")
assert not equal("abc", "abd") and not equal("abc", "ab") and not equal("ab", "abc")

for text, wanted in (
    ("", {}),
    ("a=b", {"a": "b"}),
    (' a = "b" ,\tc=d', {"a": "b", "c": "d"}),
    ('A="x\\"y\\\\z, n=1"', {"a": 'x"y\\z, n=1'}),
    (",,a=b,,", {"a": "b"}),
    ('username=""', {"username": ""}),
):
    assert parse_parameters(text) == wanted, text
for text in ("a", "a=", "=b", 'a="b', "a=b a=c", "a=b,a=c", "a=b,A=c", 'a="b"c', 'a=""', 'a="b\\'):
    raises(ValueError, parse_parameters, text)

for pattern, text, wanted in (
    ("*", "", True),
    ("*", "Sys.Reboot", True),
    ("Sys.*", "Sys.Reboot", True),
    ("Sys.*", "Sys.", True),
    ("Sys.*", "Sys", False),
    ("Sys.*", "xSys.Reboot", False),
    ("*.Get", "Relay.Get", True),
    ("*.Get", "Relay.GetAll", False),
    ("R*y.*t", "Relay.Get", True),
    ("R*y.*x", "Relay.Get", False),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("", "", True),
    ("", "a", False),
    ("sys", "Sys", False),
    ("a*a*a*a*a*a*a*a*b", "a" * 200, False),
):
    assert glob(pattern, text) is wanted, (pattern, text)

acl = Acl(
    [
        {"method": "A", "acl": "-eve, +*"},
        {"method": "B", "acl": "+cert:box-?,-cert:*,+ad*"},
        {"method": "B", "acl": "+*"},
        {"method": "C", "acl": "+box-1"},
    ]
)
eve, ada, box = Caller("eve"), Caller("ada"), Caller(subject="box-1")
adas_box, mill = Caller("ada", "mill"), Caller(subject="mill")
nobody = Caller()
for method, allowed in (("A", (ada, box, adas_box, mill)), ("B", (ada, box)), ("C", ()), ("D", ())):
    for caller in (eve, ada, box, adas_box, mill, nobody):
        assert acl.allows(method, caller) == (caller in allowed), (method, str(caller))
# A user who is called like a certificate's name is still none.
assert not acl.allows("B", Caller("cert:box-1"))
for rules in (
    {},
    [1],
    [{"method": "A"}],
    [{"method": "A", "acl": "+a", "users": "b"}],
    [{"method": "", "acl": "+a"}],
    [{"method": "A", "acl": ["+a"]}],
    [{"method": "A", "acl": ""}],
    [{"method": "A", "acl": "a"}],
    [{"method": "A", "acl": "+a,,+b"}],
    [{"method": "A", "acl": "+a,-"}],
    [{"method": "A", "acl": "+cert:"}],
):
    raises(ValueError, Acl, rules)

for text in (
    b'{"a": [1, "}]"]}',
    b" null ",
    b'"\\""',
    b'["\\\\", "\\\\\\"]"]',
    b"[" * 16 + b"]" * 16,
):
    parse(text)
for text, wanted in (
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'"a\\uD800\\uDF48b\\u00e4"', "a\U00010348b\xe4"),
    (b'"\\\\ud83d"', "\\ud83d"),
    (b'"\\u0022\\u005c\\n"', '"\\\n'),
):
    assert parse(text) == wanted, text
for text in (
    b'"\\ud83d"',
    b'"\\ude00"',
    b'"\\ud83dx\\ude00"',
    b'"\\ud83d\\u0041"',
    b'"\\u12"',
    b'"\\u12g4"',
):
    assert raises(RpcError, parse, text).code == -32700, text
for text in (
    b"",
    b"{",
    b"[[1]",
    b"]",
    b'{"a": [1}',
    b"[" * 17 + b"]" * 17,
    b'"a',
    b"nul",
    b'"\xff"',
    b"1 2",
):
    assert raises(RpcError, parse, text).code == -32700, text

request = Request(b"POST /rpc?x=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2 \r\n\r\n")
assert (request.method, request.target, request.path) == ("POST", "/rpc?x=1", "/rpc")
assert request.header("x-a") == "1, 2" and request.keep_alive and request.content_length() == 0
assert not Request(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n").keep_alive
assert not Request(b"GET / HTTP/1.0\r\n\r\n").keep_alive
for head, status in (
    (b"GET /\r\n\r\n", 400),
    (b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/2\r\nHost: h\r\n\r\n", 505),
    (b"GET / SMTP\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
):
    assert raises(HttpError, Request, head).status == status, head
for lines, status in (
    (b"Content-Length: -1", 400),
    (b"Content-Length: 1, 1", 400),
    (b"Content-Length: ", 400),
    (b"Content-Length: 99999999999", 400),
    (b"Transfer-Encoding: chunked", 411),
):
    request = Request(b"POST / HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n\r\n")
    assert raises(HttpError, request.content_length).status == status, lines

# RFC 6455, 5.7 and 1.3.
assert unmasked(b"\x7f\x9f\x4d\x51\x58", b"\x37\xfa\x21\x3d") == b"Hello"
assert unmasked(b"", b"\x01\x02\x03\x04") == b"" and unmasked(b"\0\0", b"\0\0\0\0") == b"\0\0"
opening = (
    b"GET /rpc HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
)
opening += b"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
accept = upgrade(Request(opening % (b"13", KEY)))[-1]
assert accept == "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept
assert raises(HttpError, upgrade, Request(opening % (b"8", KEY))).status == 426
for key in (b"", b"abc", b"dGhlIHNhbXBsZSBub25j", b"!!!!"):
    assert raises(HttpError, upgrade, Request(opening % (b"13", key))).status == 400, key

print("OK")
