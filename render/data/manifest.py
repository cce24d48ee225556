"""The manifest of a data set: its origin, and the checksums of its shards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from render.errors import FileError, FormatError
from render.files import write_text
from render.instruments.instrument import Instrument
from render.note import SAMPLE_RATE
from render.synths import SYNTHS, synth, synth_of_table

SCHEMA = 1
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The origin of a data set, and the checksums of its shards.

    Attributes:
        seed: seed of the set of draws.
        count: number of renders.
        shard_size: renders per shard; the last shard may have fewer.
        host: the host that rendered it, as ``HostInfo.as_dict`` returns it.
        prior_hash: hash of the prior that it was drawn from.
        table_hash: hash of the parameter table of its instrument.
        schema: version of the file format.
        sample_rate: sample rate in Hz.
        refused: number of refused draws by reason; None until the set is complete.
        sha256: SHA-256 of each shard, in order; None until the set is complete.
    """

    seed: int
    count: int
    shard_size: int
    host: dict[str, str | None]
    prior_hash: str
    table_hash: str
    schema: int = SCHEMA
    sample_rate: int = SAMPLE_RATE
    refused: dict[str, int] | None = None
    sha256: tuple[str, ...] | None = None

    @property
    def instrument(self) -> Instrument:
        """The instrument whose patches the set holds; raises ``FormatError`` if no synth has such a table."""
        found = synth_of_table(self.table_hash)
        if found is None:
            allowed = " or ".join(f"{synth(name).table.hash!r}" for name in SYNTHS)
            raise FormatError(f"the data set has table_hash {self.table_hash!r}; allowed: {allowed}")
        return found

    @property
    def n_shards(self) -> int:
        """Number of shards of the complete set."""
        return -(-self.count // self.shard_size)

    def shard_indices(self, shard: int) -> range:
        """Indices of the draws in a shard."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.count))

    def as_started(self) -> Manifest:
        """This manifest as it was before the set was complete."""
        return replace(self, refused=None, sha256=None)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, completely or not at all; raises ``FileError``."""
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
        raise FileError(f"{folder} contains no data set: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not a manifest: {error}") from error
    for name, expected in (("schema", SCHEMA), ("sample_rate", SAMPLE_RATE)):
        found = content.get(name) if isinstance(content, dict) else None
        if found != expected:
            raise FormatError(f"{path} has {name} {found!r}; allowed: {expected!r}")
    try:
        sha256 = content.pop("sha256")
        manifest = Manifest(**content, sha256=None if sha256 is None else tuple(sha256))
    except (TypeError, KeyError) as error:
        raise FormatError(f"{path} is not a manifest: {error}") from error
    _ = manifest.instrument  # a set of another table is refused
    return manifest
