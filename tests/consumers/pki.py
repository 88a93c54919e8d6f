"""tools/mkpki.py: what it makes, with OpenSSL, CPython and our module."""

import contextlib
import importlib.util
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading

import certificates
from cases import ROOT, case, finished
from peers import WAIT_S, Skip, check, free_port, need_program

SECRET = "correct horse, Zürich"
ODD_NAME = "wss://127.0.0.1:8833"
STRICT = ssl.VERIFY_X509_STRICT | getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0)


def mkpki(bench, *arguments, secret=None):
    """(exit code, output)"""
    if importlib.util.find_spec("cryptography") is None:
        raise Skip("cryptography is missing (Debian package: python3-cryptography)")
    done = subprocess.run(
        [sys.executable, ROOT / "tools/mkpki.py", *map(str, arguments)],
        input="" if secret is None else secret + "\n", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", cwd=bench.logs, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


def made(bench, *arguments, **options):
    code, output = mkpki(bench, *arguments, **options)
    check(code == 0, f"mkpki {' '.join(map(str, arguments))}: {output}")


def refused(bench, why, *arguments, **options):
    code, output = mkpki(bench, *arguments, **options)
    check(code != 0 and why in output, f"mkpki {arguments}: {code} {output!r} without {why!r}")
    check("Traceback" not in output, output)


def openssl(*arguments):
    done = subprocess.run(
        ["openssl", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode()


def strict_context(folder, server=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= STRICT
    context.load_verify_locations(folder / "ca.pem")
    return context


def verified(folder, name, *usages):
    """OpenSSL's strict check, for these usages and no other, and the files' modes."""
    for usage in ("server", "client"):
        code, output = openssl(
            "verify", "-x509_strict", "-purpose", f"ssl{usage}", "-CAfile", folder / "ca.pem",
            folder / f"{name}.pem",
        )  # fmt: skip
        check((code == 0) == (usage in usages), f"{name} as {usage}: {output}")
    for ending, mode in (("key", 0o600), ("key.der", 0o600), ("pem", 0o644), ("der", 0o644)):
        for stem in (name, "ca"):
            found = stat.S_IMODE(os.stat(folder / f"{stem}.{ending}").st_mode)
            check(found == mode, f"{stem}.{ending} has mode {found:o}")
    code, text = openssl("x509", "-in", folder / f"{name}.pem", "-noout", "-text")
    for wanted in (
        "X509v3 Basic Constraints: critical", "X509v3 Key Usage: critical", "CA:FALSE",
        "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
    ):  # fmt: skip
        check(wanted in text, f"{name}: no {wanted}")
    for ending in ("pem", "der"):
        code, dates = openssl("asn1parse", "-in", folder / f"{name}.{ending}", "-inform", ending)
        check(dates.count("UTCTIME") == 2, f"{name}.{ending}: {dates}")


for key_ in ("p256", "rsa"):

    @case(f"mkpki: {key_} certificates in OpenSSL, in strict CPython, and in the module")
    def every_output(bench, key=key_):
        need_program("openssl", "openssl")
        folder = bench.logs / "pki"
        names = ["localhost", "127.0.0.1", "::1", "--dns", ODD_NAME, "--uri", "urn:x:y"]
        made(bench, "device", *names, "--dir", folder, "--key", key)
        made(bench, "host", "laptop", "--password-file", "-", "--dir", folder, "--key", key,
             secret=SECRET)  # fmt: skip
        made(bench, "device", *names, "--dir", folder, "--key", key, "--file", "both",
             "--usage", "both")  # fmt: skip
        verified(folder, "localhost", "server")
        verified(folder, "laptop", "client")
        verified(folder, "both", "server", "client")

        # The device is server with each form, and knows the host by its certificate.
        for ending in ("pem", "der"):
            key_ending = "key" if ending == "pem" else "key.der"
            door = certificates.Door(
                bench, folder, cert=folder / f"localhost.{ending}",
                key=folder / f"localhost.{key_ending}", ca=folder / f"ca.{ending}",
            )  # fmt: skip
            context = strict_context(folder)
            context.load_cert_chain(folder / "laptop.pem", folder / "laptop.key", SECRET)
            for host in ("localhost", "127.0.0.1"):
                word, said = door.visit(context, host)
                check(word == "CERT" and "'laptop'" in said, f"{ending} {host}: {word} {said}")

        # The device is client, and finds even a name that is none.
        for host in ("localhost", "127.0.0.1", ODD_NAME):
            context = strict_context(folder, server=True)
            context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
            listener = bench.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            echo = threading.Thread(target=echo_line, args=(listener, context), daemon=True)
            echo.start()
            client = bench.micropython(
                "tls_client.py", port=listener.getsockname()[1], ca=folder / "ca.pem", host=host,
                cert=folder / "both.der", key=folder / "both.key.der",
            )  # fmt: skip
            finished(client, r"^LINE b'hello\\n'")
            echo.join(WAIT_S)

    @case(f"mkpki: {key_} keys under a pass phrase, loaded with password=")
    def encrypted(bench, key=key_):
        folder = bench.logs / "pki"
        made(bench, "host", "localhost", "--password-file", "-", "--dir", folder, "--key", key,
             "--usage", "both", secret=SECRET)  # fmt: skip
        for ending in ("key", "key.der"):
            port = free_port()
            device = bench.micropython(
                "load_key.py", cert=folder / "localhost.pem", key=folder / f"localhost.{ending}",
                password=SECRET, ca=folder / "ca.pem", port=port,
            )  # fmt: skip
            device.wait_for(r"^READY")
            context = strict_context(folder)
            context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key", SECRET)
            with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
                with context.wrap_socket(sock, server_hostname="localhost") as connection:
                    said = connection.recv(1000)
            check(said == b"((('commonName', 'localhost'),),)", f"the device read {said}")
            finished(device, r"^LOADED\n(ValueError key needs a password\n){3}(ValueError invalid key\n){2}READY")


@case("mkpki: a device's certificate opens no other device's door, nor is a host's a server's")
def usages(bench):
    folder = bench.logs / "pki"
    made(bench, "device", "localhost", "--dir", folder)
    made(bench, "device", "b", "--dir", folder)
    made(bench, "device", "sensor", "--usage", "client", "--dir", folder)
    made(bench, "host", "laptop", "--no-password", "--dir", folder)

    door = certificates.Door(
        bench, folder, cert=folder / "localhost.pem", key=folder / "localhost.key"
    )
    for name, expected in (
        ("b", "REFUSED"), ("laptop", "CERT"), ("localhost", "REFUSED"), ("sensor", "CERT"),
    ):  # fmt: skip
        context = strict_context(folder)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        word, said = door.visit(context, "localhost")
        check(word == expected, f"the device {name}: {word} {said}")
        check(word == "CERT" or "extendedKeyUsage" in said, f"refused for another reason: {said}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "laptop.pem", folder / "laptop.key")
    listener = bench.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    hearing = threading.Thread(target=hear_refusal, args=(listener, context), daemon=True)
    hearing.start()
    client = bench.micropython(
        "tls_client.py", port=listener.getsockname()[1], ca=folder / "ca.pem", host="laptop"
    )
    client.wait()
    check("extendedKeyUsage" in client.output(), f"the client said {client.output()}")
    hearing.join(WAIT_S)


@case("mkpki: says that the key of a CA has no pass phrase, unless it has one or is to have none")
def ca_pass_phrase(bench):
    for number, (arguments, option) in enumerate((
        (["ca"], "--password-file"),
        (["ca", "--no-password"], None),
        (["ca", "--password-file", "-"], None),
        (["device", "b"], "--ca-password-file"),
        (["host", "laptop", "--no-password"], "--ca-password-file"),
        (["device", "b", "--ca-password-file", "-"], None),
    )):  # fmt: skip
        folder = bench.logs / f"pki-{number}"
        code, output = mkpki(bench, *arguments, "--dir", folder, secret=SECRET)
        said = f"mkpki: made a CA; {folder}/ca.key has no pass phrase ({option} gives it one)\n"
        told = output.count(said) == 1 if option else "made a CA" not in output
        check(code == 0 and told, f"mkpki {arguments}: {output}")
        if arguments == ["device", "b"]:
            code, output = mkpki(bench, "device", "c", "--dir", folder)
            check(code == 0 and "made a CA" not in output, f"said again: {output}")
        encrypted = b"ENCRYPTED" in (folder / "ca.key").read_bytes()
        check(encrypted == (arguments[-1] == "-"), f"mkpki {arguments}: encrypted: {encrypted}")


def hear_refusal(listener, context):
    listener.settimeout(WAIT_S)
    with listener.accept()[0] as sock:
        sock.settimeout(WAIT_S)
        with contextlib.suppress(OSError):
            context.wrap_socket(sock, server_side=True).close()


def echo_line(listener, context):
    listener.settimeout(WAIT_S)
    with listener.accept()[0] as sock:
        sock.settimeout(WAIT_S)
        with context.wrap_socket(sock, server_side=True) as connection:
            connection.sendall(connection.recv(1000))


@case("mkpki: nothing is overwritten by accident, and what cannot be is refused")
def mkpki_refuses(bench):
    folder = bench.logs / "pki"
    at = ["--dir", folder]
    made(bench, "ca", "--name", "Zürich's CA", "--password-file", "-", *at, secret=SECRET)
    secret_file = bench.logs / "secret"
    secret_file.write_text(SECRET + "\n", encoding="utf-8")
    opened = ["--ca-password-file", secret_file]
    made(bench, "device", "esp32.local", *at, *opened)
    before = {path: path.read_bytes() for path in folder.iterdir()}

    refused(bench, "there already", "ca", *at)
    refused(bench, "there already", "device", "esp32.local", *at, *opened)
    refused(bench, "give --ca-password-file", "device", "other.local", *at)
    wrong = bench.logs / "wrong"
    wrong.write_text("wrong\n")
    refused(bench, "not with this pass phrase", "device", "a", *at, "--ca-password-file", wrong)
    refused(bench, "--password-file", "host", "laptop", *at, *opened)
    for name in ("bad..name", "a-.b", "a_" * 40, "300.1.1.1", "a b", "a/../b", "", "x" * 300):
        refused(bench, "neither a host name nor", "device", name, *at, *opened)
    refused(bench, "printable ASCII", "device", "a", "--dns", "a\tb", *at, *opened)
    refused(bench, "needs a name", "device", *at, *opened)
    refused(bench, "--file", "device", "ca", *at, *opened)
    refused(bench, "not in range", "device", "a", "--days", "0", *at, *opened)
    refused(bench, "pass phrase has", "host", "b", "--password-file", "-", *at, *opened, secret="")
    check({path: path.read_bytes() for path in folder.iterdir()} == before, "files changed")

    made(bench, "device", "esp32.local", "--force", "--days", "100000", *at, *opened)
    check((folder / "esp32.local.pem").read_bytes() != before[folder / "esp32.local.pem"], "forced")
    verified(folder, "esp32.local", "server")
    # The strict check is one: it refuses a certificate that does not say whose it is.
    corpus = bench.logs / "corpus"
    certificates.corpus.make(corpus)
    code, output = openssl(
        "verify", "-x509_strict", "-CAfile", corpus / "ca.pem", corpus / "plain.pem"
    )
    check(code != 0, f"openssl verify -x509_strict took a certificate without AKI: {output}")
