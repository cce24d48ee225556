"""Corrections that were fitted to the user's own plug-in, kept in the user's data folder.

They are identified by the content of the plug-in and not by its stated version: builds of one version differ, and only
a VST3 states one. A copy in another folder is the same plug-in, an update is a different one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from render.errors import FileError, FormatError
from render.files import data_folder
from render.instruments.host import EMBEDDED

if TYPE_CHECKING:
    from proxy.synth.corrections import Corrections

SUFFIX = ".safetensors"
_BYTES = 8  # of the digest


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measurements of a calibration.

    Attributes:
        name: name of the plug-in.
        version: its version, as far as it states one.
        fitted: number of renders that the corrections were fitted to.
        judged: number of validation renders.
        mss: median distance of the proxy from those, in MSS at equal loudness in dB, before and after.
        distance: the same in the distance that a descent minimises, at the best gain.
        share: share of those that came closer in MSS, 0 to 1.
        closer: whether the fitted corrections are better than the shipped ones; if not, the shipped ones are used.
    """

    name: str
    version: str
    fitted: int
    judged: int
    mss: tuple[float, float]
    distance: tuple[float, float]
    share: float
    closer: bool

    @property
    def plugin(self) -> str:
        """Name and version for people."""
        return f"{self.name} {self.version}"

    def sentence(self) -> str:
        """The measured gain for people."""
        figures = (
            f"median MSS {self.mss[0]:.3f} -> {self.mss[1]:.3f} dB, "
            f"search distance {self.distance[0]:.4f} -> {self.distance[1]:.4f}, closer on {100.0 * self.share:.0f} %"
        )
        return f"{figures} of {self.judged} renders that were kept aside"


def plugin_digest(plugin: Path) -> str:
    """Identifies a plug-in by its content, 16 hexadecimal digits: of its file, or of all files of its bundle.

    Raises:
        FileError: if it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        inside = sorted(path for path in plugin.rglob("*") if path.is_file()) if plugin.is_dir() else [plugin]
        for path in inside:
            with path.open("rb") as file:
                digest.update(f"{path.relative_to(plugin).as_posix()}\n".encode("utf-8", "surrogateescape"))
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise FileError(f"cannot read {plugin}: {error.strerror or error}") from error
    return digest.hexdigest()[: 2 * _BYTES]


def calibration_folder() -> Path:
    """The folder of the kept calibrations; it need not exist."""
    return data_folder() / "calibrations"


def calibration_path(plugin: Path) -> Path:
    """The file in which the calibration of a plug-in is kept; raises ``FileError`` if the plug-in cannot be read."""
    return calibration_folder() / f"{plugin_digest(plugin)}{SUFFIX}"


def kept_calibrations() -> Iterator[Path]:
    """The files of all calibrations that are kept."""
    yield from sorted(calibration_folder().glob(f"*{SUFFIX}"))


def save_calibration(path: Path, corrections: Corrections, calibration: Calibration) -> None:
    """Write a calibration, completely or not at all.

    Args:
        path: file to write, see ``calibration_path``.
        corrections: corrections for runs with this plug-in.
        calibration: the measurements.

    Raises:
        FileError: if the file cannot be written.
    """
    from proxy.synth.weights import save_corrections

    save_corrections(path, corrections, asdict(calibration))


def read_calibration(path: Path) -> tuple[Corrections, Calibration]:
    """Read a calibration.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it is damaged, or of another schema or table.
    """
    from proxy.synth.weights import load_corrections, notes_of
    from proxy.tensor_file import must_fit

    corrections, notes = load_corrections(path), notes_of(path)
    with must_fit(path, "calibration"):
        calibration = Calibration(**notes | {name: tuple(notes[name]) for name in ("mss", "distance")})
        calibration.sentence()
    return corrections, calibration


def corrections_for(where: str) -> tuple[Corrections, str | None]:
    """The corrections for a host: those fitted to this plug-in if there are any, else the shipped ones.

    Args:
        where: ``embedded`` or the path of a plug-in.

    Returns:
        The corrections; and a notice for the user, if there is one.

    Raises:
        FileError: if the shipped ones cannot be read.
        FormatError: if they are damaged.
    """
    from proxy.synth.weights import load_corrections

    if where == EMBEDDED:
        return load_corrections(), None
    try:
        path = calibration_path(Path(where))
        if not path.exists():
            return load_corrections(), None
        corrections, calibration = read_calibration(path)
    except (FileError, FormatError) as error:
        problem = f"the calibration of this plug-in cannot be used, the shipped corrections are: {error}"
        return load_corrections(), f"{problem} (refine --calibrate makes it again)"
    if not calibration.closer:
        return load_corrections(), None
    return corrections, f"the proxy is calibrated to {calibration.plugin}: {calibration.sentence()}"


def is_calibrated(where: str) -> bool:
    """Whether a host's plug-in has been calibrated, with a gain or without; the embedded engine needs no calibration.

    Raises:
        FileError: if the plug-in cannot be read.
    """
    return where == EMBEDDED or calibration_path(Path(where)).exists()
