#!/usr/bin/env python3
"""`make bench`: this module and upstream's stock module, side by side in one run.

    bench.py [--ours MICROPYTHON] [--ours-tls13 MICROPYTHON] [--stock MICROPYTHON]
             [--stock-configured MICROPYTHON] [--quick] [--psk] [--clients] [--check]

MicroPythons from one tree: upstream's module at upstream's configuration of Mbed TLS,
upstream's module at ours, and ours; so that nobody takes configuration for code. And ours with TLS 1.3
compiled in, which upstream's does not have, at either version.
The runs of each round follow each other directly, so that whatever else the machine does
meets all. Needs a C compiler, and valgrind for the instruction counts. Prints a table and
writes build/bench.json. With --check, the exit code is 1 if a target is missed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True

from memory_link import AES_128_SUITE  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUN_TIMEOUT_S = 300
HEAP = "8M"  # of the garbage collector: the same for all, and never full
CROWD_HEAP = "256M"  # where there are thousands of clients

# Which files of the linker map are this module's: what comes from the Rust archive (or from it
# linked to one object), and the C beside it. For the stock module it is the file it replaces.
OURS_FILES = re.compile(r"(libmicropython_ssl[^/]*\.a|/rust/[\w.]+\.o$|/c_glue/[\w.]+\.o$)")
STOCK_FILES = re.compile(r"modtls_mbedtls\.o")


class Column(NamedTuple):
    title: str
    build: str
    version: str = "TLSv1.2"


# What all benches measure.
COLUMNS = {
    "stock": Column("stock", "stock"),
    "stock-configured": Column("stock, our config", "stock-configured"),
    "ours": Column("ours", "ours"),
    "ours-1.2": Column("TLS 1.2 beside 1.3", "ours-tls13"),
    "ours-1.3": Column("TLS 1.3", "ours-tls13", "TLSv1.3"),
}


class BenchError(Exception):
    pass


def run(command, environment=None):
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            env=dict(os.environ, **(environment or {})),
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"not done in {RUN_TIMEOUT_S} s: {command}") from None
    if done.returncode != 0:
        raise BenchError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done


class Module:
    """One of the MicroPythons at a version of TLS, and what was measured with it."""

    def __init__(self, name, binary, certs, scratch):
        self.name = name
        self.version = COLUMNS[name].version
        self.binary = binary
        self.certs = certs
        self.scratch = scratch
        self.samples = {}
        self.figures = {}

    def pair(self, *arguments, environment=None):
        return json.loads(run([*self._command(), *arguments], environment).stdout)

    def _command(self):
        options = ["-X", f"heapsize={HEAP}"]
        return [self.binary, *options, HERE / "pair.py", self.certs, self.version]

    def clients(self, *arguments, tool=(), environment=None):
        command = [*tool, self.binary, "-X", f"heapsize={CROWD_HEAP}", HERE / "clients.py"]
        return json.loads(run([*command, *arguments], environment).stdout)

    def sample(self, name, value):
        self.samples.setdefault(name, []).append(value)

    def instructions(self, *arguments, more=4):
        """Number of instructions that one more time of what pair.py counts takes."""
        # Two runs that differ in their number only: start-up drops out.
        few, many = (self._instructions(*arguments, count) for count in (2, 2 + more))
        return (many - few) // more

    def _instructions(self, *arguments):
        command = ["valgrind", "--tool=callgrind"]
        command += [f"--callgrind-out-file={self.scratch / 'callgrind.out'}"]
        done = run([*command, *self._command(), *arguments])
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])


# Name of the figure, size of a write, and the suite if it is not pair.py's.
THROUGHPUTS = (
    ("throughput_4096_mb_per_s", 4096),
    ("throughput_16384_mb_per_s", 16384),
    ("throughput_aes_128_mb_per_s", 16384, AES_128_SUITE),
)


def measure_speed(modules, rounds, handshakes, megabytes):
    for _ in range(rounds):
        for verify in ("none", "verified"):
            for module in modules:
                result = module.pair("handshakes", verify, handshakes)
                module.sample(f"handshake_{verify}_us", result["min_us"])
        for module in modules:
            module.sample("poll_us", module.pair("polls", 2)["poll_us"])
        for name, size, *suite in THROUGHPUTS:
            for module in modules:
                result = module.pair("throughput", size, megabytes, *suite)
                module.sample(name, result["megabytes_per_s"])
    for module in modules:
        for name, values in module.samples.items():
            module.figures[name] = statistics.median(values)


def measure_instructions(modules):
    for module in modules:
        for verify in ("none", "verified"):
            figure = module.instructions("handshakes", verify)
            module.figures[f"handshake_{verify}_instructions"] = figure
        # So many that it does not count by what the handshakes in front of them differ.
        module.figures["poll_instructions"] = module.instructions("polls", more=200) / 1000


def build_library(scratch, name):
    """For MicroPython's ffi module."""
    library = scratch / f"{name}.so"
    compiler = os.environ.get("CC", "cc")
    run([compiler, "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fno-builtin"]
        + ["-o", library, HERE / f"{name}.c"])  # fmt: skip
    return library


