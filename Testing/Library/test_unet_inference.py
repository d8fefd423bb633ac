"""Segmentation by models whose answer is known: on the volume's own grid, in any orientation, in every odd case."""

import itertools

import numpy as np
import pytest
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.jobs import Progress
from MedCompressLib.volume import Geometry, Volume

torch = pytest.importorskip("torch", reason="torch is not installed")

from MedCompressLib.unet.cleanup import keep_largest  # noqa: E402
from MedCompressLib.unet.devices import choose_device, describe_device  # noqa: E402
from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model import Model  # noqa: E402
from MedCompressLib.unet.network_input import network_input  # noqa: E402
from MedCompressLib.unet.onto_grid import Grid, onto_grid  # noqa: E402
from MedCompressLib.unet.orientation import to_canonical  # noqa: E402
from unet_models import GEOMETRY, LABELS, OBLIQUE, card, directed, expected, noise, thresholds  # noqa: E402


def turned(volume: Volume, order, flips) -> Volume:
    """The same voxels at the same places, with the axes i, j, k taken in another order and direction."""
    old, shape = volume.geometry, volume.array.shape[::-1]
    array = volume.array.transpose(2, 1, 0).transpose(order)
    direction, origin = np.array(old.direction)[:, order], np.array(old.origin)
    for axis in range(3):
        if flips[axis]:
            array = np.flip(array, axis)
            origin = origin + direction[:, axis] * old.spacing[order[axis]] * (shape[order[axis]] - 1)
            direction[:, axis] *= -1
    spacing = tuple(old.spacing[axis] for axis in order)
    geometry = Geometry(spacing, tuple(origin), tuple(map(tuple, direction)))
    return Volume(np.ascontiguousarray(array.transpose(2, 1, 0)), geometry, volume.modality)


NOTHING_AVERAGED = "the model was trained without flips, so that nothing was averaged over them"
TURNS = list(itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)))


@pytest.mark.parametrize("dimension", [2, 3])
def test_labels_lie_on_the_volume_s_own_grid(dimension):
    volume = noise()
    found = segment(volume, thresholds(dimension), want_probability=True)
    assert found.labels.geometry == volume.geometry and found.probability.geometry == volume.geometry
    assert found.labels.array.dtype == np.uint8 and np.array_equal(found.labels.array, expected(volume.array))
    x = volume.array.astype(float)
    share = 1 - 1 / (1 + np.exp(x - 10) + np.exp(2 * x - 30))
    assert found.probability.array.dtype == np.float32 and np.abs(found.probability.array - share).max() < 1e-5
    assert found.labels.modality == "SEG" and found.notes == () and found.device.startswith("cpu")


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0)])
def test_a_turned_volume_gives_the_turned_segmentation(spacing):
    volume, model = noise((9, 14, 12), Geometry((1.5, 1.0, 2.0), (5.0, 6.0, 7.0), OBLIQUE)), directed(spacing=spacing)
    reference = segment(volume, model).labels
    assert len(np.unique(reference.array)) == 3
    mirror = segment(Volume(volume.array[:, :, ::-1].copy(), volume.geometry), model).labels
    assert not np.array_equal(mirror.array[:, :, ::-1], reference.array), "the network does not see directions"
    for order, flips in TURNS:
        other = turned(volume, order, flips)
        found = segment(other, model).labels
        assert found.geometry == other.geometry
        assert (found.array != turned(reference, order, flips).array).mean() < (0.002 if spacing else 1e-9)


