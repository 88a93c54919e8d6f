"""Resumption with servers that people run: nginx, also as a client, vsftpd, mosquitto."""

import os
import socket
import tempfile
from pathlib import Path

from mqtt import Broker
from peers import check, free_port, need_program, wait_until_listening
from sessions import VERSIONS, case, expect, reused, session_server


def nginx(bench, server):
    """nginx with this in its server block: its port."""
    program = need_program("nginx", "nginx-light")
    port = free_port()
    place = bench.logs / "nginx"
    place.mkdir()
    paths = "\n".join(
        f"{kind}_temp_path {place};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = bench.logs / "nginx.conf"
    config.write_text(
        f"""daemon off;
master_process off;
pid {place}/pid;
error_log stderr info;
events {{ }}
http {{
access_log off;
{paths}
server {{
listen 127.0.0.1:{port} {server}
}}
}}
"""
    )
    bench.start("nginx", [program, "-p", place, "-c", config])
    wait_until_listening(port)
    return port


for version_ in VERSIONS:
    for kind_, tickets_, cache_ in (
        ("tickets", "on", "none"),
        ("ssl_session_cache", "off", "shared:sessions:1m"),
        ("both", "on", "shared:sessions:1m"),
    ):

        @case(f"client -> nginx, {kind_}", version_)
        def client_of_nginx(bench, version=version_, tickets=tickets_, cache=cache_):
            port = nginx(
                bench,
                f"""ssl;
ssl_certificate {bench.file("ec")};
ssl_certificate_key {bench.file("ec", "key")};
ssl_protocols {VERSIONS[version][1]};
ssl_session_cache {cache};
ssl_session_tickets {tickets};
location / {{ return 200 "$ssl_session_reused\\n"; }}""",
            )
            device = bench.micropython(
                "session_client.py",
                port=port,
                ca=bench.file("ca"),
                connections=3,
                version=version,
                saved=1,
                line="GET /",
            )
            expect(reused(device), [False, True, True])
            lines = [line for line in device.output().splitlines() if line.startswith("LINE")]
            check(lines == [f"LINE b'{mark}\\n'" for mark in ".rr"], f"nginx says {lines}")

    @case("nginx's proxy_pass -> server", version_)
    def server_of_nginx(bench, version=version_):
        server, upstream = session_server(bench, 3, num_tickets=1)
        port = nginx(
            bench,
            f""";
location / {{
proxy_pass https://127.0.0.1:{upstream};
proxy_ssl_protocols {VERSIONS[version][1]};
proxy_ssl_name localhost;
proxy_ssl_server_name on;
proxy_ssl_trusted_certificate {bench.file("ca")};
proxy_ssl_verify on;
proxy_ssl_session_reuse on;
}}""",
        )
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = sock.makefile("rb").read()
            check(b"echo:GET / HTTP/1.0" in answer, f"nginx says {answer}")
        expect(reused(server), [False, True, True])

    @case("client -> vsftpd, require_ssl_reuse=YES", version_)
    def client_of_vsftpd(bench, version=version_):
        program = need_program("vsftpd", "vsftpd")
        port = free_port()
        # Its user, ftp where root starts it, may not get into the build's directory.
        root = Path(bench.stack.enter_context(tempfile.TemporaryDirectory()))
        root.chmod(0o755)
        for place in (root / "files", root / "empty"):
            place.mkdir()
            bench.stack.callback(place.chmod, 0o755)
        (root / "files/hello.txt").write_text("hello\n")
        for place in (root / "files", root / "empty"):
            place.chmod(0o555)  # it shows no directory that it could write to
        user = "nopriv_user=nobody" if os.getuid() == 0 else "run_as_launching_user=YES"
        config = bench.logs / "vsftpd.conf"
        config.write_text(
            f"""listen=YES
background=NO
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=YES
no_anon_password=YES
anon_root={root}/files
secure_chroot_dir={root}/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
{user}
xferlog_enable=NO
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
rsa_cert_file={bench.file("rsa")}
rsa_private_key_file={bench.file("rsa", "key")}
debug_ssl=YES
"""
        )
        bench.start("vsftpd", [program, config])
        wait_until_listening(port)
        given = {"port": port, "ca": bench.file("ca"), "version": version}
        device = bench.micropython("session_ftp.py", **given)
        expect(reused(device), [True, True, True])
        check(device.output().count("FILE b'hello\\n'") == 3, "the file did not come")
        # It is the session that it asks for.
        without = bench.micropython("session_ftp.py", without=1, **given)
        check(without.wait() != 0 and "522" in without.output(), "a transfer without the session")

    @case("client -> mosquitto", version_)
    def client_of_mosquitto(bench, version=version_):
        broker = Broker(bench)
        device = bench.micropython(
            "session_client.py",
            port=broker.port,
            ca=bench.file("ca"),
            connections=3,
            version=version,
            saved=1,
            mqtt=1,
        )
        expect(reused(device), [False, True, True])
        check(device.output().count(r"LINE b' \x02\x00\x00'") == 3, "no CONNACK")
