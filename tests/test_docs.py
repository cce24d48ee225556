"""What README.md and docs/ name exists: links, paths, commands and their options."""

from __future__ import annotations

import argparse
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("render", "proxy", "inference", "benchmarks")
_FOLDERS = (*PACKAGES, "tests", "docs", "examples")


@cache
def options_of(package: str, command: str) -> set[str]:
    """Long options of ``python -m package command``; fails if there is no such command."""
    commands = importlib.import_module(f"{package}.__main__").COMMANDS
    assert command in commands, f"python -m {package} {command}"
    parser = argparse.ArgumentParser()
    importlib.import_module(commands[command][0]).add_arguments(parser)
    return {option for action in parser._actions for option in action.option_strings}


def code_of(text: str) -> list[str]:
    """Inline code and the lines of indented blocks, continued lines joined."""
    joined = text.replace("\\\n", " ")
    blocks = [line for line in joined.splitlines() if line.startswith("    ")]
    return re.findall(r"`([^`]+)`", joined) + blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(rf"`((?:{'|'.join(_FOLDERS)})/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for code in code_of(page.read_text("utf-8")):
        for package, command, rest in re.findall(rf"python -m ({'|'.join(PACKAGES)}) ([\w-]+)([^|`]*)", code):
            known = options_of(package, command)
            for option in re.findall(r"--[a-z][\w-]*", rest):
                assert option in known | {"--help"}, f"python -m {package} {command} {option}"
