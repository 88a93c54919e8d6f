#!/usr/bin/env python3
"""Makes a compact bundle of CA certificates, for SSLContext.load_verify_locations().

    tools/cabundle.py -o ca.bundle FILE...     PEM, or DER, any number of certificates in each
    tools/cabundle.py --list ca.bundle         what is in one

docs/ca-bundles.md has the format. Certificates come once, and those of CAs without their signature, which
nobody checks: a CA in the bundle is trusted for being in it. --whole keeps signatures. Nothing but Python's
own library is needed.
"""

import argparse
import base64
import hashlib
import re
import sys
from pathlib import Path

MAGIC = b"\xcaBUNDLE\x01"
ENTRY = 24
SAME_KEY = 8  # certificates that may have one key
KEY_CERT_SIGN = 0x04


class Damaged(ValueError):
    pass


def element(data, at=0):
    """The tag of the element at `at`, where its content begins, and where it ends."""
    if len(data) < at + 2:
        raise Damaged("cut short")
    length, begin = data[at + 1], at + 2
    if length >= 0x80:
        octets = length - 0x80
        if not 1 <= octets <= 4:
            raise Damaged("no length of DER")
        length = int.from_bytes(data[begin : begin + octets], "big")
        begin += octets
    if len(data) < begin + length:
        raise Damaged("cut short")
    return data[at], begin, begin + length


def elements(data, begin, end):
    while begin < end:
        tag, content, after = element(data, begin)
        yield tag, begin, content, after
        begin = after


def encode(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(octets))) + octets + content


def fields(cert):
    """(version, serial, algorithm, issuer, validity, subject, key, ...) of a certificate, as DER."""
    _, begin, _ = element(cert)
    _, begin, end = element(cert, begin)
    all_of_them = [cert[at:after] for _, at, _, after in elements(cert, begin, end)]
    if all_of_them[0][0] != 0xA0:
        all_of_them.insert(0, b"")
    return all_of_them


def subject_key(cert):
    """By what the subject is found: FNV-1a of the name's content, whatever the case of its letters."""
    name = fields(cert)[5]
    _, begin, end = element(name)
    key = 0x811C9DC5
    for byte in name[begin:end].lower().replace(b"\x13", b"\x0c"):
        key = (key ^ byte) * 0x01000193 & 0xFFFFFFFF
    return key


def is_ca(cert):
    """Whether basicConstraints say so, and keyUsage, if there is one, lets it sign certificates. Another is trusted
    only if a server shows that very certificate, with its signature."""
    constraints, usage = (re.escape(encode(6, b"\x55\x1d" + end)) for end in (b"\x13", b"\x0f"))
    for field in fields(cert):
        if field[:1] == b"\xa3" and re.search(
            constraints + rb"(\x01\x01\xff)?\x04.\x30.\x01\x01\xff", field, re.S
        ):
            found = re.search(usage + rb"(\x01\x01\xff)?\x04.\x03.(.)(.)", field, re.S)
            return not found or bool(found[3][0] & KEY_CERT_SIGN)
    return False


def without_signature(cert):
    _, begin, end = element(cert)
    (_, tbs, _, tbs_end), (_, algorithm, _, algorithm_end), _ = elements(cert, begin, end)
    return encode(0x30, cert[tbs:tbs_end] + cert[algorithm:algorithm_end] + b"\x03\x02\x00\x00")


def certificates(data):
    """Those in PEM or in DER."""
    if b"-----BEGIN " in data:
        ders = []
        # A label that nothing ends would take in the certificates behind it.
        label = rb"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)(-----END \1-----)?"
        for _, text, end in re.findall(label, data):
            if not end:
                raise Damaged("PEM that does not end")
            ders.append(base64.b64decode(b"".join(text.split()), validate=True))
    else:
        ders = []
        while data[:1] == b"\x30":
            _, _, end = element(data)
            ders.append(data[:end])
            data = data[end:]
    return [der[: element(der)[2]] for der in ders]


def compact(certs, whole=False):
    """The bundle."""
    kept = {}
    for cert in certs:
        kept[cert if whole or not is_ca(cert) else without_signature(cert)] = None
    ordered = sorted(kept, key=subject_key)
    if len(ordered) > 0xFFFF:
        raise Damaged("too many certificates")
    keys = [subject_key(cert) for cert in ordered]
    for key in keys:
        if keys.count(key) > SAME_KEY:
            raise Damaged("more than %d certificates of one name" % SAME_KEY)
    index, at = b"", len(MAGIC) + 2 + ENTRY * len(ordered)
    for key, cert in zip(keys, ordered):
        index += key.to_bytes(4, "big") + at.to_bytes(4, "big") + hashlib.sha256(cert).digest()[:16]
        at += len(cert)
    return MAGIC + len(ordered).to_bytes(2, "big") + index + b"".join(ordered)


def text_of_name(name):
    _, begin, end = element(name)
    texts = []
    for _, _, content, after in elements(name, begin, end):
        for _, _, attribute, attribute_end in elements(name, content, after):
            (_, _, _, _), (_, _, value, value_end) = elements(name, attribute, attribute_end)
            texts.append(name[value:value_end].decode("utf-8", "replace"))
    return ", ".join(texts)


def entries(bundle):
    if not bundle.startswith(MAGIC):
        raise Damaged("no compact bundle")
    n = int.from_bytes(bundle[len(MAGIC) : len(MAGIC) + 2], "big")
    for i in range(n):
        at = int.from_bytes(bundle[len(MAGIC) + 2 + ENTRY * i + 4 :][:4], "big")
        yield bundle[at : element(bundle, at)[2]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--whole", action="store_true", help="keep the CAs' signatures")
    parser.add_argument("--list", action="store_true", help="say what is in a bundle")
    args = parser.parse_args()
    if args.list == bool(args.output):
        parser.error("either --output or --list")
    try:
        if args.list:
            for path in args.files:
                for cert in entries(path.read_bytes()):
                    print(text_of_name(fields(cert)[5]))
            return
        found = [cert for path in args.files for cert in certificates(path.read_bytes())]
        if not found:
            raise Damaged("no certificates")
        bundle = compact(found, args.whole)
    except (ValueError, IndexError) as error:
        sys.exit(f"{parser.prog}: {error}")
    args.output.write_bytes(bundle)
    count = len(list(entries(bundle)))
    print(f"{args.output}: {count} certificates, {len(bundle)} bytes")


if __name__ == "__main__":
    main()
