#!/usr/bin/env python3
"""Writes docs/figures.json, from which `make docs` writes the figures of the documentation.

    figures.py [BUILD]

Takes what `make bench`, `make bench-qemu` and `make bench-ram` left in BUILD (default: build), and
notes the machine, the date and the commit they were measured at.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs/figures.json"


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    files = {name: build / f"{name}.json" for name in ("bench", "bench-qemu", "bench-ram", "bench-hibernation")}
    missing = [file.name for file in files.values() if not file.exists()]
    if missing:
        print(f"figures: {', '.join(missing)} missing in {build.name}: make bench bench-qemu bench-ram")
        return 1
    bench, qemu, ram, hibernation = (json.loads(file.read_text()) for file in files.values())
    # Not the newest commit: `make docs` runs long after the benches.
    times = [file.stat().st_mtime for file in files.values()]
    git = ["git", "log", "-1", "--format=%h", f"--before={int(max(times))}"]
    commit = subprocess.run(git, cwd=build.parent, capture_output=True, text=True, check=True).stdout.strip()
    measured = time.gmtime(min(times))
    processor = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    asleep = [row[f"{side}_hibernated"] for row in hibernation for side in ("client", "server")
              if row["module"] == "ours" and "kept" not in row["what"]]

    def hibernated(suite, what):
        return next(row["server_hibernated"] for row in hibernation if (row["suite"], row["what"]) == (suite, what))

    figures = {
        "date": time.strftime("%Y-%m-%d", measured),
        "commit": commit,
        "machine": f"{processor[1] if processor else bench['machine']}, {bench['machine']}",
    }
    for module in ("stock", "ours"):
        figures[module] = {
            "handshake_rv32": qemu["VIRT_RV32"][module]["handshake_median"],
            "handshake_cortex_m3": qemu["MPS2_AN385"][module]["handshake_median"],
            "handshake_unix_us": bench[module]["handshake_verified_us"],
            "throughput_unix_mb_per_s": round(bench[module]["throughput_16384_mb_per_s"]),
            "idle_rv32": ram[module]["gcm_server_idle"],
            "peak_rv32": ram[module]["gcm_client_peak"],
            "crowd_rv32": ram[module]["crowd"],
            "text_rv32": qemu["VIRT_RV32"][module]["binary_text"],
        }
    figures["ours"]["hibernated_rv32"] = [min(asleep), max(asleep)]
    figures["ours"]["hibernated_crowd_rv32"] = next(
        row["in_32_kb"] for row in hibernation if (row["suite"], row["what"]) == ("AES-256-GCM", "TLS")
    )
    # What a connection takes, by suite; without the peer's certificate, but for the last.
    figures["memory"] = {
        suite: {
            "idle": ram["ours"][f"{suite}_server_idle"],
            "idle_dtls": ram["ours"][f"{suite}_dtls_server_idle"],
            "hibernated": hibernated(name, "TLS"),
            "peak_client": ram["ours"][f"{suite}_client_peak"],
            "peak_server": ram["ours"][f"{suite}_server_peak"],
            "idle_with_certificate": ram["ours"][f"{suite}_client_idle"],
        }
        for suite, name in (("gcm", "AES-256-GCM"), ("ccm8", "AES-128-CCM-8"), ("chacha20", "CHACHA20"))
    }
    # What TLS 1.3 takes: a build without it, and one with it at either version.
    figures["tls13"] = {
        column: {
            "handshake_rv32": qemu["VIRT_RV32"][column]["handshake_median"],
            "handshake_aes_128_rv32": qemu["VIRT_RV32"][column]["aes_128_median"],
            "handshake_cortex_m3": qemu["MPS2_AN385"][column]["handshake_median"],
            "handshake_aes_128_cortex_m3": qemu["MPS2_AN385"][column]["aes_128_median"],
            "peak_rv32": qemu["VIRT_RV32"][column]["verified_peak"],
            "idle_client_rv32": ram[column]["gcm_lean_client_idle"],
            "idle_server_rv32": ram[column]["gcm_server_idle"],
            "text_rv32": qemu["VIRT_RV32"][column]["binary_text"],
        }
        for column in ("ours", "ours-1.2", "ours-1.3")
    }
    for column, what in (("ours", "TLS"), ("ours-1.2", "TLS 1.2 beside 1.3"), ("ours-1.3", "TLS 1.3")):
        for suite in ("AES-128-GCM", "AES-256-GCM"):
            figures["tls13"][column][f"hibernated_{suite}"] = hibernated(suite, what)
    TARGET.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"figures: wrote {TARGET.relative_to(ROOT)}; make docs writes them into the pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
