#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes keys and certificates: a CA, and from it certificates for devices and hosts.

    mkpki.py device esp32.local 192.168.4.1         a device's, by its names and addresses
    mkpki.py host laptop --password-file secret     a computer's, its key under a pass phrase
    mkpki.py ca --name "My workshop" --days 3650    a CA of one's own settings

`device` and `host` make the CA first where there is none. A device's certificate is a server's
and a host's a client's (--usage): the key in a device's flash, which has no pass phrase, opens
no other device. All is written to one directory (--dir, `pki`): NAME.pem and NAME.der, the
certificate; NAME.key and NAME.key.der, its key, which only the owner of the file can read.
ca.key is for the computer that makes certificates, and nowhere else; ca.pem or ca.der is for
everybody.

Needs CPython 3.9 or newer with the package `cryptography` (Debian: python3-cryptography).
"""

import argparse
import datetime
import getpass
import ipaddress
import os
import re
import sys
import tempfile
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    sys.exit(
        "mkpki: the Python package `cryptography` is missing\n"
        "(pip install cryptography, or Debian's python3-cryptography)"
    )

# UTCTime's range ends there (RFC 5280 4.1.2.5); some devices know no other time.
LAST = datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
# OpenSSL reads no longer pass phrase.
PASSWORD_MAX = 1023
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
USAGES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


class Refused(Exception):
    """What was asked for cannot be; the text says why."""


# Arguments


def host_name(text):
    """A name as DNS has them, or an address: the GeneralName for it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    try:
        ascii_text = text if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        raise Refused(f"{text!r} is not a host name") from None
    labels = (ascii_text[2:] if ascii_text.startswith("*.") else ascii_text).rstrip(".").split(".")
    numeric = labels[-1].isdigit()  # an address mistyped
    if len(ascii_text) > 253 or numeric or not all(map(LABEL.fullmatch, labels)):
        raise Refused(f"{text!r} is neither a host name nor an address (--dns takes any name)")
    return x509.DNSName(ascii_text.rstrip("."))


def any_name(kind, option):
    """For names that are taken as they are."""

    def name(text):
        if not text or not text.isascii() or not text.isprintable():
            raise Refused(f"{option} {text!r}: a name has printable ASCII characters only")
        return kind(text)

    return name


