"""Sounds and pictures that a page fetches, under addresses that are hashes of their content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from fastapi import FastAPI, Response

_ROOT = "/made"
_TYPES = {"wav": "audio/wav", "png": "image/png"}
_MOST_BYTES = 192 << 20


class Store:
    """Keeps the newest sounds and pictures in memory.

    Args:
        app: application that serves them.
    """

    def __init__(self, app: FastAPI) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._n_bytes = 0
        app.add_api_route(f"{_ROOT}/{{name}}", self._serve, methods=["GET"])

    def address(self, content: bytes, kind: str) -> str:
        """Keep some content.

        Args:
            content: the bytes of a file.
            kind: ``wav`` or ``png``.

        Returns:
            Its address on this server; empty for no content.
        """
        if not content:
            return ""
        name = f"{hashlib.sha256(content).hexdigest()[:24]}.{kind}"
        if name not in self._kept:
            self._kept[name] = content
            self._n_bytes += len(content)
        self._kept.move_to_end(name)
        while self._n_bytes > _MOST_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._n_bytes -= len(gone)
        return f"{_ROOT}/{name}"

    def _serve(self, name: str) -> Response:
        content = self._kept.get(name)
        if content is None:
            return Response(status_code=404)
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(content, media_type=kind, headers={"cache-control": "private, max-age=3600, immutable"})
