"""RoiCompression's logic: regions from the scene against independent computations, archives, methods, errors."""

import re
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from Harness import loadModule
from scenes import OBLIQUE, addPhantom, addVolume, samples
from segmentation_scenes import addLabels, addSegmentation

GRID = {"spacing": (1.5, 1.0, 2.0), "origin": (3.0, -4.0, 5.0), "direction": OBLIQUE}
SHAPE = (10, 28, 32)


@pytest.fixture
def logic():
    return loadModule("RoiCompression").widget.logic


def ball(center=(5, 14, 16), radius=4) -> np.ndarray:
    grid = np.indices(SHAPE)
    return sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True)) <= radius**2


def addCt(name="CT", **grid):
    from MedCompressLib.phantom import abdominal_ct

    return addVolume(abdominal_ct(SHAPE)[0], name, **{**GRID, **grid})


def addTransform(angle=30.0, scale=1.0, shift=(20, -30, 40)):
    transform, node = vtk.vtkTransform(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.Translate(*shift)
    transform.RotateWXYZ(angle, 1, 2, 3)
    transform.Scale(scale, 1, 1)
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


def worldOf(node) -> np.ndarray:
    """World coordinates (RAS) of all voxels, [k, j, i, 3], by Slicer's own transforms."""
    toRas, toWorld = vtk.vtkMatrix4x4(), vtk.vtkGeneralTransform()
    node.GetIJKToRASMatrix(toRas)
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, toWorld)
    index = np.moveaxis(np.indices(node.GetImageData().GetDimensions()[::-1])[::-1], 0, -1).reshape(-1, 3)
    local = index @ slicer.util.arrayFromVTKMatrix(toRas)[:3, :3].T + slicer.util.arrayFromVTKMatrix(toRas)[:3, 3]
    world = np.array([toWorld.TransformPoint(point) for point in local])
    return world.reshape(*node.GetImageData().GetDimensions()[::-1], 3)


def addBox(center, size, angle=25.0, name="R"):
    transform, box = vtk.vtkTransform(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    transform.Translate(*center)
    transform.RotateWXYZ(angle, 3, -1, 2)
    box.SetSize(*size)
    box.SetAndObserveObjectToNodeMatrix(transform.GetMatrix())
    return box


@pytest.mark.parametrize("placed", ["plain", "volume", "both", "box", "apart"])
def test_oriented_box_is_what_slicer_says_is_inside(logic, placed):
    """Every voxel is asked for by Slicer's own IsPointInROIWorld."""
    node = addCt()
    if placed in ("volume", "both", "apart"):
        node.SetAndObserveTransformNodeID(addTransform().GetID())
    center = worldOf(node)[5, 14, 16]
    box = addBox(center, (24.3, 14.1, 10.7))
    if placed == "both":
        box.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    elif placed in ("box", "apart"):
        box.SetAndObserveTransformNodeID(addTransform(-50, 1, (3, 4, 5)).GetID())
    box.SetCenterWorld(center)
    found = samples(logic.roiMask("CT", box="R")) == 1
    expected = np.array([box.IsPointInROIWorld(list(point)) for point in worldOf(node).reshape(-1, 3)])
    assert 100 < found.sum() < 3000 and np.array_equal(found.ravel(), expected)
    box.SetInsideOut(True)
    assert np.array_equal(samples(logic.roiMask("CT", box="R")) == 0, found)


def test_segments_alone_together_and_with_a_margin(logic):
    from scipy.ndimage import distance_transform_edt

    liver, spleen, hidden = ball(), ball((6, 6, 6), 3), ball((4, 22, 27), 2)
    addCt()
    labels = np.stack([liver * 1, (spleen * 2 + hidden * 3) * ~liver]).astype(np.uint8)
    node = addSegmentation(labels, "organs", {1: "liver", 2: "spleen", 3: "vessel"}, **GRID)

    def mask(*arguments, **options):
        return samples(logic.roiMask("CT", "organs", *arguments, **options)) == 1

    assert np.array_equal(mask(["liver"]), liver) and np.array_equal(mask("spleen"), spleen)
    assert np.array_equal(mask(["vessel", node.GetSegmentation().GetNthSegmentID(0)]), hidden | liver)
    assert np.array_equal(mask(), liver | spleen | hidden)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(2), False)
    assert np.array_equal(mask(), liver | spleen), "those that are visible"
    far = distance_transform_edt(~liver, sampling=GRID["spacing"][::-1]) <= 4.2
    assert far.sum() > 1.5 * liver.sum() and np.array_equal(mask(["liver"], margin=4.2), far)


