"""Reload, as developers press it: new code of the module, of the shared package and of the library, same parameters."""

import shutil
import sys
from pathlib import Path

import pytest
from Harness import choose, click, loadModule, openFile, typeText, waitFor
from scenes import addPhantom, samples

SOURCE = Path(__file__).resolve().parents[2] / "MedCompress"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the module folder that a test may edit; the packages are taken from there for this test alone."""
    folder = tmp_path / "MedCompress"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    for name in [name for name in sys.modules if name.split(".")[0] in ("MedCompressLib", "MedCompressSlicer")]:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(folder))
    return folder


def edit(path: Path, old: str, new: str) -> None:
    import os

    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 2))


def test_reload_takes_changes_of_module_package_and_library(copy, tmp_path):
    import slicer

    addPhantom()
    panel = loadModule(copy / "VolumeCompression.py")
    choose(panel.widget.ui.goalComboBox, "Compression ratio")
    edit(copy / "VolumeCompression.py", '_("Write the archive, verify it, and show', '_("Write it, and show')
    edit(copy / "MedCompressSlicer" / "goals.py", '_("Lossless")', '_("Exact")')
    edit(copy / "MedCompressSlicer" / "archives.py", 'kind = "lossless"', 'kind = "reloaded"')
    edit(copy / "MedCompressLib" / "__init__.py", "__version__ = ", "CHANGED = True\n__version__ = ")
    panel.reload()
    ui = panel.widget.ui
    assert ui.compressButton.toolTip.startswith("Write it, and show")
    assert ui.goalComboBox.itemText(0) == "Exact" and ui.goalComboBox.currentText == "Compression ratio"
    assert sys.modules["MedCompressLib"].CHANGED
    choose(ui.goalComboBox, "Exact")
    typeText(ui.outputPathEdit, tmp_path / "a.mcz")
    click(ui.compressButton)
    waitFor(lambda: not panel.widget.jobs.running)
    assert "reloaded" in ui.summaryLabel.text
    original, restored = (slicer.util.getNode(name) for name in ("CT", "CT restored"))
    assert (samples(original) == samples(restored)).all()


def test_reader_and_writer_follow_a_reload(copy, tmp_path):
    """Slicer keeps the reader and writer of its start; errors of the new library must still be told as such."""
    import slicer

    node = addPhantom()
    panel = loadModule(copy / "VolumeCompression.py")
    edit(copy / "MedCompressSlicer" / "archives.py", 'kind = "lossless"', 'kind = "reloaded"')
    panel.reload()
    properties = {"nodeID": node.GetID(), "fileName": str(tmp_path / "a.mcz")}
    assert slicer.app.coreIOManager().saveNodes("MedCompressArchive", properties)
    (nodeID,) = openFile(tmp_path / "a.mcz")
    assert "reloaded" in slicer.mrmlScene.GetNodeByID(nodeID).GetDescription()
    (tmp_path / "a.mcz").write_bytes(b"PK")
    with pytest.raises(RuntimeError, match="archive"):
        openFile(tmp_path / "a.mcz")


def test_reload_during_a_preview_leaves_no_old_node_and_no_observer():
    import slicer

    addPhantom()
    panel = loadModule("VolumeCompression")
    click(panel.widget.ui.previewCheckBox)
    waitFor(lambda: slicer.mrmlScene.GetFirstNodeByName("CT preview") is not None)
    panel.reload()
    assert slicer.mrmlScene.GetFirstNodeByName("CT preview") is None
    waitFor(lambda: slicer.mrmlScene.GetFirstNodeByName("CT preview") is not None)
    panel.close()
    assert slicer.mrmlScene.GetFirstNodeByName("CT preview") is None
