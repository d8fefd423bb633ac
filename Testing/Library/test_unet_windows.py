"""The sliding window is MONAI's, in memory that does not grow with the slices; logits come back onto any grid."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry

torch = pytest.importorskip("torch", reason="torch is not installed")

from MedCompressLib.unet import windows  # noqa: E402
from MedCompressLib.unet.onto_grid import Grid, onto_grid  # noqa: E402
from MedCompressLib.unet.windows import WindowSettings, gaussian, sliding_window, window_starts  # noqa: E402


def network(dimension: int, inputs: int = 1, outputs: int = 3) -> torch.nn.Module:
    """Two convolutions whose answer at a voxel depends on where the window ends."""
    torch.manual_seed(dimension)
    kind = torch.nn.Conv3d if dimension == 3 else torch.nn.Conv2d
    layers = kind(inputs, 4, 3, padding=1), torch.nn.ReLU(), kind(4, outputs, 3, padding=1)
    return torch.nn.Sequential(*layers).eval()


def volume(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).normal(size=shape).astype(np.float32))


def assembled(samples, net, outputs, plan, **more) -> np.ndarray:
    """All blocks beside each other; they come in order and without gaps."""
    found = []
    for first, block in sliding_window(samples, net, outputs, plan, **more):
        assert first == sum(part.shape[1] for part in found)
        found.append(block.clone())
    return torch.cat(found, dim=1).numpy()


CASES = [
    ((1, 21, 33, 26), (8, 16, 12), 0.5),
    ((2, 40, 17, 19), (12, 16, 16), 0.25),
    ((1, 5, 30, 9), (8, 16, 16), 0.6),
    ((1, 1, 16, 16), (4, 8, 8), 0.0),
]


@pytest.mark.parametrize("shape, patch, overlap", CASES)
@pytest.mark.parametrize("batch", [1, 5])
def test_it_is_monai_s_sliding_window_in_3d(shape, patch, overlap, batch):
    inferers = pytest.importorskip("monai.inferers", reason="MONAI is not installed")
    samples, net = volume(*shape), network(3, shape[0])
    with torch.inference_mode():
        wanted = inferers.sliding_window_inference(samples[None], patch, 4, net, overlap, mode="gaussian")[0]
    found = assembled(samples, net, 3, WindowSettings(patch, 3, overlap, batch))
    assert found.shape == tuple(wanted.shape) and np.abs(found - wanted.numpy()).max() < 1e-5


def test_it_is_monai_s_sliding_window_in_2d():
    inferers = pytest.importorskip("monai.inferers", reason="MONAI is not installed")
    samples, net = volume(1, 7, 37, 50), network(2)
    with torch.inference_mode():
        slices = samples.permute(1, 0, 2, 3)
        wanted = inferers.sliding_window_inference(slices, (16, 24), 4, net, 0.5, mode="gaussian")
    found = assembled(samples, net, 3, WindowSettings((1, 16, 24), 2, 0.5, 8))
    assert np.abs(found - wanted.permute(1, 0, 2, 3).numpy()).max() < 1e-5


FLIPS = [(3, "ijk", (1, 2, 3)), (3, "ik", (1, 3)), (2, "j", (2,)), (3, "", ())]


@pytest.mark.parametrize("dimension, flips, axes", FLIPS)
def test_flips_are_the_mean_over_the_flips_of_a_window_along_these_axes(dimension, flips, axes):
    samples, net = volume(1, 8 if dimension == 3 else 1, 8, 8), network(dimension)
    found = assembled(samples, net, 3, WindowSettings(tuple(samples.shape[1:]), dimension, flips=flips))

    def answer(x):
        return net(x[None])[0] if dimension == 3 else net(x.transpose(0, 1)).transpose(0, 1)

    with torch.inference_mode():
        subsets = [subset for count in range(len(axes) + 1) for subset in combinations(axes, count)]
        turned = [answer(samples.flip(subset)).flip(subset) for subset in subsets]
    assert len(turned) == 2 ** len(flips)
    assert np.abs(found - torch.stack(turned).mean(dim=0).numpy()).max() < 1e-5


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_windows_cover_an_axis_and_stay_inside(size, patch, overlap):
    patch = min(size, patch)
    starts = window_starts(size, patch, overlap)
    assert starts[0] == 0 and starts[-1] == size - patch and len(set(starts)) == len(starts)
    assert all(0 < b - a <= max(1, patch * (1 - overlap)) for a, b in zip(starts, starts[1:], strict=False))


def test_memory_does_not_grow_with_the_slices(monkeypatch):
    heights, real = [], torch.zeros
    monkeypatch.setattr(windows, "BLOCK_VOXELS", 3 * 2 * 16 * 16)

    def zeros(shape, **more):
        heights.append(shape)
        return real(shape, **more)

    monkeypatch.setattr(torch, "zeros", zeros)
    net, plan = network(3), WindowSettings((8, 16, 16))
    long = assembled(volume(1, 200, 16, 16), net, 3, plan)
    assert {shape[1] for shape in heights if len(shape) == 4} == {8}
    blocks = [block.shape[1] for _first, block in sliding_window(volume(1, 200, 16, 16), net, 3, plan)]
    assert sum(blocks) == 200 and max(blocks) <= 2
    monkeypatch.setattr(windows, "FLOAT32_LIMIT", 0)
    assert np.abs(assembled(volume(1, 200, 16, 16), net, 3, plan) - long).max() < 5e-3


def test_a_network_that_breaks_its_promise_is_an_error():
    samples, plan = volume(1, 8, 8, 8), WindowSettings((8, 8, 8))
    with pytest.raises(MedCompressError, match="where its card promises"):
        list(sliding_window(samples, network(3, 1, 2), 3, plan))
    with pytest.raises(MedCompressError, match="NaN or infinity"):
        list(sliding_window(samples, lambda x: x / 0, 1, plan))
    with pytest.raises(MedCompressError, match="overlap"):
        WindowSettings((8, 8, 8), overlap=1.0)


def test_weights_are_the_gaussian_of_an_eighth_of_the_window():
    weights = gaussian((33, 17))
    assert weights[16, 8] == 1 and weights.min() == pytest.approx(1e-3)
    assert float(weights[16 + 4, 8]) == pytest.approx(np.exp(-(4**2) / (2 * (33 / 8) ** 2)), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 12)] * 3),
    st.tuples(*[st.integers(1, 14)] * 3),
    st.tuples(*[st.floats(0.3, 3)] * 3),
    st.integers(0, 2**32 - 1),
)
def test_logits_come_onto_any_grid_as_scipy_interpolates(shape, wanted, spacing, seed):
    """Same axes, other spacing, extent and start; blocks of random length."""
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(seed)
    direction = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rows = tuple(map(tuple, direction))
    source = Grid(shape, Geometry((1.0, 1.5, 2.0), (3.0, -4.0, 5.0), rows))
    origin = np.array([3.0, -4.0, 5.0]) + direction @ rng.normal(size=3)
    target = Grid(wanted, Geometry(spacing, tuple(origin), rows))
    logits = rng.normal(size=(2, *shape)).astype(np.float32)

    def blocks():
        first = 0
        while first < shape[0]:
            count = int(rng.integers(1, shape[0] - first + 1))
            yield first, torch.from_numpy(logits[:, first : first + count].copy())
            first += count

    found = np.concatenate([block.numpy().copy() for _first, block in onto_grid(blocks(), source, target)], axis=1)
    grid = np.indices(wanted)[::-1].reshape(3, -1) * np.array(spacing)[:, None]
    places = np.linalg.solve(direction, direction @ grid + origin[:, None] - np.array([[3.0], [-4.0], [5.0]]))
    places = (places / np.array([[1.0], [1.5], [2.0]]))[::-1]
    exact = [map_coordinates(one, places, order=1, mode="nearest").reshape(wanted) for one in logits]
    assert found.shape == (2, *wanted) and np.abs(found - np.stack(exact)).max() < 1e-4
