"""A stack of planes as the components of one JPEG 2000 codestream, through OpenJPEG and without a file.

The encoder's rate control ranks the coding passes of all components by one slope of rate and distortion (post-
compression rate-distortion optimization, ISO/IEC 15444-1, Annex J.14), so a budget is spent where it helps most.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

import numpy as np

from ..errors import MedCompressError
from .interface import Budget, Distortion, Exact
from .memory_stream import MemoryStream
from .openjpeg import openjpeg

_RESOLUTIONS = 6
_SMALLEST_SIDE = 8
"""Of the coarsest resolution: smaller ones cost more in headers than they gain."""

LEAST_PRECISION = 8
"""OpenJPEG sizes its output buffer by the precision, too tightly for noise of fewer bits."""

_LEAST_DISTORATIO = 0.01
"""In dB; OpenJPEG takes 0 and less for "keep everything"."""


def encode_planes(planes: np.ndarray, bits: int, signed: bool, setting: Exact | Budget | Distortion) -> bytes:
    """One codestream of whole numbers [component, row, column] that fit into so many bits."""
    binding = openjpeg()
    count, height, width = planes.shape
    components = (binding.ImageComptParmType * count)()
    for component in components:
        component.dx = component.dy = 1
        component.w, component.h = width, height
        component.prec = component.bpp = bits
        component.sgnd = int(signed)
    with ExitStack() as cleanup, _reported("encode") as handler:
        image = binding.image_create(components, binding.CLRSPC_GRAY)
        cleanup.callback(binding.image_destroy, image)
        image.contents.x1, image.contents.y1 = width, height
        for index, plane in enumerate(planes):
            np.ctypeslib.as_array(image.contents.comps[index].data, plane.shape)[:] = plane
        codec = binding.create_compress(binding.CODEC_J2K)
        cleanup.callback(binding.destroy_codec, codec)
        binding.set_error_handler(codec, handler)
        binding.setup_encoder(codec, _parameters(binding, planes.shape, bits, setting), image)
        stream = cleanup.enter_context(MemoryStream(binding))
        binding.start_compress(codec, image, stream.handle)
        binding.encode(codec, stream.handle)
        binding.end_compress(codec, stream.handle)
        return stream.content


def decode_planes(codestream: bytes, shape: tuple[int, int, int], bits: int, signed: bool) -> np.ndarray:
    """The int32 planes of a codestream that must have this shape, precision and sign; else raises MedCompressError."""
    binding = openjpeg()
    with ExitStack() as cleanup, _reported("decode") as handler:
        codec = binding.create_decompress(binding.CODEC_J2K)
        cleanup.callback(binding.destroy_codec, codec)
        binding.set_error_handler(codec, handler)
        binding.setup_decoder(codec, binding.set_default_decoder_parameters())
        _be_strict(binding, codec)
        stream = cleanup.enter_context(MemoryStream(binding, codestream))
        image = binding.read_header(stream.handle, codec)
        cleanup.callback(binding.image_destroy, image)
        _expect(image.contents, shape, bits, signed)
        binding.decode(codec, stream.handle, image)
        binding.end_decompress(codec, stream.handle)
        planes = np.empty(shape, np.int32)
        for index in range(shape[0]):
            planes[index] = np.ctypeslib.as_array(image.contents.comps[index].data, shape[1:])
        return planes


def _parameters(binding: ModuleType, shape: tuple[int, int, int], bits: int, setting: Exact | Budget | Distortion):
    parameters = binding.set_default_encoder_parameters()
    parameters.tcp_numlayers = 1
    parameters.numresolution = min(_RESOLUTIONS, int(math.log2(max(1, min(shape[1:]) / _SMALLEST_SIDE))) + 1)
    parameters.cp_comment = b""
    if isinstance(setting, Distortion):
        peak = (1 << bits) - 1
        parameters.irreversible = 1
        parameters.cp_fixed_quality = 1
        parameters.tcp_distoratio[0] = max(_LEAST_DISTORATIO, 10 * math.log10(peak * peak / setting.mse))
        return parameters
    parameters.cp_disto_alloc = 1
    if isinstance(setting, Budget):
        parameters.irreversible = 1
        parameters.tcp_rates[0] = math.prod(shape) * bits / (8 * setting.size)
    return parameters


def _expect(image: ctypes.Structure, shape: tuple[int, int, int], bits: int, signed: bool) -> None:
    """Refuse a header that promises other than the caller expects, before anything of that size is allocated."""
    found = {
        (component.h, component.w, component.prec, bool(component.sgnd))
        for component in (image.comps[index] for index in range(min(image.numcomps, shape[0])))
    }
    if image.numcomps != shape[0] or found != {(*shape[1:], bits, signed)}:
        raise MedCompressError(
            f"a JPEG 2000 codestream holds {image.numcomps} planes of (rows, columns, bits, signed) = {sorted(found)} "
            f"where {shape[0]} of {(*shape[1:], bits, signed)} were expected: the file is damaged, "
            "restore it from a copy"
        )


def _be_strict(binding: ModuleType, codec: ctypes.c_void_p) -> None:
    """A truncated codestream is an error, not a blurred image (OpenJPEG 2.5 and later)."""
    strict = getattr(binding.OPENJP2, "opj_decoder_set_strict_mode", None)
    if strict is not None:
        strict.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        strict(codec, 1)


@contextmanager
def _reported(action: str) -> Iterator[ctypes._CFuncPtr]:
    """Give OpenJPEG a message handler; turn its failure into one sentence with its own words."""
    messages: list[str] = []

    def keep(message: bytes, _user: int) -> None:
        messages.append(message.decode(errors="replace").strip())

    handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)(keep)
    try:
        yield handler
    except (RuntimeError, OSError, ValueError) as error:
        words = "; ".join(messages) or str(error)
        hint = "the data are damaged, restore them from a copy" if action == "decode" else "free some memory and retry"
        raise MedCompressError(f"OpenJPEG could not {action} a slice ({words}): {hint}") from error