def test_a_model_of_slices_keeps_the_slices_and_turns_within_them():
    volume, model = noise((5, 14, 12)), directed(2)
    reference = segment(volume, model).labels
    for order, flips in [((0, 1, 2), flips) for _o, flips in TURNS[:8]] + [((1, 0, 2), (True, False, True))]:
        found = segment(turned(volume, order, flips), model).labels
        assert np.array_equal(found.array, turned(reference, order, flips).array)
    sagittal = Geometry((1, 1, 3), (0, 0, 0), ((0, 0, 1), (1, 0, 0), (0, -1, 0)))
    canonical, back = to_canonical(Volume(volume.array, sagittal), dimension=2)
    assert canonical.geometry.direction == ((0, 0, 1), (1, 0, 0), (0, 1, 0))
    assert np.array_equal(canonical.array, volume.array[:, ::-1]) and np.array_equal(
        back(canonical.array), volume.array
    )


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("factor", [0.6, 1.7])
def test_the_model_s_spacing_is_used_and_undone(dimension, factor):
    k, j, i = np.indices((18, 40, 44)) * np.array([1.6, 0.8, 0.7]).reshape(3, 1, 1, 1)
    distance = np.sqrt((k - 14) ** 2 + (j - 15) ** 2 + (i - 16) ** 2)
    volume = Volume((40 - 2 * distance).astype(np.float32), Geometry((0.7, 0.8, 1.6), (1, 2, 3), OBLIQUE))
    found = segment(volume, thresholds(dimension, spacing=(factor, factor, factor)))
    wanted = expected(volume.array)
    assert found.labels.geometry == volume.geometry and found.labels.array.shape == volume.array.shape
    for value in (3, 7):
        both = 2 * ((found.labels.array == value) & (wanted == value)).sum()
        assert both / ((found.labels.array == value).sum() + (wanted == value).sum()) > 0.96


def trained_with(flips) -> dict:
    return {"training": {"configuration": {"augmentation": {"flips": flips}}}}


@pytest.mark.parametrize("flips, calls", [("i", 2), ("kj", 4), (None, 8), ("", 1)])
def test_flips_are_those_that_the_model_was_trained_with(flips, calls):
    """Axes are those of the canonical orientation, however the volume is stored."""
    model = directed(**({} if flips is None else trained_with(flips)), patch=(8, 8, 8))
    volume, counted = noise((8, 8, 8), Geometry((1.0, 1.0, 1.0), (5.0, 6.0, 7.0), OBLIQUE)), []
    canonical, back = to_canonical(volume)
    axes = [axis for axis, letter in enumerate("kji", 2) if letter in ("ijk" if flips is None else flips)]
    subsets = [subset for count in range(len(axes) + 1) for subset in itertools.combinations(axes, count)]
    samples = torch.from_numpy(canonical.array.copy())[None, None]
    with torch.inference_mode():
        mean = sum(model.network(samples.flip(subset)).flip(subset) for subset in subsets) / len(subsets)
    wanted = Volume(back(np.array([0, 3, 7])[mean[0].argmax(0).numpy()]), volume.geometry)
    model.network.register_forward_hook(lambda *_: counted.append(1))
    for order, turns in TURNS[::5]:
        counted.clear()
        found = segment(turned(volume, order, turns), model, flips=True)
        assert np.array_equal(found.labels.array, turned(wanted, order, turns).array) and len(counted) == calls
        assert found.notes == (() if flips != "" else (NOTHING_AVERAGED,))
    assert segment(volume, directed(2, **trained_with("k")), flips=True).notes[-1:] == (NOTHING_AVERAGED,)


def faces(volume: Volume) -> np.ndarray:
    """LPS of the outer corners of the first and of the last voxel."""
    geometry, size = volume.geometry, np.array(volume.array.shape[::-1])
    ends = np.array([[-0.5] * 3, size - 0.5]) * geometry.spacing
    return ends @ np.array(geometry.direction).T + geometry.origin


