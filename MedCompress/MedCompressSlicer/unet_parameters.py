"""What a user chooses in U-Net Segmentation."""

from __future__ import annotations

import enum
from typing import Annotated

from MedCompressLib.codecs import codec_names, get_codec
from slicer import (
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

FILE = "file"
"""In place of a name: the file or folder whose path is chosen beside it."""


class Device(enum.Enum):
    """What computes; the value is the command line's."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def label(self) -> str:
        return {
            Device.AUTO: _("Automatic"),
            Device.CPU: _("CPU"),
            Device.CUDA: _("GPU (CUDA)"),
        }[self]


class CaseSource(enum.Enum):
    """Where training cases come from."""

    FOLDER = "folder"
    SCENE = "scene"

    def label(self) -> str:
        return {CaseSource.FOLDER: _("A folder"), CaseSource.SCENE: _("Segmentations in the scene")}[self]


def lossyCodecs() -> list[str]:
    """Codecs that make the compressed copies of fine-tuning."""
    return [name for name in codec_names() if get_codec(name).capabilities.lossy]


@parameterNodeWrapper
class UNetSegmentationParameterNode:
    """Choices of the user and the last results, saved with the scene.

    tab: number of the tab. volume1 to volume4: one for each channel of the model. model, startModel, preset: a name,
    or FILE with the path beside it. patch: sizes k, j, i, empty: planned. folds: one of so many cases is held back,
    0: none is. ratios: numbers with commas between. Ticked pairs for training are node references (see unet_pairs).
    """

    tab: int = 0
    device: Device = Device.AUTO
    volume1: vtkMRMLScalarVolumeNode
    volume2: vtkMRMLScalarVolumeNode
    volume3: vtkMRMLScalarVolumeNode
    volume4: vtkMRMLScalarVolumeNode
    model: str
    modelPath: str
    flips: bool = False
    keepLargest: bool = False
    probability: bool = False
    surface: bool = False
    segmentation: vtkMRMLSegmentationNode
    probabilityVolume: vtkMRMLScalarVolumeNode
    source: CaseSource = CaseSource.FOLDER
    folder: str
    problems: vtkMRMLTableNode
    preset: str
    configPath: str
    epochs: Annotated[int, WithinRange(1, 100000)] = 100
    folds: Annotated[int, WithinRange(0, 100)] = 5
    patch: str
    outputPath: str
    startModel: str
    startPath: str
    codec: Annotated[str, Choice(lossyCodecs())] = lossyCodecs()[0]
    ratios: str = "16, 32, 64"
    compressProbability: Annotated[float, WithinRange(0, 1)] = 0.5
    tuneEpochs: Annotated[int, WithinRange(1, 100000)] = 20
    tunedPath: str
    chart: vtkMRMLPlotChartNode
    curves: vtkMRMLTableNode

    def volumes(self) -> list:
        return [self.volume1, self.volume2, self.volume3, self.volume4]

    def chosenModel(self) -> str:
        """Name or path of the model of the tab Segment, empty where there is none."""
        return self.modelPath if self.model == FILE else self.model

    def chosenStart(self) -> str:
        """The same of the tab Fine-Tune."""
        return self.startPath if self.startModel == FILE else self.startModel

    def chosenConfig(self) -> str:
        """Name of a preset, path of a TOML file, or empty for the default configuration."""
        return self.configPath if self.preset == FILE else self.preset