def measure_memory(modules, scratch):
    counter = build_library(scratch, "memcount")
    for module in modules:
        result = module.pair("memory", environment={"LD_PRELOAD": str(counter)})
        for end in ("client", "server"):
            result[f"{end}_heap"] = result[f"{end}_gc"] + result[f"{end}_malloc"]
        module.figures.update(result)


CROWDS = (10, 100, 1000, 10_000)


def measure_clients(module, scratch, callgrind, crowds):
    """A DTLS listener with ever more clients that hibernate."""
    counter = build_library(scratch, "memcount")
    figures = module.figures["clients"] = {}
    for count in crowds:
        figure = module.clients(count, "memory", environment={"LD_PRELOAD": str(counter)})
        figures[count] = {key: round(figure[key]) for key in ("gc", "malloc")}
        if not callgrind:
            continue
        library = build_library(scratch, "callgrind")
        counts = scratch / "callgrind.clients"
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        tool += [f"--callgrind-out-file={counts}"]
        samples = module.clients(count, "instructions", library, tool=tool)["samples"]
        totals = {}
        for dump in scratch.glob(f"{counts.name}.*"):
            text = dump.read_text()
            what = re.search(r"^desc: Trigger: Client Request: (\w+) 1$", text, re.MULTILINE)
            if what:
                totals[what[1]] = int(re.search(r"^totals: (\d+)$", text, re.MULTILINE)[1])
            dump.unlink()
        figures[count]["taken"] = (totals["take"] - totals["nothing"]) // samples
        figures[count]["read"] = totals["read"] // samples


def clients_table(figures):
    print(
        f"\n{'DTLS clients of a listener, hibernating':46}{'bytes each':>13}{'GC heap':>11}{'malloc':>14}"
        f"{'instr. taken':>14}{'instr. read':>14}"
    )
    for count, figure in figures.items():
        cells = [figure["gc"] + figure["malloc"], figure["gc"], figure["malloc"]]
        cells += [figure.get("taken"), figure.get("read")]
        shown = [number(cell) if cell is not None else "not counted" for cell in cells]
        print(f"{number(count):46}{shown[0]:>13}{shown[1]:>11}" + "".join(f"{c:>14}" for c in shown[2:]))
    print(
        "Taken: one datagram from the socket into its client's inbox, found by its Connection ID; read:"
        "\nthe connection woken, the record decrypted. Clients are real, with a pre-shared key, in memory."
    )


# As pair.py names them: with a certificate that the client verifies, and with a pre-shared key.
HANDSHAKES = (
    "verified",
    "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256",
    "TLS-PSK-WITH-AES-128-GCM-SHA256",
    "TLS-PSK-WITH-AES-128-CCM-8",
)
KEY_LENGTHS = (16, 32)


def measure_psk(module, callgrind, tries):
    """Pre-shared keys, which the stock module of these releases does not have."""
    figures = module.figures["psk"] = {"handshakes": {}, "refusals": {}}
    for kind in HANDSHAKES:
        figures["handshakes"][kind] = module.pair("wire", kind)
        figures["handshakes"][kind].update(module.pair("handshakes", kind, 40))
        if callgrind:
            count = module.instructions("handshakes", kind)
            figures["handshakes"][kind]["instructions"] = count
    for length in KEY_LENGTHS:
        refusals = figures["refusals"][length] = module.pair("refusals", length, tries)
        for what in ("wrong", "unknown") if callgrind else ():
            refusals[f"{what}_instructions"] = module.instructions("refused", what, length)


def psk_table(figures, tries):
    def shown(value):
        return "not counted" if value is None else number(value)

    print(
        f"\n{'handshake pair':46}{'instr.':>13}{'median µs':>11}{'client sends':>14}{'server sends':>14}"
    )
    for kind, figure in figures["handshakes"].items():
        name = "ECDHE-ECDSA-AES256-GCM, verified" if kind == "verified" else kind
        print(
            f"{name:46}{shown(figure.get('instructions')):>13}{figure['median_us']:>11,}"
            f"{figure['client_bytes']:>12} B{figure['server_bytes']:>12} B"
        )
    print(f"\n{'refused pre-shared key':46}{'wrong key':>13}{'unknown id.':>13}  unknown/wrong")
    rows = [("the server's answer, median", "median_us", "µs"),
            ("the server's answer, mean", "mean_us", "µs"),
            ("the server's answer, mean without slowest 10 %", "trimmed_mean_us", "µs"),
            ("both ends", "instructions", "instr.")]  # fmt: skip
    for length, refusals in figures["refusals"].items():
        print(f"keys of {length} bytes, {tries} tries each, by turns")
        for what, key, unit in rows:
            wrong, unknown = refusals.get(f"wrong_{key}"), refusals.get(f"unknown_{key}")
            if wrong is not None:
                what = f"  {what}, {unit}"
                print(f"{what:46}{number(wrong):>13}{number(unknown):>13}  {unknown / wrong:.4f}")