@pytest.mark.parametrize("shape", [(18, 40, 44), (9, 64, 25)])
@pytest.mark.parametrize("size", [(12, 32, 28), (32, 28)])
def test_a_model_of_one_size_sees_all_of_any_volume_at_that_size(shape, size):
    """An oblique volume in every orientation: the field of view stays, and what is linear comes back as it was."""
    geometry = Geometry((0.7, 0.8, 1.6), (1.0, 2.0, 3.0), OBLIQUE)
    linear = (np.indices(shape)[::-1] * np.array(geometry.spacing).reshape(3, 1, 1, 1)).T.dot([0.5, -0.7, 1.1]).T
    volume, model, seen = Volume(linear.astype(np.float32), geometry), thresholds(len(size), size=size), []
    model.network.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].shape))
    in_slices = [((0, 1, 2), flips) for flips in itertools.product((False, True), repeat=3)]
    for order, flips in TURNS if len(size) == 3 else in_slices:
        other = turned(volume, order, flips)
        canonical = to_canonical(other, len(size))[0]
        samples, where = network_input([canonical], model.card)
        assert samples.shape == (1, *([shape[0]] if len(size) == 2 else []), *size)
        resampled = Volume(samples[0], where)
        assert np.abs(faces(resampled) - faces(canonical)).max() < 1e-9
        blocks = onto_grid(
            iter([(0, torch.from_numpy(samples))]),
            Grid(samples.shape[1:], where),
            Grid(canonical.array.shape, canonical.geometry),
        )
        returned = np.concatenate([block.numpy() for _first, block in blocks], axis=1)[0]
        inner = tuple(slice(length // 3, -length // 3) for length in returned.shape)
        assert np.abs(returned - canonical.array)[inner].max() < 0.1, "half a voxel is 0.17 along the flattest axis"
        found = segment(other, model).labels
        assert found.geometry == other.geometry and found.array.shape == other.array.shape
        assert (found.array != expected(other.array)).mean() < 0.02
    assert {batch[1:] for batch in seen} == {(1, *card(len(size)).patch)}, "windows keep their size"


def test_sigmoid_labels_begin_at_a_half_and_the_largest_wins():
    volume = noise()
    found = segment(volume, thresholds(activation="sigmoid"), want_probability=True)
    assert np.array_equal(found.labels.array, expected(volume.array))
    x = volume.array.astype(float)
    share = 1 / (1 + np.exp(-np.maximum(x - 10, 2 * x - 30)))
    assert np.abs(found.probability.array - share).max() < 1e-5
    named = segment(volume, thresholds(activation="sigmoid"), want_probability="brighter").probability.array
    assert np.abs(named - 1 / (1 + np.exp(30 - 2 * x))).max() < 1e-5


def test_probability_of_one_label_and_values_above_255():
    labels = LABELS[0], type(LABELS[1])(40000, "brighter")
    found = segment(noise(), thresholds(labels=labels), want_probability="brighter")
    x = noise().array.astype(float)
    share = np.exp(2 * x - 30) / (1 + np.exp(x - 10) + np.exp(2 * x - 30))
    assert np.abs(found.probability.array - share).max() < 1e-5
    assert found.labels.array.dtype == np.uint16 and set(np.unique(found.labels.array)) == {0, 3, 40000}


def test_only_the_largest_part_stays():
    array = np.zeros((9, 9, 9), np.float32)
    array[1:4, 1:4, 1:4], array[4, 4, 4], array[7, 7, 7], array[8, 0, 0] = 15, 15, 15, 25
    found = segment(Volume(array, GEOMETRY), thresholds(), keep_largest=True)
    kept = np.where(np.indices(array.shape).min(axis=0) == 7, 0, expected(array))
    assert np.array_equal(found.labels.array, kept) and found.notes == (
        "1 voxels of bright lay apart and were removed",
    )
    assert keep_largest(kept.astype(np.uint8)) == {}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("shape", [(1, 5, 40), (1, 1, 1), (3, 40, 2), (30, 3, 3)])
def test_volumes_smaller_than_a_window(shape, dimension):
    volume = noise(shape)
    found = segment(volume, thresholds(dimension))
    assert np.array_equal(found.labels.array, expected(volume.array))
    assert any("look twice" in note for note in found.notes) == (dimension == 3 or min(shape[1:]) < 6)


def test_channels_come_in_the_card_s_order():
    layer = torch.nn.Conv3d(2, 3, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0], [1, -1], [-1, 1]]).reshape(3, 2, 1, 1, 1))
        layer.bias.zero_()
    model = Model(layer.eval(), card(channels=("T1", "FLAIR")))
    first, second = noise(seed=1), noise(seed=2)
    found = segment([first, second], model).labels.array
    assert np.array_equal(found, np.where(first.array > second.array, 3, 7))
    with pytest.raises(MedCompressError, match=r"takes 2 volumes \(T1, FLAIR\), not 1"):
        segment(first, model)
    with pytest.raises(MedCompressError, match="FLAIR has shape"):
        segment([first, noise((3, 4, 5))], model)
    with pytest.raises(MedCompressError, match="geometries differ"):
        segment([first, noise(geometry=Geometry())], model)


