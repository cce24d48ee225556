"""The web server of the studio: its pages behind the guard, on a free port of the loopback address."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from inference.studio.guard import Guard
from render.errors import FileError

HOST, FIRST_PORT, TRIED_PORTS = "127.0.0.1", 8377, 50

RECONNECT_SECONDS = 30.0
"""Beyond this a page that has lost its server is loaded anew, without the turned knobs; a run keeps all cores busy."""


def bound_socket(port: int) -> socket.socket:
    """A socket that listens on the port, or on the next one that is free; raises ``FileError`` if none is."""
    for number in range(port, min(port + TRIED_PORTS, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name != "nt":  # where it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, number))
            listening.listen(64)
        except OSError:
            listening.close()
            continue
        return listening
    raise FileError(f"no free port from {port} on; --port names another one")


def serve(
    listening: socket.socket, instrument: str, where: str, folder: Path, workers: int, *, opened: Callable[[str], None]
) -> None:
    """Serve the studio until the program is asked to end.

    Args:
        listening: see ``bound_socket``.
        instrument: name of the synth.
        where: host that the runs search on.
        folder: folder of the sessions.
        workers: number of processes that render in a run.
        opened: called with the studio's address when it answers.
    """
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(folder / ".nicegui"))  # read when NiceGUI is imported
    from nicegui import ui

    from inference.studio.page.frame import STATIC, STATIC_ROOT
    from inference.studio.page.home import home_page
    from inference.studio.page.session import session_page
    from inference.studio.store import Store
    from inference.studio.studio import Studio

    port = listening.getsockname()[1]
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lambda _: alive())
    studio = Studio(instrument, where, folder, workers, Store(app))

    @contextlib.asynccontextmanager
    async def alive() -> AsyncIterator[None]:
        studio.attach()
        yield

    app.mount(STATIC_ROOT, StaticFiles(directory=STATIC))

    @ui.page("/")
    def home() -> None:
        home_page(studio)

    @ui.page("/session/{name}")
    async def session(name: str) -> None:
        await session_page(studio, name)

    ui.run_with(
        app,
        title="Studio",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
    )
    config = uvicorn.Config(
        Guard(app, port), log_level="warning", access_log=False, timeout_graceful_shutdown=2, server_header=False
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_tell_when_up, args=(server, f"http://{HOST}:{port}/", opened), daemon=True).start()
    try:
        server.run(sockets=[listening])
    finally:
        studio.close()


def _tell_when_up(server: uvicorn.Server, address: str, opened: Callable[[str], None]) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    opened(address)


def open_browser(address: str) -> bool:
    """Open the studio in the user's browser; False where there is none."""
    with contextlib.suppress(webbrowser.Error):
        return webbrowser.open(address)
    return False
