#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A board in QEMU, and its MicroPython through the raw REPL on the serial line.

    emulator.py BOARD ELF [SCRIPT...]     runs scripts one after another, a soft reset between

Without a script it only boots the board and says which Mbed TLS it has. An idle REPL polls its
serial line, so an emulator that is not closed keeps a processor busy.

Python 3.9 or newer, standard library only.
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

# Board -> what runs it.
MACHINES = {
    "VIRT_RV32": "qemu-system-riscv32 -cpu rv32 -bios none -machine virt".split(),
    "MPS2_AN385": "qemu-system-arm -machine mps2-an385".split(),
}
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
BOOT_TIMEOUT_S = 60


class BoardError(Exception):
    """The board fell silent, or the emulator ended; the message has what was printed last."""


class Board:
    """A running board, in its raw REPL. To be closed, or used as a context manager."""

    def __init__(self, machine, elf, count_instructions=False):
        command = [*MACHINES[machine], "-semihosting", "-nographic", "-monitor", "null"]
        command += ["-serial", "stdio", "-kernel", str(elf)]
        if count_instructions:
            # An instruction takes a nanosecond of the machine's time, on any host.
            command += ["-icount", "shift=0"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.set_blocking(self._process.stdin.fileno(), False)
        os.set_blocking(self._process.stdout.fileno(), False)
        self._received = b""
        try:
            self._read_until(b">>> ", BOOT_TIMEOUT_S)
            self._send(b"\x01", RAW_PROMPT, BOOT_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def run(self, source, timeout):
        """Runs a script; (what it printed, the traceback or "")."""
        if isinstance(source, str):
            source = source.encode()
        self._send(source + b"\x04", b"OK", timeout)
        end = time.monotonic() + timeout
        output = self._read_until(b"\x04", timeout)
        error = self._read_until(b"\x04", max(0.1, end - time.monotonic()))
        # sys.exit() ends the session: the board has reset itself, and greets again.
        greeting = b">" if b"MPY: soft reboot" not in self._peek() else RAW_PROMPT
        self._read_until(greeting, BOOT_TIMEOUT_S)
        return _text(output), _text(error)

    def soft_reset(self):
        self._send(b"\x04", RAW_PROMPT, BOOT_TIMEOUT_S)

    def _peek(self):
        """What follows the end of a script's output: at least one character of it."""
        end = time.monotonic() + BOOT_TIMEOUT_S
        while not self._received:
            self._exchange(b"", end)
        if not self._received.startswith(b">"):
            self._exchange_until(b"soft reboot", end)
        return self._received

    def _send(self, data, token, timeout):
        """Sends, meanwhile receiving, and waits for the answer."""
        end = time.monotonic() + timeout
        while data:
            data = self._exchange(data, end)
        return self._read_until(token, max(0.1, end - time.monotonic()))

    def _read_until(self, token, timeout):
        self._exchange_until(token, time.monotonic() + timeout)
        before, _, self._received = self._received.partition(token)
        return before

    def _exchange_until(self, token, end):
        while token not in self._received:
            self._exchange(b"", end)

    def _exchange(self, data, end):
        """Waits for one transfer in either direction; what is left to send."""
        left = end - time.monotonic()
        if left <= 0:
            raise BoardError(f"no answer in time; last: {self._received[-2000:]!r}")
        to, of = self._process.stdin, self._process.stdout
        readable, writable, _ = select.select([of], [to] if data else [], [], left)
        if readable:
            received = os.read(of.fileno(), 65536)
            if not received:
                status = self._process.wait()
                raise BoardError(f"the emulator ended ({status}): {self._received[-2000:]!r}")
            self._received += received
        if writable:
            try:
                data = data[os.write(to.fileno(), data[:4096]) :]
            except BrokenPipeError:
                pass  # the next read says what happened
        return data


def _text(raw):
    return raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in MACHINES:
        print(__doc__, file=sys.stderr)
        return 2
    machine, elf, *scripts = sys.argv[1:]
    try:
        with Board(machine, elf) as board:
            if not scripts:
                output, error = board.run("import tls; print(tls.MBEDTLS_VERSION)", 20)
                print(f"{machine}: booted, {output.strip()}")
                return 1 if error else 0
            for script in scripts:
                output, error = board.run(Path(script).read_bytes(), 300)
                print(output + error, end="")
                if error:
                    return 1
                board.soft_reset()
    except (BoardError, OSError) as why:
        print(f"emulator.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
