#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes certificates of all sorts, for what getpeercert() says of them:  corpus.py DIRECTORY

Written byte by byte, as no tool makes most of them; signed by openssl with a CA of their own,
ca.pem. For each name in CORPUS: NAME.pem, NAME.der. Their keys: p256.key, p384.key, rsa.key,
ed25519.key; KEYS says whose is whose. What comes of each is beside it in CORPUS:

    SAME      getpeercert() is CPython's
    REFUSED   Mbed TLS refuses the certificate, so there is no connection
    (DIFFERS, key, value)   as CPython's but for this key, and why
    INVALID   getpeercert() is a ValueError; CPython raises as well
"""

import base64
import subprocess
import sys
from pathlib import Path

SAME, REFUSED, DIFFERS, INVALID = "same", "refused", "differs", "invalid"

# DER


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted):
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, 0x80 | arc & 0x7F)
        out += bytes(groups)
    return tlv(0x06, out)


def utf8(text):
    return tlv(0x0C, text.encode())


def printable(text):
    return tlv(0x13, text.encode())


def ia5(text):
    return tlv(0x16, text.encode())


def bmp(text):
    return tlv(0x1E, text.encode("utf-16-be"))


def universal(text):
    return tlv(0x1C, text.encode("utf-32-be"))


def t61(text):
    return tlv(0x14, text.encode("latin-1"))


def utc(text):
    return tlv(0x17, text.encode())


def generalized(text):
    return tlv(0x18, text.encode())


def rdn(*pairs):
    return tlv(0x31, *(seq(oid(kind), value) for kind, value in pairs))


def name(*rdns):
    return seq(*rdns)


CN, C, O, OU, L, ST = "2.5.4.3", "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.7", "2.5.4.8"
EMAIL, DC, UID = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.1"


def cn(text):
    return rdn((CN, utf8(text)))


# Extensions and names in them


def extension(kind, value, critical=False):
    return seq(oid(kind), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def san(*names, critical=False):
    return extension("2.5.29.17", seq(*names), critical)


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def mail(text):
    return tlv(0x81, text.encode())


def uri(text):
    return tlv(0x86, text.encode())


def ip(octets):
    return tlv(0x87, bytes(octets))


def directory(*rdns):
    return tlv(0xA4, name(*rdns))


def registered(dotted):
    return b"\x88" + oid(dotted)[1:]


def other_name(kind, value):
    return tlv(0xA0, oid(kind), tlv(0xA0, value))


def access(*descriptions):
    kinds = {"OCSP": "1.3.6.1.5.5.7.48.1", "caIssuers": "1.3.6.1.5.5.7.48.2"}
    kinds["timestamping"] = "1.3.6.1.5.5.7.48.3"
    return extension("1.3.6.1.5.5.7.1.1", seq(*(seq(oid(kinds[k]), n) for k, n in descriptions)))


def distribution(*points):
    return extension("2.5.29.31", seq(*(seq(point) for point in points)))


def full_name(*names):
    return tlv(0xA0, tlv(0xA0, *names))


BASIC = extension("2.5.29.19", seq(), critical=True)
USAGE = extension("2.5.29.15", tlv(0x03, b"\x07\x80"), critical=True)
IPV6 = bytes.fromhex("20010db8000000000000000000000001")
SIGNATURE = seq(oid("1.2.840.10045.4.3.2"))
ISSUER = name(rdn((C, printable("XX"))), rdn((O, utf8("Corpus"))), cn("corpus CA"))


def to_be_signed(
    subject=name(cn("leaf")), issuer=ISSUER, serial=integer(4660), version=3, extensions=(),
    start=utc("240101000000Z"), end=utc("491231235959Z"), unique=b"", key="p256",
):  # fmt: skip
    """(a function of the public key that gives the TBSCertificate, the key's name)"""
    tagged = b"" if version == 1 else tlv(0xA0, integer(version - 1))
    exts = tlv(0xA3, seq(*extensions)) if extensions else b""
    return (
        lambda spki: seq(
            tagged, serial, SIGNATURE, issuer, seq(start, end), subject, spki, unique, exts
        ),
        key,
    )


def subject(*rdns, **other):
    return to_be_signed(subject=name(*rdns), extensions=(BASIC,), **other)


def alt(*names, **other):
    return to_be_signed(extensions=(BASIC, san(*names)), **other)


def with_extensions(*extensions):
    return to_be_signed(extensions=extensions)


EVERY_TYPE = [
    ("2.5.4.3", "cn"), ("2.5.4.4", "sn"), ("2.5.4.5", "serial"), ("2.5.4.7", "l"),
    ("2.5.4.8", "st"), ("2.5.4.9", "street"), ("2.5.4.10", "o"), ("2.5.4.11", "ou"),
    ("2.5.4.12", "title"), ("2.5.4.13", "description"), ("2.5.4.15", "category"),
    ("2.5.4.17", "postal"), ("2.5.4.41", "name"), ("2.5.4.42", "given"), ("2.5.4.43", "initials"),
    ("2.5.4.44", "generation"), ("2.5.4.46", "qualifier"), ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organization id"), (UID, "uid"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jl"), ("1.3.6.1.4.1.311.60.2.1.2", "js"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jc"),
]  # fmt: skip

LONG = int("7F" + "5A" * 19, 16)
LONGEST = int("01" + "23" * 39, 16)

# name -> (to be signed, what comes of it)
CORPUS = {
    # Subjects
    "plain": (subject(cn("leaf")), SAME),
    "every_attribute": (subject(*(rdn((k, utf8(v))) for k, v in EVERY_TYPE)), SAME),
    "country": (subject(rdn((C, printable("DE"))), rdn((ST, utf8("Bayern"))), cn("x")), SAME),
    "email_and_dc": (subject(rdn((DC, ia5("example"))), rdn((EMAIL, ia5("a@b.example")))), SAME),
    "utf8": (subject(cn("Zürich – 東京 – 🔒"), rdn((O, utf8("Ωmega")))), SAME),
    "bmp": (subject(rdn((CN, bmp("東京 Zürich")))), SAME),
    "t61": (subject(rdn((CN, t61("Zürich")))), SAME),
    "universal": (subject(rdn((CN, universal("🔒 lock")))), SAME),
    "numeric": (subject(rdn((CN, tlv(0x12, b"12345")))), REFUSED),
    "visible": (subject(rdn((CN, tlv(0x1A, b"visible")))), REFUSED),
    "multi_valued": (
        subject(rdn((CN, utf8("a")), (OU, utf8("b")), (UID, utf8("c"))), cn("d")),
        SAME,
    ),
    "repeated": (subject(cn("one"), cn("two"), rdn((OU, utf8("x"))), rdn((OU, utf8("y")))), SAME),
    "empty_subject": (
        to_be_signed(subject=name(), extensions=(BASIC, san(dns("a"), critical=True))),
        SAME,
    ),
    "empty_value": (subject(cn("")), SAME),
    "unknown_attribute": (subject(rdn(("1.2.3.4.5", utf8("x"))), cn("y")), SAME),
    "uuid_attribute": (subject(rdn((f"2.25.{2**128 - 1}", utf8("uuid"))), cn("y")), SAME),
    "large_arcs": (subject(rdn(("2.999.4294967296", utf8("x"))), rdn(("1.39.0", utf8("z")))), SAME),
    "nul_in_subject": (subject(cn("good.example\0.evil.example")), SAME),
    "quotes_in_subject": (subject(cn("a'b\"c\\d\ne, f=g+h")), SAME),
    "long_subject": (subject(*(cn(f"{i:03}" * 20) for i in range(20))), SAME),
    "bad_utf8": (subject(rdn((CN, tlv(0x0C, b"\xc3\x28")))), INVALID),
    "overlong_utf8": (subject(rdn((CN, tlv(0x0C, b"\xc0\xaf")))), INVALID),
    "odd_bmp": (subject(rdn((CN, tlv(0x1E, b"\0a\0")))), INVALID),
    "surrogate_bmp": (subject(rdn((CN, tlv(0x1E, b"\xd8\x00\0a")))), INVALID),
    # subjectAltName
    "multi_san": (alt(dns("a.example"), dns("*.b.example"), ip([127, 0, 0, 1]), dns("c")), SAME),
    "san_ipv4": (alt(ip([0, 0, 0, 0]), ip([255, 255, 255, 255]), ip([192, 168, 4, 1])), SAME),
    "san_ipv6": (alt(ip(IPV6), ip(bytes(16)), ip(b"\xff" * 16), ip(range(16))), SAME),
    "san_ip_of_wrong_length": (alt(dns("a"), ip([1, 2, 3])), REFUSED),
    "san_uri_as_dns": (alt(dns("wss://127.0.0.1:8833"), dns("")), SAME),
    "san_email": (alt(mail("someone@example.org"), dns("a")), SAME),
    "san_uri": (alt(uri("https://example.org/a?b=c"), uri("urn:uuid:1")), SAME),
    "san_directory": (
        alt(directory(rdn((C, printable("XX"))), rdn((CN, utf8("é")), (OU, utf8("u")))), dns("b")),
        SAME,
    ),
    "san_empty_directory": (alt(directory(), dns("b")), REFUSED),
    "san_registered_id": (alt(registered("1.2.3.4"), dns("a")), SAME),
    "san_other_name": (alt(other_name("1.2.3.4", utf8("x")), dns("a")), SAME),
    "san_upn": (
        alt(other_name("1.3.6.1.4.1.311.20.2.3", utf8("bob@example")), dns("a")),
        (DIFFERS, "subjectAltName", (("othername", "<unsupported>"), ("DNS", "a"))),
    ),
    "san_x400_and_edi": (alt(tlv(0xA5, tlv(0xA1, utf8("party"))), dns("a")), SAME),
    "san_nul": (alt(dns(b"good.example\0.evil.example")), SAME),
    "san_utf8": (alt(dns("zürich.example")), SAME),
    "san_not_utf8": (alt(dns(b"z\xfcrich.example")), INVALID),
    "san_empty": (alt(), SAME),
    "san_critical": (to_be_signed(extensions=(san(dns("a"), critical=True), BASIC)), SAME),
    "san_many": (alt(*(dns(f"host-{i}.example") for i in range(200))), SAME),
    # Serial numbers
    "serial_zero": (subject(cn("a"), serial=integer(0)), SAME),
    "serial_one": (subject(cn("a"), serial=integer(1)), SAME),
    "serial_high_bit": (subject(cn("a"), serial=integer(0xFFEE)), SAME),
    "serial_20_bytes": (subject(cn("a"), serial=integer(LONG)), SAME),
    "serial_40_bytes": (
        subject(cn("a"), serial=integer(LONGEST)),
        (DIFFERS, "serialNumber", f"{LONGEST:080X}"),
    ),
    "serial_negative": (subject(cn("a"), serial=integer(-1)), SAME),
    "serial_negative_long": (subject(cn("a"), serial=integer(-0x123400)), SAME),
    "serial_negative_power": (subject(cn("a"), serial=integer(-256)), SAME),
    # Times
    "utc_before_2000": (subject(cn("a"), start=utc("990131010203Z")), SAME),
    "utc_1950": (subject(cn("a"), start=utc("500101000000Z")), SAME),
    "generalized_end": (subject(cn("a"), end=generalized("99991231235959Z")), SAME),
    "generalized_2050": (subject(cn("a"), end=generalized("20500101000000Z")), SAME),
    "no_seconds": (subject(cn("a"), start=utc("2401010000Z")), REFUSED),
    # Versions and fields that may be missing
    "version_1": (to_be_signed(version=1), SAME),
    "version_2": (to_be_signed(version=2, unique=tlv(0x81, b"\0\1")), REFUSED),
    "no_extensions": (to_be_signed(), SAME),
    "unique_ids": (
        to_be_signed(unique=tlv(0x81, b"\0\1") + tlv(0x82, b"\0\2"), extensions=(BASIC,)),
        REFUSED,
    ),
    # Other extensions
    "unknown_extension": (with_extensions(BASIC, extension("1.2.3.4.5", utf8("x"))), SAME),
    "unknown_critical": (with_extensions(BASIC, extension("1.2.3.4.5", utf8("x"), True)), REFUSED),
    "twice_san": (with_extensions(san(dns("a")), san(dns("b"))), REFUSED),
    "usages": (
        with_extensions(BASIC, USAGE, extension("2.5.29.37", seq(oid("1.3.6.1.5.5.7.3.2")))),
        SAME,
    ),
    "access": (
        with_extensions(access(
            ("OCSP", uri("http://ocsp.example/1")), ("caIssuers", uri("http://ca.example/ca.der")),
            ("OCSP", uri("http://ocsp.example/2")), ("OCSP", dns("no.uri")),
            ("timestamping", uri("http://ts.example")),
        )),
        SAME,
    ),
    "access_without_uri": (with_extensions(access(("OCSP", dns("a")))), SAME),
    "access_spoilt": (with_extensions(extension("1.3.6.1.5.5.7.1.1", seq(b"\x30\x05\x06"))), SAME),
    "distribution": (
        with_extensions(distribution(
            full_name(uri("http://crl.example/1"), dns("no.uri"), uri("http://crl.example/2")),
            full_name(uri("ldap://crl.example/3")),
        )),
        SAME,
    ),
    # Keys
    "rsa": (subject(cn("rsa"), key="rsa"), SAME),
    "p384": (subject(cn("p384"), key="p384"), SAME),
    "ed25519": (subject(cn("ed25519"), key="ed25519"), REFUSED),
}  # fmt: skip

KEYS = {label: tbs[1] for label, (tbs, _) in CORPUS.items()}
NEW_KEY = {
    "ca": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["ED25519"],
}


def openssl(*arguments, data=None):
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    spki = {}
    for label, algorithm in NEW_KEY.items():
        path = folder / f"{label}.key"
        path.write_bytes(openssl("genpkey", "-algorithm", *algorithm))
        spki[label] = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")

    def write(label, tbs):
        signature = openssl("dgst", "-sha256", "-sign", folder / "ca.key", data=tbs)
        der = seq(tbs, SIGNATURE, tlv(0x03, b"\0" + signature))
        lines = base64.encodebytes(der).decode()
        (folder / f"{label}.der").write_bytes(der)
        (folder / f"{label}.pem").write_text(
            f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"
        )

    ca_extensions = (
        extension("2.5.29.19", seq(tlv(0x01, b"\xff")), critical=True),
        extension("2.5.29.15", tlv(0x03, b"\x01\x06"), critical=True),
    )
    write("ca", to_be_signed(subject=ISSUER, extensions=ca_extensions)[0](spki["ca"]))
    for label, ((tbs, key), _) in CORPUS.items():
        write(label, tbs(spki[key]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    make(Path(sys.argv[1]))
