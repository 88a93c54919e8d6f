"""Chromium, driven by WebDriver, against microdot over HTTPS and wss."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from cases import BIG, case
from peers import WAIT_S, check, free_port, need_program, wait_until_listening

# A start of Chromium on a busy machine takes longer than anything else here.
BROWSER_WAIT_S = 60

FLAGS = [
    "--headless",
    "--no-sandbox",  # it refuses to start as root with its sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


class Refused(Exception):
    """The browser would not do what it was asked; the text is WebDriver's error and message."""


class Browser:
    """A headless Chromium with a home of its own, whose NSS store trusts one certificate."""

    def __init__(self, bench, name, ca):
        need_program("chromium", "chromium")
        driver = need_program("chromedriver", "chromium-driver")
        home = bench.logs / f"home-{name}"
        trust(home, ca)
        process = bench.start(
            f"chromedriver {name}",
            [driver, "--port=0"],
            env=dict(os.environ, HOME=str(home), XDG_CONFIG_HOME=str(home / "config")),
        )
        port = process.wait_for(r"started successfully on port (\d+)")[1]
        self.url = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, f"--user-data-dir={home / 'profile'}"]}
        session = self._ask(
            "POST",
            "/session",
            {
                "capabilities": {
                    "alwaysMatch": {
                        "browserName": "chrome",
                        "acceptInsecureCerts": False,
                        "timeouts": {"pageLoad": WAIT_S * 1000, "script": WAIT_S * 1000},
                        "goog:chromeOptions": options,
                    }
                }
            },
        )
        self.url += f"/session/{session['sessionId']}"
        self.pid = session["capabilities"].get("goog:processID")
        bench.stack.callback(self._close)

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def reload(self):
        self._ask("POST", "/refresh", {})

    def run(self, script):
        """What a script returns, or the promise that it returns settles to."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        # Not through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=BROWSER_WAIT_S) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise Refused(f"{value['error']}: {value['message']}") from None

    def _close(self):
        with contextlib.suppress(OSError, Refused):
            self._ask("DELETE", "")
        # ChromeDriver has ended it, unless that failed.
        deadline = time.monotonic() + 5
        with contextlib.suppress(ProcessLookupError):
            while self.pid and time.monotonic() < deadline:
                os.kill(self.pid, 0)
                time.sleep(0.05)
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)


def trust(home, ca):
    """Makes a home whose NSS store, where Chromium looks, has `ca` as a trust anchor."""
    certutil = need_program("certutil", "libnss3-tools")
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for words in (
        ["-N", "--empty-password"],
        ["-A", "-t", "C,,", "-n", "test anchor", "-i", ca],
    ):
        done = subprocess.run(
            [str(word) for word in [certutil, "-d", f"sql:{store}", *words]],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        check(done.returncode == 0, f"certutil: {done.stderr.strip()}")


def page(bench, **given):
    """device/browser_app.py: (process, port)."""
    port = free_port()
    app = bench.micropython(
        "browser_app.py",
        "microdot",
        port=port,
        cert=bench.cert("ec"),
        key=bench.key("ec"),
        **given,
    )
    app.wait_for(r"^READY")
    wait_until_listening(port)
    return app, port


def check_outcome(browser, when):
    """What the page found: bodies intact, frames echoed. Prints nothing; returns it."""
    found = browser.run("return outcome")
    check("error" not in found, f"{when}: {found.get('error')}")
    bodies = [(body["length"], body["digest"]) for body in found["bodies"]]
    wanted = (len(BIG), hashlib.sha256(BIG).hexdigest())
    check(bodies == [wanted] * 5, f"{when}: the bodies are {bodies}, wanted {wanted}")
    check(found["frames"]["echoed"] == 100, f"{when}: {found['frames']}")
    check(browser.run("return document.getElementById('said').textContent") == "done", when)
    return found


@case("browser: Chromium: an HTTPS page, 100 KB by fetch, 100 wss frames; the same after a reload")
def chromium_page(bench):
    app, port = page(bench)
    browser = Browser(bench, "trusting", bench.file("ca"))
    browser.open(f"https://localhost:{port}/")
    check_outcome(browser, "first")
    browser.reload()
    check_outcome(browser, "reloaded")
    check(app.child.poll() is None, "the application ended")


@case("browser: Chromium refuses an unknown CA; the server goes on serving who trusts it")
def chromium_unknown_ca(bench):
    app, port = page(bench)
    url = f"https://localhost:{port}"
    stranger = Browser(bench, "stranger", bench.file("other_ca"))
    for _ in range(3):
        # ChromeDriver may call it an error or not; what counts is the page that is shown.
        with contextlib.suppress(Refused):
            stranger.open(f"{url}/")
        shown = stranger.run("return document.body.textContent")
        check("ERR_CERT_AUTHORITY_INVALID" in shown, f"the page says {shown[-500:]!r}")
        check(stranger.run("return typeof outcome") == "undefined", "the page's script has run")
    check(bench.curl(port, f"{url}/hello") == b"hello\n", "/hello by curl, afterwards")
    browser = Browser(bench, "trusting", bench.file("ca"))
    browser.open(f"{url}/")
    check_outcome(browser, "after the refusals")
    check(app.child.poll() is None, "the application ended")
