"""What stands between the network and the studio: only pages of this server may talk to it, and not without limits.

The server listens on the loopback address, but every page that a browser shows can send requests there. So the Host
header must name this server (a foreign name that resolves to the loopback address does not), and what comes from a
page of another origin is refused, over HTTP and the websocket alike. The content security policy forbids the page
itself to load anything from elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_UPLOADED_BYTES = 64 << 20
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_FROM_HERE = (b"", b"none", b"same-origin")
"""Values of Sec-Fetch-Site: no browser, an address that was typed, a page of this server."""


class Guard:
    """An ASGI application that lets through to another one what this server's own pages send.

    Args:
        app: the application.
        port: port that the server listens on.
        most_bytes: largest body of a request.
    """

    def __init__(self, app: App, port: int, most_bytes: int = MOST_UPLOADED_BYTES) -> None:
        self._app, self._most_bytes = app, most_bytes
        self._hosts = {f"{name}:{port}".encode() for name in _LOOPBACK_NAMES}
        if port == 80:
            self._hosts |= {name.encode() for name in _LOOPBACK_NAMES}
        self._origins = {b"http://" + host for host in self._hosts}
        policy = (
            "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
            f"connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}; object-src 'none'; base-uri 'none'; "
            "frame-ancestors 'none'; form-action 'self'"
        )
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it with 403 (not from here), 413 (too large) or a closed websocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._from_here(scope):
            await _refuse(scope, receive, send, 403, "only this studio's own pages may use it")
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    def _from_here(self, scope: Scope) -> bool:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts, origins = headers.get(b"host", []), headers.get(b"origin", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts or len(origins) > 1:
            return False
        if origins and origins[0].lower() not in self._origins:
            return False
        if scope["type"] == "websocket":
            return bool(origins)  # browsers always send one
        site, mode, destination = (headers.get(name, [b""])[0] for name in _FETCH_HEADERS)
        opened = scope["method"] == "GET" and mode == b"navigate" and destination == b"document"
        return site in _FROM_HERE or opened  # a link to this server on another page is no attack

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if any(not value.isdigit() or int(value) > self._most_bytes for value in lengths):
            await _refuse(scope, receive, send, 413, f"too large; allowed: {self._most_bytes >> 20} MiB")
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:  # a body without a length, or with a wrong one
                return {"type": "http.disconnect"}
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        await self._app(scope, counted, with_headers)


_FETCH_HEADERS = (b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the request to connect
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})