def section_sizes(binary):
    """`size`'s first column, and what it is made of."""
    text = int(run(["size", binary]).stdout.splitlines()[1].split()[0])
    return {"binary_text": text}


def share_of_map(linker_map, files):
    """Bytes of .text, .rodata and .eh_frame that come from the files, as the linker placed them."""
    shares = {".text": 0, ".rodata": 0, ".eh_frame": 0, ".data": 0, ".bss": 0}
    placed = linker_map.read_text(errors="replace").split("Linker script and memory map", 1)[-1]
    # A long section name stands on a line of its own: join it with the next.
    placed = re.sub(r"^( \.\S+)\n\s+", r"\1 ", placed, flags=re.MULTILINE)
    line = re.compile(r"^ (\.[\w.$@-]+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$", re.MULTILINE)
    for section, address, size, file in line.findall(placed):
        if int(address, 16) == 0 or not files.search(file):
            continue
        if section.startswith((".data.rel.ro", ".srodata")):
            # Constants that hold addresses, which `size` counts as data; RISC-V's small ones.
            kind = ".rodata"
        else:
            kind = next((k for k in shares if section == k or section.startswith(k + ".")), None)
        if kind is not None:
            shares[kind] += int(size, 16)
    return shares


def measure_size(modules):
    for module in modules:
        module.figures.update(section_sizes(module.binary))
        linker_map = Path(f"{module.binary}.map")
        if not linker_map.exists():
            print(f"note: {linker_map} is missing, no share of text for {module.name}")
            continue
        shares = share_of_map(linker_map, OURS_FILES if module.name.startswith("ours") else STOCK_FILES)
        module.figures["share"] = shares
        module.figures["share_text"] = shares[".text"] + shares[".rodata"] + shares[".eh_frame"]


# (what, key, unit, kind of comparison, target), the targets against stock. "faster": stock/ours
# must reach the target; "higher": ours/stock must; "smaller": ours/stock must be at most it;
# "limit": ours must.
ROWS = [
    ("handshake pair, no verification", "handshake_none_us", "µs", "faster", 2.0),
    ("handshake pair, verified", "handshake_verified_us", "µs", "faster", 12.0),
    ("handshake pair, no verification", "handshake_none_instructions", "instr.", "faster", 2.0),
    ("handshake pair, verified", "handshake_verified_instructions", "instr.", "faster", 2.0),
    ("poll of an idle connection", "poll_us", "µs", "smaller", None),
    ("poll of an idle connection", "poll_instructions", "instr.", "smaller", 1.0),
    ("allocations of a verified pair", "allocations_per_verified_pair", "", "limit", 1000),
    ("peak malloc of a verified pair", "peak_malloc_of_verified_pair", "bytes", "smaller", None),
    ("heap of an idle client", "client_heap", "bytes", "smaller", 1.0),
    ("heap of an idle server connection", "server_heap", "bytes", "smaller", 1.0),
    ("AES-256-GCM, writes of 4 KB", "throughput_4096_mb_per_s", "MB/s", "higher", 2.0),
    ("AES-256-GCM, writes of 16 KB", "throughput_16384_mb_per_s", "MB/s", "higher", 2.0),
    ("AES-128-GCM, writes of 16 KB", "throughput_aes_128_mb_per_s", "MB/s", "higher", 4.0),
    ("text of the linked binary", "binary_text", "bytes", "smaller", None),
    ("the module's own share of it", "share_text", "bytes", "limit", 40 * 1024),
]


def ratio(other, ours, comparison):
    """How many times as fast as the other, or what part of it."""
    return other / ours if comparison == "faster" else ours / other


def is_met(stock, ours, comparison, target):
    """None without a target."""
    if target is None:
        return None
    if comparison == "limit":
        return ours <= target
    reached = ratio(stock, ours, comparison)
    return reached <= target if comparison == "smaller" else reached >= target


def number(value):
    return f"{value:,.1f}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"