def common_name(text):
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise Refused(f"{text!r} is no name: 1 to 64 printable characters (RFC 5280)")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def file_name(text):
    """The stem of the files for this name."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", text.replace("*", "wildcard")).strip("._-")
    if not stem or stem in ("ca", "ca.key"):
        raise Refused(f"{text!r} gives no name for files: choose one with --file")
    return stem


def password(path, what, asks):
    """The pass phrase in the first line of a file, or asked for; None where there is none."""
    if path is not None:
        source = sys.stdin.buffer if path == "-" else open(path, "rb")
        with source:
            secret = source.readline().rstrip(b"\r\n")
    elif asks:
        if not sys.stdin.isatty():
            raise Refused(f"no pass phrase for {what}: give --password-file or --no-password")
        secret = getpass.getpass(f"Pass phrase for {what}: ").encode()
        if secret != getpass.getpass("Again: ").encode():
            raise Refused("the two pass phrases differ")
    else:
        return None
    if not 1 <= len(secret) <= PASSWORD_MAX:
        raise Refused(f"a pass phrase has 1 to {PASSWORD_MAX} bytes")
    return secret


# Files


def paths_for(folder, stem, force):
    """Where a certificate and its key go; nothing is overwritten by accident."""
    paths = [folder / f"{stem}.{ending}" for ending in ("pem", "der", "key", "key.der")]
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there and not force:
        raise Refused(f"{', '.join(there)}: there already (--force overwrites)")
    return paths


def write_files(files, force):
    """Writes {path: (content, mode)}."""
    made = []
    try:
        for path, (content, mode) in files.items():
            # Never readable to others, not even half written: made beside its place, with mode
            # 0600, and moved there.
            number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            made.append((temporary, path))
            with open(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
        for temporary, path in made:
            if force:
                os.replace(temporary, path)
            else:
                os.link(temporary, path)  # fails where somebody was quicker
    finally:
        for temporary, _ in made:
            if os.path.exists(temporary):
                os.unlink(temporary)


def save(paths, certificate, key, secret, force):
    pem, der, key_pem, key_der = paths
    encoding = serialization.Encoding
    if secret is None:
        # SEC1 and PKCS#1: the smallest forms, which every MicroPython reads.
        form = serialization.PrivateFormat.TraditionalOpenSSL
        protection = serialization.NoEncryption()
    else:
        form = serialization.PrivateFormat.PKCS8
        protection = serialization.BestAvailableEncryption(secret)
    files = {
        pem: (certificate.public_bytes(encoding.PEM), 0o644),
        der: (certificate.public_bytes(encoding.DER), 0o644),
        key_pem: (key.private_bytes(encoding.PEM, form, protection), 0o600),
        key_der: (key.private_bytes(encoding.DER, form, protection), 0o600),
    }
    write_files(files, force)
    for path in files:
        print(path)


# Certificates


def new_key(kind, bits):
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_bytes(key):
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def validity(options, ca=None):
    """(from, to): not longer than the CA's, nor than UTCTime reaches."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    # A device whose clock is a little late accepts it all the same.
    start = now - datetime.timedelta(hours=options.skew)
    try:
        end = min(now + datetime.timedelta(days=options.days), LAST)
    except OverflowError:
        end = LAST
    if ca is not None:
        # Naive, in UTC: older versions of `cryptography` know no other.
        limit = (
            ca.not_valid_after_utc
            if hasattr(ca, "not_valid_after_utc")
            else ca.not_valid_after.replace(tzinfo=datetime.timezone.utc)
        )
        if limit <= now:
            raise Refused(f"the CA has expired on {limit:%Y-%m-%d}: make a new one")
        end = min(end, limit)
    if end <= now:
        raise Refused("it would have expired already")
    if (end - now).days < options.days - 1:
        print(f"mkpki: valid to {end:%Y-%m-%d} only, no longer than its CA and the year 2049")
    return start, end


def builder(subject, issuer, public_key, start, end):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def key_usage(*usages):
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
    names += " key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{name: name in usages for name in names.split()})


def make_ca(options, secret):
    paths = paths_for(options.dir, "ca", options.force)
    key = new_key(options.key, options.bits)
    subject = common_name(options.name)
    certificate = (
        builder(subject, subject, key.public_key(), *validity(options))
        # No CA below this one.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )
    options.dir.mkdir(parents=True, exist_ok=True)
    save(paths, certificate, key, secret, options.force)
    if secret is None and not options.no_password:
        gives = "--password-file" if options.command == "ca" else "--ca-password-file"
        print(f"mkpki: made a CA; {paths[2]} has no pass phrase ({gives} gives it one)")
    return certificate, key


def load_ca(folder, secret):
    certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    try:
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), secret)
    except TypeError:
        raise Refused(
            "the CA's key has a pass phrase: give --ca-password-file"
            if secret is None
            else "the CA's key has no pass phrase"
        ) from None
    except ValueError:
        raise Refused(f"{folder / 'ca.key'}: no key, or not with this pass phrase") from None
    if public_bytes(key.public_key()) != public_bytes(certificate.public_key()):
        raise Refused(f"{folder}: ca.key is not the key of ca.pem")
    return certificate, key


