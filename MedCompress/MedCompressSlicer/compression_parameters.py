"""What a user chooses in Volume Compression."""

from pathlib import Path
from typing import Annotated

from MedCompressLib.codecs import codec_names
from MedCompressLib.targets import Lossless, MaxError, Psnr, Quality, Ratio, Target
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, Minimum, WithinRange, parameterNodeWrapper

from .goals import Goal


@parameterNodeWrapper
class VolumeCompressionParameterNode:
    """Choices of the user, saved with the scene.

    ratio: source bytes to file bytes. psnr: in dB. maxError: in units of the volume. quality: on the scale of the codec
    scaleOf. preview: try the target on the slice in view while it changes.
    suggestedPath: the output path that was proposed and gives way to the next proposal while the user keeps it.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    codec: Annotated[str, Choice(codec_names())] = codec_names()[0]
    goal: Goal = Goal.LOSSLESS
    ratio: Annotated[float, WithinRange(1.5, 200)] = 10.0
    psnr: Annotated[float, WithinRange(20, 100)] = 50.0
    maxError: Annotated[float, Minimum(1e-6)] = 1.0
    quality: float = 0.0
    scaleOf: str
    outputPath: Path
    suggestedPath: Path
    preview: bool = False

    def target(self) -> Target:
        kinds = {
            Goal.RATIO: (Ratio, self.ratio),
            Goal.PSNR: (Psnr, self.psnr),
            Goal.MAX_ERROR: (MaxError, self.maxError),
            Goal.QUALITY: (Quality, self.quality),
        }
        if self.goal is Goal.LOSSLESS:
            return Lossless()
        kind, value = kinds[self.goal]
        return kind(value)
