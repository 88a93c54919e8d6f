"""TLS 1.3 with OpenSSL, GnuTLS and CPython: suites, groups, HelloRetryRequest, mutual TLS, KeyUpdate,
external pre-shared keys, the alerts that the peer can read. Skipped in a build without it."""

import re
import socket
import struct
import time

import cases
from cases import finished
from openssl import mutual, tls_server
from peers import WAIT_S, Skip, check, free_port, need_program

KEY = "1a" * 32
SUITES = [
    ("TLS_AES_128_GCM_SHA256", "TLS1-3-AES-128-GCM-SHA256"),
    ("TLS_AES_256_GCM_SHA384", "TLS1-3-AES-256-GCM-SHA384"),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLS1-3-CHACHA20-POLY1305-SHA256"),
    ("TLS_AES_128_CCM_SHA256", "TLS1-3-AES-128-CCM-SHA256"),
    ("TLS_AES_128_CCM_8_SHA256", "TLS1-3-AES-128-CCM-8-SHA256"),
]

TRAFFIC_SECRETS = {f"{side}_HANDSHAKE_TRAFFIC_SECRET" for side in ("CLIENT", "SERVER")}
TRAFFIC_SECRETS |= {f"{side}_TRAFFIC_SECRET_0" for side in ("CLIENT", "SERVER")}


def case(name):
    def register(function):
        def of_tls13(bench):
            cases.need_tls13(bench)
            function(bench)

        cases.case(name)(of_tls13)
        return function

    return register


def gnutls(bench, port):
    need_program("gnutls-cli", "gnutls-bin")
    client = bench.start(
        "gnutls-cli",
        ["gnutls-cli", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "--x509cafile", bench.file("ca")]
        + ["-p", str(port), "localhost"],
    )
    client.wait_for(r"Handshake was completed")
    return client


