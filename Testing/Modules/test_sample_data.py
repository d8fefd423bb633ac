"""Sample volumes: registered under names that Slicer's module knows, checked against their checksums, then loaded.

With SLICER_PYTHON the tree's own module Sample Data is used where the tree has it, else a double of its two methods.
"""

import hashlib
import json
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from Harness import loadModule, slicerPython
from scenes import addPhantom, dataNodes, samples

DESCRIPTOR = Path(__file__).resolve().parents[2] / "MedCompress" / "Resources" / "SampleData" / "VolumeCompression.json"


class DoubleLogic:
    """registerCustomSampleDataSource and a download that is verified, with the parameters of Slicer 5.10 to 5.12."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        import slicer

        for text in (category, sampleName, uris, fileNames, nodeNames, checksums):
            assert isinstance(text, str) and text
        source = dict(sampleName=sampleName, uris=uris, fileNames=fileNames, nodeNames=nodeNames, checksums=checksums)
        sources = vars(slicer.modules).setdefault("sampleDataSources", {}).setdefault(category, [])
        if source not in sources:
            sources.append(source)

    def downloadFromSource(self, source):
        import slicer

        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / source["fileNames"]
        urllib.request.urlretrieve(source["uris"], path)
        algorithm, digest = source["checksums"].split(":")
        if hashlib.new(algorithm, path.read_bytes()).hexdigest() != digest:
            path.unlink()
            raise ValueError("checksum")
        return [slicer.util.loadNodeFromFile(str(path), properties={"name": source["nodeNames"]})]


def moduleFile() -> Path | None:
    folder = slicerPython()
    path = folder.parents[1] / "Modules" / "Scripted" / "SampleData" / "SampleData.py" if folder else None
    return path if path and path.is_file() else None


@pytest.fixture
def logic(tmp_path, monkeypatch):
    """The logic of Sample Data with its own cache folder and an empty register."""
    import slicer

    (tmp_path / "cache").mkdir()
    manager = slicer.mrmlScene.GetCacheManager()
    before = manager.GetRemoteCacheDirectory()
    manager.SetRemoteCacheDirectory(str(tmp_path / "cache"))
    path = moduleFile()
    if path is None:
        yield DoubleLogic
    else:
        monkeypatch.syspath_prepend(str(path.parent))
        import SampleData

        yield SampleData.SampleDataLogic
        del sys.modules["SampleData"]
    manager.SetRemoteCacheDirectory(before or "")
    for name in ("sampleDataSources", "sampleDataUrlRewriteRules", "sampleDataCategories"):
        vars(slicer.modules).pop(name, None)


@pytest.fixture
def descriptor(tmp_path):
    """A descriptor of one volume that lies in a file here; the volume."""
    import slicer

    node = addPhantom()
    slicer.util.saveNode(node, str(tmp_path / "source.nrrd"))
    kept = samples(node)
    slicer.mrmlScene.RemoveNode(node)
    content = (tmp_path / "source.nrrd").read_bytes()
    entry = {"name": "Tiny", "file": "Tiny.nrrd", "uri": (tmp_path / "source.nrrd").as_uri()}
    entry["sha256"] = hashlib.sha256(content).hexdigest()
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"category": "MedCompress", "volumes": [entry]}))
    return path, kept


def registered():
    import slicer

    return slicer.modules.sampleDataSources["MedCompress"]


def test_sample_is_downloaded_checked_and_loaded(logic, descriptor):
    from MedCompressSlicer.sample_data import registerSampleData

    path, kept = descriptor
    for _again in range(2):
        registerSampleData(path, logic)
    (source,) = registered()
    (node,) = logic().downloadFromSource(source)
    assert node.GetName() == "Tiny" and np.array_equal(samples(node), kept)


def test_wrong_checksum_loads_nothing(logic, descriptor):
    from Harness import takeErrors
    from MedCompressSlicer.sample_data import registerSampleData

    path, _kept = descriptor
    document = json.loads(path.read_text())
    document["volumes"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    registerSampleData(path, logic)
    try:
        nodes = logic().downloadFromSource(registered()[0])
    except (ValueError, RuntimeError):
        nodes = []
    takeErrors()
    assert not any(nodes) and dataNodes() == []


def test_descriptor_of_the_module(logic):
    """Slicer's own volumes, at the address that names their checksum."""
    from MedCompressSlicer.sample_data import registerSampleData

    registerSampleData(DESCRIPTOR, logic)
    entries = json.loads(DESCRIPTOR.read_text())["volumes"]
    assert len(registered()) == len(entries) == 3
    for entry in entries:
        assert len(entry["sha256"]) == 64 and entry["uri"].startswith("https://github.com/Slicer/SlicerTestingData/")
        assert entry["uri"].endswith(f"/SHA256/{entry['sha256']}") and entry["file"].endswith(".nrrd")


def test_module_registers_at_startup_where_sample_data_is_there(monkeypatch):
    import types

    import slicer

    loadModule("VolumeCompression")
    assert not hasattr(slicer.modules, "sampleDataSources"), "without the module nothing happens"
    monkeypatch.setitem(vars(slicer.modules), "sampledata", object())
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=DoubleLogic))
    sys.modules["VolumeCompression"].registerSamples()
    assert [source["sampleName"] for source in registered()] == ["CTChest", "CTLiver", "MRHead"]
    vars(slicer.modules).pop("sampleDataSources")
