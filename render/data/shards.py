"""The files of a data set: a manifest and shards of renders with their patches and notes. Reading them needs no host.

A folder holds ``manifest.json`` and ``shard-00000.tar``, ``shard-00001.tar``, ... A shard is an uncompressed tar of
``rows.npz`` (one entry per render: ``ROW_FIELDS``) and one FLAC file per render, 16 bits, scaled to its peak: times
``gain`` it has the host's level, with rounding noise some 98 dB below the peak (the metrics' floor is at 80). The bytes
of a shard depend on nothing but its rows.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import soundfile
from numpy.typing import NDArray

from render.audio import Audio
from render.errors import FileError, FormatError
from render.files import replacing, write_text
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

SCHEMA = 1
MANIFEST_FILE = "manifest.json"
ROWS_FILE = "rows.npz"
LARGEST_SAMPLE = 32767
_POINT_FIELDS = EnvelopePoint.__slots__


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set is made of.

    Attributes:
        seed: names the set of the prior.
        count: number of renders.
        shard_size: renders per shard; the last shard may have fewer.
        host: ``HostInfo.as_dict()`` of what rendered it.
        prior_hash: of the prior that it was drawn from.
        schema, table_hash, sample_rate: what the files mean.
        refused: reason to number of draws that were refused; None until the set is complete.
        sha256: of each shard, in order; None until the set is complete.
    """

    seed: int
    count: int
    shard_size: int
    host: dict[str, str | None]
    prior_hash: str
    schema: int = SCHEMA
    table_hash: str = TABLE.hash
    sample_rate: int = SAMPLE_RATE
    refused: dict[str, int] | None = None
    sha256: tuple[str, ...] | None = None

    @property
    def n_shards(self) -> int:
        """How many shards the complete set has."""
        return -(-self.count // self.shard_size)

    def shard_indices(self, shard: int) -> range:
        """The draws that a shard holds."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.count))

    def as_started(self) -> Manifest:
        """This manifest as it was before the set was complete."""
        return replace(self, refused=None, sha256=None)


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A render ready to be written.

    Attributes:
        index: of the draw.
        attempt: of the draw.
        patch, note: what was played.
        gain: what a sample of 1 in the FLAC file stands for.
        flac: the file.
        refused: why earlier attempts were refused.
    """

    index: int
    attempt: int
    patch: Patch
    note: Note
    gain: float
    flac: bytes
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A render with its patch and note; ``audio`` has shape ``(1 or 2, samples)``, 1 where both sides were equal."""

    index: int
    attempt: int
    patch: Patch
    note: Note
    audio: Audio


def encode(audio: Audio) -> tuple[bytes, float]:
    """A FLAC file and its gain.

    Args:
        audio: shape ``(2, samples)``, not silent.
    """
    if np.array_equal(audio[0], audio[-1]):
        audio = audio[:1]
    gain = float(np.abs(audio).max())
    samples = np.round(audio.T * (LARGEST_SAMPLE / gain)).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue(), gain


def decode(flac: bytes, gain: float) -> Audio:
    """The audio of a FLAC file, shape ``(channels, samples)``; raises ``soundfile.SoundFileError``."""
    samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    return np.ascontiguousarray(samples.T * np.float32(gain / LARGEST_SAMPLE), np.float32)


def shard_path(folder: Path, shard: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{shard:05d}.tar"


def write_shard(path: Path, rows: Sequence[EncodedRow]) -> None:
    """Write a whole shard or nothing; raises ``FileError``."""
    points = [[getattr(point, name) for name in _POINT_FIELDS] for row in rows for point in row.patch.extra]
    fields = {
        "index": np.array([row.index for row in rows], np.int64),
        "attempt": np.array([row.attempt for row in rows], np.int64),
        "knobs": np.array([row.patch.knobs for row in rows], np.float64),
        "n_points": np.array([len(row.patch.extra) for row in rows], np.int64),
        "points": np.array(points, np.float64).reshape(-1, len(_POINT_FIELDS)),
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


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # time, owner and mode are constants: equal rows make equal bytes
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _flac_name(index: int) -> str:
    return f"{index:08d}.flac"


@dataclass(frozen=True, slots=True)
class Shard:
    """An opened shard: everything but the audio, and where that lies in the file.

    Attributes:
        path: of the file.
        fields: the arrays of ``rows.npz``.
        refused: per row, why earlier attempts were refused.
        offsets, sizes: of the FLAC files, in bytes, shape ``(rows,)``.
    """

    path: Path
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
        first = int(self.fields["n_points"][:k].sum())
        points = self.fields["points"][first : first + int(self.fields["n_points"][k])]
        return Patch(TABLE, tuple(self.fields["knobs"][k].tolist()), tuple(EnvelopePoint(*p) for p in points.tolist()))


def open_shard(path: Path, indices: Sequence[int]) -> Shard:
    """Open a shard and check that it is whole.

    Args:
        path: of the file.
        indices: of the draws that it must hold.

    Raises:
        FileError: if it cannot be read.
        FormatError: if it is damaged, cut short or another one.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name: member for member in tar.getmembers()}
            opened = tar.extractfile(members[ROWS_FILE])
            content = opened.read() if opened is not None else b""
            with np.load(io.BytesIO(content), allow_pickle=False) as rows:
                fields = {name: rows[name] for name in rows.files}
        files = [members[_flac_name(index)] for index in indices]
        refused = tuple(tuple(reasons) for reasons in json.loads(str(fields.pop("refused"))))
        sound = fields["knobs"].shape == (len(indices), len(TABLE.parameters)) and list(fields["index"]) == list(
            indices
        )
        last = files[-1]
        if not sound or path.stat().st_size < last.offset_data + last.size:
            raise _damaged(path, "it is cut short, or of another data set")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        if isinstance(error, FormatError):
            raise
        raise _damaged(path, str(error)) from error
    offsets, sizes = ([file.offset_data for file in files], [file.size for file in files])
    return Shard(path, fields, refused, np.array(offsets), np.array(sizes))


