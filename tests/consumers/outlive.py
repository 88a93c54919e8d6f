"""Connections that outlive the process: with OpenSSL and GnuTLS, in both roles, of TLS 1.2 and TLS 1.3. The harness
holds the TCP connection, as a modem would."""

import os
import re
import socket

import cases
from cases import DEVICE, ROOT
from peers import WAIT_S, check, free_port, need_program, wait_until_listening

LIVES = 4
VERSIONS = {
    "TLSv1_2": ("-tls1_2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"),
    "TLSv1_3": ("-tls1_3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"),
}
# Beside the default, which is AES-GCM.
CIPHERS = {"": [], ", ChaCha20-Poly1305": ["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"]}
CIPHERS_1_3 = {"": [], ", ChaCha20-Poly1305": ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]}


def life(bench, sock, role, version, **given):
    """A process that goes on, and is killed."""
    fd = sock.fileno()
    given = {"fd": fd, "role": role, "version": version, "state": bench.logs / "state", **given}
    given |= {"counter": bench.logs / "count", "storage": ROOT / "examples/sensor_sleep"}
    return bench.start(
        "micropython outlive.py",
        [bench.arguments.binary, DEVICE / "outlive.py", *(f"{name}={value}" for name, value in given.items())],
        env=dict(os.environ, MICROPYPATH=f"{DEVICE}:.frozen"),
        pass_fds=(fd,),
    )


def ended(process, first):
    process.wait()
    output = process.output()
    check("ERROR" not in output and re.search(r"^STATE \d+$", output, re.MULTILINE), f"ended with {output}")
    check(f" {not first}\n" in output, "it did not go on")


def as_client(bench, port, version, expected):
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
        sock.setblocking(True)
        for i in range(LIVES):
            device = life(bench, sock, "client", version, ca=bench.file("ca"), line=f"life{i}")
            ended(device, i == 0)
            check(f"LINE b'{expected(f'life{i}')}" in device.output(), "the line did not come back")
            check("localhost" in device.output() or "SUBJECT" in device.output(), "getpeercert()")


def as_server(bench, version, start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = start(listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock:
            files = {"cert": bench.file("ec"), "key": bench.file("ec", "key")}
            for i in range(LIVES):
                peer.send(b"life%d\n" % i)
                ended(life(bench, sock, "server", version, **files), i == 0)
                peer.wait_for(f"^echo:life{i}$")


def case(name, version):
    def register(function):
        def of_version(bench):
            if version == "TLSv1_3":
                cases.need_tls13(bench)
            function(bench)

        cases.case(f"outlive: {name}, {version.replace('_', '.')}")(of_version)
        return function

    return register


for version_, (option_, priority_) in VERSIONS.items():
    for cipher_, more_ in (CIPHERS if version_ == "TLSv1_2" else CIPHERS_1_3).items():

        @case(f"client -> openssl s_server{cipher_}", version_)
        def client(bench, option=option_, more=more_, version=version_):
            _, port = bench.s_server(option, "-rev", *more)
            as_client(bench, port, version, lambda line: line[::-1])

        @case(f"openssl s_client -> server{cipher_}", version_)
        def server(bench, option=option_, more=more_, version=version_):
            as_server(bench, version, lambda port: bench.s_client(port, option, *more))

    @case("client -> gnutls-serv", version_)
    def client_of_gnutls(bench, priority=priority_, version=version_):
        need_program("gnutls-serv", "gnutls-bin")
        port = free_port()
        bench.start(
            "gnutls-serv",
            ["gnutls-serv", "--echo", "-p", str(port), "--priority", priority, "--x509certfile", bench.file("ec")]
            + ["--x509keyfile", bench.file("ec", "key")],
        )
        wait_until_listening(port)
        as_client(bench, port, version, lambda line: line)

    @case("gnutls-cli -> server", version_)
    def server_of_gnutls(bench, priority=priority_, version=version_):
        need_program("gnutls-cli", "gnutls-bin")
        as_server(
            bench,
            version,
            lambda port: bench.start(
                "gnutls-cli",
                ["gnutls-cli", "--priority", priority, "--x509cafile", bench.file("ca"), "-p", str(port), "localhost"],
            ),
        )