@pytest.mark.parametrize("kind", ["segmentation", "label map"])
def test_segments_on_another_grid_and_under_other_transforms_are_resampled_in_the_world(logic, kind):
    """Each voxel of the volume takes the label of the voxel that lies where it does in world coordinates."""
    node, coarse = addCt(), {"spacing": (3.0, 2.5, 2.2), "origin": (5.0, -8.0, 2.0), "direction": OBLIQUE}
    labels = ball()[::2, ::2, ::2].astype(np.uint8)
    source = (addSegmentation if kind == "segmentation" else addLabels)(labels, "other", **coarse)
    rigid, scaled = addTransform(20, 1, (5, -4, 3)), addTransform(12, 1.2, (4, -5, 6))
    node.SetAndObserveTransformNodeID(rigid.GetID())
    source.SetAndObserveTransformNodeID(scaled.GetID())
    result = logic.roiMask("CT", "other")
    reference = addLabels(labels, "reference", **coarse)
    toSource, toRas = vtk.vtkGeneralTransform(), vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, scaled, toSource)
    reference.GetRASToIJKMatrix(toRas)
    matrix = slicer.util.arrayFromVTKMatrix(toRas)
    points = np.array([toSource.TransformPoint(point) for point in worldOf(node).reshape(-1, 3)])
    index = points @ matrix[:3, :3].T + matrix[:3, 3]
    sure = (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(axis=1)
    nearest = np.rint(index).astype(int)[:, ::-1]
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=1)
    expected = np.zeros(len(points), bool)
    expected[inside] = labels[tuple(nearest[inside].T)] == 1
    found = samples(result).ravel() == 1
    assert expected.sum() > 50 and np.array_equal(found[sure], expected[sure])
    assert result.GetParentTransformNode() is rigid, "the label map lies on the volume"
    report = logic.compress("CT", slicer.app.temporaryPath + "/moved.mcz", "other", codec="jpeg2000", psnr=40)
    assert "another grid" in report["notes"][0]


def test_shared_transform_that_is_not_linear_changes_nothing_another_one_is_refused(logic):
    from MedCompressLib.errors import MedCompressError

    node = addCt()
    source = addSegmentation(ball().astype(np.uint8), "organs", **GRID)
    warp, plate = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode"), vtk.vtkThinPlateSplineTransform()
    points = [vtk.vtkPoints(), vtk.vtkPoints()]
    for point in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (20, 20, 20)):
        points[0].InsertNextPoint(point)
        points[1].InsertNextPoint(np.add(point, 5 if point[0] == 20 else 0))
    plate.SetSourceLandmarks(points[0])
    plate.SetTargetLandmarks(points[1])
    plate.SetBasisToR()
    warp.SetAndObserveTransformToParent(plate)
    node.SetAndObserveTransformNodeID(warp.GetID())
    source.SetAndObserveTransformNodeID(warp.GetID())
    assert np.array_equal(samples(logic.roiMask("CT", "organs")) == 1, ball())
    source.SetAndObserveTransformNodeID(None)
    with pytest.raises(MedCompressError, match="harden"):
        logic.roiMask("CT", "organs")


def test_threshold_otsu_and_probability(logic):
    from MedCompressLib import roi
    from MedCompressLib.volume import Volume
    from MedCompressSlicer.volumes import geometryFromNode

    node = addCt()
    array, volume = samples(node), Volume(samples(node), geometryFromNode(node))
    assert np.array_equal(samples(logic.roiMask(node, lower=100, upper=400)) == 1, (array >= 100) & (array <= 400))
    assert np.array_equal(samples(logic.roiMask(node, otsu=True)) == 1, roi.from_otsu(volume).array)
    probability = np.clip(1.2 - np.linalg.norm(np.indices(SHAPE).T - (5, 14, 16), axis=-1).T / 6, 0, 1)
    addVolume(probability.astype(np.float32), "p", modality=None, **GRID)
    found = samples(logic.roiMask(node, probability="p")) == 1
    assert np.array_equal(found, roi.guidance(probability.astype(np.float32)) >= 1) and 0 < found.sum() < found.size
    corner = np.array(OBLIQUE) @ (np.array(GRID["spacing"]) * (4, 3, 2)) + GRID["origin"]
    addVolume(probability[2:, 3:, 4:].astype(np.float32), "part", modality=None, **{**GRID, "origin": tuple(corner)})
    probability[:2] = probability[:, :3] = probability[:, :, :4] = 0
    found = samples(logic.roiMask(node, probability="part")) == 1
    assert np.array_equal(found, roi.guidance(probability.astype(np.float32)) >= 1), "0 beyond the map"


