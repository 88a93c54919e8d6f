"""Resumption with OpenSSL, GnuTLS, CPython and Mbed TLS, in both roles, of TLS 1.2 and TLS 1.3."""

import functools
import os
import re
import socket
import ssl
import threading
from pathlib import Path

import cases
import harness
from mbedtls_programs import Programs
from peers import WAIT_S, check, free_port, need_program

VERSIONS = {"TLSv1_2": ("-tls1_2", "TLSv1.2"), "TLSv1_3": ("-tls1_3", "TLSv1.3")}
MBEDTLS_NAMES = {"TLSv1_2": "tls12", "TLSv1_3": "tls13"}


def case(name, version):
    def register(function):
        def of_version(bench):
            if version == "TLSv1_3":
                cases.need_tls13(bench)
            function(bench)

        cases.case(f"sessions: {name}, {VERSIONS[version][1]}")(of_version)
        return function

    return register


def session_server(bench, count, **given):
    port = free_port()
    files = {"cert": bench.file("ec"), "key": bench.file("ec", "key")}
    server = bench.micropython("session_server.py", port=port, count=count, **files, **given)
    server.wait_for(r"^READY")
    return server, port


def reused(process):
    """Whether each connection went on with the one before, by what the device says."""
    check(process.wait() == 0, f"{process.name} failed")
    return [word == "True" for word in re.findall(r"^REUSED (\w+)", process.output(), re.MULTILINE)]


def visits(context, port, count):
    """Whether each of CPython's connections went on with the one before."""
    session, found = None, []
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
            with context.wrap_socket(sock, server_hostname="localhost", session=session) as tls:
                tls.sendall(b"hello\n")
                check(tls.recv(100) == b"echo:hello\n", "the line did not come back")
                session = tls.session
                found.append(tls.session_reused)
    return found


@functools.cache
def programs():
    source = os.environ.get("MBEDTLS_DIR") or harness.BUILD / "src/mbedtls"
    return Programs(Path(source).resolve(), harness.BUILD / "datagrams/mbedtls")


def expect(found, expected):
    check(found == expected, f"{found} instead of {expected}")


