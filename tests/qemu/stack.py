# The stack is drawn in step by step: a handshake, of either end, and data do what they should, or
# raise RuntimeError before they go deeper than there is stack. With 3,200 bytes a verified
# handshake works, in firmware with TLS 1.3 with 5,400: Mbed TLS multiplies then.

import board, gc, ssl
import link, pki

# What MicroPython keeps for itself between two of its checks.
MARGIN = 256


def within(limit, call, *args):
    """What came of it with so much stack, and how deep it went."""
    gc.collect()
    board.begin()
    board.stack_limit(limit)
    try:
        result = call(*args)
    except Exception as er:
        result = er
    board.stack_limit(0)
    return result, board.stack()


def kept(what, limit, depth):
    if depth > limit + MARGIN:
        print(what, "with", limit, "took", depth)


def shake(limit):
    """Whether both ends handshake, and carry data, with each call in that limit."""
    client_ctx = link.client_context(pki.ca_der)
    client_ctx.load_cert_chain(pki.client_pem, pki.client_key)
    server_ctx = link.server_context()
    server_ctx.verify_mode = 2
    server_ctx.load_verify_locations(cadata=pki.ca_der)
    client, server = link.pair(client_ctx, server_ctx)[:2]
    done = {}
    for _ in range(20):
        for name, sock in (("client", client), ("server", server)):
            if name not in done:
                result, depth = within(limit, sock.do_handshake)
                kept(name, limit, depth)
                if not isinstance(result, link.NOT_YET):
                    done[name] = result
    if done != {"client": None, "server": None}:
        wrong = [er for er in done.values() if not isinstance(er, RuntimeError)]
        return wrong or False
    for small in (limit, 2000, 1400, 800):
        for a, b in ((client, server), (server, client)):
            wrote, depth = within(small, a.write, b"x" * 100)
            kept("write", small, depth)
            if isinstance(wrote, RuntimeError):
                continue
            data, depth = within(small, b.read, 100)
            kept("read", small, depth)
            if isinstance(data, RuntimeError):
                data = b.read(100)
            if (wrote, data) != (100, b"x" * 100):
                print("data with", small, wrote, data)
    return True


results = {limit: shake(limit) for limit in range(7200, 400, -200)}
least = 5400 if ssl.HAS_TLSv1_3 else 3200
print("with enough:", {results[limit] for limit in results if limit >= least})
print("with less:", {results[limit] for limit in results if limit < least - 400})
print("afterwards:", shake(7200))