def issue(options, secret):
    """A device's or a host's certificate."""
    folder = options.dir
    names = [host_name(name) for name in options.names]
    names += options.dns + options.uri + options.email
    if not names:
        raise Refused("a certificate needs a name")
    first = (options.names or [names[0].value])[0]
    stem = file_name(options.file or first)
    paths = paths_for(folder, stem, options.force)
    # More than 64 characters are no common name; who looks there does not find them.
    subject = common_name(options.name or first[:64])
    if (folder / "ca.pem").exists() or (folder / "ca.key").exists():
        ca, ca_key = load_ca(folder, password(options.ca_password_file, "the CA", False))
    else:
        defaults = {"name": "mkpki CA", "days": 7300, "force": False, "no_password": False}
        defaults["password_file"] = options.ca_password_file
        ca_options = argparse.Namespace(**{**vars(options), **defaults})
        ca, ca_key = make_ca(ca_options, password(options.ca_password_file, "the CA", False))

    key = new_key(options.key, options.bits)
    # RSA suites without ECDHE encrypt with the key.
    usages = ["digital_signature"] + ["key_encipherment"] * (options.key == "rsa")
    issuer_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        builder(subject, ca.subject, key.public_key(), *validity(options, ca))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(*usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage(USAGES[options.usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    save(paths, certificate, key, secret, options.force)


# The command line


def at_least(least, kind=int):
    def number(text):
        value = kind(text)
        if not least <= value < 1_000_000:
            raise argparse.ArgumentTypeError(f"{text} is not in range")
        return value

    return number


def checked(read):
    """An argument's type that says why it refuses."""

    def value(text):
        try:
            return read(text)
        except Refused as refused:
            raise argparse.ArgumentTypeError(str(refused)) from None

    return value


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, about, days):
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument("--dir", type=Path, default=Path("pki"), help="default: pki")
        sub.add_argument("--key", choices=("p256", "rsa"), default="p256", help="default: p256")
        sub.add_argument(
            "--bits", type=int, choices=(2048, 3072, 4096), default=2048,
            help="of an RSA key, default: 2048",
        )  # fmt: skip
        sub.add_argument("--days", type=at_least(1), default=days, help=f"default: {days}")
        sub.add_argument(
            "--skew", type=at_least(0), default=24, metavar="HOURS",
            help="valid already so long before now, for clocks that are late; default: 24",
        )  # fmt: skip
        sub.add_argument("--force", action="store_true", help="overwrite files that are there")
        secrets = sub.add_mutually_exclusive_group()
        secrets.add_argument(
            "--password-file", metavar="FILE",
            help="its first line is the key's pass phrase; -: standard input",
        )  # fmt: skip
        secrets.add_argument("--no-password", action="store_true", help="no pass phrase")
        return sub

    ca = command("ca", "Makes a CA: ca.pem and ca.key.", 7300)
    ca.add_argument("--name", default="mkpki CA", help="its common name, default: mkpki CA")
    for name, usage, about in (
        ("device", "server",
         "Makes a device's certificate; its key has no pass phrase unless one is given."),
        ("host", "client", "Makes a computer's certificate; its key has a pass phrase, asked for."),
    ):  # fmt: skip
        sub = command(name, about, 3650)
        sub.add_argument(
            "names", nargs="*", metavar="NAME",
            help="host names and addresses that it is called by; the first names the files",
        )  # fmt: skip
        for option, kind, what in (
            ("--dns", x509.DNSName, "a dNSName of any form, such as wss://127.0.0.1:8833"),
            ("--uri", x509.UniformResourceIdentifier, "a URI"),
            ("--email", x509.RFC822Name, "an e-mail address"),
        ):
            sub.add_argument(
                option, type=checked(any_name(kind, option)), action="append", default=[],
                metavar="NAME", help=f"{what}, as another name; can be repeated",
            )  # fmt: skip
        sub.add_argument("--name", help="the common name, default: the first name")
        sub.add_argument("--file", help="the files' name, default: the first name")
        sub.add_argument(
            "--usage", choices=sorted(USAGES), default=usage,
            help=f"the end of TLS that the certificate is for, default: {usage}",
        )  # fmt: skip
        sub.add_argument(
            "--ca-password-file", metavar="FILE",
            help="the CA's pass phrase, also of one that is made now",
        )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    try:
        asks = options.command == "host" and not options.no_password
        secret = password(options.password_file, "the new key", asks)
        if options.command == "ca":
            make_ca(options, secret)
        else:
            issue(options, secret)
    except (Refused, OSError) as error:
        print(f"mkpki: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
