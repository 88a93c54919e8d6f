"""A small web application on microdot, over HTTPS."""

import ssl

from microdot import Microdot, Request
from options import options

given = options()
Request.max_content_length = Request.max_body_length = 200000

app = Microdot()


@app.get("/hello")
async def hello(request):
    return "hello\n"


@app.get("/big")
async def big(request):
    return bytes(range(250)) * 400


@app.get("/stream")
async def stream(request):
    def parts():
        for number in range(10):
            yield "part %d\n" % number

    return parts(), 200, {"Content-Type": "text/plain"}


@app.post("/echo")
async def echo(request):
    return request.body


@app.post("/json")
async def json(request):
    return {"sum": sum(request.json["numbers"])}


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(given["cert"], given["key"])
print("READY")
app.run(host="127.0.0.1", port=int(given["port"]), ssl=context)
