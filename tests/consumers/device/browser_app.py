"""A page for a browser on microdot: it fetches 100 KB and has 100 wss frames echoed."""

from microdot import Microdot, Request
from microdot.websocket import with_websocket
from options import context, options

given = options()
Request.max_content_length = Request.max_body_length = 200000

# `outcome` is a promise, so the driver of the browser can wait for it, also after a reload.
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>micropython</title>
<link rel="icon" href="/icon">
<p id="said">working</p>
<script>
function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function big(number) {
  const start = performance.now();
  const reply = await fetch("/big?" + number, {cache: "no-store"});
  const body = await reply.arrayBuffer();
  const ms = performance.now() - start;
  return {ms, length: body.byteLength, digest: hex(await crypto.subtle.digest("SHA-256", body))};
}

function frames(count) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const socket = new WebSocket("wss://" + location.host + "/ws");
    const frame = (number) => number + " " + "ä€𐍈".repeat(number % 50);
    let echoed = 0;
    socket.onopen = () => socket.send(frame(0));
    socket.onerror = () => reject(new Error("the web socket failed"));
    socket.onclose = () => reject(new Error("the web socket closed after " + echoed + " frames"));
    socket.onmessage = (message) => {
      if (message.data !== frame(echoed)) {
        reject(new Error("frame " + echoed + " came back as " + message.data));
      }
      echoed += 1;
      if (echoed < count) {
        socket.send(frame(echoed));
      } else {
        socket.onclose = null;
        socket.close();
        resolve({echoed, ms: performance.now() - start});
      }
    };
  });
}

async function work() {
  const bodies = [await big(0)];
  // Several at once: the browser opens a connection for each.
  bodies.push(...await Promise.all([1, 2, 3, 4].map(big)));
  return {bodies, frames: await frames(100)};
}

const outcome = work().then(
  (found) => { document.getElementById("said").textContent = "done"; return found; },
  (error) => ({error: String(error)}),
);
</script>
"""

app = Microdot()


@app.get("/")
async def page(request):
    return PAGE, 200, {"Content-Type": "text/html"}


@app.get("/icon")
async def icon(request):
    return b"", 200, {"Content-Type": "image/png"}


@app.get("/hello")
async def hello(request):
    return "hello\n"


@app.get("/big")
async def big(request):
    return bytes(range(250)) * 400


@app.get("/ws")
@with_websocket
async def echo(request, ws):
    while True:
        await ws.send(await ws.receive())


print("READY")
app.run(host="127.0.0.1", port=int(given["port"]), ssl=context(given, server=True))
