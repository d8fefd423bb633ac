"""Archives as files of Slicer: drag and drop, Save dialog, scripts, scenes; damage changes nothing and is told."""

import numpy as np
import pytest
from Harness import answer, loadModule, openFile
from scenes import addPhantom, addSliceView, addVolume, dataNodes, removeSliceViews, samples

FILE_TYPE = "MedCompressArchive"


@pytest.fixture(autouse=True)
def module():
    yield loadModule("VolumeCompression")
    removeSliceViews()


@pytest.fixture
def archive(tmp_path):
    """An archive of a CT that is no longer in the scene, and what was in it."""
    import slicer

    node = addPhantom()
    kept = samples(node)
    slicer.util.getModuleLogic("VolumeCompression").compress(node, tmp_path / "Chest CT.mcz")
    slicer.mrmlScene.RemoveNode(node)
    return tmp_path / "Chest CT.mcz", kept


def save(node, path):
    """As the Save dialog does: the type comes from the chosen format; returns success and messages of the node."""
    import slicer

    node.AddDefaultStorageNode()
    manager = slicer.app.coreIOManager()
    assert any(text.endswith("(*.mcz)") for text in manager.fileWriterExtensions(node))
    success = manager.saveNodes(FILE_TYPE, {"nodeID": node.GetID(), "fileName": str(path), "fileFormat": ".mcz"})
    return success, node.GetStorageNode().GetUserMessages().GetAllMessagesAsString()


def test_drag_and_drop_shows_the_volume(archive):
    import slicer

    view, composite = addSliceView()
    (nodeID,) = openFile(archive[0])
    node = slicer.mrmlScene.GetNodeByID(nodeID)
    assert node.GetName() == "Chest CT" and np.array_equal(samples(node), archive[1])
    assert composite.GetBackgroundVolumeID() == nodeID and "lossless" in node.GetDescription()
    assert node.GetAttribute("DICOM.Modality") == "CT"


def test_scripts_open_an_archive_by_name_and_unseen(archive):
    import slicer

    view, composite = addSliceView()
    node = slicer.util.loadNodeFromFile(str(archive[0]), FILE_TYPE, {"name": "Mine", "show": False})
    assert node.GetName() == "Mine" and composite.GetBackgroundVolumeID() is None


def test_upper_case_suffix(archive):
    path = archive[0].rename(archive[0].with_suffix(".MCZ"))
    assert len(openFile(path)) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_damaged_archive_tells_the_user_and_adds_nothing(archive, damage):
    import slicer

    path = archive[0]
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-100:]
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
    else:
        content = bytearray(b"hello" if damage == "foreign" else b"")
    path.write_bytes(content)
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match="Chest CT.mcz"):
        openFile(path)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_reader_asks_for_missing_packages(archive, monkeypatch):
    import qt
    from MedCompressSlicer import requirements

    monkeypatch.setattr(requirements, "missingPackages", lambda *arguments: ["medcompress-absent>=1"])
    answer(qt.QMessageBox.Cancel)
    with pytest.raises(RuntimeError, match="agree to install"):
        openFile(archive[0])
    assert dataNodes() == []


def test_save_dialog_writes_a_lossless_archive(tmp_path):
    from MedCompressLib.compression import decompress

    node = addPhantom()
    success, said = save(node, tmp_path / "a.mcz")
    restored = decompress(tmp_path / "a.mcz")
    assert success and np.array_equal(restored.array, samples(node)) and restored.modality == "CT"
    assert "cannot refer" in said, "the only copy outside the scene is one that a scene file cannot name"


def test_no_warning_where_the_volume_has_its_own_file(tmp_path):
    import slicer

    node = addPhantom()
    slicer.util.saveNode(node, str(tmp_path / "CT.nrrd"))
    own = node.GetStorageNode().GetFileName()
    assert save(node, tmp_path / "a.mcz") == (True, "") and node.GetStorageNode().GetFileName() == own


def test_failed_save_tells_the_user_and_keeps_the_old_file(tmp_path, monkeypatch):
    node = addPhantom()
    (tmp_path / "a.mcz").write_bytes(b"old")
    success, said = save(node, tmp_path / "absent" / "a.mcz")
    assert not success and "missing or cannot be written" in said

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("MedCompressSlicer.archives.compress", full)
    success, said = save(node, tmp_path / "a.mcz")
    assert not success and "No space left" in said
    assert (tmp_path / "a.mcz").read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["a.mcz"]


def test_slicers_own_format_stays_the_default(tmp_path):
    """A writer as confident as Slicer's own could take over every saveNode of every script."""
    import slicer

    node = addPhantom()
    assert slicer.app.coreIOManager().fileWriterFileType(node) != FILE_TYPE
    assert slicer.util.saveNode(node, str(tmp_path / "a.nrrd")) and (tmp_path / "a.nrrd").read_bytes()[:4] == b"NRRD"


def test_what_an_archive_cannot_hold_is_not_offered():
    import slicer
    import vtk

    color = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    color.SetAndObserveImageData(image)
    others = [slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}Node") for kind in ("ScalarVolume", "Model", "Table")]
    for node in [color, *others]:
        assert not any("mcz" in text for text in slicer.app.coreIOManager().fileWriterExtensions(node))


@pytest.mark.parametrize("extension", ["mrml", "mrb"])
def test_scene_with_a_volume_from_an_archive_loses_nothing(archive, tmp_path, extension):
    """MRML knows no archives: the volume goes into the scene in Slicer's own format, as Save proposes."""
    import slicer

    (nodeID,) = openFile(archive[0])
    node = slicer.mrmlScene.GetNodeByID(nodeID)
    assert node.GetModifiedSinceRead(), "Save must see that the volume has no file in the scene's formats"
    if extension == "mrml":
        slicer.util.saveNode(node, str(tmp_path / "CT.nrrd"))
    path = str(tmp_path / f"scene.{extension}")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(path)
    assert np.array_equal(samples(slicer.util.getNode("Chest CT")), archive[1])


@pytest.mark.parametrize("scalarType", "int8 uint8 int16 uint16 int32 uint32 int64 float32 float64".split())
def test_geometry_and_scalar_type_survive_the_file(tmp_path, scalarType):
    import slicer
    from MedCompressSlicer.volumes import geometryFromNode

    info = np.iinfo(scalarType) if scalarType[0] in "iu" else np.finfo(scalarType)
    array = np.linspace(float(info.min) / 2, float(info.max) / 2, 3 * 8 * 8).astype(scalarType).reshape(3, 8, 8)
    node = addVolume(array, origin=(1 / 3, -1e3 / 7, 1e-7), modality=None)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    assert save(node, tmp_path / "a.mcz")[0]
    (nodeID,) = openFile(tmp_path / "a.mcz")
    back = slicer.mrmlScene.GetNodeByID(nodeID)
    assert samples(back).tobytes() == array.tobytes() and samples(back).dtype == array.dtype
    assert geometryFromNode(back) == geometryFromNode(node)
