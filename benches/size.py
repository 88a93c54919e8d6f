#!/usr/bin/env python3
"""`make bench-size`: what the module, its presets and each choice cost in flash.

    size.py [--only PATTERN] --micropython DIR --mbedtls DIR

Firmwares from one tree: bytes of text, as `size` counts them (code and constants), of this module's
beside the one with upstream's module at upstream's configuration of Mbed TLS; then with one thing
chosen otherwise at a time. Those hang together: together they do not save the sum. And, symbol by
symbol, where the difference of the small preset to upstream's module is. Writes
build/bench-size.json and the tables in docs/porting.md, and draws docs/flash.svg. Some seventy builds: with a compiler cache
first on PATH less than an hour, without more.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True

import chart  # noqa: E402
import symbols  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
RESULTS = BUILD / "bench-size.json"
DOCS = ROOT / "docs/porting.md"
END = "<!-- to here -->\n"
CHART = ROOT / "docs/flash.svg"
TITLE = "Flash: what a firmware takes more than with MicroPython's own module"
CHOICES = "<!-- make bench-size writes this -->\n"
SYMBOLS = "<!-- and this -->\n"
# The board of the table of symbols.
SHORT_OF_FLASH = "RPI_PICO"
LIMIT_S = 1200


class Machine(NamedTuple):
    """A board, and whether it is asked of everything or of the presets alone."""

    title: str
    port: str
    size: str
    all: bool = True


BOARDS = {
    "VIRT_RV32": Machine("RV32", "qemu", "riscv64-unknown-elf-size"),
    "MPS2_AN385": Machine("Cortex-M3", "qemu", "arm-none-eabi-size"),
    "RPI_PICO": Machine("RP2040", "rp2", "arm-none-eabi-size", all=False),
}

STOCK, FULL, SMALL = "upstream's module", "`MPSSL_PRESET=full`, the default", "`MPSSL_PRESET=small`"
PRESETS = {STOCK: ["--stock"], FULL: [], SMALL: ["MPSSL_PRESET=small"]}

SWITCHES = (
    "MPSSL_P256=0",
    "MPSSL_HIBERNATION=0",
    "MPSSL_RECORD_BUFFERS=0",
    "MPSSL_PEER_CERT_DICT=0",
    "MPSSL_AEAD_CFLAGS=-Os",
    "MPSSL_OPT_LEVEL=z",
    "MPSSL_MBEDTLS_CONFIG=0",
)

# What our configuration chooses beyond upstream's, in groups that go together.
OPTIONS = (
    "HAVE_ASM",
    "ECP_NIST_OPTIM",
    "BLOCK_CIPHER_C",
    "CCM_C",
    "CHACHAPOLY_C CHACHA20_C POLY1305_C",
    "ECP_DP_CURVE25519_ENABLED",
    "X509_RSASSA_PSS_SUPPORT PKCS1_V21",
    "KEY_EXCHANGE_PSK_ENABLED KEY_EXCHANGE_ECDHE_PSK_ENABLED KEY_EXCHANGE_DHE_PSK_ENABLED DHM_C",
    "KEY_EXCHANGE_DHE_PSK_ENABLED DHM_C",
    "SSL_ALL_ALERT_MESSAGES",
    "SSL_EXTENDED_MASTER_SECRET SSL_ENCRYPT_THEN_MAC",
    "SSL_ALPN",
    "SSL_MAX_FRAGMENT_LENGTH",
    "SSL_SESSION_TICKETS SSL_TICKET_C",
    "SSL_KEEP_PEER_CERTIFICATE",
    "SSL_PROTO_DTLS SSL_DTLS_ANTI_REPLAY SSL_COOKIE_C SSL_DTLS_HELLO_VERIFY SSL_DTLS_CLIENT_PORT_REUSE "
    "SSL_DTLS_CONNECTION_ID",
    "SSL_DTLS_CONNECTION_ID",
    "PEM_PARSE_C BASE64_C",
)
# The other way round: what it takes away from upstream's.
BACK = (
    "SHA256_SMALLER",
    "ECP_DP_SECP192R1_ENABLED ECP_DP_SECP192K1_ENABLED ECP_DP_SECP224R1_ENABLED "
    "ECP_DP_SECP224K1_ENABLED ECP_DP_SECP256K1_ENABLED",
)


def rows():
    """What the table calls it -> (arguments for build.sh, last words on the configuration)."""
    found = {name: (arguments, "") for name, arguments in PRESETS.items()}
    found.update((f"`{switch}`", ([switch], "")) for switch in SWITCHES)
    for directive, word, groups in (("undef", "without", OPTIONS), ("define", "with", BACK)):
        for group in groups:
            options = group.split()
            name = f"{word} {', '.join(f'`{option}`' for option in options)}"
            found[name] = ([], "".join(f"#{directive} MBEDTLS_{option}\n" for option in options))
    return found


def firmware_dir(board, arguments):
    machine = BOARDS[board]
    name = f"{machine.port}-{board}" if machine.port == "rp2" else f"size-{board}"
    return BUILD / "-".join([name, *(re.sub(r"\W+", "_", word.strip("-")) for word in arguments)])


def text_of(board, arguments, extra, trees):
    """Bytes of text of a firmware."""
    machine = BOARDS[board]
    # One name with changing content: make compiles anew only what reads it.
    header = BUILD / "size" / board / "mbedtls_extra.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(extra)
    out = firmware_dir(board, arguments)
    command = [ROOT / f"ports/{machine.port}/build.sh", *trees, "--board", board, "--out", out]
    if machine.port == "qemu":
        command += ["MPSSL_TLS13=0"]  # as on boards, unless the row says otherwise
    command += arguments
    if machine.port == "qemu" and "--stock" not in arguments:
        command += [f"MPSSL_CARGO_DIR={header.parent}", f"MPSSL_EXTRA_MBEDTLS_CONFIG_FILE={header}"]
    # But names come and go with the options, and make scans for them only where a source changed.
    (out / "genhdr/qstr.i.last").unlink(missing_ok=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        sys.exit(f"size.py: {board} {arguments} {extra} does not build\n{done.stdout[-3000:]}")
    sizes = subprocess.run([machine.size, out / "firmware.elf"], check=True, stdout=subprocess.PIPE, text=True)
    return int(sizes.stdout.splitlines()[1].split()[0])


def measure(trees, only):
    """name -> board -> bytes; what was not asked for as it was measured last."""
    results = json.loads(RESULTS.read_text()) if only and RESULTS.exists() else {}
    for name, how in rows().items():
        for board, machine in BOARDS.items():
            if not (machine.all or name in PRESETS) or not re.search(only, f"{board} {name}"):
                continue
            results.setdefault(name, {})[board] = text_of(board, *how, trees)
            print(f"{board:<12}{results[name][board]:>9,}  {name.replace('`', '')}", flush=True)
            RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return results


def table(results):
    """Upstream's as it is, the presets beside it, all else beside full."""

    def line(name, value):
        cells = (value(board) for board in BOARDS)
        return f"| {name} | " + " | ".join(cells) + " |\n"

    def beside(name, other):
        def value(board):
            if board not in results.get(name, {}) or board not in results.get(other, {}):
                return ""
            return f"{results[name][board] - results[other][board]:+,}".replace("-", "−")

        return line(name, value)

    text = "| bytes of text | " + " | ".join(machine.title for machine in BOARDS.values()) + " |\n"
    text += "|---|" + "---:|" * len(BOARDS) + "\n"
    stock = results.get(STOCK, {})
    text += line(f"a firmware with {STOCK}", lambda board: f"{stock[board]:,}" if board in stock else "")
    text += beside(FULL, STOCK) + beside(SMALL, STOCK)
    text += line("**beside full:**", lambda board: "")
    return text + "".join(beside(name, FULL) for name in rows() if name in results and name not in PRESETS)


