"""Groups of slices tried on the machines of a Dask cluster.

The samples of a group travel to a worker, its chunk and errors travel back: workers need this package in the same
version and no access to the files. Everything else, such as the search for a ratio, happens where the command runs, so
the archive is the same to the byte.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from typing import Any

from . import __version__
from .codecs.interface import Codec, Setting
from .encoding import Plan, TryGroup
from .errors import MedCompressError

_CONNECT_SECONDS = 10
_WORKER_SECONDS = 30


@contextmanager
def on_cluster(plan: Plan, scheduler: str) -> Iterator[tuple[TryGroup, int]]:
    """`plan.try_group` as workers do it, and how many groups should be in flight to keep them all busy.

    scheduler: address of a Dask scheduler such as tcp://host:8786. Raises MedCompressError when nobody answers there,
    when it has no workers, and when the workers lack this package or the codec.
    """
    client = _connect(scheduler)
    try:
        threads = _threads(client, scheduler)
        trial = plan.trial
        _check_versions(client, plan.codec)
        send = partial(client.submit, trial, pure=False)

        def try_group(start: int, stop: int, setting: Setting) -> Any:
            return _result(client, send(plan.source.read(start, stop), start, setting), scheduler)

        with _large_groups_allowed():
            yield try_group, plan.threads(2 * threads)
    finally:
        client.close()


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise MedCompressError(
            "a cluster needs the package dask: install it with pip install medcompress[study]"
        ) from None
    try:
        return Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # also what comes of taking another server's words for Dask's, such as MemoryError
        reason = str(error) or type(error).__name__
    gc.collect()  # closes the failed client, which takes 20 s and ends with a traceback if left to the end of Python
    raise MedCompressError(
        f"no Dask scheduler answers at {scheduler or 'no address'} ({reason}): "
        "start one with 'dask scheduler', or check the address"
    )


@contextmanager
def _large_groups_allowed() -> Iterator[None]:
    """No warning that a group would better be loaded by the workers, which may not see the files."""
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
        yield


def _threads(client: Any, scheduler: str) -> int:
    """Threads of all workers, once there is one."""
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        raise MedCompressError(
            f"the cluster at {scheduler} has no workers: start them with 'dask worker {scheduler}'"
        ) from None
    return sum(client.nthreads().values())


def _check_versions(client: Any, codec: Codec) -> None:
    ours = _versions(codec)
    try:
        found = client.run(_versions, codec)
    except Exception as error:
        raise MedCompressError(
            f"the workers cannot run this codec ({error!r}): install the same MedCompress on all of them"
        ) from None
    odd = {worker: theirs for worker, theirs in found.items() if theirs != ours}
    if odd:
        worker, theirs = next(iter(odd.items()))
        raise MedCompressError(
            f"the worker {worker} has {theirs} where this machine has {ours}: install the same versions on all of them"
        )


def _versions(codec: Codec) -> tuple[str, str]:
    return f"MedCompress {__version__}", codec.version()


def _result(client: Any, future: Any, scheduler: str) -> Any:
    try:
        while True:
            try:
                return future.result(_CONNECT_SECONDS)
            except TimeoutError:
                _threads(client, scheduler)  # Dask itself waits for ever when the last worker has gone
    except MedCompressError:
        raise
    except (Exception, CancelledError) as error:
        raise MedCompressError(
            f"the cluster at {scheduler} gave up on a group ({error!r}): see the log of its workers, or leave it out"
        ) from None