for openssl_name_, mbedtls_name_ in SUITES:
    for cert_ in ("ec", "ec384", "rsa"):

        @case(f"tls13: openssl s_client -> server: {openssl_name_}, {cert_}")
        def suite_server(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
            server, port = tls_server(bench, cert)
            client = bench.s_client(port, "-tls1_3", "-ciphersuites", f"{suite}:@SECLEVEL=0")
            client.send(b"hello\n")
            client.wait_for(r"^echo:hello$")
            finished(server, f"^CIPHER {name} TLSv1.3$")

        @case(f"tls13: client -> openssl s_server: {openssl_name_}, {cert_}")
        def suite_client(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
            server, port = bench.s_server(
                "-tls1_3", "-ciphersuites", f"{suite}:@SECLEVEL=0", "-rev", "-naccept", "1", cert=cert
            )
            client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"))
            finished(client, f"^CIPHER {name} TLSv1.3$")
            check("LINE b'olleh\\n'" in client.output(), "the line did not come back")
            check(server.wait() == 0, "s_server's exit code")


# The client's first share of a key is on another group than the server has.
for group_ in ("P-384", "X25519", "P-521"):

    @case(f"tls13: client -> openssl s_server: HelloRetryRequest for {group_}")
    def retried_client(bench, group=group_):
        server, port = bench.s_server("-tls1_3", "-groups", group, "-rev", "-naccept", "1")
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"))
        finished(client, r"^CIPHER \S+ TLSv1.3$")
        hellos = server.output().count(", ClientHello")
        check(hellos == 2, f"{hellos} hellos of the client")

    @case(f"tls13: openssl s_client -> server: HelloRetryRequest for P-256, {group_} first")
    def retried_server(bench, group=group_):
        server, port = tls_server(bench, curves="prime256v1")
        client = bench.s_client(port, "-tls1_3", "-groups", f"{group}:P-256")
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, r"^CIPHER \S+ TLSv1.3$")
        hellos = client.output().count(", ClientHello")
        check(hellos == 2, f"{hellos} hellos of the client")


def openssl_client(bench, port):
    """With its commands: bench.s_client takes none."""
    need_program("openssl", "openssl")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
    return bench.start("openssl s_client", [*command, "-CAfile", bench.file("ca"), "-msg", "-tls1_3"])


RENEWED = "\nKEYUPDATE\n"
ANSWERED = "<<< TLS 1.3, Handshake [length 0005], KeyUpdate"


def renewed(client, times, sign=RENEWED):
    """Waits until it has renewed its keys so often: what comes with the letter is lost."""
    deadline = time.monotonic() + WAIT_S
    while client.output().count(sign) < times:
        check(time.monotonic() < deadline, f"not {times} of {sign.strip()!r} in {WAIT_S} s")
        time.sleep(0.01)


# OpenSSL renews its keys for "k", and asks for ours too for "K".
for letters_, given_ in (("k", {}), ("K", {}), ("kKkK", {}), ("kKkK", {"hibernate": 1})):

    @case(f"tls13: openssl s_client -> server: KeyUpdate, {letters_}{', asleep between' if given_ else ''}")
    def renewed_server(bench, letters=letters_, given=given_):
        server, port = tls_server(bench, exchanges=2 * len(letters) + 1, **given)
        client = openssl_client(bench, port)
        client.send(b"before\n")
        client.wait_for(r"^echo:before$")
        for i, letter in enumerate(letters):
            client.send(letter.encode() + b"\n")
            renewed(client, i + 1)
            for j in range(2):
                client.send(b"line%d-%d\n" % (i, j))
                client.wait_for(rf"^echo:line{i}-{j}$")
        finished(server, r"^CIPHER \S+ TLSv1.3$")
        answered = client.output().count(ANSWERED)
        check(answered == letters.count("K"), f"{answered} KeyUpdates of ours")


@case("tls13: KeyUpdates to a server that only writes, more than may come in a row")
def renewed_upload(bench):
    port = free_port()
    server = bench.micropython(
        "tls_upload.py", port=port, cert=bench.cert("ec"), key=bench.key("ec"), count=600
    )
    server.wait_for(r"^READY")
    client = openssl_client(bench, port)
    client.wait_for(r"^line 1$")
    for i in range(40):
        client.send(b"K\n")
        # Or a server that has not run meanwhile sees more in a row than may come.
        renewed(client, i + 1, ANSWERED)
    client.wait_for(r"^done$")
    client.send(b"Q\n")
    finished(server, r"^EOF")


@case("tls13: asleep at every quiet point, with OpenSSL and GnuTLS")
def asleep(bench):
    for suite, name in SUITES:
        server, port = bench.s_server(
            "-tls1_3", "-ciphersuites", f"{suite}:@SECLEVEL=0", "-rev", "-naccept", "1"
        )
        client = bench.micropython(
            "tls_client.py", port=port, ca=bench.cert("ca"), exchanges=3, hibernate=1
        )
        finished(client, f"^CIPHER {name} TLSv1.3$")
        check(client.output().count("LINE b'olleh\\n'") == 3, "three lines come back")
        check("SLEEPS False" not in client.output(), "not every point is quiet")
    server, port = tls_server(bench, exchanges=2, hibernate=1)
    client = gnutls(bench, port)
    for line in ("one", "two"):
        client.send(line.encode() + b"\n")
        client.wait_for(f"^echo:{line}$")
    finished(server, r"^CIPHER \S+ TLSv1.3$")
    check("SLEEPS False" not in server.output(), "not every point is quiet")


@case("tls13: client that asks for short records -> openssl s_server, which agrees")
def short_records(bench):
    for length in (512, 4096):
        server, port = bench.s_server("-tls1_3", "-rev", "-naccept", "1")
        client = bench.micropython(
            "tls_client.py", port=port, ca=bench.cert("ca"), max_fragment_length=length
        )
        finished(client, r"^LINE b'olleh")
        check(server.wait() == 0, "s_server's exit code")


def receive(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        check(more, "the stream has ended")
        data += more
    return data


def hello_of(connection):
    """(session ID, extensions) of a ClientHello, past a ChangeCipherSpec."""
    kind, _, size = struct.unpack(">BHH", receive(connection, 5))
    body = receive(connection, size)
    if kind == 20:
        return hello_of(connection)
    session = body[39 : 39 + body[38]]
    at = 39 + len(session)
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    at, extensions = at + 2, {}
    while at < len(body):
        number, size = struct.unpack(">HH", body[at : at + 4])
        extensions[number] = body[at + 4 : at + 4 + size]
        at += 4 + size
    return session, extensions


@case("tls13: a client shows a HelloRetryRequest's cookie again (RFC 8446 4.2.2)")
def cookie(bench):
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    for length in (1, 255, 4000):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"))
            connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            session, first = hello_of(connection)
            check(44 not in first, "a cookie that nobody has given")
            given = (bytes(range(1, 252)) * 16)[:length]
            shown = struct.pack(">H", length) + given
            extensions = struct.pack(">HHH", 43, 2, 0x304) + struct.pack(">HH", 44, len(shown)) + shown
            hello = b"\x03\x03" + retry + bytes([len(session)]) + session + b"\x13\x01\x00"
            hello += struct.pack(">H", len(extensions)) + extensions
            message = b"\x02" + len(hello).to_bytes(3, "big") + hello
            connection.sendall(b"\x16\x03\x03" + struct.pack(">H", len(message)) + message)
            _, second = hello_of(connection)
            check(second.get(44) == shown, f"a cookie of {length} bytes: {second.get(44)}")
        client.wait_for("^ERROR ")


@case("tls13: openssl s_client -> server: mutual TLS, both kinds of key")
def mutual_server(bench):
    for cert in ("client", "rsa_client"):
        server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
        client = bench.s_client(port, "-tls1_3", "-cert", bench.file(cert), "-key", bench.file(cert, "key"))
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, r"^CIPHER \S+ TLSv1.3$")


@case("tls13: client -> openssl s_server: mutual TLS, both kinds of key")
def mutual_client(bench):
    for cert in ("client", "rsa_client"):
        mutual(bench, "-tls1_3", cert=cert)


@case("tls13: client with a key log -> openssl s_server: its lines are OpenSSL's, in each version")
def key_log(bench):
    for version, labels in (("-tls1_2", {"CLIENT_RANDOM"}), ("-tls1_3", TRAFFIC_SECRETS)):
        ours, theirs = (bench.logs / f"{who}{version}.keys" for who in ("ours", "theirs"))
        server, port = bench.s_server(version, "-rev", "-naccept", "1", "-keylogfile", theirs)
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), keylog=ours)
        if client.wait_for(r"^(LINE|NotImplementedError)")[1] != "LINE":
            raise Skip("this firmware is without MPSSL_KEYLOG=1")
        finished(client, r"^LINE b'olleh")
        check(server.wait() == 0, "s_server's exit code")
        # OpenSSL writes more of them, and of a random number the digits in upper case.
        known = {line.lower() for line in theirs.read_text().splitlines()}
        lines = [line.lower() for line in ours.read_text().splitlines()]
        check({line.split()[0].upper() for line in lines} == labels, f"{version}: {lines}")
        check(known.issuperset(lines), f"{version}: OpenSSL has {known}, and not {lines}")


