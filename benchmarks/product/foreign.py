"""Make sounds with other synthesizers and a General MIDI sound font, from Debian packages.

Presets are drawn with a fixed seed from those of a package (JX10, DX10), or as knobs within audible ranges (amsynth,
Nekobi); the instruments of the sound font are a fixed list. Writes one FLAC file for each sound, and
``foreign.jsonl``, which the target set ``foreign`` of the other benchmarks reads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.common.foreign_sounds import ROWS, ForeignSound
from render.audio import Audio, read_audio
from render.errors import FileError, HostError
from render.files import replacing, write_text
from render.midi import midi_file
from render.note import SAMPLE_RATE, Note

SEED = 8
QUIETEST_PEAK = 0.02
"""Draws with a lower peak are skipped."""
PEAK = 0.9
"""Peak of the samples in the files; the levels of other instruments do not matter."""

NEKOBI = Path("/usr/lib/vst/Nekobi-vst.so")
AMSYNTH = Path("/usr/lib/vst/amsynth_vst.so")
MDA = Path("/usr/lib/lv2/mda.lv2")
MDA_URI = "http://drobilla.net/plugins/mda/"
SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""Files of the Debian packages."""

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "Nekobi": ("dpf-plugins-vst",),
    "amsynth": ("amsynth",),
    "JX10": ("mda-lv2",),
    "DX10": ("mda-lv2",),
    "General MIDI": ("fluidsynth", "timgm6mb-soundfont"),
}
"""Debian packages that each instrument needs."""

Ranges = Mapping[str, tuple[float, float]]

NEKOBI_RANGES: Ranges = {
    "Waveform": (0.0, 1.0),
    "Cutoff": (0.1, 0.7),
    "VCF Resonance": (0.1, 0.9),
    "Env Mod": (0.1, 0.9),
    "Decay": (0.2, 0.9),
    "Accent": (0.0, 0.8),
}
AMSYNTH_RANGES: Ranges = {
    "amp_attack": (0.0, 0.35),
    "amp_decay": (0.2, 0.6),
    "amp_sustain": (0.2, 1.0),
    "amp_release": (0.1, 0.5),
    "osc1_waveform": (0.0, 0.75),
    "osc2_waveform": (0.0, 0.75),
    "filter_decay": (0.2, 0.6),
    "filter_sustain": (0.0, 0.7),
    "filter_resonance": (0.0, 0.8),
    "filter_env_amount": (0.5, 0.9),
    "filter_cutoff": (0.15, 0.6),
    "osc2_detune": (0.45, 0.55),
    "osc_mix": (0.2, 0.8),
    "lfo_freq": (0.2, 0.6),
    "filter_mod_amount": (0.0, 0.5),
    "reverb_wet": (0.0, 0.4),
    "reverb_roomsize": (0.2, 0.8),
}
"""Ranges of knobs by the plug-ins' own names; all others keep their initial values."""

GENERAL_MIDI: Mapping[str, tuple[int, int]] = {
    "Grand Piano": (0, 60),
    "Electric Piano": (4, 60),
    "Organ": (16, 60),
    "Nylon Guitar": (24, 55),
    "Finger Bass": (33, 36),
    "Strings": (48, 60),
    "Brass": (61, 60),
    "Flute": (73, 72),
}
"""Program (from 0) and note of each instrument."""

