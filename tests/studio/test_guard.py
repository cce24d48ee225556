"""Another site's page cannot drive the studio, and nobody can fill its memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from inference.studio.guard import Guard

PORT = 8377
HOST = (b"host", b"127.0.0.1:8377")
OWN = (b"origin", b"http://127.0.0.1:8377")

Headers = Sequence[tuple[bytes, bytes]]


async def served(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads its request and answers."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def ask(headers: Headers, *, kind: str = "http", method: str = "GET", bodies: Sequence[bytes] = (b"",)) -> list[Any]:
    sent: list[Any] = []
    chunks = list(bodies)

    async def receive() -> Any:
        if kind == "websocket":
            return {"type": "websocket.connect"}
        body = chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "method": method, "path": "/", "headers": list(headers)}
    asyncio.run(Guard(served, PORT, most_bytes=1000)(scope, receive, send))
    return sent


def status(headers: Headers, **request: Any) -> int:
    return int(ask(headers, **request)[0]["status"])


@pytest.mark.parametrize("host", [b"127.0.0.1:8377", b"localhost:8377", b"LOCALHOST:8377", b"[::1]:8377"])
def test_its_own_names_are_served(host: bytes) -> None:
    assert status([(b"host", host)]) == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [(b"host", b"evil.example:8377")],  # a name that somebody has resolve to the loopback address
        [(b"host", b"127.0.0.1:9999")],
        [(b"host", b"127.0.0.1:8377.evil.example")],
        [HOST, HOST],
        [HOST, (b"origin", b"http://evil.example")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"https://127.0.0.1:8377")],
        [HOST, (b"origin", b"http://127.0.0.1:9999")],
        [HOST, OWN, (b"origin", b"http://evil.example")],
        [HOST, (b"sec-fetch-site", b"cross-site")],
        [HOST, (b"sec-fetch-site", b"same-site")],
        [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"iframe")],
    ],
)
def test_everything_else_is_refused(headers: Headers) -> None:
    assert status(headers) == 403
    assert status(headers, method="POST") == 403
    closed = ask(headers, kind="websocket")
    assert [message["type"] for message in closed] == ["websocket.close"]


def test_a_websocket_needs_the_right_origin() -> None:
    assert ask([HOST, OWN], kind="websocket") == [{"type": "websocket.accept"}]
    assert ask([HOST], kind="websocket")[0]["type"] == "websocket.close"


def test_a_link_on_another_page_opens_the_studio_but_cannot_post() -> None:
    link = [
        HOST,
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-mode", b"navigate"),
        (b"sec-fetch-dest", b"document"),
    ]
    assert status(link) == 200
    assert status(link, method="POST") == 403


def test_bodies_have_a_limit_with_and_without_a_length() -> None:
    assert status([HOST, OWN, (b"content-length", b"1000")], method="POST", bodies=[b"x" * 1000]) == 200
    assert status([HOST, OWN, (b"content-length", b"1001")], method="POST") == 413
    assert status([HOST, OWN, (b"content-length", b"-1")], method="POST") == 413
    assert ask([HOST, OWN], method="POST", bodies=[b"x" * 600, b"x" * 600]) == []  # ended as if the browser had gone


def test_the_page_may_load_nothing_from_elsewhere() -> None:
    headers = dict(ask([HOST])[0]["headers"])
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http://" not in policy.replace("ws://", "")
    assert headers[b"x-frame-options"] == b"DENY"
