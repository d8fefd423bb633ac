"""Which cases are held back for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import MedCompressError
from ..cases import Case
from .options import DataOptions


def split(cases: Sequence[Case], options: DataOptions, seed: int) -> tuple[list[Case], list[Case]]:
    """(training, validation), each sorted by name; equal seeds and names give equal folds on every machine.

    Raises MedCompressError for names that do not exist and for folds without cases.
    """
    ordered = sorted(cases, key=lambda case: case.name)
    if options.validation:
        missing = sorted(set(options.validation) - {case.name for case in ordered})
        if missing:
            raise MedCompressError(f"there is no case {missing[0]!r} to hold back: correct data.validation")
        held = set(options.validation)
    elif options.folds:
        if len(ordered) < options.folds:
            raise MedCompressError(f"{len(ordered)} cases make no {options.folds} folds: add cases or lower data.folds")
        shuffled = np.random.default_rng([seed, 0]).permutation(len(ordered))
        held = {ordered[index].name for index in shuffled[options.fold :: options.folds]}
    else:
        held = set()
    training = [case for case in ordered if case.name not in held]
    if not training:
        raise MedCompressError("no case is left for training: hold back fewer cases")
    return training, [case for case in ordered if case.name in held]
