"""``NAME.html``: one self-contained page, made from the recorded result and the two sounds."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
import soundfile

from inference.clip.target import Target
from inference.match import KNOB_MOVE
from inference.output.explained import difference_text, distances_table, lesson_table, setting_text
from inference.output.record import note_of
from render.audio import Audio
from render.instruments.table import Table
from render.note import SAMPLE_RATE, Note

_METRICS = {
    "mss": (
        "MSS",
        "dB",
        "multi-scale log-mel difference at equal loudness; 0 is equal, two renders on the real synth differ by 0.8",
    ),
    "lsd": ("LSD", "dB", "log-spectral distance"),
    "mrstft": ("MRSTFT", "", "multi-resolution STFT loss"),
    "sot": ("SOT", "kHz", "spectral optimal transport"),
    "wmfcc": ("wMFCC", "", "time-warped cepstral distance (timbre)"),
    "rms_cosine": ("1 - RMS cosine", "", "difference of the loudness envelopes"),
    "side_mss": ("Side MSS", "dB", "MSS of left minus right"),
}

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#20242c;background:#fafaf8;
max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
p.quiet,td.quiet,th{color:#667}img{width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .9rem .2rem 0;text-align:left;font-weight:400}
th{border-bottom:1px solid #ccc}td.n,th.n{text-align:right}
.sounds{display:grid;grid-template-columns:1fr 1fr;gap:1rem}audio{width:100%}
.groups{columns:2 22rem}.groups table{break-inside:avoid;width:100%;margin-bottom:1rem}
.changed{font-weight:600}
"""


def report_html(table: Table, result: dict[str, Any], target: Target, match: Audio) -> str:
    """The HTML page.

    Args:
        table: parameter table of the instrument.
        result: content of ``NAME.json``.
        target: the clip as it was compared.
        match: clean render of the best patch with its ``gain_db``, at ``SAMPLE_RATE``.

    Shape:
        match: ``(channels, samples)``.
    """
    best = result["best"]
    host = result["host"]
    title = f"{escape(result['clip'])} as a patch of {escape(table.title)}"
    note = note_of(result)
    names = ", ".join(f"{key} ({Note.name(key)})" for key in note.keys)
    played = f"{'chord of the notes' if note.chord else 'note'} {names}, velocity {note.velocity}"
    if target.pitched and target.note.number != note.number:
        played = f"pitch of the clip {target.note.title}; preset played on {played}"
    notices = "".join(f"<p class=quiet>{escape(notice)}</p>" for notice in result["notices"])
    spectrograms, progress = _plots(result, target.audio, target.conditions.masked(match))
    version = f" {host['version']}" if host["version"] else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p class=quiet>{played}, key held {best["gate_seconds"]:.2f} s; rendered by the {escape(host["kind"])} host