@case("tls13: the alert for a server's certificate reaches OpenSSL")
def alert_to_server(bench):
    server, port = bench.s_server("-tls1_3", "-naccept", "1")
    client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ec"), host="elsewhere.example")
    client.wait_for(r"^ERROR ")
    server.wait_for(r"alert (unknown ca|bad certificate)")


@case("tls13: the alert for a missing client certificate reaches OpenSSL")
def alert_to_client(bench):
    _, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(port, "-tls1_3")
    client.wait_for(r"alert certificate required|SSL alert number 116")


def psk_server(bench):
    port = free_port()
    server = bench.micropython("tls_server.py", port=port, psk_identity=b"device".hex(), psk_key=KEY)
    server.wait_for(r"^READY")
    return server, port


@case("tls13: an external pre-shared key, both ways, with OpenSSL")
def external_psk(bench):
    need_program("openssl", "openssl")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-nocert", "-tls1_3", "-rev"]
    command += ["-naccept", "1", "-psk_identity", "device", "-psk", KEY]
    command += ["-ciphersuites", "TLS_AES_128_GCM_SHA256"]
    server = bench.start("openssl s_server", command)
    port = int(server.wait_for(r"^ACCEPT .*:(\d+)$")[1])
    client = bench.micropython("tls_client.py", port=port, psk_identity=b"device".hex(), psk_key=KEY)
    finished(client, r"^CIPHER TLS1-3-AES-128-GCM-SHA256 TLSv1.3$")
    server, port = psk_server(bench)
    client = bench.s_client(
        port, "-tls1_3", "-psk_identity", "device", "-psk", KEY, "-ciphersuites", "TLS_AES_128_GCM_SHA256"
    )
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    finished(server, r"^CIPHER TLS1-3-AES-128-GCM-SHA256 TLSv1.3$")


