"""Run by a test in a process of its own, with ``NUMBA_ENABLE_CUDASIM=1``: a short sound on numba's simulated GPU.

Every compiled function is plain Python here. The voice is rendered twice, with its loops on the CPU and with a thread
of the simulated GPU for each item; prints how far the two are apart.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


def _plain(*given: Any, **options: Any) -> Any:
    return given[0] if given else lambda function: function


numba.njit = _plain

import proxy.kernels.compiled as compiled  # noqa: E402

compiled.compiled = compiled.compiled_fast = compiled.compiled_for_gpu = _plain

import torch  # noqa: E402
from numba import cuda  # noqa: E402

from proxy.kernels import effects, gpu  # noqa: E402
from proxy.synth import envelopes, filters, lfo, mixer, oscillators, voice  # noqa: E402
from proxy.synth.controls import Controls  # noqa: E402
from render.noisemaker.prior import draw  # noqa: E402

N_SAMPLES = 40


def simulated(kernel: Any, n_items: int, *arguments: Any) -> None:
    """As ``launch``, on the simulator."""
    there = [one if isinstance(one, (int, float)) else cuda.to_device(np.ascontiguousarray(one)) for one in arguments]
    blocks = -(-n_items // gpu.THREADS)
    cuda.jit(gpu.per_thread(kernel))[blocks, gpu.THREADS](n_items, tuple(there))
    for here, result in zip(arguments, there, strict=True):
        if isinstance(here, torch.Tensor) and here.is_contiguous():
            here.copy_(torch.from_numpy(result.copy_to_host()))


def main() -> None:
    """Print the largest difference of the two renders, and the largest sample."""
    torch.set_num_threads(1)
    drawn = [draw(0, index) for index in (0, 3, 4, 5, 8)]
    patches = [patch.with_knobs({"resonance": min(patch["resonance"], 0.8), "reverbwet": 0.4}) for patch, _ in drawn]
    controls = Controls.from_patches(patches, [note for _, note in drawn])
    with torch.no_grad():
        here = voice.render(controls, N_SAMPLES)
        for module in (effects, envelopes, filters, lfo, mixer, oscillators):
            vars(module)["launch"] = simulated
        filters._Filtered.forward = staticmethod(  # type: ignore[method-assign]
            lambda ctx, signal, cutoff, fitted, kinds, oscillates: filters.filtered_alone(signal, cutoff, fitted, kinds)
        )
        there = voice.render(controls, N_SAMPLES)
    print(float((here - there).abs().max()), float(here.abs().max()))


if __name__ == "__main__":
    main()
