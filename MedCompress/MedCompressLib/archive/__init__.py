"""The `.mcz` archive: write, read, verify, read a slab, read progressively. The format: Docs/mcz-format.md."""

from .manifest import FORMAT_VERSION, Layer, Manifest
from .reader import Archive, Stage, read_progressively
from .report import Report
from .writer import write_archive

__all__ = ["FORMAT_VERSION", "Archive", "Layer", "Manifest", "Report", "Stage", "read_progressively", "write_archive"]
