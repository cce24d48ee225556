"""A run process that does nothing but what its wishes are called: for tests of what happens around it."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection

from inference.studio.messages import Notice, Over, Ready, Stop, Wish


def serve(connection: Connection, instrument: str, where: str, workers: int) -> None:
    connection.send(Ready())
    while True:
        wish = connection.recv()
        if not isinstance(wish, Wish):
            return
        if wish.name == "crash":
            os._exit(7)
        connection.send(Notice(f"{wish.name} runs"))
        while wish.name.startswith("long"):
            if connection.poll(0.01):
                message = connection.recv()
                if message is None:
                    return
                assert isinstance(message, Stop)
                break
            time.sleep(0.001)
        connection.send(Over(None, f"{wish.name} is over"))