@pytest.mark.parametrize("method", ["exact", "diffusion"])
def test_script_writes_an_archive_with_an_exact_region(logic, tmp_path, method):
    from MedCompressLib.compression import decompress

    node, region = addCt(), ball()
    addSegmentation(region.astype(np.uint8), "organs", **GRID)
    lossless = {"lossless": True, "codec": "jpeg2000"} if method == "diffusion" else {"codec": "htj2k", "psnr": 42}
    report = logic.compress("CT", tmp_path / "a", "organs", ["liver"], 2.0, method, **lossless)
    mask = samples(logic.roiMask("CT", "organs", margin=2)) == 1
    restored = decompress(tmp_path / "a.mcz").array
    assert np.array_equal(restored[mask], samples(node)[mask]) and (restored != samples(node)).any()
    assert report["roi_max_error"] == 0 and report["roi_voxels"] == mask.sum() > region.sum()


def test_methods_in_one_table(logic):
    addPhantom((8, 64, 64), "small")
    table = logic.compareMethods("small", lower=60, codec="jpeg2000", psnr=40)
    columns = {table.GetColumnName(number): number for number in range(table.GetNumberOfColumns())}
    rows = [[table.GetCellText(row, column) for column in columns.values()] for row in range(table.GetNumberOfRows())]
    assert [row[columns["Method"]] for row in rows] == ["Exact", "Diffusion", "Two qualities"]
    assert [row[columns["ROI error"]] == "0 HU" for row in rows] == [True, True, False]
    assert sum("smallest" in row[columns["Size"]] for row in rows) == 1
    assert 39.5 < float(rows[0][columns["Background"]].removesuffix(" dB")) < 41


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({}, "comes from nothing"),
        ({"segmentation": "organs", "otsu": True}, "segmentation and Otsu"),
        ({"segmentation": "nobody"}, "no segmentation 'nobody'"),
        ({"segmentation": "organs", "segments": ["heart"]}, "choose among liver"),
        ({"box": "nobody"}, "no ROI box 'nobody'"),
        ({"box": "unplaced"}, "place it"),
        ({"lower": 1e6}, "empty"),
        ({"probability": "elsewhere"}, "empty"),
        ({"segmentation": "far"}, "same scan"),
    ],
)
def test_errors_say_what_to_do(logic, region, words):
    from MedCompressLib.errors import MedCompressError

    addCt()
    addSegmentation(ball().astype(np.uint8), "organs", **GRID)
    addSegmentation(ball().astype(np.uint8), "far", **{**GRID, "origin": (999, 0, 0)})
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "unplaced")
    addVolume(np.ones(SHAPE, np.float32), "elsewhere", origin=(999, 0, 0))
    with pytest.raises(MedCompressError, match=words):
        logic.roiMask("CT", **region)


def test_lines_of_help_readme_and_page_run_as_pasted(tmp_path):
    """With the names that they use in the scene: a volume CT, a segmentation with a liver, a box R."""
    addCt()
    addSegmentation(ball().astype(np.uint8), "Segmentation", {1: "liver"}, **GRID)
    loaded = loadModule("RoiCompression")
    loadModule("VolumeCompression")
    loaded.widget.logic.newBox("CT").SetName("R")
    root = Path(__file__).resolve().parents[2]
    texts = [(root / name).read_text(encoding="utf-8") for name in ("README.md", "Docs/roi.md")]
    texts.append(slicer.modules.roicompression.helpText)
    for text in texts:
        first = re.search(r"logic = slicer.util.getModuleLogic\(.RoiCompression.\)", text)
        lines = re.split(r"```|</pre>|\n\n", text[first.start() :])[0].splitlines()
        assert len(lines) >= 5
        exec("\n".join(line.strip().replace("/tmp/", f"{tmp_path}/") for line in lines), {"slicer": slicer})


def test_self_test():
    import sys

    loadModule("RoiCompression")
    sys.modules["RoiCompression"].RoiCompressionTest().runTest()
