"""WebSecureREPL: upydev's device files and ours, with upydev as the client.

The real upydev 0.4.3 makes the keys, logs in, and copies files; its device files, unmodified, or
examples/wss_repl run on a unix build with os.dupterm and _webrepl, so the REPL is MicroPython's.
"""

import functools
import hashlib
import os
import pty
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import time

import harness
from cases import HERE, ROOT, case
from peers import WAIT_S, Failure, Skip, check, find_python, free_port, need_program
from pki import mkpki

# upydev's device files know no other ports.
WS_PORT, WSS_PORT = 8266, 8833
NAME = f"wss://127.0.0.1:{WSS_PORT}"
PASSWORD, PASSPHRASE = "testpass", "pw123"
UNIQUE_ID = "0a0b0c0d"
USER = "tester"
HOST_ID = USER.encode().hex()[:10]
INSTALL_TIMEOUT_S = 180

# By whether the device has TLS 1.3: the version, the suite as upydev's shell calls it, and what is wrong
# with a client, whose alert OpenSSL gives a name. A client of TLS 1.3 has shaken hands before the server
# has looked at its certificate: one that writes at once may only see that the connection is closed.
CLOSED = ["SSLEOFError", "BrokenPipeError", "ConnectionResetError"]
SAID = {
    False: {
        "version": "TLSv1.2",
        "or": [],
        "suite": "TLSv1.2 @ ECDHE-ECDSA-AES128-CCM8 - 128 bits Encryption",
        "no certificate": "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "a certificate of another CA": "TLSV1_ALERT_UNKNOWN_CA",
        "an expired certificate": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    },
    True: {
        "version": "TLSv1.3",
        "or": CLOSED,
        "suite": "TLSv1.3 @ TLS_AES_256_GCM_SHA384 - 256 bits Encryption",
        "no certificate": "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "a certificate of another CA": "TLSV1_ALERT_UNKNOWN_CA",
        "an expired certificate": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    },
}

DEVICES = {"upydev's device files": "upydev", "examples/wss_repl": "example"}


def webrepl_binary():
    """The unix build with --webrepl; `make test` makes it and names it."""
    binary = os.environ.get("MICROPYTHON_WEBREPL", ROOT / "build/unix-webrepl/micropython")
    if not os.path.exists(binary):
        raise Skip(f"{binary} is missing: ports/unix/build.sh --webrepl makes it")
    return binary


@functools.cache
def python_for_upydev():
    """A Python for which upydev.txt pins packages."""
    probe = "import pip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    return find_python(probe, "3.11", "3.12", "3.13")


