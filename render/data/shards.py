"""The files of a data set: shards of renders with their patches and notes. Reading them needs no host.

A folder holds ``manifest.json`` and ``shard-00000.tar``, ``shard-00001.tar``, ... A shard is an uncompressed tar of
``rows.npz`` (one entry per render, see ``write_shard``) and one 16-bit FLAC file per render, scaled to its peak. Its
samples times ``gain`` have the host's level, with rounding noise some 98 dB below the peak (the metrics' floor is at 80
dB). The bytes of a shard depend on nothing but its rows.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from render.data.flac import decode
from render.data.manifest import read_manifest
from render.data.rows import EncodedRow, Row
from render.errors import FileError, FormatError
from render.files import replacing
from render.instruments.instrument import Instrument
from render.instruments.patch import Patch
from render.note import Note
from render.synths import DEFAULT_SYNTH, synth

ROWS_FILE = "rows.npz"
_POINT_FIELDS = ("x", "y", "left_x", "left_y", "right_x", "right_y")
"""Columns of NoiseMaker's ``Patch.extra``, which has columns of its own; that of other synths is stored as JSON."""


def shard_path(folder: Path, shard: int) -> Path:
    """File of a shard."""
    return folder / f"shard-{shard:05d}.tar"


def write_shard(path: Path, rows: Sequence[EncodedRow], instrument: Instrument | None = None) -> None:
    """Write a shard of an instrument (the default synth where missing), completely or not at all.

    Raises:
        FileError: if it cannot be written.
    """
    fields: dict[str, NDArray[Any]] = {
        "index": np.array([row.index for row in rows], np.int64),
        "attempt": np.array([row.attempt for row in rows], np.int64),
        "knobs": np.array([row.patch.knobs for row in rows], np.float64),
        **_extra_fields(rows, instrument or synth(DEFAULT_SYNTH)),
        "number": np.array([row.note.number for row in rows], np.int64),
        "velocity": np.array([row.note.velocity for row in rows], np.int64),
        "gate_seconds": np.array([row.note.gate_seconds for row in rows], np.float64),
        "seconds": np.array([row.note.seconds for row in rows], np.float64),
        "gain": np.array([row.gain for row in rows], np.float64),
        "crc32": np.array([zlib.crc32(row.flac) for row in rows], np.int64),
        "refused": np.array(json.dumps([row.refused for row in rows])),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **fields)
    with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, ROWS_FILE, buffer.getvalue())
        for row in rows:
            _add(tar, _flac_name(row.index), row.flac)


def _extra_fields(rows: Sequence[EncodedRow], instrument: Instrument) -> dict[str, NDArray[Any]]:
    """The state of the rows' patches beside the knobs."""
    if instrument.extra is None:
        return {}
    if instrument.name != DEFAULT_SYNTH:
        return {"extra": np.array(json.dumps([instrument.extra.as_data(row.patch) for row in rows]))}
    points = [[getattr(point, name) for name in _POINT_FIELDS] for row in rows for point in row.patch.extra]
    return {
        "n_points": np.array([len(row.patch.extra) for row in rows], np.int64),
        "points": np.array(points, np.float64).reshape(-1, len(_POINT_FIELDS)),
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # time, owner and mode are constants: equal rows make equal bytes
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _flac_name(index: int) -> str:
    return f"{index:08d}.flac"


@dataclass(frozen=True, slots=True)
class Shard:
    """An opened shard: everything but the audio, which is read row by row.

    Attributes:
        path: file of the shard.
        instrument: instrument whose patches it holds.
        fields: arrays of ``rows.npz`` by name.
        refused: for each row, the reasons why earlier attempts were refused.
        offsets: positions of the FLAC files in bytes, shape ``(rows,)``.
        sizes: sizes of the FLAC files in bytes, shape ``(rows,)``.
    """

    path: Path
    instrument: Instrument
    fields: dict[str, NDArray[Any]]
    refused: tuple[tuple[str, ...], ...]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets)

    def row(self, k: int) -> Row:
        """Row ``k``, its audio read and decoded; raises ``FormatError`` if it is damaged, or ``FileError``."""
        fields = self.fields
        try:
            with self.path.open("rb") as file:
                file.seek(int(self.offsets[k]))
                flac = file.read(int(self.sizes[k]))
        except OSError as error:
            raise FileError(f"cannot read {self.path}: {error.strerror or error}") from error
        if zlib.crc32(flac) != fields["crc32"][k]:
            raise _damaged(self.path, f"the audio of row {k} has changed")
        audio = decode(flac, float(fields["gain"][k]))
        return Row(int(fields["index"][k]), int(fields["attempt"][k]), self.patch(k), self.note(k), audio)

    def note(self, k: int) -> Note:
        """The key press of row ``k``."""
        fields = self.fields
        return Note(
            int(fields["number"][k]),
            int(fields["velocity"][k]),
            float(fields["gate_seconds"][k]),
            float(fields["seconds"][k]),
        )

    def patch(self, k: int) -> Patch:
        """The patch of row ``k``."""
        patch = Patch(self.instrument.table, tuple(self.fields["knobs"][k].tolist()))
        extra = self.instrument.extra
        if extra is None:
            return patch
        if "extra" in self.fields:
            return patch.with_extra(extra.from_data(json.loads(str(self.fields["extra"]))[k]))
        first = int(self.fields["n_points"][:k].sum())
        points = self.fields["points"][first : first + int(self.fields["n_points"][k])].tolist()
        return patch.with_extra(extra.from_data([dict(zip(_POINT_FIELDS, point, strict=True)) for point in points]))


