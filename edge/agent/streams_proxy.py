"""Effects: passes HTTP requests on to a port of a pod, for `kubectl get --raw .../pods/<pod>/proxy/...`."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

CHUNK_BYTES = 32 * 1024
# Headers of one connection, never of the message: RFC 9110, section 7.6.1.
HOP_BY_HOP = frozenset(("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
                        "te", "trailer", "transfer-encoding", "upgrade", "host"))  # fmt: skip
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)


async def forward(session: aiohttp.ClientSession, request: web.Request, address: str, port: int) -> web.StreamResponse:
    """Send the request on and its answer back, both as streams."""
    # The path as it came: decoding it and encoding it again would change what the pod sees.
    rest = request.raw_path.split("/", 5)[5] if request.raw_path.count("/") >= 5 else ""
    host = f"[{address}]" if ":" in address else address
    url = URL(f"http://{host}:{port}/{rest}", encoded=True)
    body = request.content if request.body_exists else None
    response: web.StreamResponse | None = None
    try:
        async with session.request(
            request.method, url, headers=_passed(request.headers), data=body, allow_redirects=False, timeout=TIMEOUT
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_passed(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                await response.write(chunk)
            await response.write_eof()
            return response
    except (aiohttp.ClientError, OSError) as error:
        if response is None:
            text = f"error trying to reach service: {error or 'the pod closed the connection'}\n"
            raise web.HTTPBadGateway(text=text) from error
        # Half an answer is out: only a broken connection can say that it is not all.
        if request.transport is not None:
            request.transport.abort()
        return response


def _passed(headers: CIMultiDict[str] | aiohttp.typedefs.LooseHeaders) -> CIMultiDict[str]:
    result = CIMultiDict(headers)
    named = {name.strip().lower() for value in result.getall("Connection", []) for name in value.split(",")}
    for name in (HOP_BY_HOP | named) - {""}:
        result.popall(name, None)
    return result
