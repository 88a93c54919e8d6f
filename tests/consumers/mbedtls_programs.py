"""Mbed TLS's example programs, as peers."""

import fcntl
import shutil
import subprocess

from peers import Skip


class Programs:
    """ssl_client2 and ssl_server2, built once in a copy of Mbed TLS's source."""

    def __init__(self, source, build):
        self.source = source
        self.build = build
        self.missing = self._make()

    def _make(self):
        if not (self.source / "programs/ssl/ssl_client2.c").exists():
            return f"{self.source} has no programs/ssl"
        self.build.parent.mkdir(parents=True, exist_ok=True)
        with open(self.build.parent / ".mbedtls.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            programs = [self.build / "programs/ssl" / name for name in ("ssl_client2", "ssl_server2")]
            if all(program.exists() for program in programs):
                return None
            print("    building ssl_client2 and ssl_server2 of Mbed TLS", flush=True)
            if not self.build.exists():
                copy = self.build.with_suffix(".new")
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(self.source, copy)
                for path in [copy, *copy.rglob("*")]:
                    if not path.is_symlink():
                        path.chmod(path.stat().st_mode | 0o200)
                copy.rename(self.build)
            command = ["make", "-j2", "-C", self.build / "programs", "CFLAGS=-O1"]
            command += ["ssl/ssl_client2", "ssl/ssl_server2"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["?"])[-1]
                return f"ssl_client2 and ssl_server2 do not build: {last}"
        return None

    def path(self, name):
        if self.missing:
            raise Skip(self.missing)
        return self.build / "programs/ssl" / name