_DRAWS_PER_SOUND = 20
"""Largest number of draws for one that is loud enough."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=4, help="sounds of each synthesizer (default: 4)")
    parser.add_argument(
        "--only", action="append", choices=list(PACKAGES), help="instrument; may be repeated (default: all)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    instruments = arguments.only or list(PACKAGES)
    for instrument in instruments:
        require(instrument)
    rows = []
    for instrument in instruments:
        for sound in sounds_of(instrument, arguments.count):
            rows.append(_write(arguments.out, sound))
            print(f"{rows[-1]['file']:44} note {sound.note.number}, {sound.note.seconds:g} s")
    write_text(arguments.out / ROWS, "".join(json.dumps(row) + "\n" for row in rows))
    print(f"wrote {len(rows)} sounds to {arguments.out}")
    return 0


def require(instrument: str) -> None:
    """Raise a ``HostError`` that names the Debian packages if an instrument is not installed."""
    installed = {
        "Nekobi": NEKOBI.exists(),
        "amsynth": AMSYNTH.exists(),
        "JX10": MDA.exists(),
        "DX10": MDA.exists(),
        "General MIDI": shutil.which("fluidsynth") is not None and SOUND_FONT.exists(),
    }
    if not installed[instrument]:
        packages = " and ".join(PACKAGES[instrument])
        raise HostError(f"{instrument} is not installed; it comes with the Debian package {packages}")


def sounds_of(instrument: str, wanted: int) -> Iterator[ForeignSound]:
    """The first sounds of an instrument, or all of the sound font: always the same ones."""
    if instrument == "General MIDI":
        for name, (program, number) in GENERAL_MIDI.items():
            note = Note(number, 100, 1.0, 2.0)
            yield ForeignSound(instrument, name, note, play_general_midi(program, note))
        return
    rng = np.random.default_rng([SEED, *instrument.encode()])
    if instrument in ("JX10", "DX10"):
        presets = list(mda_presets(instrument).items())
        draws: Iterator[tuple[str, dict[str, float]]] = (presets[k] for k in rng.permutation(len(presets)))
    else:
        draws = _drawn_knobs(NEKOBI_RANGES if instrument == "Nekobi" else AMSYNTH_RANGES, rng)
    found = 0
    for preset, knobs in islice(draws, _DRAWS_PER_SOUND * wanted):
        if found == wanted:
            return
        note = _note(instrument, rng)
        audio = play(instrument, knobs, note)
        if np.abs(audio).max() >= QUIETEST_PEAK:
            found += 1
            yield ForeignSound(instrument, preset, note, audio)


def play(instrument: str, knobs: Mapping[str, float], note: Note) -> Audio:
    """Play a note on a fresh instance of a plug-in.

    Args:
        instrument: key of ``PACKAGES``, installed.
        knobs: knobs in 0..1, by the plug-in's own names or by an LV2's symbols.
        note: key press.

    Returns:
        Shape ``(2, note.n_samples)``.
    """
    from render.hosts.dawdreamer import PluginInstance

    os.environ.setdefault("LV2_PATH", str(MDA.parent))
    plugin = PluginInstance({"Nekobi": str(NEKOBI), "amsynth": str(AMSYNTH)}.get(instrument, MDA_URI + instrument))
    indices = {_plain(name): index for index, name in enumerate(plugin.parameter_names())}
    for name, knob in knobs.items():
        plugin.set_parameter(indices[_plain(name)], knob)
    for _ in range(2):  # the first render after loading differs from the others
        audio = plugin.play(note.keys, note.velocity, 0.0, note.gate_seconds, note.n_samples)
    return np.repeat(audio, 2, axis=0) if len(audio) == 1 else audio[:2]


def play_general_midi(program: int, note: Note) -> Audio:
    """Play a note of the sound font, without reverb and chorus; shape ``(2, note.n_samples)``."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "note.mid", Path(folder) / "note.wav"
        midi.write_bytes(midi_file(note, program))
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-r", str(SAMPLE_RATE), "-O", "float", "-T", "wav", "-F"]
        command = ["fluidsynth", *options, str(wave), str(SOUND_FONT), str(midi)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode or not wave.exists():
            raise HostError(f"fluidsynth failed: {ended.stderr.strip() or ended.returncode}")
        audio, _, _ = read_audio(wave)
    missing = note.n_samples - audio.shape[1]
    return np.pad(audio, ((0, 0), (0, max(missing, 0))))[:, : note.n_samples]


def mda_presets(instrument: str, folder: Path = MDA) -> dict[str, dict[str, float]]:
    """The presets of an mda synthesizer by name: knobs by parameter symbol.

    Raises:
        FileError: if the package's preset file cannot be read.
    """
    file = folder / f"{instrument}-presets.ttl"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {file}: {error.strerror or error}") from error
    presets = {}
    for part in text.split("a pset:Preset")[1:]:
        label = re.search(r'rdfs:label "([^"]*)"', part)
        values = re.findall(r'lv2:symbol "(\w+)"\s*;\s*pset:value ([\d.eE+-]+)', part)
        if label is not None and values:
            presets[label[1]] = {symbol: float(value) for symbol, value in values}
    return presets


def _drawn_knobs(ranges: Ranges, rng: np.random.Generator) -> Iterator[tuple[str, dict[str, float]]]:
    for number in count(1):
        yield f"draw {number}", {name: float(rng.uniform(*ends)) for name, ends in ranges.items()}


def _plain(name: str) -> str:
    """A name without case and punctuation: ``OSC Mix`` of a plug-in is ``osc_mix`` in its presets."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _note(instrument: str, rng: np.random.Generator) -> Note:
    """A key press in the instrument's range, rendered for 1.5 or 2 s."""
    numbers = (36, 43, 48) if instrument == "Nekobi" else (36, 48, 55, 60, 67)
    number, gate, seconds = rng.choice(numbers), rng.choice((0.3, 0.7, 1.0)), rng.choice((1.5, 2.0))
    return Note(int(number), 100, float(gate), float(seconds))


def _write(folder: Path, sound: ForeignSound) -> dict[str, object]:
    file = re.sub(r"[^A-Za-z0-9]+", "_", sound.name).strip("_") + ".flac"
    peak = max(float(np.abs(sound.audio).max()), 1e-9)
    with replacing(folder / file) as temporary:
        samples = sound.audio.T * (PEAK / peak)
        soundfile.write(temporary, samples, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    note = sound.note
    return {
        "file": file,
        "instrument": sound.instrument,
        "preset": sound.preset,
        "note": note.number,
        "velocity": note.velocity,
        "gate_seconds": note.gate_seconds,
        "seconds": note.seconds,
    }