def test_nan_is_refused_and_models_that_cannot_be_used():
    broken = noise()
    broken.array[3, 4, 5] = np.nan
    with pytest.raises(MedCompressError, match="NaN"):
        segment(broken, thresholds())
    with pytest.raises(MedCompressError, match="no label 'liver': its labels are bright, brighter"):
        segment(noise(), thresholds(), want_probability="liver")
    with pytest.raises(MedCompressError, match="correct the card"):
        segment(noise(), Model(thresholds().network, card(labels=LABELS[:1])))


class Limited(torch.nn.Module):
    """A network on a processor whose memory holds `limit` voxels at a time; torch's CPU plays it."""

    def __init__(self, limit: int):
        super().__init__()
        self.inner, self.limit, self.where, self.seen = thresholds().network, limit, "cpu", []
        self.divisor = (2, 4, 4)

    def forward(self, x):
        self.seen.append((self.where, *x.shape))
        if self.where == "cuda" and x.numel() > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.inner(x)


def moved(thing, device):
    if isinstance(thing, Limited):
        thing.where = device
    return thing


@pytest.mark.parametrize(
    "limit, last, notes",
    [
        (10**9, ("cuda", 64, 1, 8, 16, 16), 0),
        (8 * 16 * 16, ("cuda", 1, 1, 8, 16, 16), 1),
        (4 * 8 * 8, ("cuda", 1, 1, 4, 8, 8), 2),
        (1, ("cpu", 64, 1, 8, 16, 16), 3),
    ],
)
def test_too_little_memory_on_the_gpu_means_smaller_windows_then_the_cpu(limit, last, notes):
    volume, network = noise((40, 60, 60)), Limited(limit)
    found = segment(volume, Model(network, card()), device="cuda", move=moved)
    assert np.array_equal(found.labels.array, expected(volume.array))
    assert last in network.seen and network.seen[-1][0] == last[0] == found.device
    assert len(found.notes) == notes and all("GPU's memory does not suffice" in note for note in found.notes)
    assert not notes or found.notes[-1].endswith("the CPU") == (last[0] == "cpu")


def test_other_failures_of_a_network_are_not_taken_for_lack_of_memory():
    def fails(text):
        def forward(_module, _inputs):
            raise RuntimeError(text)

        model = thresholds()
        model.network.register_forward_pre_hook(forward)
        return model

    with pytest.raises(RuntimeError, match="shapes"):
        segment(noise(), fails("shapes do not fit"), device="cuda", move=moved)
    with pytest.raises(MemoryError):
        segment(noise(), fails("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))


def test_progress_grows_and_cancelling_ends_it():
    seen, volume = [], noise((150, 40, 40))
    segment(volume, thresholds(), progress=Progress(lambda fraction, message: seen.append(fraction)))
    assert seen == sorted(seen) and len(seen) > 5 and seen[-1] >= 0.95
    progress = Progress(lambda fraction, message: progress.cancel() if fraction > 0.3 else None)
    with pytest.raises(Cancelled):
        segment(volume, thresholds(), progress=progress)


def test_devices():
    info = describe_device("cpu")
    assert choose_device("cpu") == "cpu" and info.torch == torch.__version__ and info.name in str(info)
    with pytest.raises(MedCompressError, match="choose auto, cpu or cuda"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        assert choose_device() == "cpu"
        with pytest.raises(MedCompressError, match="finds no GPU"):
            choose_device("cuda")


def test_threads_are_those_asked_for_and_put_back():
    counts, before = [], torch.get_num_threads()
    model = thresholds()
    model.network.register_forward_hook(lambda *_: counts.append(torch.get_num_threads()))
    segment(noise(), model, thread_count=1)
    assert set(counts) == {1} and torch.get_num_threads() == before
