"""Spectrograms of data sets, computed once and kept, so that training need not decode audio in every epoch.

One ``.npy`` file per shard, in a folder named after the data set and ``FEATURES_SCHEMA``, holds a record per row: its
spectrogram and the time of its onset. Each file is written as a whole, so computing them can be stopped and continued
at any point.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.network.features.log_mel import FEATURES_SCHEMA, SHAPE
from inference.network.features.spectrograms import spectrogram_of_render
from render.data.manifest import Manifest
from render.data.shards import Shard
from render.errors import FileError, FormatError
from render.files import replacing

FIELD = "picture"
"""Name of the spectrogram in a record of a file."""
RECORD = np.dtype([("onset_seconds", np.float32), (FIELD, np.uint8, SHAPE)])


def spectrograms_folder(parent: Path, manifest: Manifest, kind: str = "mel") -> Path:
    """Folder of a data set's spectrograms below ``parent``; ``kind`` is one of ``SPECTROGRAMS``."""
    identity = hashlib.sha256(json.dumps([FEATURES_SCHEMA, asdict(manifest.as_started())]).encode()).hexdigest()[:16]
    return parent / (f"pictures-{identity}" if kind == "mel" else f"{kind}-{identity}")


def shard_spectrograms(folder: Path, shard: Shard, kind: str = "mel") -> NDArray[np.void]:
    """The records of a shard, mapped from their file, which is made when it is missing.

    Args:
        folder: what ``spectrograms_folder`` gives.
        shard: one shard of the data set.
        kind: one of ``SPECTROGRAMS``.

    Returns:
        Shape ``(rows,)``, of ``RECORD``.

    Raises:
        FileError: if a file cannot be read or written.
        FormatError: if one is damaged.
    """
    path = folder / f"{shard.path.stem}.npy"
    if not path.exists():
        _make(path, shard, kind)
    try:
        records: NDArray[np.void] = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"{path} is damaged ({error}); delete it: it will be made again") from error
    if records.dtype != RECORD or records.shape != (len(shard),):
        raise FormatError(f"{path} holds other spectrograms than {shard.path.name}; delete it: it will be made again")
    return records


def _make(path: Path, shard: Shard, kind: str) -> None:
    records = np.zeros(len(shard), RECORD)
    for k in range(len(shard)):
        records[k][FIELD], records[k]["onset_seconds"] = spectrogram_of_render(shard.row(k).audio, kind)
    with replacing(path) as temporary:
        np.save(temporary, records, allow_pickle=False)