def install_upydev(build):
    """Where upydev and what it imports are; nothing outside of the build directory changes."""
    python = python_for_upydev()
    if python is None:
        raise Skip("no Python 3.11 to 3.13 with pip, for which upydev 0.4.3 is pinned")
    probe = "import sys; print(sys.version, end='')"
    version = subprocess.run([python, "-c", probe], capture_output=True, check=True).stdout
    wanted = hashlib.sha256(version)
    for name in ("setuptools.txt", "upydev.txt"):
        wanted.update((HERE / name).read_bytes())
    root = build / "upydev"
    done = root / ".done"
    if done.exists() and done.read_text() == wanted.hexdigest():
        return root / "site"
    shutil.rmtree(root, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--require-hashes", "--root-user-action", "ignore"]
    for target, requirements, path in (
        ("build", "setuptools.txt", ""),
        ("site", "upydev.txt", root / "build"),
    ):
        command = pip + ["--no-build-isolation", "--target", root / target]
        command += ["--requirement", HERE / requirements]
        try:
            result = subprocess.run(
                [str(word) for word in command],
                env=dict(os.environ, PYTHONPATH=str(path)),
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise Skip(
                f"pip install of {requirements}: no answer in {INSTALL_TIMEOUT_S} s"
            ) from None
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines() or ["no message"]
            if "Python.h" in result.stderr:
                lines = ["Python's headers are missing (Debian package: python3-dev)"]
            raise Skip(f"pip install of {requirements}: {lines[-1]}")
    done.write_text(wanted.hexdigest())
    return root / "site"


def make_locale(directory):
    """upydev takes the country for its certificates from the locale, and fails without one."""
    place = directory / "en_US.UTF-8"
    if not place.exists():
        program = need_program("localedef", "libc-bin")
        directory.mkdir(parents=True, exist_ok=True)
        command = [program, "--no-archive", "-i", "en_US", "-f", "UTF-8", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        # 1 is for warnings.
        if done.returncode > 1 or not place.exists():
            raise Skip("localedef knows no en_US (Debian package: locales)")
    return directory


class Host:
    """A user of upydev. Its keys are where upydev keeps them, in its own package: in a copy."""

    def __init__(self, bench, directory, site, locales):
        self.bench = bench
        self.directory = directory
        self.site = site
        self.package = directory / "upydev"
        if not self.package.exists():
            shutil.copytree(site / "upydev", self.package)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "USER": USER,
            "LANG": "en_US.UTF-8",
            "LOCPATH": str(locales),
            "TERM": "xterm",
            "COLUMNS": "80",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{HERE / 'host'}:{directory}:{site}",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }

    def copy(self, directory):
        """Another user with the same keys, to be changed."""
        shutil.copytree(self.package, directory / "upydev")
        locales = self.environment["LOCPATH"]
        return Host(self.bench, directory, self.site, locales)

    def run(self, *command, answers=(), cwd=None):
        """Runs a Python program; it is asked without a terminal, and answered. The Process."""
        process = self.bench.start(
            "upydev " + " ".join(str(word) for word in command[1:3] if "/" not in str(word)),
            [python_for_upydev(), *command],
            env=self.environment,
            cwd=cwd or self.directory,
            start_new_session=True,
        )
        process.send("".join(f"{answer}\n" for answer in answers).encode())
        process.close_stdin()
        process.wait()
        return process

    def upydev(self, *command, **options):
        return self.run(self.site / "bin/upydev", *command, **options)

    def over_wss(self, *command, **options):
        target = ["-t", "127.0.0.1", "-p", f"{PASSWORD}:{PASSPHRASE}", "-wss"]
        return self.upydev(*command, *target, **options)

    def key_and_certificate(self):
        return [self.package / f"HOST_{kind}@{HOST_ID}.pem" for kind in ("key", "cert")]

    def make_keys(self, *subjects):
        for subject in subjects:
            before = set(os.listdir(self.package))
            # A passphrase of its own and the CA's; then whether to send what was made: no.
            process = self.upydev(
                *("kg", "ssl", subject, "-t", "127.0.0.1", "-p", PASSWORD),
                answers=[PASSPHRASE] * (2 if subject == "host" else 1) + ["n", "n"],
            )
            made = set(os.listdir(self.package)) - before
            check(made, f"upydev kg ssl {subject} made nothing:\n{process.output()[-500:]}")


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Failure(f"port {port}, which upydev needs, is in use on this machine") from None


class Setup:
    """The user whose keys a device has, and devices to start."""

    def __init__(self, bench):
        self.bench = bench
        self.binary = webrepl_binary()
        self.said = SAID[harness.has_tls13(self.binary)]
        build = bench.logs.parent.parent
        self.site = install_upydev(build)
        self.locales = make_locale(build / "locales")
        self.host = Host(bench, bench.logs / "host", self.site, self.locales)
        made = bench.logs.parent / "webrepl-keys"
        if not made.exists():  # the first case of this run makes them
            self.host.make_keys("CA", "host")
            device = self.start("upydev", ssl=0)
            self.host.make_keys("dev")
            device.close()
            shutil.copytree(self.host.package, made)
        else:
            shutil.copytree(made, self.host.package, dirs_exist_ok=True)

    def start(self, server, ssl=1):
        """A device with upydev's keys; it has its own directory, .files."""
        port = WSS_PORT if ssl else WS_PORT
        port_is_free(port)
        files = self.bench.logs / f"device-{server}-{ssl}"
        files.mkdir()
        if server == "upydev":
            for name in ("wss_repl.py", "wss_helper.py"):
                shutil.copy(self.host.package / "upyutils_dir" / name, files)
        for name in ("upysh.py", "nanoglob.py"):
            shutil.copy(self.host.package / "upyutils_dir" / name, files)
        if ssl:
            shutil.copy(self.host.package / "ROOT_CA_cert.pem", files)
            for name in (f"SSL_key{UNIQUE_ID}.der", f"SSL_certificate{UNIQUE_ID}.der"):
                shutil.copy(self.host.package / name, files)
        modules = [HERE / "device", ROOT / "examples/wss_repl", files, ".frozen"]
        device = self.bench.start(
            "micropython wss_repl",
            [self.binary, "-i", HERE / "device/wss_repl_device.py", f"server={server}"]
            + [f"path={files}", f"password={PASSWORD}", f"ssl={ssl}", f"port={port}"],
            env={"HOME": str(files), "MICROPYPATH": ":".join(map(str, modules))},
        )
        device.files = files
        device.wait_for(r"^READY")
        return device

    def context(self, host=None):
        """CPython as a client that knows the device, with or without a user's certificate, of the
        highest version that the device has."""
        context = ssl.create_default_context(cafile=str(self.host.package / "ROOT_CA_cert.pem"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        name = self.said["version"].replace(".", "_")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[name]
        if host:
            key, certificate = host.key_and_certificate()
            context.load_cert_chain(certificate, key, PASSPHRASE)
        return context


def check_command(host):
    """Logs in over wss and has something worked out."""
    process = host.over_wss("print(6*7)")
    check(re.search(r"^42$", process.output(), re.M), f"no 42: {process.output()[-500:]}")


def connect(context):
    sock = socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S)
    try:
        return context.wrap_socket(sock, server_hostname=NAME)
    except BaseException:
        sock.close()
        raise


def opening(*headers):
    """A WebSocket's opening request."""
    lines = ["GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def login(
    tls, password=PASSWORD.encode(), headers=("Host: device",), command=b"print(6*7)", says=b"42"
):
    """The WebSocket, the password and a command, by hand."""
    tls.sendall(opening(*headers))
    with tls.makefile("rb") as reader:
        headers = b"".join(iter(reader.readline, b"\r\n"))
        check(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in headers, "Sec-WebSocket-Accept (RFC 6455 1.3)")

        def until(text):
            answer = b""
            while text not in answer:
                header = reader.read(2)
                check(len(header) == 2, f"closed before {text}: {answer[-200:]}")
                answer += reader.read(header[1])

        def say(text):
            tls.sendall(b"\x81" + struct.pack("B", 0x80 | len(text)) + bytes(4) + text)

        until(b"Password: ")
        say(password + b"\r")
        until(b"WebREPL connected")
        say(command + b"\r")
        until(b"\n" + says)


for name_, server_ in DEVICES.items():

    @case(f"webrepl: {name_}: upydev's keys; a command; put and get 100 KB")
    def webrepl_files(bench, server=server_):
        setup = Setup(bench)
        device = setup.start(server)
        check_command(setup.host)
        sent = bench.logs / "sent.bin"
        sent.write_bytes(os.urandom(102400))
        figures = []
        start = time.monotonic()
        setup.host.over_wss("put", sent.name, cwd=bench.logs)
        figures.append(f"put {time.monotonic() - start:.2f} s")
        received = device.files / sent.name
        check(received.exists(), "upydev put: no file")
        check(received.read_bytes() == sent.read_bytes(), "upydev put: another content")
        back = bench.logs / "back"
        back.mkdir()
        # upysh's rcat, by which upydev gets files, needs what `from upysh import *` brought in.
        setup.host.over_wss("import gc; import wss_repl")
        start = time.monotonic()
        setup.host.over_wss("get", sent.name, cwd=back)
        figures.append(f"get {time.monotonic() - start:.2f} s")
        check((back / sent.name).exists(), "upydev get: no file")
        check((back / sent.name).read_bytes() == sent.read_bytes(), "upydev get: another content")
        check(device.child.poll() is None, "the device ended")
        (bench.logs / "figures").write_text("\n".join(figures) + "\n")

    @case(f"webrepl: {name_}: upydev's shell names the suite")
    def webrepl_transcript(bench, server=server_):
        setup = Setup(bench)
        setup.start(server)
        transcript = shell(setup.host, "print(6*7)")
        (bench.logs / "transcript").write_text(transcript)
        said = setup.said
        check(f"WebSecREPL with {said['version']} connected" in transcript, transcript[-800:])
        check(said["suite"] in transcript, f"the suite: {transcript[-800:]}")
        check(re.search(r"^42$", transcript, re.M), f"no 42: {transcript[-800:]}")


CONTROL_SEQUENCE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


def shell(host, command, password=PASSWORD):
    """The transcript of upydev's interactive shell, which needs a terminal."""
    arguments = [python_for_upydev(), str(host.site / "bin/sslweb_repl"), "-t", "127.0.0.1"]
    arguments += ["-p", f"{password}:{PASSPHRASE}", "-wss"]
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        arguments,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=host.environment,
        cwd=host.directory,
        start_new_session=True,
    )
    os.close(terminal)
    output = ""
    # What is typed when these have been printed, in this order.
    # Control-S leaves the shell's own commands for the REPL, Control-X ends it.
    script = [("to exit", "\x13"), (">>>", command + "\r"), ("\n42", "\x18")]
    deadline = time.monotonic() + WAIT_S
    try:
        while time.monotonic() < deadline:
            if select.select([controller], [], [], 0.1)[0]:
                try:
                    more = os.read(controller, 4096)
                except OSError:
                    break  # the terminal's last user left
                output += CONTROL_SEQUENCE.sub("", more.decode("utf-8", "replace"))
            if script and script[0][0] in output:
                time.sleep(1)  # the prompt comes after what was waited for
                os.write(controller, script.pop(0)[1].encode())
            if process.poll() is not None:
                break
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(controller)
    return output.replace("\r", "")


def stranger(setup, directory):
    """A user of another CA, who knows the device's."""
    host = Host(setup.bench, directory, setup.site, setup.locales)
    host.make_keys("CA", "host")
    shutil.copy(setup.host.package / "ROOT_CA_cert.pem", host.package / "ROOT_CA_cert_device.pem")
    return host


def expired(setup, directory):
    host = setup.host.copy(directory)
    _, certificate = host.key_and_certificate()
    ca_key = host.package / "ROOT_CA_key.pem"
    process = host.run(HERE / "host/expire.py", certificate, ca_key, PASSPHRASE)
    check(process.child.returncode == 0, process.output())
    return host


def refused(context):
    """The alert that CPython sees, as OpenSSL names it."""
    try:
        with connect(context) as tls:
            tls.recv(1)
        raise Failure("CPython was let in")
    except ssl.SSLError as error:
        return error.reason


# What is wrong with the client: how such a user is made.
REFUSED = {
    "no certificate": None,
    "a certificate of another CA": stranger,
    "an expired certificate": expired,
}

for name_, server_ in DEVICES.items():
    for what_, make_ in REFUSED.items():

        @case(f"webrepl: {name_}: {what_}: refused, and the next client is served")
        def webrepl_refused(bench, server=server_, what=what_, make=make_):
            setup = Setup(bench)
            device = setup.start(server)
            host = make(setup, bench.logs / "other") if make else None
            alert = setup.said[what]
            reason = refused(setup.context(host))
            check(reason == alert, f"CPython saw {reason} instead of {alert}")
            if host:
                process = host.over_wss("print(6*7)")
            else:
                process = setup.host.run(HERE / "host/no_certificate.py", f"127.0.0.1:{WSS_PORT}")
            said = process.output()
            check(not re.search(r"^42$", said, re.M), f"upydev was let in: {said[-500:]}")
            why = any(words in said for words in (alert, *setup.said["or"]))
            check(why, f"upydev did not say {alert}: {said[-500:]}")
            check_command(setup.host)
            check(device.child.poll() is None, "the device ended")


# A ClientHello that no server can accept: its only suite is a reserved number (RFC 8701).
HELLO = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\xfa\xfa" + b"\x01\x00"
HELLO = b"\x16\x03\x01" + struct.pack(">HI", len(HELLO) + 4, 0x01000000 | len(HELLO)) + HELLO
HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"


def second_hello(setup):
    """Fails a first handshake, then begins another on the same connection, without a certificate.

    What came of that: "let in", or the exception.
    """
    with socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S) as sock:
        sock.sendall(HELLO)
        alert = sock.recv(len(HANDSHAKE_FAILURE), socket.MSG_WAITALL)
        check(alert == HANDSHAKE_FAILURE, f"{alert} instead of the alert handshake_failure")
        try:
            with setup.context().wrap_socket(sock, server_hostname=NAME) as tls:
                login(tls)
                return "let in"
        except OSError as error:
            return error


@case("webrepl: examples/wss_repl: keys from tools/mkpki.py, as its README says")
def webrepl_mkpki(bench):
    program = ROOT / "tools/mkpki.py"
    if not program.exists():
        raise Skip("there is no tools/mkpki.py")
    setup = Setup(bench)
    host = setup.host
    passphrase = bench.logs / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n")
    names = ["127.0.0.1", "--dns", NAME, "--file", "device"]
    for arguments in (["device", *names], ["host", "laptop", "--password-file", passphrase]):
        process = host.run(program, *arguments, cwd=bench.logs)
        check(process.child.returncode == 0, process.output())
    for old in host.key_and_certificate():
        old.unlink()
    for made, name in (
        ("device.der", f"SSL_certificate{UNIQUE_ID}.der"),
        ("device.key.der", f"SSL_key{UNIQUE_ID}.der"),
        ("ca.pem", "ROOT_CA_cert.pem"),
        ("laptop.pem", "HOST_cert@laptop.pem"),
        ("laptop.key", "HOST_key@laptop.pem"),
    ):
        shutil.copy(bench.logs / "pki" / made, host.package / name)
    setup.start("example")
    check_command(host)


for name_, server_ in DEVICES.items():

    @case(f"webrepl: {name_}: a second ClientHello after a failed one gets nowhere")
    def webrepl_second_hello(bench, server=server_):
        setup = Setup(bench)
        setup.start(server)
        result = second_hello(setup)
        check(result != "let in", "a client without a certificate was let in")
        (bench.logs / "figures").write_text(f"second ClientHello: {result!r}\n")
        check_command(setup.host)


@case("webrepl: examples/wss_repl: a web page of another origin gets nowhere, certificate or not")
def webrepl_origin(bench):
    setup = Setup(bench)
    device = setup.start("example")
    context = setup.context(setup.host)
    host = f"Host: 127.0.0.1:{WSS_PORT}"
    for headers in (
        ["Origin: https://evil.example", host],
        [f"Origin: https://evil.example:{WSS_PORT}", host],
        ["Origin: https://127.0.0.1", host],
        ["Origin: https://127.0.0.1:443", host],
        [f"Origin: https://127.0.0.1:{WSS_PORT}.evil.example", host],
        ["Origin: null", host],
        ["Origin: ", host],
        ["origin: https://evil.example"],
        ["Origin: null"],
    ):
        with connect(context) as tls:
            tls.sendall(opening(*headers))
            answer = tls.recv(100)
            check(answer.startswith(b"HTTP/1.1 403 "), f"{headers}: {answer}")
            check(ended(tls), f"{headers}: not closed")
    # The device's own pages; upydev, which names a scheme of its own; who is no browser.
    for headers in (
        [f"Origin: https://127.0.0.1:{WSS_PORT}", host],
        [f"Origin: http://127.0.0.1:{WSS_PORT}", host],
        ["Origin: https://ESP32.local", "Host: esp32.LOCAL"],
        [host],
    ):
        with connect(context) as tls:
            login(tls, headers=headers)
    check_command(setup.host)
    check(device.child.poll() is None, "the device ended")


@case("webrepl: examples/wss_repl: boot.py as shipped has no password; upydev with none")
def webrepl_boot(bench):
    setup = Setup(bench)
    port_is_free(WSS_PORT)
    files = bench.logs / "device-boot"
    files.mkdir()
    for made, name in (
        ("ROOT_CA_cert.pem", "ca.pem"),
        (f"SSL_key{UNIQUE_ID}.der", "device.key.der"),
        (f"SSL_certificate{UNIQUE_ID}.der", "device.der"),
    ):
        shutil.copy(setup.host.package / made, files / name)
    boot = ROOT / "examples/wss_repl/boot.py"
    modules = [HERE / "device", boot.parent, ".frozen"]
    device = bench.start(
        "micropython boot.py",
        [setup.binary, "-i", HERE / "device/boot_device.py", boot],
        cwd=files,
        env={"HOME": str(files), "MICROPYPATH": ":".join(map(str, modules))},
    )
    device.wait_for(r"^wss_repl: wss on port")
    with connect(setup.context(setup.host)) as tls:
        login(tls, b"")
    with connect(setup.context(setup.host)) as tls:
        try:
            login(tls, b"changeme")
            raise Failure("it has a password that everybody knows")
        except Failure as failure:
            check("Access denied" in str(failure), str(failure))
    process = setup.host.upydev("print(6*7)", "-t", "127.0.0.1", "-p", f":{PASSPHRASE}", "-wss")
    check(re.search(r"^42$", process.output(), re.M), f"no 42: {process.output()[-500:]}")
    transcript = shell(setup.host, "print(6*7)", password="")
    check(re.search(r"^42$", transcript, re.M), f"no 42: {transcript[-800:]}")
    reason = refused(setup.context())
    check(reason == setup.said["no certificate"], f"CPython saw {reason}")


@case("webrepl: examples/wss_repl: the command line of its README, with mkpki's keys")
def webrepl_command_line(bench):
    binary = webrepl_binary()
    port_is_free(WSS_PORT)
    readme = (ROOT / "examples/wss_repl/README.md").read_text()
    command = re.search(r"^    build/unix-webrepl/micropython (-i .*) pki$", readme, re.M)[1]
    for line in ("device 127.0.0.1 --file device", "host laptop --no-password"):
        code, output = mkpki(bench, *line.split())
        check(code == 0, output)
    pki = bench.logs / "pki"
    device = bench.start(
        "micropython wss_repl.py",
        [binary, *command.split(), pki],
        cwd=ROOT,
        env={"HOME": str(bench.logs)},
    )
    device.wait_for(r"^wss_repl: wss on port")
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    context.load_cert_chain(pki / "laptop.pem", pki / "laptop.key")
    with socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S) as sock:
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            # upydev's commands look for the client in the module that they import.
            looks = b"import wss_repl; type(wss_repl.client_swr)"
            login(tls, b"", command=looks, says=b"<class 'SSLSocket'>")
    check(device.child.poll() is None, "the device ended")


@case(
    "webrepl: examples/wss_repl: one client at a time; the slow, the rude and the lost are closed"
)
def webrepl_one_client(bench):
    setup = Setup(bench)
    device = setup.start("example")
    context = setup.context(setup.host)

    with connect(context) as first:
        login(first)
        second = socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S)
        check(ended(second), "a second client was not closed")
        device.wait_for(r"wss_repl: one at a time: refused")
    device.wait_for(r"wss_repl: closed")

    # Not TLS at all; TLS, but not the WebSocket's request; a password that is wrong.
    with socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        check(ended(plain), "who speaks no TLS was not closed")
    for request, status in (
        (b"GET / HTTP/1.1\r\nHost: device\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3000 + b"\r\n\r\n", b"431"),
    ):
        with connect(context) as tls:
            tls.sendall(request)
            answer = tls.recv(100)
            check(answer.startswith(b"HTTP/1.1 " + status), f"{answer} instead of {status}")
            check(ended(tls), f"not closed after {status}")
    with connect(context) as tls:
        try:
            login(tls, b"wrong")
            raise Failure("a wrong password was accepted")
        except Failure as failure:
            check("Access denied" in str(failure), str(failure))

    # Who says nothing makes room when its time is over, or at once when it leaves.
    silent = socket.create_connection(("127.0.0.1", WSS_PORT), WAIT_S)
    check(ended(silent), "a silent client keeps the device")
    device.wait_for(r"wss_repl: refused too slow")
    check_command(setup.host)
    check(device.child.poll() is None, "the device ended")


def ended(sock):
    """Closed by the other side, having sent at most an alert."""
    try:
        while sock.recv(100):
            pass
    except ConnectionResetError:
        pass
    finally:
        sock.close()
    return True


@case("webrepl: examples/wss_repl: without its files, or with wrong ones, it does not start")
def webrepl_start(bench):
    setup = Setup(bench)
    files = bench.logs / "files"
    files.mkdir()
    port = free_port()

    def start(expected, **options):
        arguments = dict(certificate="cert", key="key", ca="ca", host="127.0.0.1", port=port)
        arguments.update(options)
        script = "import os, wss_repl\ntry:\n wss_repl.start(**%r)\n print('STARTED')\n" % arguments
        script += "except Exception as error:\n print('ERROR', repr(error))\nos.dupterm(None)\n"
        process = bench.start(
            "micropython wss_repl",
            [setup.binary, "-c", script],
            cwd=files,
            env={"HOME": str(files), "MICROPYPATH": f"{ROOT / 'examples/wss_repl'}:.frozen"},
        )
        check(process.wait() == 0, process.output())
        check(re.search(expected, process.output()), f"{process.output()!r}, not {expected}")

    start(r"ERROR OSError\(2")
    for name, given in (("cert", "ec.pem"), ("key", "ec.key"), ("ca", "ca.pem")):
        shutil.copy(bench.certs / given, files / name)
    start(r"STARTED")
    start(r"ERROR ValueError\('the password is longer", password="0123456789")
    shutil.copy(bench.certs / "client.key", files / "key")
    start(r"ERROR ValueError\('key does not match cert'")
    (files / "ca").write_bytes(b"")
    shutil.copy(bench.certs / "ec.key", files / "key")
    start(r"ERROR ValueError\('invalid cert'")
    # Nobody else's port is taken.
    with socket.create_server(("127.0.0.1", port)):
        shutil.copy(bench.certs / "ca.pem", files / "ca")
        start(r"ERROR OSError\(98")
