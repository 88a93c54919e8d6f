"""JSON-RPC 2.0: registered methods, called with what came off a transport."""

import asyncio
import gc
import json
import sys
import time

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
FORBIDDEN = -32003  # of the range that is the server's own

QUOTE, BACKSLASH = 0x22, 0x5C

MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
    FORBIDDEN: "Forbidden",
}


class RpcError(Exception):
    """What a call ends with that has no result. A method may raise it, with a code of its own."""

    def __init__(self, code, message=None):
        message = message or MESSAGES.get(code, "Error")
        super().__init__(code, message)
        self.code = code
        self.message = message

    def as_json(self):
        return {"code": self.code, "message": self.message}


class InvalidParams(RpcError):
    """Raised by a method whose parameters have wrong values."""

    def __init__(self, message):
        super().__init__(INVALID_PARAMS, message)


def parse(body, max_depth=16):
    """The value of a JSON text in bytes; RpcError if it is none.

    MicroPython's parser lets brackets of one kind close those of the other (1.25's even the
    end of the text), nests as deep as memory goes, and makes invalid characters of surrogates:
    that is seen to here, before it.
    """
    check_brackets(body, max_depth)
    try:
        text = str(body, "utf-8")
        return json.loads(join_surrogates(text) if "\\u" in text else text)
    except (ValueError, MemoryError):  # UnicodeError is a ValueError
        raise RpcError(PARSE_ERROR) from None


def check_brackets(body, max_depth):
    expected = []
    at = 0
    while at < len(body):
        byte = body[at]
        if byte == QUOTE:
            at = end_of_string(body, at + 1)
        elif byte in b"[{":
            expected.append(byte + 2)  # the ASCII code of the one that closes it
            if len(expected) > max_depth:
                raise RpcError(PARSE_ERROR)
        elif byte in b"]}" and (not expected or expected.pop() != byte):
            raise RpcError(PARSE_ERROR)
        at += 1
    if expected:
        raise RpcError(PARSE_ERROR)


def end_of_string(body, at):
    """The index of the quote that ends the string whose content begins at `at`."""
    while True:
        end = body.find(b'"', at)
        if end < 0:
            raise RpcError(PARSE_ERROR)
        before = end
        while before > at and body[before - 1] == BACKSLASH:
            before -= 1
        if (end - before) % 2 == 0:
            return end
        at = end + 1


def join_surrogates(text):
    r"""A JSON text with the one character for each pair like \ud83d\ude00 of escapes, which is how
    many clients send what lies beyond U+FFFF. ValueError for one half, and for \u without digits.
    """
    parts = []
    at = 0
    while True:
        escape = text.find("\\", at)
        if escape < 0:
            return "".join(parts) + text[at:]
        end = escape + 2
        parts.append(text[at:escape])
        if text[escape + 1 : end] == "u":
            code = code_unit(text, escape)
            end += 4
            if 0xD800 <= code < 0xE000:
                low = code_unit(text, end)
                if code >= 0xDC00 or not 0xDC00 <= low < 0xE000:
                    raise ValueError("half a surrogate pair")
                parts.append(chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)))
                at = end + 6
                continue
        parts.append(text[escape:end])
        at = end


def code_unit(text, at):
    """The number that the escape \\uXXXX at this index stands for."""
    digits = text[at + 2 : at + 6].lower()
    if text[at : at + 2] != "\\u" or len(digits) != 4:
        raise ValueError("no \\u with four digits")
    if not all(c in "0123456789abcdef" for c in digits):
        raise ValueError("no \\u with four digits")
    return int(digits, 16)


