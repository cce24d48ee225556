"""The options of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.candidate import Candidate
from inference.constraints import Constraints
from inference.methods import DEFAULT_METHOD, METHODS
from render.errors import UnknownName
from render.instruments.exports import FORMATS
from render.instruments.host import EMBEDDED
from render.instruments.instrument import Instrument, Program
from render.instruments.patch import Patch

STAGES = ("guess", "descend", "search")
GUESSERS = ("network", "regression")


@dataclass(frozen=True)
class Options:
    """The options of a run; the defaults are those of the command ``refine``.

    Attributes:
        instrument: synth to match the clips with.
        where: host to search on: ``embedded`` or the path of a plug-in.
        seconds: budget in seconds of wall clock.
        renders: budget in renders, used instead of ``seconds`` if given.
        steps: limit of descent steps, each of one candidate, beside ``renders``.
        candidates: number of different matches.
        start: patch to start from.
        resumed: candidates of an earlier run that this one continues.
        constraints: locked knobs.
        stages: names of the stages to run.
        guess: name of the network that proposes patches: ``network`` or ``regression``.
        guesses: largest number of its proposals that are rendered; a short budget renders fewer.
        descend_until: share of the budget, 0 to 1, at which descend ends if search follows; earlier if the budget is
            small or the host slow.
        method: search method.
        calibration: whether the descent uses the calibration of the host's plug-in, if there is one.
        tidy: whether the match is simplified at the end, without an audible change.
        library_starts: number of the library's patches that are rendered.
        seed: seed of all random numbers.
        rounds: how often the run was resumed; each time other candidates are drawn.
        workers: number of processes that render.
        formats: preset formats beside the synth's own, of ``render.instruments.exports.FORMATS``.
        bank: presets that the user knows, which are starting points too; the steps to the match from the closest of
            them are reported.
        class_id: class id for ``.vstpreset`` files, if neither the host nor the instrument knows it.

    Raises:
        UnknownName: for a stage, network, method or format that does not exist.

    Example:
        >>> from render.noisemaker.instrument import NOISEMAKER
        >>> options = Options(NOISEMAKER, renders=500, steps=1000, stages=("guess", "search"))
        >>> options.where, options.candidates
        ('embedded', 1)
    """

    instrument: Instrument
    where: str = EMBEDDED
    seconds: float | None = 60.0
    renders: int | None = None
    steps: int | None = None
    candidates: int = 1
    start: Patch | None = None
    resumed: tuple[Candidate, ...] = ()
    constraints: Constraints = field(default_factory=Constraints)
    stages: tuple[str, ...] = STAGES
    guess: str = "network"
    guesses: int = 160
    descend_until: float = 0.9
    method: str = DEFAULT_METHOD
    calibration: bool = True
    tidy: bool = True
    library_starts: int = 64
    seed: int = 0
    workers: int = 2
    formats: tuple[str, ...] = FORMATS
    class_id: str | None = None
    bank: tuple[Program, ...] = ()
    rounds: int = 0

    @property
    def draws(self) -> int:
        """Seed of this round's draws."""
        return self.seed + self.rounds

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise UnknownName("stage", stage, STAGES)
        if self.guess not in GUESSERS:
            raise UnknownName("guess", self.guess, GUESSERS)
        if self.method not in METHODS:
            raise UnknownName("search method", self.method, METHODS)
        for format_ in self.formats:
            if format_ not in FORMATS:
                raise UnknownName("format", format_, FORMATS)