def _damaged(path: Path, why: str) -> FormatError:
    return FormatError(f"{path} is damaged ({why}); delete it and make the data set again: only it will be rendered")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest as a whole; raises ``FileError``."""
    write_text(folder / MANIFEST_FILE, json.dumps(asdict(manifest), indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        FileError: if there is none.
        FormatError: if it is damaged, or of another schema, table or sample rate.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FileError(f"{folder} holds no data set: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"{path} is no manifest: {error}") from error
    for name, expected in (("schema", SCHEMA), ("table_hash", TABLE.hash), ("sample_rate", SAMPLE_RATE)):
        found = content.get(name) if isinstance(content, dict) else None
        if found != expected:
            raise FormatError(f"{path} has {name} {found!r}; allowed: {expected!r}")
    try:
        sha256 = content.pop("sha256")
        return Manifest(**content, sha256=None if sha256 is None else tuple(sha256))
    except (TypeError, KeyError) as error:
        raise FormatError(f"{path} is no manifest: {error}") from error


class Dataset(Sequence[Row]):
    """A complete data set; item ``k`` is ``Row`` ``k``. A map-style data set for ``torch.utils.data.DataLoader``.

    Args:
        folder: of the files.

    Attributes:
        manifest: what it is made of.
        knobs: of all rows, shape ``(rows, parameters)``.
        numbers, velocities, gate_seconds, seconds: of all notes, shape ``(rows,)``.
        gains: the peak of each render.

    Raises:
        FileError: if a file is missing or cannot be read.
        FormatError: if one is damaged, of another schema or table, or the set is not complete.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if self.manifest.sha256 is None:
            raise FormatError(f"{self.folder} is not complete; run the command that makes it again")
        self.shards = tuple(
            open_shard(shard_path(self.folder, shard), self.manifest.shard_indices(shard))
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
                raise _damaged(shard.path, "its SHA-256 is not the manifest's")
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