class Rpc:
    def __init__(self, acl, method_s=10, max_batch=16, log=print):
        self._acl = acl
        self._methods = {}  # name -> (function, required parameters, optional ones)
        self._method_s = method_s
        self._max_batch = max_batch
        self._log = log
        self._start = time.ticks_ms()
        self.method("RPC.List")(self._list)
        self.method("Sys.GetInfo")(self._get_info)

    def method(self, name, *required, optional=()):
        """Registers a function, or coroutine function, whose first argument is the Caller; the
        others are the parameters that are named here.

            @rpc.method("LED.Set", "on", optional=("pin",))
            def led_set(caller, on, pin=2):
        """

        def register(function):
            self._methods[name] = (function, required, tuple(optional))
            return function

        return register

    async def call(self, caller, name, params=None):
        """The result of a method; RpcError if there is none."""
        # The first, so that who may not call a method does not learn whether it exists.
        if not self._acl.allows(name, caller):
            self._log("rpc", caller, shown(name), "forbidden")
            raise RpcError(FORBIDDEN)
        if name not in self._methods:
            raise RpcError(METHOD_NOT_FOUND)
        function, required, optional = self._methods[name]
        arguments = bind(params, required, optional)
        try:
            result = function(caller, **arguments)
            if hasattr(result, "send"):  # a coroutine
                result = await asyncio.wait_for(result, self._method_s)
            # Here, since a result that cannot be written is the method's failure, too.
            json.dumps(result)
        except RpcError as error:
            self._log("rpc", caller, name, error.code)
            raise
        except asyncio.TimeoutError:
            self._log("rpc", caller, name, "takes too long")
            raise RpcError(INTERNAL_ERROR) from None
        except Exception as error:
            # Only its type: the text may quote a parameter that is a secret.
            self._log("rpc", caller, name, "raised", type(error).__name__)
            raise RpcError(INTERNAL_ERROR) from None
        self._log("rpc", caller, name, "ok")
        return result

    async def answer(self, caller, body):
        """What to send for a JSON-RPC message in bytes: an object or array, or None (nothing)."""
        try:
            message = parse(body)
        except RpcError as error:
            return failure(None, error)
        if not isinstance(message, list):
            return await self._answer_one(caller, message)
        if not 0 < len(message) <= self._max_batch:
            return failure(None, RpcError(INVALID_REQUEST))
        answers = []
        for request in message:
            answer = await self._answer_one(caller, request)
            if answer is not None:
                answers.append(answer)
        return answers or None

    async def _answer_one(self, caller, request):
        invalid = failure(None, RpcError(INVALID_REQUEST))
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return invalid
        number = request.get("id")
        if isinstance(number, (bool, list, dict)):
            return invalid
        name, params = request.get("method"), request.get("params")
        if (
            not isinstance(name, str)
            or "params" in request
            and not isinstance(params, (list, dict))
        ):
            return failure(number, RpcError(INVALID_REQUEST))
        try:
            answer = success(number, await self.call(caller, name, params))
        except RpcError as error:
            answer = failure(number, error)
        return answer if "id" in request else None  # without: a notification

    def _list(self, caller):
        return sorted(name for name in self._methods if self._acl.allows(name, caller))

    def _get_info(self, caller):
        return {
            "implementation": sys.implementation[0],
            "version": ".".join(str(part) for part in sys.implementation[1][:3]),
            "platform": sys.platform,
            "uptime_ms": time.ticks_diff(time.ticks_ms(), self._start),
            "memory_free": gc.mem_free(),
        }


def bind(params, required, optional):
    """{name: value} of the parameters of one call; RpcError if they are not those of the method."""
    names = required + optional
    if params is None:
        params = {}
    if isinstance(params, list):
        if len(params) > len(names):
            raise RpcError(INVALID_PARAMS)
        params = dict(zip(names, params))
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS)
    if any(name not in params for name in required) or any(name not in names for name in params):
        raise RpcError(INVALID_PARAMS)
    return params


def success(number, result):
    return {"jsonrpc": "2.0", "result": result, "id": number}


def failure(number, error):
    return {"jsonrpc": "2.0", "error": error.as_json(), "id": number}


def shown(text, length=40):
    """A text that a peer chose, for a log: on one line, and short."""
    return repr(text[:length])