({escape(host["name"] + version)}); {result["renders"]} renders in {result["seconds"]:.1f} s.</p>{notices}
<div class=sounds><div>clip<br><audio controls src="{_audio_uri(target.audio)}"></audio></div>
<div>match{_gain_text(best)}<br><audio controls src="{_audio_uri(match)}"></audio></div></div>
{spectrograms}
<h2>Distance to the clip</h2>
{_distance_table(result)}
{progress}
{_sections_table(result)}<h2>The patch</h2>
<p class=quiet>Audible parameters of this patch. Those in <span class=changed>bold</span> differ from the
starting patch, whose value is in the last column.{_about_moves(result)}</p>
{_knob_tables(table, result)}
{_trials(result)}{_lesson(table, result)}
</body></html>
"""


def _plots(result: dict[str, Any], target: Audio, match: Audio) -> tuple[str, str]:
    """Spectrograms and progress as HTML; the first page of a run has none, so that it appears at once."""
    if not result["stages"]:
        return "<p class=quiet>The run has just begun; plots follow.</p>", ""
    from inference.output.plots import progress_png, spectrograms_png  # the plotting library takes half a second

    spectrograms = spectrograms_png(target, match, SAMPLE_RATE)
    progress = progress_png(result["history"], result["stages"], result["seconds"])
    return (
        f'<img alt="spectrograms of the clip and of the match" src="{_png_uri(spectrograms)}">',
        f'<h2>Progress</h2>\n<img alt="loss of the best candidate over time" src="{_png_uri(progress)}">',
    )


def _gain_text(best: dict[str, Any]) -> str:
    gain = best["gain_db"]
    return f", the preset with a gain of {gain:+.1f} dB (MSS {best['own_mss']:.3g} dB without it)" if gain else ""


def _distance_table(result: dict[str, Any]) -> str:
    shown = [name for name in _METRICS if result["best"]["distance"].get(name) is not None]
    head = "".join(f'<th class=n title="{_METRICS[name][2]}">{_METRICS[name][0]}</th>' for name in shown)
    rows = []
    for stage in result["stages"]:
        cells = "".join(f"<td class=n>{stage['distance'][name]:.3g} {_METRICS[name][1]}</td>" for name in shown)
        rows.append(
            f"<tr><td>after {escape(stage['name'])}</td><td class=n>{stage['seconds']:.1f} s</td>"
            f"<td class=n>{stage['renders']}</td>{cells}</tr>"
        )
    return (
        f"<table><tr><th>stage</th><th class=n>time</th><th class=n>renders</th>{head}</tr>{''.join(rows)}</table>"
        "<p class=quiet>Distances of the best match after each stage, from clean renders; smaller is closer."
        f"{_about_share(result['share_compared'])}</p>"
    )


def _about_share(share: float) -> str:
    if share == 1.0:
        return ""
    return f" MSS is the mean over what is compared, {share:.0%} of the clip; LSD and MRSTFT are means over all of it."


def _sections_table(result: dict[str, Any]) -> str:
    """The contribution of each part of the panel to the match."""
    tidied = result["tidied"]
    if tidied is None or not tidied["sections"]:
        return ""
    now = result["best"]["distance"]["mss"]
    parts = {part["name"]: part["mss_without"] for part in tidied["sections"]}
    return (
        f"<h2>Contribution of each part</h2>{distances_table(('switched off', 'MSS'), now, parts)}<p class=quiet>The "
        f"distance of the match, {now:.3g} dB, with one part of the patch off. "
        f"{tidied['differing_before']} settings differed from the plain patch before tidying, "
        f"{tidied['differing_after']} do now.</p>\n"
    )


def _about_moves(result: dict[str, Any]) -> str:
    if not _moved(result):
        return ""
    return (
        f" Under <i>moved</i>: how much farther from the clip the match is, in dB, with this knob moved by {KNOB_MOVE}."
    )


def _moved(result: dict[str, Any]) -> dict[str, float]:
    """How much farther the match is with a knob moved, by the name of the parameter."""
    now = result["best"]["distance"]["mss"]
    knobs = result["tidied"]["knobs"] if result["tidied"] is not None else []
    return {knob["name"]: knob["mss_moved"] - now for knob in knobs}


def _knob_tables(table: Table, result: dict[str, Any]) -> str:
    best, moved = result["best"], _moved(result)
    audible, changed = set(best["heard"]), best["changed_from"]
    groups: dict[str, list[str]] = {}
    for row in table.parameters:
        if row.name not in audible:
            continue
        text = escape(setting_text(row, best["settings"][row.name]))
        before = escape(setting_text(row, changed[row.name])) if row.name in changed else ""
        style = " class=changed" if row.name in changed else ""
        cost = f"<td class='n quiet'>{difference_text(moved[row.name])}</td>" if row.name in moved else "<td></td>"
        groups.setdefault(row.group, []).append(
            f"<tr><td{style}>{row.label}</td><td class=n>{text}</td>"
            f"<td class='n quiet'>{best['knobs'][row.name]:.3f}</td>{cost if moved else ''}"
            f"<td class='n quiet'>{before}</td></tr>"
        )
    heads = "".join(f"<th class=n>{name}</th>" for name in ("setting", "knob", *(["moved"] if moved else []), "before"))
    tables = (f"<table><tr><th>{group}</th>{heads}</tr>{''.join(rows)}</table>" for group, rows in groups.items())
    return f"<div class=groups>{''.join(tables)}</div>"


def _trials(result: dict[str, Any]) -> str:
    """The match on other keys, as a table of keys and velocities."""
    trials = result["trials"][0] if result["trials"] else []
    if not trials:
        return ""
    velocities = list(dict.fromkeys(trial["velocity"] for trial in trials))
    heads = "".join(f"<th>velocity {velocity}</th>" for velocity in velocities)
    rows: dict[int, list[str]] = {}
    for trial in trials:
        rows.setdefault(trial["note"], []).append(f"<td>{escape(trial['fault'] or 'good')}</td>")
    body = "".join(f"<tr><td>{Note.name(note)}</td>{''.join(cells)}</tr>" for note, cells in rows.items())
    return f"<h2>On other keys</h2><table><tr><th>key</th>{heads}</tr>{body}</table>"


def _lesson(table: Table, result: dict[str, Any]) -> str:
    """The steps from a known preset to the match."""
    lesson = result["lesson"]
    if lesson is None:
        return ""
    return (
        "<h2>From a preset that you know</h2><p class=quiet>The preset of the bank that sounds closest to the clip, "
        "and what to change in it, section by section; each step has the largest gain of those left.</p>"
        f"{lesson_table(table, lesson)}"
    )


def _audio_uri(audio: Audio) -> str:
    """A 16-bit WAV, scaled down if its peak is above full scale, where a browser would clip."""
    peak = float(np.abs(audio).max())
    stream = io.BytesIO()
    soundfile.write(stream, (audio / max(peak, 1.0)).T, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return f"data:audio/wav;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _png_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
