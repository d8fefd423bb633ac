"""The command `cases`: the training cases in a folder, and what is wrong with them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errors import MedCompressError
from .jobs import Progress


def add_cases_options(command: argparse.ArgumentParser) -> None:
    """Options of `medcompress cases`."""
    command.add_argument("folder", metavar="FOLDER", type=Path, help="folder of images and label maps")
    text = "configuration of a training, or a preset's name: its labels shall be in the label maps"
    command.add_argument("--config", metavar="CONFIG.toml", help=text)


def run_cases(options: argparse.Namespace, progress: Progress) -> tuple[Any, str]:
    """Read all cases; returns their names and the problems for JSON, and a line for each problem."""
    from .unet.cases import Problem, check_cases, find_cases
    from .unet.training import read_config

    values = read_config(options.config).label_values() if options.config else None
    try:
        cases = find_cases(options.folder)
        problems = check_cases(cases, values, progress)
    except MedCompressError as error:
        cases, problems = [], [Problem("all", *str(error).rpartition(": ")[::2])]
    progress(1.0, f"Checked {len(cases)} cases")
    result = {
        "folder": str(options.folder),
        "cases": [case.name for case in cases],
        "problems": [asdict(problem) for problem in problems],
    }
    lines = [
        f"{problem.case}: {problem.text}: {problem.remedy}" + ("" if problem.fatal else " (usable)")
        for problem in problems
    ]
    return result, "\n".join([f"{len(cases)} cases, {len(problems)} problems", *lines])
