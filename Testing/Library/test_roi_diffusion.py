"""Guided diffusion: against the equation in plain numpy, and against ITK's filter where the two are one."""

import sys

import numpy as np
import pytest
from archives import textured
from MedCompressLib.errors import MedCompressError
from MedCompressLib.roi import diffusion

SPACING = (0.7, 0.8, 1.5)


def written_from_the_equation(image, p, spacing, iterations, conductance, step, axes=(0, 1, 2)):
    """Luu et al. 2021, eqs. 1 and 2, explicit Euler, in float64."""
    image, free = image.astype(float), 1 - p.astype(float)
    scale = [min(spacing) / s for s in reversed(spacing)]
    for _ in range(iterations):
        wide = np.pad(image, 1, mode="edge")
        central = {}
        for axis in axes:
            after, before = [slice(1, -1)] * 3, [slice(1, -1)] * 3
            after[axis], before[axis] = slice(2, None), slice(0, -2)
            central[axis] = (wide[tuple(after)] - wide[tuple(before)]) / 2 * scale[axis]
        typical = np.sqrt(sum(part**2 for part in central.values()).mean())
        change = np.zeros_like(image)
        for axis in axes:
            low = tuple(slice(0, -1) if a == axis else slice(None) for a in range(3))
            high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            across = [((central[a][low] + central[a][high]) / 2) ** 2 for a in axes if a != axis]
            forward = (image[high] - image[low]) * scale[axis]
            magnitude = np.sqrt(forward**2 + sum(across))
            flow = forward * np.exp(-magnitude / (conductance * typical)) * np.minimum(free[low], free[high])
            change[low] += flow * scale[axis]
            change[high] -= flow * scale[axis]
        image = image + step * change
    return image


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    pytest.importorskip("torch", reason="diffusion is torch's; pip install torch")
    return textured((9, 33, 41))


def probability(shape) -> np.ndarray:
    p = np.zeros(shape, np.float32)
    p[2:6, 8:20, 10:30] = 1
    p[6, 8:20, 10:30] = 0.4
    return p


@pytest.mark.parametrize(("in_plane", "step", "axes"), [(False, 0.0625, (0, 1, 2)), (True, 0.125, (1, 2))])
def test_follows_the_equation(image, monkeypatch, in_plane, step, axes):
    p = probability(image.shape)
    monkeypatch.setattr(diffusion, "_SLAB_VOXELS", 2 * image[0].size)
    found = diffusion.diffuse(image, p, SPACING, in_plane=in_plane)
    expected = written_from_the_equation(image, p, SPACING, 15, 0.4, step, axes)
    assert np.abs(found - expected).max() < 1e-3
    assert np.array_equal(found[p == 1], image[p == 1].astype(np.float32))
    assert np.abs(found - image).max() > 5


def test_slabs_and_threads_change_nothing(image, monkeypatch):
    p = probability(image.shape)
    whole = diffusion.diffuse(image, p, SPACING, threads=1)
    monkeypatch.setattr(diffusion, "_SLAB_VOXELS", image[0].size)
    assert np.array_equal(diffusion.diffuse(image, p, SPACING, threads=2), whole)


def test_is_heat_flow_as_in_itk_where_the_conductance_is_large(image):
    import SimpleITK as sitk

    itk = sitk.GradientAnisotropicDiffusionImageFilter()
    itk.SetNumberOfIterations(15)
    itk.SetConductanceParameter(1e6)
    itk.SetTimeStep(0.0625)
    expected = sitk.GetArrayFromImage(itk.Execute(sitk.GetImageFromArray(image.astype(np.float32))))
    found = diffusion.diffuse(image, np.zeros(image.shape), conductance=1e6)
    assert np.abs(found - expected).max() < 5e-3


def test_mean_is_kept_and_constants_stay(image):
    found = diffusion.diffuse(image, np.zeros(image.shape), SPACING)
    assert abs(found.mean(dtype=float) - image.mean()) < 1e-3
    flat = np.full((3, 4, 5), 7, np.int16)
    assert (diffusion.diffuse(flat, np.zeros(flat.shape)) == 7).all()
    one = np.arange(20, dtype=np.int16).reshape(1, 1, 20)
    assert diffusion.diffuse(one, np.zeros(one.shape)).shape == one.shape


def test_gpu_agrees(image):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    p = probability(image.shape)
    difference = diffusion.diffuse(image, p, SPACING, device="cuda") - diffusion.diffuse(image, p, SPACING)
    assert np.abs(difference).max() < 1e-3


def test_without_torch_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MedCompressError, match="pip install torch"):
        diffusion.diffuse(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)))
