"""A page whose connection is lost for some seconds goes on as it was, with its turned knobs; it is not loaded anew."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.common.browser import Server

socketio = pytest.importorskip("socketio")
pytest.importorskip("nicegui")
pytest.importorskip("websocket")  # without it socketio polls
pytestmark = pytest.mark.filterwarnings("default")  # NiceGUI's are not ours to mend

LOST_SECONDS = 5.0
"""NiceGUI forgets a page after 3 s of its own accord."""


def test_a_page_that_was_lost_for_seconds_is_not_forgotten(tmp_path: Path) -> None:
    server = Server(tmp_path / "sessions")
    try:
        page = urllib.request.urlopen(server.address).read().decode()
        found = re.search(r"'client_id': '([0-9a-f-]{36})'", page)
        assert found is not None
        said = {"client_id": found[1], "tab_id": str(uuid4()), "document_id": str(uuid4()), "next_message_id": 0}
        query = "&".join(f"{name}={value}" for name, value in said.items())

        def is_known() -> bool:
            client = socketio.Client()
            client.connect(
                f"{server.address}?{query}", socketio_path="/_nicegui_ws/socket.io", transports=["websocket"]
            )
            try:
                return bool(client.call("handshake", said, timeout=30))
            finally:
                client.disconnect()

        assert is_known()
        time.sleep(LOST_SECONDS)
        assert is_known()
    finally:
        server.stop()
