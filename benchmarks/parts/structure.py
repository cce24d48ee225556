"""Sizes of the sources, parameter names outside of the instrument, and argument docs that begin with "of"."""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from render.noisemaker.table import TABLE

ROOT = Path(__file__).parents[2]
PACKAGES = ("render", "proxy", "inference", "benchmarks")

OF_AN_INSTRUMENT = ("render/noisemaker/", "render/vital/", "render/dexed/", "proxy/", "inference/network/")
"""Folders of instruments, of NoiseMaker's proxy and of its network, which may contain names of parameters."""

KERNELS = "proxy/kernels/"
"""Folder of compiled loops, whose files may be longer than others."""

_ARGUMENT = re.compile(r"^\s+(\w[\w, ]*): of ", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--list", action="store_true", help="also list the parameter names and the largest files")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    files = sources()
    folders = Counter(str(file.parent.relative_to(ROOT)) for file in files if file.name != "__init__.py")
    literals = {file: names for file in files if (names := parameter_names(file))}
    lengths = {file: len(file.read_text("utf-8").splitlines()) for file in files}
    outside = {file: n for file, n in lengths.items() if KERNELS not in file.as_posix()}
    largest_folder, n_modules = folders.most_common(1)[0]
    largest = max(outside, key=outside.__getitem__)
    print(f"modules: {len(files)}; in the largest folder, {largest_folder}: {n_modules}")
    print(f"lines: {sum(lengths.values())}; in the largest file, {largest.relative_to(ROOT)}: {outside[largest]}")
    print(f"statements, without docstrings: {sum(map(statements, files))}")
    print(f"parameter names outside of the instrument: {sum(map(len, literals.values()))} in {len(literals)} files")
    print(f"argument docs that begin with 'of': {sum(len(_ARGUMENT.findall(f.read_text('utf-8'))) for f in files)}")
    if arguments.list:
        for file, names in sorted(literals.items()):
            print(f"  {file.relative_to(ROOT)}: {', '.join(names)}")
        for file in sorted(outside, key=outside.__getitem__, reverse=True)[:10]:
            print(f"  {outside[file]:4d} {file.relative_to(ROOT)}")
    return 0


def sources() -> list[Path]:
    """Every module of the packages."""
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def parameter_names(file: Path) -> list[str]:
    """Literals in a file outside of the instrument that are names of its parameters."""
    path = file.relative_to(ROOT).as_posix()
    if path.startswith(OF_AN_INSTRUMENT):
        return []
    known = set(TABLE.names)
    return [text for text in literal_texts(file) if text in known]


def literal_texts(file: Path) -> Iterator[str]:
    """String literals of a file, parts of f-strings included, docstrings excluded."""
    tree = ast.parse(file.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def statements(file: Path) -> int:
    """Number of statements of a file, without docstrings."""
    tree = ast.parse(file.read_text("utf-8"))
    return sum(
        isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.walk(tree)
    )
