"""Volume nodes become `Volume` and come back: every bit, every corner, whatever the orientation."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import addVolume, samples

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
lengths = st.floats(0.05, 20)
places = st.floats(-2000, 2000)
numbers = st.integers(0, 2**32 - 1)


def directions(seed: int) -> np.ndarray:
    """A random rotation, every second one mirrored."""
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    matrix[:, 0] *= 1 if seed % 2 else -1
    return matrix


def ijkToRas(node) -> np.ndarray:
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(lengths, lengths, lengths),
    st.tuples(places, places, places),
    numbers,
    st.sampled_from(TYPES),
    st.tuples(*[st.integers(1, 5)] * 3),
)
def test_round_trip_keeps_geometry_and_bits(spacing, origin, seed, scalarType, shape):
    """RAS computed here from first principles, not by the converter."""
    import slicer
    from MedCompressSlicer.volumes import nodeFromVolume, volumeFromNode

    matrix = directions(seed)
    octets = np.random.default_rng(seed).integers(0, 256, (*shape, np.dtype(scalarType).itemsize), dtype=np.uint8)
    array = octets.view(scalarType)[..., 0]
    original = addVolume(array, "A", spacing, origin, tuple(map(tuple, matrix)))
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = matrix * spacing, origin
    assert np.allclose(ijkToRas(original), np.diag([-1, -1, 1, 1]) @ lps, rtol=1e-12, atol=1e-11)
    volume = volumeFromNode(original)
    assert volume.array.tobytes() == array.tobytes() and volume.scalar_type == scalarType
    back = nodeFromVolume(volume, "B")
    assert max(volumeFromNode(back).geometry.differences(volume.geometry).values()) <= 1e-12
    assert np.abs(ijkToRas(back) - ijkToRas(original)).max() <= 1e-11
    assert samples(back).tobytes() == array.tobytes()
    assert back.GetImageData().GetScalarType() == original.GetImageData().GetScalarType()
    slicer.mrmlScene.Clear(False)


def test_every_scalar_type_of_vtk_comes_back_as_it_was():
    import slicer
    import vtk
    from MedCompressLib.errors import MedCompressError
    from MedCompressSlicer.volumes import nodeFromVolume, volumeFromNode

    names = "CHAR SIGNED_CHAR UNSIGNED_CHAR SHORT UNSIGNED_SHORT INT UNSIGNED_INT LONG UNSIGNED_LONG LONG_LONG"
    for name in [*names.split(), "UNSIGNED_LONG_LONG", "FLOAT", "DOUBLE", "BIT"]:
        image = vtk.vtkImageData()
        image.SetDimensions(4, 3, 2)
        image.AllocateScalars(getattr(vtk, f"VTK_{name}"), 1)
        image.GetPointData().GetScalars().Fill(1)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        node.SetAndObserveImageData(image)
        if name == "BIT":
            with pytest.raises(MedCompressError, match="bits"):
                volumeFromNode(node)
            continue
        back = nodeFromVolume(volumeFromNode(node), "back", like=node)
        assert back.GetImageData().GetScalarTypeAsString() == image.GetScalarTypeAsString()
        assert (samples(back) == 1).all() and samples(back).shape == (2, 3, 4)
        slicer.mrmlScene.Clear(False)


def test_parent_transform_modality_and_window_are_taken_over():
    import slicer
    from MedCompressSlicer.volumes import nodeFromVolume, volumeFromNode

    node = addVolume(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(400, 40)
    back = nodeFromVolume(volumeFromNode(node), "back", like=node)
    assert back.GetParentTransformNode() is transform and back.GetAttribute("DICOM.Modality") == "CT"
    assert (back.GetDisplayNode().GetWindow(), back.GetDisplayNode().GetLevel()) == (400, 40)
    assert np.array_equal(ijkToRas(back), ijkToRas(node))


def test_modality_comes_from_the_series_of_the_volume():
    import slicer
    from MedCompressSlicer.volumes import modalityOf

    node = addVolume(np.zeros((2, 3, 4), np.int16), modality=None)
    assert modalityOf(node) is None
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
    assert modalityOf(node) == "MR"


def test_impossible_geometry_adds_no_node():
    import slicer
    from MedCompressLib.errors import MedCompressError
    from MedCompressLib.volume import Volume
    from MedCompressSlicer import volumes

    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "geometryFromNode", lambda node: volumes.Geometry((9, 9, 9)))
        with pytest.raises(MedCompressError, match="geometries differ"):
            volumes.nodeFromVolume(Volume(np.zeros((2, 3, 4), np.int16)), "A")
    assert slicer.mrmlScene.GetNumberOfNodes() == before
