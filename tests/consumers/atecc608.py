"""Keys in an ATECC608: examples/atecc608 with a simulated chip, which is another process."""

import datetime
import hashlib
import importlib.util
import re
import sys

from browser import Browser
from cases import ROOT, case, finished
from mqtt import Broker
from peers import Skip, check, free_port


def simulator(bench, *options):
    """(the process, its port)"""
    if importlib.util.find_spec("cryptography") is None:
        raise Skip("cryptography is missing (Debian package: python3-cryptography)")
    chip = bench.start("simulator", [sys.executable, ROOT / "tests/atecc608/simulator.py", *options])
    chip.wait_for(r"^ready")
    return chip, re.search(r"^port (\d+)", chip.output(), re.MULTILINE)[1]


def certificate(bench, chip, name):
    """The file of a certificate by the CA of the tests for the chip's key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    pem = re.search(r"-----BEGIN.*END PUBLIC KEY-----", chip.output(), re.DOTALL)[0]
    ca = x509.load_pem_x509_certificate(bench.file("ca").read_bytes())
    ca_key = serialization.load_pem_private_key(bench.file("ca", "key").read_bytes(), None)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject)
        .public_key(serialization.load_pem_public_key(pem.encode()))
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2024, 1, 1))
        .not_valid_after(datetime.datetime(2049, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(ca_key, hashes.SHA256())
    )
    path = bench.logs / f"{name}.crt.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def device(bench, what, chip_port, **given):
    return bench.micropython(
        "chip.py", what=what, chip=chip_port, driver=ROOT / "examples/atecc608", bus=ROOT / "tests/atecc608",
        **given,
    )  # fmt: skip


def in_memory(process, secret):
    """How often a secret is in what a process can write to."""
    found = 0
    with open(f"/proc/{process.child.pid}/maps") as maps, open(f"/proc/{process.child.pid}/mem", "rb") as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(number, 16) for number in span.split("-"))
            if not rights.startswith("rw") or "[v" in line:
                continue
            try:
                mem.seek(start)
                found += mem.read(end - start).count(secret)
            except (OSError, OverflowError):
                continue
    return found


NOT_ALLOWED = r"ChipError\(15, 'the slot or the zone does not allow it'\)"
OPEN = r"ChipError\(15, 'the configuration zone is not locked'\)"


@case("atecc608: the driver")
def driver(bench):
    _, port = simulator(bench)
    lines = [
        "0123a1b2c3d4e5f6ee True True", "public key 64", f"an empty slot's {NOT_ALLOWED}", "made there 64",
        "signed there 64", f"made where none may be {NOT_ALLOWED}", f"of a slot without a key {NOT_ALLOWED}",
        "signed 64", f"where nothing is signed {NOT_ALLOWED}", f"of data {NOT_ALLOWED}",
        "SHA-384 64", "SHA-1 64",
        r"slot 16 ValueError\('there are slots 0 to 15',?\)", "secrets agree True",
        r"of no point ChipError\(5, 'the arithmetic failed'\)", f"where none is agreed on {NOT_ALLOWED}",
        "random 32",
    ]  # fmt: skip
    finished(device(bench, "driver", port), "^" + "\n".join(lines) + "$")


@case("atecc608: the driver, zones that are open")
def driver_open(bench):
    _, port = simulator(bench, "--open-config", "--open-data")
    finished(device(bench, "driver", port), f"^0123a1b2c3d4e5f6ee False False\npublic key {OPEN}$")
    _, port = simulator(bench, "--open-data")
    finished(device(bench, "driver", port), f"^signed {NOT_ALLOWED}$")


@case("atecc608: the driver, bits that change on the line")
def driver_crc(bench):
    _, port = simulator(bench, "--crc-errors", 3)
    finished(device(bench, "driver", port), "^signed 64$")
    _, port = simulator(bench, "--crc-errors", 1000)
    finished(device(bench, "driver", port), r"^no chip: ChipError\(255, 'the line is disturbed'\)", code=1)


@case("atecc608: the driver, commands that the chip does not understand")
def driver_garbled(bench):
    for what, label in (("driver", "signed"), ("later", "signed later")):
        for n in (1, 2):
            _, port = simulator(bench, "--garbled", n)
            finished(device(bench, what, port), f"^{label} 64$")
        _, port = simulator(bench, "--garbled", 1000)
        finished(device(bench, what, port), rf"^{label} ChipError\(255, 'the line is disturbed'\)")


@case("atecc608: the driver, a watchdog that bites, and a chip that does not answer")
def driver_watchdog(bench):
    # It sleeps before it has signed.
    _, port = simulator(bench, "--watchdog", 30)
    finished(device(bench, "driver", port), r"^signed ChipError\(110, 'the chip does not answer'\)")
    _, port = simulator(bench, "--watchdog", 0)
    finished(device(bench, "driver", port), r"^no chip: ChipError\(5, 'no chip answers'\)", code=1)


@case("atecc608: the driver, a bus that is too fast to wake the chip")
def driver_fast_bus(bench):
    _, port = simulator(bench)
    finished(device(bench, "driver", port, freq=400_000), r"^no chip: ChipError\(5, 'no chip answers'\)", code=1)


@case("atecc608: HTTPS to curl: the key is in the chip, and not in the process")
def https_server(bench):
    masked = bench.logs / "masked"
    chip, chip_port = simulator(bench, "--masked-key", masked)
    cert = certificate(bench, chip, "server")
    for version in ("TLSv1_2", "TLSv1_3"):
        port = free_port()
        server = device(bench, "serve", chip_port, cert=cert, port=port, version=version)
        server.wait_for("^READY")
        for options in ((), (), ("--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384")):
            page = bench.curl(port, f"https://localhost:{port}/", *options).decode()
            check(page.startswith("signed by a chip, "), page)
        # It went on with something else while the chip signed.
        check(int(page.rpartition(" ")[2]) > 5, page)
        mask = hashlib.sha256(b"mask").digest()
        secret = bytes(a ^ b for a, b in zip(masked.read_bytes(), mask, strict=True))
        found = in_memory(server, secret) + in_memory(server, secret[::-1])
        check(found == 0, "the chip's key is in the process")
        check(in_memory(chip, secret[::-1]) + in_memory(chip, secret) > 0, "it is not in the chip either")
        server.close()
    # What has its key in a file has it in memory: this finds keys.
    port = free_port()
    server = device(
        bench, "serve", chip_port, cert=bench.file("ec"), key=bench.file("ec", "key"), port=port
    )
    server.wait_for("^READY")
    bench.curl(port, f"https://localhost:{port}/")
    secret = bench.file("ec", "key.der").read_bytes()[7:39]
    words = b"".join(secret[i : i + 8][::-1] for i in range(24, -1, -8))  # as Mbed TLS keeps a number
    check(in_memory(server, words) > 0, "a key in memory is not found")


@case("atecc608: HTTPS to Chromium")
def https_to_chromium(bench):
    chip, chip_port = simulator(bench)
    cert = certificate(bench, chip, "server")
    browser = Browser(bench, "atecc608", bench.file("ca"))
    for version in ("TLSv1_2", "TLSv1_3"):
        port = free_port()
        server = device(bench, "serve", chip_port, cert=cert, port=port, version=version)
        server.wait_for("^READY")
        browser.open(f"https://localhost:{port}/")
        text = browser.run("return document.body.textContent")
        check(text.startswith("signed by a chip, "), text)
        server.close()


@case("atecc608: mutual TLS to mosquitto")
def mqtt_client(bench):
    chip, chip_port = simulator(bench)
    cert = certificate(bench, chip, "chip1")
    for version in ("TLSv1_2", "TLSv1_3"):
        broker = Broker(bench, mutual=True)
        client = device(
            bench, "mqtt", chip_port, cert=cert, ca=bench.file("ca"), port=broker.port, version=version
        )
        finished(client, r"^CONNACK b' \\x02\\x00\\x00' 'TLSv1")
        broker.process.wait_for(r"New client connected .* u'chip1'")


@case("atecc608: the certificate of another key is refused")
def other_certificate(bench):
    _, chip_port = simulator(bench)
    server = device(bench, "serve", chip_port, cert=bench.file("ec"), port=free_port())
    finished(server, "ValueError: key does not match cert", code=1)
