"""What a user chooses in ROI Compression."""

import enum
import json
from pathlib import Path
from typing import Annotated

from MedCompressLib.codecs import codec_names
from MedCompressLib.targets import Lossless, Psnr, Quality, Ratio, Target
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from .goals import Goal


class RoiSource(enum.Enum):
    """What the region is made of."""

    SEGMENTS = "segments"
    BOX = "box"
    THRESHOLD = "threshold"
    OTSU = "otsu"
    PROBABILITY = "probability"

    def label(self) -> str:
        return {
            RoiSource.SEGMENTS: _("Segments or labels"),
            RoiSource.BOX: _("ROI box"),
            RoiSource.THRESHOLD: _("Threshold"),
            RoiSource.OTSU: _("Otsu's threshold"),
            RoiSource.PROBABILITY: _("Probability map"),
        }[self]


class RoiMethod(enum.Enum):
    """How the region is kept; the value is the library's name."""

    EXACT = "exact"
    DIFFUSION = "diffusion"
    TWO_QUALITY = "two-quality"

    def label(self) -> str:
        return {
            RoiMethod.EXACT: _("Exact region, lossy background"),
            RoiMethod.DIFFUSION: _("Diffused background"),
            RoiMethod.TWO_QUALITY: _("Two qualities"),
        }[self]

    def shortLabel(self) -> str:
        return {
            RoiMethod.EXACT: _("Exact"),
            RoiMethod.DIFFUSION: _("Diffusion"),
            RoiMethod.TWO_QUALITY: _("Two qualities"),
        }[self]


@parameterNodeWrapper
class RoiCompressionParameterNode:
    """Choices of the user and the last results, saved with the scene.

    segments: JSON list of segment IDs or labels, used unless visibleSegments. lower, upper: units of the volume
    limitsOf (ID), both included. margin: mm. ratio, psnr, quality, scaleOf, suggestedPath: as in Volume Compression.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    source: RoiSource = RoiSource.SEGMENTS
    segmentation: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode | None
    visibleSegments: bool = True
    segments: str = "[]"
    box: vtkMRMLMarkupsROINode
    lower: Annotated[float, WithinRange(-1e9, 1e9)] = 0.0
    upper: Annotated[float, WithinRange(-1e9, 1e9)] = 0.0
    limitsOf: str
    probability: vtkMRMLScalarVolumeNode
    margin: Annotated[float, WithinRange(0, 50)] = 0.0
    showRegion: bool = True
    method: RoiMethod = RoiMethod.EXACT
    codec: Annotated[str, Choice(codec_names())] = "hevc"
    goal: Goal = Goal.PSNR
    ratio: Annotated[float, WithinRange(1.5, 200)] = 20.0
    psnr: Annotated[float, WithinRange(20, 100)] = 46.0
    quality: Annotated[float, WithinRange(-1e6, 1e6)] = 0.0
    scaleOf: str
    restore: bool = False
    outputPath: Path
    suggestedPath: Path
    preview: bool = False
    table: vtkMRMLTableNode
    methodsTable: vtkMRMLTableNode

    def target(self) -> Target:
        kinds = {Goal.RATIO: (Ratio, self.ratio), Goal.PSNR: (Psnr, self.psnr), Goal.QUALITY: (Quality, self.quality)}
        kind, value = kinds.get(self.goal, (None, None))
        return kind(value) if kind else Lossless()

    def chosenSegments(self) -> list[str] | None:
        """Keys of the segments, None for those that are visible."""
        return None if self.visibleSegments else json.loads(self.segments)

    def chooseSegment(self, key: str, chosen: bool) -> None:
        keys = [other for other in json.loads(self.segments) if other != key]
        self.segments = json.dumps([*keys, key] if chosen else keys)