for version_, (option_, _) in VERSIONS.items():
    for saved_ in ({}, {"saved": 1}):
        for ticket_, more_ in (("tickets", []), ("ids", ["-no_ticket"])):
            # With that OpenSSL's server of TLS 1.3 gives tickets that stand for what it keeps.

            @case(f"client -> openssl s_server, {ticket_}{', saved' if saved_ else ''}", version_)
            def client(bench, option=option_, more=more_, saved=saved_, version=version_):
                _, port = bench.s_server(option, "-rev", *more)
                device = bench.micropython(
                    "session_client.py", port=port, ca=bench.file("ca"), connections=3, version=version, **saved
                )
                expect(reused(device), [False, True, True])
                check(device.output().count("LINE b'olleh\\n'") == 3, "a line did not come back")
                check(len(set(re.findall(r"^SUBJECT .*$", device.output(), re.MULTILINE))) == 1, "getpeercert()")

    @case("client -> openssl s_server, in another process", version_)
    def client_again(bench, option=option_, version=version_):
        _, port = bench.s_server(option, "-rev")
        place = bench.logs / "session"
        given = {"port": port, "ca": bench.file("ca"), "version": version}
        expect(reused(bench.micropython("session_client.py", save=place, **given)), [False])
        expect(reused(bench.micropython("session_client.py", load=place, save=place, **given)), [True])
        expect(reused(bench.micropython("session_client.py", load=place, **given)), [True])

    for name_, more_ in (("", []), (", short records", ["-max_send_frag", "512"])):
        # The ticket, which has the certificate in it, is longer then.

        @case(f"client with a certificate -> openssl s_server{name_}", version_)
        def client_mutual(bench, option=option_, more=more_, version=version_):
            _, port = bench.s_server(option, "-rev", "-Verify", "1", "-CAfile", bench.file("ca"), *more)
            device = bench.micropython(
                "session_client.py",
                port=port,
                ca=bench.file("ca"),
                cert=bench.file("client"),
                key=bench.file("client", "key"),
                connections=2,
                version=version,
            )
            expect(reused(device), [False, True])

    @case("openssl s_client, -sess_out and -sess_in -> server", version_)
    def server_of_openssl(bench, option=option_):
        server, port = session_server(bench, 2, num_tickets=2)
        place = bench.logs / "session.pem"
        for options in (["-sess_out", place], ["-sess_in", place]):
            client = bench.s_client(port, option, *options)
            client.send(b"hello\n")
            client.wait_for(r"^echo:hello$")
            # It has the ticket by then.
            client.close()
        expect(reused(server), [False, True])

    @case("CPython's client -> server", version_)
    def server_of_cpython(bench, version=version_):
        server, port = session_server(bench, 3, num_tickets=1)
        context = bench.python_context()
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        found = visits(context, port, 3)
        expect(found, [False, True, True])
        expect(reused(server), found)

    @case("CPython's client with a certificate -> server", version_)
    def server_of_mutual_cpython(bench, version=version_):
        server, port = session_server(bench, 2, ca=bench.file("ca"))
        context = bench.python_context()
        context.load_cert_chain(bench.file("client"), bench.file("client", "key"))
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        found = visits(context, port, 2)
        # Of TLS 1.3 such a client gets no ticket.
        expect(found, [False, version == "TLSv1_2"])
        expect(reused(server), found)
        subjects = re.findall(r"^REUSED \w+ \S+ (.*)$", server.output(), re.MULTILINE)
        check(len(set(subjects)) == 1 and subjects[0] != "None", f"the client is {subjects}")

    @case("client -> CPython's server", version_)
    def client_of_cpython(bench, version=version_):
        context = bench.python_context(server=True)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        found = []

        def serve(listener):
            for _ in range(3):
                sock, _ = listener.accept()
                with context.wrap_socket(sock, server_side=True) as tls:
                    found.append(tls.session_reused)
                    tls.sendall(tls.recv(100))
                    tls.recv(1)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,), daemon=True)
            thread.start()
            device = bench.micropython(
                "session_client.py",
                port=listener.getsockname()[1],
                ca=bench.file("ca"),
                connections=3,
                version=version,
            )
            expect(reused(device), [False, True, True])
            thread.join(WAIT_S)
        expect(found, [False, True, True])

    for ticket_, more_ in (("tickets", ["tickets=1", "cache_max=0"]), ("ids", ["tickets=0", "cache_max=5"])):
        if ticket_ == "ids" and version_ == "TLSv1_3":
            continue  # which has tickets alone

        @case(f"client -> Mbed TLS's ssl_server2, {ticket_}", version_)
        def client_of_mbedtls(bench, more=more_, version=version_):
            port = free_port()
            command = [programs().path("ssl_server2"), "server_addr=127.0.0.1", f"server_port={port}"]
            command += [f"crt_file={bench.file('ec')}", f"key_file={bench.file('ec', 'key')}"]
            command += ["crt_file2=none", "key_file2=none", "auth_mode=none", f"force_version={MBEDTLS_NAMES[version]}"]
            server = bench.start("ssl_server2", command + more)
            server.wait_for("Waiting for a remote connection")
            device = bench.micropython(
                "session_client.py", port=port, ca=bench.file("ca"), connections=3, version=version
            )
            expect(reused(device), [False, True, True])

    @case("Mbed TLS's ssl_client2, reconnect=2 -> server", version_)
    def server_of_mbedtls(bench, version=version_):
        server, port = session_server(bench, 3)
        command = [programs().path("ssl_client2"), "server_addr=127.0.0.1", f"server_port={port}"]
        command += ["server_name=localhost", f"ca_file={bench.file('ca')}", "crt_file=none", "key_file=none"]
        command += ["auth_mode=required", "tickets=1", "reconnect=2", f"force_version={MBEDTLS_NAMES[version]}"]
        command += ["new_session_tickets=1"] if version == "TLSv1_3" else []
        bench.start("ssl_client2", command)
        expect(reused(server), [False, True, True])

    @case("gnutls-cli -r -> server", version_)
    def server_of_gnutls(bench, version=version_):
        need_program("gnutls-cli", "gnutls-bin")
        server, port = session_server(bench, 2)
        name = VERSIONS[version][1].replace("v", "")
        priority = f"NORMAL:-VERS-ALL:+VERS-{name[:3]}{name[3:]}"
        client = bench.start(
            "gnutls-cli",
            ["gnutls-cli", "--priority", priority, "--x509cafile", bench.file("ca"), "--resume"]
            + ["--waitresumption", "-p", str(port), "localhost"],
        )
        client.send(b"hello\n")
        client.wait_for(r"This is a resumed session")
        client.close()
        server.close()


for before_, now_ in (("TLSv1_3", "TLSv1_2"), ("TLSv1_2", "TLSv1_3"), ("TLSv1_2", "TLSv1_2"), ("TLSv1_3", "TLSv1_3")):
    # The client allows both versions, the server one, and not always the same.

    @cases.case(f"sessions: client of {VERSIONS[before_][1]} -> openssl s_server {VERSIONS[now_][0]}")
    def client_of_both(bench, before=before_, now=now_):
        cases.need_tls13(bench)
        place = bench.logs / "session"
        given = {"ca": bench.file("ca")}
        server, port = bench.s_server(VERSIONS[before][0], "-rev")
        first = bench.micropython("session_client.py", save=place, port=port, **given)
        expect(reused(first), [False])
        if now != before:
            server.close()
            server, port = bench.s_server(VERSIONS[now][0], "-rev")
        again = bench.micropython("session_client.py", load=place, save=place, port=port, **given)
        expect(reused(again), [now == before])
        check(f" {VERSIONS[now][1]}\n" in again.output(), f"not {VERSIONS[now][1]}")
        # Of TLS 1.2 the second had no ticket, as it had a session of TLS 1.3 to offer.
        if (before, now) != ("TLSv1_3", "TLSv1_2"):
            expect(reused(bench.micropython("session_client.py", load=place, port=port, **given)), [True])