def table(modules):
    """Prints the table; the rows for the JSON file, and how many targets are missed."""
    rows, missed = [], 0
    titles = "".join(f"{title:>19}" for title, *_ in COLUMNS.values())
    print(f"{'':34}{titles}  {'':8}{'to stock':>10}{'to config':>10}{'':15}target, to stock")
    for what, key, unit, comparison, target in ROWS:
        if not all(key in module.figures for module in modules):
            print(f"{what:34}{'not measured':>19}")
            continue
        figures = [module.figures[key] for module in modules]
        stock, configured, ours, *_ = figures
        met = is_met(stock, ours, comparison, target)
        missed += met is False
        ratios = [ratio(other, ours, comparison) for other in (stock, configured)]
        times = comparison in ("faster", "higher")
        shown = "".join(f"{ratio:>10.{2 if times else 3}f}" for ratio in ratios)
        wanted = ""
        if met is not None:
            sign = ">=" if times else "<="
            whose = "ours " if comparison == "limit" else ""
            wanted = f"{whose}{sign} {target:,}: {'met' if met else 'MISSED'}"
        cells = "".join(f"{number(value):>19}" for value in figures)
        kind = " times as fast" if times else " of it"
        print(f"{what:34}{cells}  {unit:8}{shown}{kind:15}{wanted}".rstrip())
        rows.append({"what": what, "key": key, "unit": unit, "ratio": ratios[0],
                     "ratio_to_configured": ratios[1], "met": met})  # fmt: skip
    return rows, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--ours", type=Path, default=ROOT / "build/bench-unix/micropython")
    parser.add_argument(
        "--ours-tls13", type=Path, default=ROOT / "build/bench-unix-tls13/micropython"
    )
    parser.add_argument("--stock", type=Path, default=ROOT / "build/stock/micropython")
    parser.add_argument(
        "--stock-configured", type=Path, default=ROOT / "build/stock-configured/micropython"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no callgrind")
    parser.add_argument("--psk", action="store_true", help="only the figures of pre-shared keys")
    parser.add_argument("--clients", action="store_true", help="only those of a DTLS listener")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    scratch = build / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    tries = 100 if arguments.quick else 1000
    callgrind = not arguments.quick
    if callgrind and shutil.which("valgrind") is None:
        print("note: valgrind is missing (Debian package: valgrind): no instruction counts")
        callgrind = False
    try:
        binaries = {
            name: getattr(arguments, column.build.replace("-", "_")) for name, column in COLUMNS.items()
        }
        for name, binary in binaries.items():
            only_ours = arguments.psk or arguments.clients
            if not binary.exists() and (name == "ours" or not only_ours):
                raise BenchError(f"{binary} is missing: make bench builds it")
        certs = build / "certs"
        run([ROOT / "tests/certs/make_certs.sh", certs])
        modules = [
            Module(name, binary.resolve(), certs, scratch) for name, binary in binaries.items()
        ]
        ours = next(module for module in modules if module.name == "ours")
        if arguments.psk:
            measure_psk(ours, callgrind, tries)
            psk_table(ours.figures["psk"], tries)
            return 0
        crowds = CROWDS[:2] if arguments.quick else CROWDS
        if arguments.clients:
            measure_clients(ours, scratch, callgrind, crowds)
            clients_table(ours.figures["clients"])
            return 0
        print("speed: interleaved runs", flush=True)
        rounds, handshakes, megabytes = (2, 10, 8) if arguments.quick else (7, 40, 32)
        measure_speed(modules, rounds, handshakes, megabytes)
        print("memory: counted allocations", flush=True)
        measure_memory(modules, scratch)
        measure_size(modules)
        if callgrind:
            print("instructions: callgrind", flush=True)
            measure_instructions(modules)
        print("pre-shared keys", flush=True)
        measure_psk(ours, callgrind, tries)
        print("clients of a DTLS listener", flush=True)
        measure_clients(ours, scratch, callgrind, crowds)
    except BenchError as error:
        print(f"bench FAILED: {error}", file=sys.stderr)
        return 2
    print()
    rows, missed = table(modules)
    print(
        "\nP-256, AES-256-GCM if not said, TLS 1.2 but for the last column, both ends in one process over"
        "\nmemory. The last two are one build: upstream's module has no TLS 1.3. Ratios are of ours to the left."
        f"\nTimes are medians of {rounds} runs' best of {handshakes}. Heap is GC heap plus malloc'd blocks with"
        "\ntheir headers. Text is the first column of `size`; the share is .text, .rodata and"
        "\n.eh_frame of the Rust archive and the C glue in the linker map (stock: modtls_mbedtls.o)."
    )
    psk_table(ours.figures["psk"], tries)
    clients_table(ours.figures["clients"])
    report = {
        "machine": platform.machine(),
        **{module.name: module.figures for module in modules},
        "samples": {module.name: module.samples for module in modules},
        "rows": rows,
    }
    (build / "bench.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten: {build / 'bench.json'}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