def draw(results):
    """The same as a picture, for boards of which all is there: full, each switch, small."""
    names = [FULL, *(f"`{switch}`" for switch in SWITCHES), SMALL]
    bars = [(name, name.replace("`", "").removesuffix(", the default"), "#2da44e") for name in names]
    groups = []
    for board, machine in BOARDS.items():
        if all(board in results.get(name, {}) for name in (STOCK, *names)):
            values = [results[name][board] - results[STOCK][board] for name in names]
            groups.append((machine.title, values, lambda value: f"{value / 1000:.1f} KB"))
    if groups:
        CHART.write_text(chart.draw(groups, TITLE, bars, "size.py"))


def write_table(begin, text):
    page = DOCS.read_text()
    before, found, rest = page.partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        sys.exit(f"size.py: {DOCS.relative_to(ROOT)} has lost the lines between which the table stands")
    DOCS.write_text(before + begin + text + end + after)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--micropython", required=True)
    parser.add_argument("--mbedtls", required=True)
    parser.add_argument("--only", default="", help="boards and rows that match; the rest as it was measured last")
    args = parser.parse_args()
    results = measure(["--micropython", args.micropython, "--mbedtls", args.mbedtls], args.only)
    text = table(results)
    print(text, end="")
    write_table(CHOICES, text)
    draw(results)
    maps = [firmware_dir(SHORT_OF_FLASH, PRESETS[preset]) / "firmware.elf.map" for preset in (STOCK, SMALL)]
    if all(path.exists() for path in maps):
        write_table(SYMBOLS, symbols.table(*maps, args.mbedtls))


if __name__ == "__main__":
    main()
