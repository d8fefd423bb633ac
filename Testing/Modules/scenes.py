"""What the module tests put into the scene."""

import numpy as np
import slicer

OBLIQUE = ((0.8, 0.36, -0.48), (-0.6, 0.48, -0.64), (0.0, 0.8, 0.6))


SPACING, ORIGIN = (0.7, 0.8, 2.5), (-12.5, 30.25, -101.0)


def addVolume(samples, name="CT", spacing=SPACING, origin=ORIGIN, direction=OBLIQUE, modality="CT"):
    """Volume node through the project's own converter, oblique unless asked otherwise."""
    from MedCompressLib.volume import Geometry, Volume
    from MedCompressSlicer.volumes import nodeFromVolume

    return nodeFromVolume(Volume(np.asarray(samples), Geometry(spacing, origin, direction), modality), name)


def addPhantom(shape=(8, 64, 64), name="CT"):
    """A CT that looks like one."""
    from MedCompressLib.phantom import abdominal_ct

    return addVolume(abdominal_ct(shape)[0], name)


def addNoise(shape=(40, 256, 256), name="Noise"):
    """A volume that takes a while to compress."""
    return addVolume(np.random.default_rng(1).integers(-1000, 3000, shape).astype(np.int16), name)


def addSliceView(name="Red"):
    """The two nodes of a slice view, which also exist without a main window; `removeSliceViews` takes them away."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
    nodes = [slicer.mrmlScene.CreateNodeByClass(f"vtkMRML{kind}Node") for kind in ("Slice", "SliceComposite")]
    for node in nodes:
        node.UnRegister(None)
        node.SetLayoutName(name)
    nodes[0].SetOrientation("Axial")
    return tuple(slicer.mrmlScene.AddNode(node) for node in nodes)


def removeSliceViews() -> None:
    """They are singletons, which outlive a cleared scene."""
    for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
        for node in slicer.util.getNodesByClass(kind):
            slicer.mrmlScene.RemoveNode(node)


def showSlice(sliceNode, volumeNode, k) -> None:
    """Lay a slice view into slice k of a volume, as Rotate to Volume Plane and the slider do."""
    import vtk

    toWorld = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toWorld)
    center = toWorld.MultiplyPoint([16.0, 16.0, float(k), 1.0])
    for column, length in enumerate(volumeNode.GetSpacing()):
        for row in range(3):
            toWorld.SetElement(row, column, toWorld.GetElement(row, column) / length)
    for row in range(3):
        toWorld.SetElement(row, 3, center[row])
    sliceNode.GetSliceToRAS().DeepCopy(toWorld)
    sliceNode.UpdateMatrices()
    sliceNode.Modified()


def samples(node) -> np.ndarray:
    return slicer.util.arrayFromVolume(node).copy()


def dataNodes() -> list[str]:
    """Names of the nodes that a user would miss or not expect."""
    kinds = "vtkMRMLVolumeNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"
    return sorted(node.GetName() for kind in kinds for node in slicer.util.getNodesByClass(kind))
