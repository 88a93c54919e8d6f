"""examples/secure_rpc with methods to test: rpc_app.py CONFIGURATION."""

import asyncio
import sys

from rpc import InvalidParams, RpcError
from server import Server, load_config

server = Server(load_config(sys.argv[1]))
rpc = server.rpc


@rpc.method("Test.Echo", "value")
def echo(caller, value):
    return value


@rpc.method("Test.Add", "a", "b", optional=("c",))
async def add(caller, a, b, c=0):
    if not all(isinstance(number, int) for number in (a, b, c)):
        raise InvalidParams("numbers are wanted")
    await asyncio.sleep_ms(1)
    return a + b + c


@rpc.method("Test.WhoAmI")
def who_am_i(caller):
    return str(caller)


@rpc.method("Test.Slow")
async def slow(caller):
    await asyncio.sleep(60)


@rpc.method("Test.Fail", "secret")
def fail(caller, secret):
    raise KeyError(secret)


@rpc.method("Test.Busy")
def busy(caller):
    raise RpcError(17, "the motor is busy")


@rpc.method("Test.Hidden")
def hidden(caller):
    return "seen"


server.run()
