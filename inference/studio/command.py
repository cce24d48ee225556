"""``refine studio``: a page in the browser to drop a clip on, to listen, to turn knobs and to take presets along."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from pathlib import Path

from render.errors import FileError, OutOfRange
from render.files import data_folder
from render.hosts.processes import usable_cores
from render.synths import DEFAULT_SYNTH, SYNTHS, synth

_NEEDED = ("nicegui", "uvicorn", "fastapi")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--port", type=int, metavar="N", help="default: 8377, or the next one that is free")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help=f"where sessions are kept (default: {data_folder() / 'studio'})"
    )
    parser.add_argument("--plugin", metavar="PATH|embedded", help="host that runs search on, as in refine")
    parser.add_argument("--synth", choices=SYNTHS, default=DEFAULT_SYNTH, help=f"default: {DEFAULT_SYNTH}")
    parser.add_argument("--workers", type=int, default=usable_cores(), metavar="N", help="default: all usable cores")


def run(arguments: argparse.Namespace) -> int:
    """Serve the studio until Ctrl-C; returns the exit code."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise FileError(f"the studio needs {', '.join(missing)}: pip install 'synth-reconstruct[studio]'")
    if arguments.workers < 1:
        raise OutOfRange("--workers", arguments.workers, "1 or more")
    from inference.studio import server

    wanted = server.FIRST_PORT if arguments.port is None else arguments.port
    if not 1 <= wanted <= 65535:
        raise OutOfRange("--port", wanted, "1 to 65535")
    where, notices = synth(arguments.synth).hosts.choose_host(arguments.plugin)
    for notice in notices:
        _say(notice)
    listening = server.bound_socket(wanted)
    port = listening.getsockname()[1]
    if port != wanted:
        _say(f"port {wanted} is in use: this studio has {port}")

    def opened(address: str) -> None:
        _say(f"the studio is at {address} (Ctrl-C ends it)")
        if not arguments.no_browser and not server.open_browser(address):
            _say("no browser was found; open that address in one")

    folder = arguments.folder or data_folder() / "studio"
    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        server.serve(listening, arguments.synth, where, folder, arguments.workers, opened=opened)
    return 0


def _say(text: str) -> None:
    print(f"refine: {text}", file=sys.stderr, flush=True)
