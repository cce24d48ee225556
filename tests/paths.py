"""Where test material lies, and why a test is skipped when it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT.parent / "shared" / "noisemaker" / "golden"
BANK = ROOT.parent / "shared" / "noisemaker" / "presets" / "factory-bank-1.6.xml"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"golden renders of the real plug-in are not at {GOLDEN}")
needs_bank = pytest.mark.skipif(not BANK.is_file(), reason=f"the factory bank is not at {BANK}")