def open_shard(path: Path, indices: Sequence[int], instrument: Instrument | None = None) -> Shard:
    """Open a shard and check that it is whole.

    Args:
        path: file of the shard.
        indices: indices of the draws that it must hold.
        instrument: instrument whose patches it holds; the default synth where missing.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, truncated or holds other draws.
    """
    instrument = instrument or synth(DEFAULT_SYNTH)
    n_knobs = len(instrument.table.parameters)
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name: member for member in tar.getmembers()}
            opened = tar.extractfile(members[ROWS_FILE])
            content = opened.read() if opened is not None else b""
            with np.load(io.BytesIO(content), allow_pickle=False) as rows:
                fields = {name: rows[name] for name in rows.files}
        files = [members[_flac_name(index)] for index in indices]
        refused = tuple(tuple(reasons) for reasons in json.loads(str(fields.pop("refused"))))
        sound = fields["knobs"].shape == (len(indices), n_knobs) and list(fields["index"]) == list(indices)
        last = files[-1]
        if not sound or path.stat().st_size < last.offset_data + last.size:
            raise _damaged(path, "it is truncated, or belongs to another data set")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        if isinstance(error, FormatError):
            raise
        raise _damaged(path, str(error)) from error
    offsets, sizes = ([file.offset_data for file in files], [file.size for file in files])
    return Shard(path, instrument, fields, refused, np.array(offsets), np.array(sizes))


def _damaged(path: Path, why: str) -> FormatError:
    return FormatError(
        f"{path} is damaged ({why}); delete it and run the command again: only this shard will be rendered"
    )


class Dataset(Sequence[Row]):
    """A complete data set; item ``k`` is ``Row`` ``k``. A map-style data set for ``torch.utils.data.DataLoader``.

    Args:
        folder: folder of the data set.

    Attributes:
        manifest: what it is made of.
        instrument: instrument whose patches it holds.
        knobs: knobs of all rows, shape ``(rows, parameters)``.
        numbers: MIDI note numbers, shape ``(rows,)``.
        velocities: MIDI velocities, shape ``(rows,)``.
        gate_seconds: how long the keys are held, shape ``(rows,)``.
        seconds: lengths of the renders, shape ``(rows,)``.
        gains: peaks of the renders, shape ``(rows,)``.

    Raises:
        FileError: if a file is missing or cannot be read.
        FormatError: if one is damaged, of another schema or table, or the set is not complete.

    Example:
        >>> data = Dataset("DIR")  # doctest: +SKIP
        >>> row = data[7]  # doctest: +SKIP
        >>> row.patch.settings(), row.note, row.audio  # doctest: +SKIP
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest.sha256 is None:
            raise FormatError(f"{self.folder} is not complete; run the command that makes it once more")
        self.instrument = self.manifest.instrument
        self.shards = tuple(
            open_shard(shard_path(self.folder, shard), self.manifest.shard_indices(shard), self.instrument)
            for shard in range(self.manifest.n_shards)
        )
        self.knobs: NDArray[np.float64] = self._all("knobs")
        self.numbers: NDArray[np.int64] = self._all("number")
        self.velocities: NDArray[np.int64] = self._all("velocity")
        self.gate_seconds: NDArray[np.float64] = self._all("gate_seconds")
        self.seconds: NDArray[np.float64] = self._all("seconds")
        self.gains: NDArray[np.float64] = self._all("gain")

    def __len__(self) -> int:
        return self.manifest.count

    @overload
    def __getitem__(self, key: int) -> Row: ...

    @overload
    def __getitem__(self, key: slice) -> list[Row]: ...

    def __getitem__(self, key: int | slice) -> Row | list[Row]:
        if isinstance(key, slice):
            return [self[k] for k in range(*key.indices(len(self)))]
        shard, k = divmod(range(len(self))[key], self.manifest.shard_size)
        return self.shards[shard].row(k)

    def verify(self) -> Iterator[int]:
        """Read everything, shard by shard; yields the number of each good shard.

        Raises:
            FormatError: for a shard that is not what was written.
        """
        for number, (shard, sha256) in enumerate(zip(self.shards, self.manifest.sha256 or (), strict=True)):
            if hash_file(shard.path) != sha256:
                raise _damaged(shard.path, "its SHA-256 differs from the manifest's")
            yield number

    def _all(self, name: str) -> NDArray[Any]:
        return np.concatenate([shard.fields[name] for shard in self.shards])


def hash_file(path: Path) -> str:
    """SHA-256 of a file; raises ``FileError``."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
