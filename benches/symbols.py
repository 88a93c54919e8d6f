"""Where the flash of a firmware is, by its linker's map: each function and each constant has a
section of its own there."""

import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of a firmware for rp2: what is executed or read in place.
FLASH = range(0x10000000, 0x11000000)
# What has at least so many bytes, or so many fewer, is named.
NAMED = 256


def sections(firmware_map):
    """(object file, symbol) -> bytes of flash."""
    _, _, text = firmware_map.read_text(errors="replace").partition("Linker script and memory map")
    found = Counter()
    # A long name stands on a line of its own.
    for name, address, size, path in re.findall(r"^ (\.\S+)\s+0x(\w+)\s+0x(\w+) (\S.*)$", text, re.M):
        if int(address, 16) in FLASH:
            symbol = re.sub(r"^\.(text|rodata|data|time_critical)\b\.?(unlikely\.|startup\.)?", "", name)
            symbol = re.sub(r"(\.(isra|constprop|part|cold|lto_priv|llvm|str1)\b[.\d]*|\.\d+)+$", "", symbol)
            found[re.sub(r"\.c?\.?o(bj)?\)?$", "", Path(path).name), symbol] += int(size, 16)
    return found


def demangled(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), check=True, stdout=subprocess.PIPE, text=True)
    # What tells one copy from another, and types by trait, are no part of a name.
    short = (re.sub(r"\[[0-9a-f]+\]|[<>]| as [\w:]+", "", line) for line in done.stdout.splitlines())
    return dict(zip(names, short))


def room(file, symbol, glue, mbedtls):
    """Where a symbol belongs, for somebody who wants to know what could be done without."""
    if "mpssl_core" in file:
        path = re.match(r"micropython_ssl::(mbedtls::connection|(?!ffi)\w+)", symbol)
        return f"Rust, `{path[1]}`" if path else "Rust, what C calls (`ffi`), and constants"
    if file in ("modtls_mbedtls", "frozen_content"):
        return "upstream's module, which is gone"
    if file in glue:
        return f"C, `{file}.c`"
    return "Mbed TLS" if file in mbedtls else "MicroPython"


def table(stock, small, mbedtls):
    """The difference of two firmwares by rooms, and the symbols it is made of."""
    glue = {path.stem for path in (ROOT / "c_glue").glob("*.c")}
    library = {path.stem for path in Path(mbedtls, "library").glob("*.c")}
    before, after = sections(stock), sections(small)
    differs = {key: after[key] - before[key] for key in {*before, *after} if after[key] != before[key]}
    names = demangled(sorted({symbol for _, symbol in differs}))
    rooms = defaultdict(Counter)
    for (file, symbol), size in differs.items():
        name = names[symbol]
        name = "constants" if re.match(r"(str1|\.L|$)", name) else name
        rooms[room(file, name, glue, library)][name] += size
    text = "| where | bytes | of these |\n|---|---:|---|\n"
    for name, symbols in sorted(rooms.items(), key=lambda item: -sum(item[1].values())):
        named = [(s, size) for s, size in symbols.most_common() if abs(size) >= NAMED]
        words = ", ".join(f"`{s.removeprefix('micropython_ssl::')}` {size:,}" for s, size in named)
        rest = sum(symbols.values()) - sum(size for _, size in named)
        words += f"{', and ' if words else ''}{rest:,} in {len(symbols) - len(named)} smaller ones"
        text += f"| {name} | {sum(symbols.values()):+,} | {words} |\n"
    total = sum(differs.values())
    return (text + f"| all | {total:+,} | |\n").replace("-", "−").replace("−−−", "---")
