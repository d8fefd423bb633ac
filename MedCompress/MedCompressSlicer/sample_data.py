"""Registers the sample volumes of a module with Slicer's Sample Data module, from a descriptor file."""

from __future__ import annotations

import json
from pathlib import Path

import slicer


def registerSampleData(descriptor, sampleDataLogic=None) -> None:
    """Register every entry of a JSON descriptor: a list of name, uri, file and sha256 under one category.

    sampleDataLogic: SampleData.SampleDataLogic unless given; where the application lacks that module nothing happens.
    """
    if sampleDataLogic is None:
        if not hasattr(slicer.modules, "sampledata"):
            return
        import SampleData

        sampleDataLogic = SampleData.SampleDataLogic
    document = json.loads(Path(descriptor).read_text(encoding="utf-8"))
    for entry in document["volumes"]:
        sampleDataLogic.registerCustomSampleDataSource(
            category=document["category"],
            sampleName=entry["name"],
            uris=entry["uri"],
            fileNames=entry["file"],
            nodeNames=entry["name"],
            checksums=f"SHA256:{entry['sha256']}",
            thumbnailFileName=None,
        )