@case("tls13: gnutls-cli -> server")
def gnutls_client(bench):
    server, port = tls_server(bench)
    client = gnutls(bench, port)
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    finished(server, r"^CIPHER \S+ TLSv1.3$")


@case("tls13: client -> openssl s_server, whose tickets are passed over")
def tickets(bench):
    server, port = bench.s_server("-tls1_3", "-num_tickets", "5", "-rev", "-naccept", "1")
    client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), exchanges=3)
    finished(client, r"^CIPHER \S+ TLSv1.3$")
    check(len(re.findall("^LINE b'olleh", client.output(), re.M)) == 3, "three lines come back")


@case("tls13: client -> openssl s_server with TLS 1.2 alone, which signs with RSA-PSS")
def rsa_pss(bench):
    """Who offers it for TLS 1.3 takes it in TLS 1.2, too (RFC 8446 4.2.3)."""
    server, port = bench.s_server("-tls1_2", "-sigalgs", "RSA-PSS+SHA256", "-rev", "-naccept", "1", cert="rsa")
    client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"))
    finished(client, r"^LINE b'olleh")
    check("TLSv1.2" in client.output(), client.output())
    check(server.wait() == 0, "s_server's exit code")


@case("tls13: client with a certificate that asks for short records stays with TLS 1.2")
def short_records_mutual(bench):
    client, _ = mutual(bench, max_fragment_length=512)
    check("TLSv1.2" in client.output(), client.output())


@case("tls13: server -> clients of TLS 1.2 without extensions, or with a version that is to come")
def older(bench):
    """RFC 8446 4.2.1; RFC 5246 7.4.1.2: "extensions" may be left out."""
    versions = struct.pack(">HHBH", 43, 3, 2, 0x303)
    sends = struct.pack(">HHH", 13, 4, 2) + b"\x04\x01"
    for version in (0x303, 0x304, 0x3FF, 0x4FF):
        for extensions in (None, b"", sends, sends + versions):
            if version > 0x303 and extensions and versions in extensions:
                continue
            server, port = tls_server(bench, "rsa", ciphers="TLS-RSA-WITH-AES-128-GCM-SHA256")
            hello = struct.pack(">H", version) + bytes(32) + b"\0" + b"\0\x02\0\x9c" + b"\x01\0"
            if extensions is not None:
                hello += struct.pack(">H", len(extensions)) + extensions
            message = b"\x01" + len(hello).to_bytes(3, "big") + hello
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(10)
                sock.sendall(b"\x16\x03\x01" + struct.pack(">H", len(message)) + message)
                kind, _, size = struct.unpack(">BHH", receive(sock, 5))
                answer = receive(sock, size)
            what = f"{version:#x}, {extensions}: {kind} {answer[:6].hex()}"
            check(kind == 22 and answer[0] == 2 and answer[4:6] == b"\x03\x03", what)
            server.wait_for("^CLOSED")
