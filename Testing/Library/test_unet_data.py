"""Training cases: found, checked, prepared, dealt into folds, cut into patches and changed at random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.cases import Case, check_cases, find_cases
from MedCompressLib.unet.preprocessing import normalize, resample
from MedCompressLib.unet.training import read_config
from MedCompressLib.unet.training.config import parse_config, presets
from MedCompressLib.unet.training.folds import split
from MedCompressLib.unet.training.options import AugmentationOptions, DataOptions
from MedCompressLib.volume import Geometry, Volume, write_volume
from unet_training import write_cases

RANDOM = np.random.default_rng(11)
TURN = ((0.8, -0.6, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, 1.0))


def write(path, array=None, spacing=(1.0, 1.0, 1.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.ones((5, 6, 7), np.int16) if array is None else array
    write_volume(Volume(array, Geometry(spacing)), path)


def test_configuration_refuses_what_it_does_not_know():
    for text, words in (
        ("epochs = 3", "no 'epochs'.*training"),
        ("[training]\nepoch = 3", r"\[training\] has no 'epoch': it takes epochs"),
        ("[training]\nepochs = 2.5", "training.epochs must be a whole number"),
        ("[training]\nepochs = true", "training.epochs must be a whole number"),
        ("[loss]\nkind = 'dice'\nweights = ['a']", "loss.weights must be a number"),
        ("[loss]\nkind = 'focal'", "one of dice\\+cross-entropy"),
        ("[[labels]]\nvalue = 1", "a name for every label"),
        ("[compress]\nratios = [0.5]", "numbers above 1"),
        ("[augmentation]\nflips = 'xy'", "axes such as"),
        ("name = 'a/b'", "a name that a file can have"),
        ("[data]\nfold = 5", "one of 0 to 4"),
        ("[data]\nsize = [8, 8]", "data.size .* 3 numbers of voxels"),
        ("[data]\nsize = [8, 8, 8]\nspacing = [1, 1, 1]", "data.size .* left out beside data.spacing"),
        ("device = ", "not TOML"),
    ):
        with pytest.raises(MedCompressError, match=words):
            parse_config(text)


def test_every_value_has_a_default_and_paths_are_relative_to_the_file(tmp_path):
    assert parse_config("").training.epochs > 1
    (tmp_path / "a.toml").write_text('[data]\nfolder = "cases"', "utf-8")
    assert read_config(tmp_path / "a.toml").data.folder == str(tmp_path / "cases")


def test_presets_build_their_networks():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from MedCompressLib.unet.networks import build_network

    assert {"hippocampus-t1", "el-khoury-2d", "el-khoury-3d", "kurmukov", "luu", "srivastava"} <= set(presets())
    for name in presets():
        config = read_config(name)
        if config.network.architecture != "dynunet":
            description = {"architecture": config.network.architecture, **config.network.parameters}
            with torch.device("meta"):
                network = build_network(description, 1, 1 + len(config.labels), config.network.dimension)
            assert all(size % step == 0 for size, step in zip(config.network.patch, network.divisor, strict=True)), name
    el_khoury = read_config("el-khoury-3d")
    assert (el_khoury.loss.kind, el_khoury.loss.weights) == ("dice", (1.0, 3.0))
    assert [label.name for label in el_khoury.labels] == ["bladder", "rectum"]
    assert read_config("srivastava").loss.kind == "binary cross-entropy" and read_config("srivastava").rate() == 1e-3


def test_three_layouts_of_cases(tmp_path):
    write(tmp_path / "a" / "images" / "p1.nrrd")
    write(tmp_path / "a" / "labels" / "p1.nii.gz")
    for channel in ("0000", "0001"):
        write(tmp_path / "b" / "imagesTr" / f"p1_{channel}.nii.gz")
    write(tmp_path / "b" / "labelsTr" / "p1.nii.gz")
    write(tmp_path / "c" / "p1_image.nrrd")
    write(tmp_path / "c" / "p1_seg.nrrd")
    names = {folder: [(case.name, len(case.images)) for case in find_cases(tmp_path / folder)] for folder in "abc"}
    assert names == {"a": [("p1", 1)], "b": [("p1", 2)], "c": [("p1", 1)]}
    write(tmp_path / "c" / "p2_image.nrrd")
    with pytest.raises(MedCompressError, match="p2 has no label map"):
        find_cases(tmp_path / "c")
    with pytest.raises(MedCompressError, match="no cases"):
        find_cases(tmp_path)


def test_problems_of_cases_are_named(tmp_path):
    label = np.zeros((5, 6, 7), np.uint8)
    label[2, 2, 2] = 3
    nan = np.ones((5, 6, 7), np.float32)
    nan[0, 0, 0] = np.nan
    files = {
        "fine": (RANDOM.normal(size=(5, 6, 7)).astype(np.float32), label, (1.0, 1.0, 1.0)),
        "moved": (label + 1, label, (1.0, 1.0, 2.0)),
        "size": (RANDOM.normal(size=(5, 6, 8)), label, (1.0, 1.0, 1.0)),
        "nan": (nan, label, (1.0, 1.0, 1.0)),
        "half": (label + 1, label.astype(np.float32) / 2, (1.0, 1.0, 1.0)),
        "empty": (label + 1, label * 0, (1.0, 1.0, 1.0)),
    }
    for name, (image, truth, spacing) in files.items():
        write(tmp_path / "images" / f"{name}.nrrd", image, spacing)
        write(tmp_path / "labels" / f"{name}.nrrd", truth)
    found = {problem.case: (problem.text, problem.fatal) for problem in check_cases(find_cases(tmp_path), {3})}
    assert set(found) == set(files) - {"fine"}
    for name, words in (("moved", "different places"), ("size", "size"), ("nan", "NaN"), ("half", "whole numbers")):
        assert words in found[name][0] and found[name][1], found[name]
    assert found["empty"] == ("the label map is empty", False)
    others = {problem.case: problem.text for problem in check_cases(find_cases(tmp_path), {1})}
    assert "none of the labels" in others["fine"]


def test_normalizations_are_their_formulas():
    x = RANDOM.normal(40, 300, (4, 5, 6)).astype(np.float32)
    clipped = np.clip(x, -100, 200)
    wanted = {
        "zscore": (x - x.mean()) / x.std(),
        "window": (clipped + 100) / 300,
        "fixed": (x - 50) / 200,
        "clipped": (clipped - 50) / 200,
    }
    numbers = {"low": -100.0, "high": 200.0, "mean": 50.0, "std": 200.0}
    for kind, array in wanted.items():
        found = normalize(x, {"kind": kind, **numbers})
        assert found.dtype == np.float32 and np.abs(found - array).max() < 1e-5, kind
    large = normalize((x * 1e6 + 1e9).astype(np.float64), {"kind": "zscore"})
    assert np.abs(large - wanted["zscore"]).max() < 1e-3
    assert (normalize(np.full((2, 2, 2), 7, np.int16), {"kind": "zscore"}) == 0).all()
    x[0, 0, 0] = np.inf
    with pytest.raises(MedCompressError, match="infinity"):
        normalize(x, {"kind": "zscore"})


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(0.4, 3.0)] * 3), st.tuples(*[st.floats(0.4, 3.0)] * 3))
def test_resampling_keeps_every_place_of_the_patient(old, new):
    """An image that is linear in LPS stays the same function of LPS wherever the border is far."""
    geometry = Geometry(old, (12.0, -7.0, 30.0), TURN)
    slope = np.array([0.7, -1.1, 0.4])

    def values(shape, geometry):
        k, j, i = np.indices(shape)
        ijk = np.stack([i, j, k], -1) * geometry.spacing
        return (ijk @ np.array(geometry.direction).T + geometry.origin) @ slope

    shape = (24, 22, 20)
    volume = Volume(values(shape, geometry).astype(np.float32), geometry)
    found = resample(volume, new)
    if found is not volume:
        assert found.geometry.spacing == pytest.approx(new) and found.geometry.direction == geometry.direction
    extent = np.array(shape[::-1]) * old
    assert (
        np.abs(np.array(found.array.shape[::-1]) * found.geometry.spacing - extent) <= np.array(new) / 2 + 0.01
    ).all()
    error = np.abs(found.array - values(found.array.shape, found.geometry))
    inner = tuple(slice(size // 3, size - size // 3) for size in error.shape)
    if error[inner].size:
        assert error[inner].max() < 0.2


def test_resampled_labels_stay_labels():
    label = np.zeros((10, 12, 14), np.uint16)
    label[3:7, 4:9, 5:11] = 40000
    found = resample(Volume(label, Geometry((1.0, 1.0, 2.0))), (0.5, 1.5, 1.0), labels=True)
    assert found.array.dtype == np.uint16 and set(np.unique(found.array)) == {0, 40000}
    volume = (found.array > 0).sum() * 0.75
    assert volume == pytest.approx((label > 0).sum() * 2, rel=0.2)
    assert resample(found, (0.5, 1.5, 1.0), labels=True) is found
    with pytest.raises(MedCompressError, match="NaN"):
        resample(Volume(np.full((4, 4, 4), np.nan), Geometry()), (2, 2, 2))


@given(st.integers(2, 6), st.integers(6, 40), st.integers(0, 1000))
def test_each_case_is_held_back_once(folds, count, seed):
    from pathlib import Path

    cases = [Case(f"case{number}", (), Path()) for number in range(count)]
    held = []
    for fold in range(folds):
        training, validation = split(cases, DataOptions(folds=folds, fold=fold), seed)
        assert len(training) + len(validation) == count and not set(training) & set(validation)
        assert abs(len(validation) - count / folds) < 1
        assert split(cases[::-1], DataOptions(folds=folds, fold=fold), seed) == (training, validation)
        held += validation
    assert sorted(case.name for case in held) == sorted(case.name for case in cases)
    assert split(cases, DataOptions(validation=("case3",)), seed)[1] == [cases[3]]
    assert split(cases, DataOptions(folds=0), seed)[1] == []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    pytest.importorskip("torch", reason="torch is not installed")
    from MedCompressLib.unet.card import Label, ModelCard
    from MedCompressLib.unet.training.preparation import prepare_case

    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder, 5, (9, 20, 15))
    labels = (Label(1, "bright"), Label(2, "dark"))
    card = ModelCard("m", 3, {"architecture": "dynunet"}, (8, 8, 8), labels)
    (folder / "out").mkdir()
    return [prepare_case(case, card, [(1,), (2,)], folder / "out") for case in find_cases(folder)]


def test_prepared_cases_are_normalized_and_keep_their_labels(prepared):
    for case in prepared:
        image, label = case.image(), case.labels()
        assert image.shape == (1, *case.shape) and abs(image.mean()) < 1e-4 and abs(image.std() - 1) < 1e-4
        assert image[0][label == 1].mean() > 1 and image[0][label == 2].mean() < -1
        assert (label.ravel()[case.locations[:, 1]] == case.locations[:, 0]).all()


@pytest.mark.parametrize("patch", [(8, 12, 12), (12, 12, 24), (12, 16)])
def test_patches_follow_from_seed_epoch_step_and_rank(prepared, patch):
    from MedCompressLib.unet.training.sampling import Sampler

    size = tuple(length + 4 for length in patch)
    sampler = Sampler(prepared, patch, size, 2, seed=3, foreground=1.0, ranks=2)
    drawn = {
        (epoch, step, rank): sampler.draw(epoch, step, rank) for epoch in (0, 1) for step in (0, 1) for rank in (0, 1)
    }
    again = sampler.draw(1, 0, 1)
    assert all(np.array_equal(a, b) for a, b in zip(drawn[1, 0, 1], again, strict=True))
    assert len({item[2] for item in drawn.values()}) == len(drawn)
    middle = tuple(slice(2, 2 + length) for length in patch)
    for images, labels, _ in drawn.values():
        assert images.shape == (2, 1, *size) and labels.shape == (2, *size)
        assert all((label[middle] > 0).any() for label in labels), "foreground is not within the patch"
        assert (images[:, 0][labels == 1] > 0).mean() > 0.9


def test_each_case_comes_once_per_round(prepared):
    from MedCompressLib.unet.training.sampling import Sampler

    sampler = Sampler(prepared, (8, 8, 8), (8, 8, 8), 1, seed=0, ranks=5)
    assert sampler.steps_per_epoch() == 1
    sampled = [sampler._numbers(2, rank)[0] for rank in range(5)]
    assert sorted(sampled) == [0, 1, 2, 3, 4]
    assert Sampler(prepared, (8, 8), (8, 8), 4, seed=0).steps_per_epoch() == 12


NOTHING = {name: 0.0 for name in vars(AugmentationOptions()) if name.endswith("_probability")}


def augmented(images, labels, patch, spacing, seed=5, **options):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from MedCompressLib.unet.training.augmentation import Augmentation

    chosen = AugmentationOptions(**{**NOTHING, "flips": "", **options})
    augmentation = Augmentation(chosen, patch, spacing)
    return augmentation(torch.from_numpy(images), torch.from_numpy(labels), seed), augmentation


def blobs(shape):
    labels = np.zeros((3, *shape), np.int64)
    for n in range(3):
        labels[(n, *(slice(size // 4 + n, size // 2 + n) for size in shape))] = 1
    return labels[:, None].astype(np.float32), labels


def test_without_changes_the_middle_comes_back():
    images, labels = blobs((12, 14, 16))
    (image, label), augmentation = augmented(images, labels, (10, 12, 12), (1, 1, 1))
    assert augmentation.source_size() == (10, 12, 12)
    assert np.array_equal(image, images[:, :, 1:-1, 1:-1, 2:-2]) and np.array_equal(label, labels[:, 1:-1, 1:-1, 2:-2])


@pytest.mark.parametrize("shape", [(20, 24, 28), (24, 28)])
def test_images_and_labels_move_together(shape):
    images, labels = blobs(shape)
    patch = tuple(size - 4 for size in shape)
    moving = {"rotation_probability": 1.0, "scaling_probability": 1.0, "elastic_probability": 1.0, "flips": "ij"}
    (image, label), _ = augmented(images, labels, patch, (1.0,) * len(shape), **moving)
    assert image.shape == (3, 1, *patch) and label.shape == (3, *patch)
    assert (np.round(image[:, 0].numpy()) != label.numpy()).mean() < 0.02
    assert not np.array_equal(label, labels[(slice(None), *[slice(2, -2)] * len(shape))])
    (same, _), _ = augmented(images, labels, patch, (1.0,) * len(shape), **moving)
    (other, _), _ = augmented(images, labels, patch, (1.0,) * len(shape), seed=6, **moving)
    assert np.array_equal(image, same) and not np.array_equal(image, other)


def test_rotations_are_rotations_in_mm():
    """A square of 16 mm on pixels of 1 x 4 mm keeps its area and its moments of inertia when it turns."""
    j, i = np.indices((24, 80))
    inside = (np.abs(j - 11.5) * 4 < 8) & (np.abs(i - 39.5) < 8)
    images = np.repeat(inside[None, None].astype(np.float32), 3, 0)
    turned = {"rotation_probability": 1.0, "rotation_degrees": 90.0}
    (image, _), _ = augmented(images, images[:, 0].astype(np.int64), (24, 80), (4.0, 1.0), **turned)
    y, x = (j - 11.5) * 4, i - 39.5
    before = (inside * (x**2 + y**2)).sum()
    for found in image[:, 0].numpy():
        assert found.sum() == pytest.approx(inside.sum(), rel=0.1)
        assert (found * (x**2 + y**2)).sum() == pytest.approx(before, rel=0.25)


def test_flips_take_the_asked_axes_alone():
    images = RANDOM.normal(size=(8, 1, 4, 5, 6)).astype(np.float32)
    labels = np.zeros((8, 4, 5, 6), np.int64)
    (image, _), _ = augmented(images, labels, (4, 5, 6), (1, 1, 1), flips="i")
    flipped = [np.array_equal(image[n], images[n, ..., ::-1]) for n in range(8)]
    same = [np.array_equal(image[n], images[n]) for n in range(8)]
    assert all(a != b for a, b in zip(flipped, same, strict=True)) and 0 < sum(flipped) < 8


def test_gray_value_changes_keep_labels_and_stay_finite():
    images, labels = blobs((12, 12, 12))
    images += RANDOM.normal(0, 0.1, images.shape).astype(np.float32)
    every = {name: 1.0 for name in NOTHING if name[:3] not in ("rot", "sca", "ela")}
    (image, label), _ = augmented(images, labels, (12, 12, 12), (1, 1, 1), **every)
    assert np.array_equal(label, labels) and np.isfinite(image.numpy()).all() and not np.allclose(image, images)


def test_gaussian_smoothing_is_scipy_s():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from MedCompressLib.unet.training.augmentation import gaussian
    from scipy.ndimage import gaussian_filter

    image = RANDOM.normal(size=(9, 11, 13)).astype(np.float32)
    wanted = gaussian_filter(image, 0.8, mode="nearest", radius=3)
    assert np.abs(gaussian(torch.from_numpy(image)[None], 0.8)[0].numpy() - wanted).max() < 1e-5
