"""The architectures are what the papers describe, learn with all their parameters, and plans fit the cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from MedCompressLib.errors import MedCompressError  # noqa: E402
from MedCompressLib.unet.networks import ARCHITECTURES, build_network, lifting  # noqa: E402
from MedCompressLib.unet.networks.channels_last import keep_channels_last  # noqa: E402
from MedCompressLib.unet.planning import plan  # noqa: E402

TINY = {
    "dynunet": (3, {"features": [4, 6, 8], "deep_supervision": 1}),
    "elkhoury2d": (2, {"features": 4, "levels": 3}),
    "elkhoury3d": (3, {"features": 2, "levels": 3}),
    "srivastava2d": (2, {"features": 4, "levels": 3}),
    "luu2d": (2, {"features": 4, "levels": 3}),
    "wavelet2d": (2, {"features": 4, "levels": 3, "reduced": 1}),
}


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(1)


def tiny(name, inputs=2, outputs=3):
    dimension, parameters = TINY[name]
    return build_network({"architecture": name, **parameters}, inputs, outputs, dimension)


def full_size(name, inputs, outputs, dimension):
    with torch.device("meta"):
        return build_network({"architecture": name}, inputs, outputs, dimension)


def layers(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_every_architecture_is_tested():
    assert set(TINY) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", TINY)
@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 3), min_size=3, max_size=3), batch=st.integers(1, 2))
def test_any_multiple_of_the_divisor_gives_logits_of_its_size(name, sizes, batch):
    torch.manual_seed(1)
    network = tiny(name).eval()
    # DynUNet's instance normalization wants more than one voxel at the last level.
    shape = [max(size, 2) * step for size, step in zip(sizes, network.divisor, strict=False)]
    x = torch.randn(batch, 2, *shape)
    with torch.no_grad():
        logits = network(x)
        assert logits.shape == (batch, 3, *shape)
        one = network(x[-1:])
    torch.testing.assert_close(logits[-1:], one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_the_gradient_reaches_every_parameter(name):
    network = tiny(name).train()
    outputs = network(torch.randn(2, 2, *(4 * step for step in network.divisor)))
    sum(((output - 1) ** 2).mean() for output in (outputs if isinstance(outputs, list) else [outputs])).backward()
    still = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("name", ["dynunet", "wavelet2d"])
def test_deep_supervision_is_a_list_at_falling_resolution_in_training_alone(name):
    network = tiny(name)
    x = torch.randn(1, 2, *(4 * step for step in network.divisor))
    training = network.train()(x)
    shapes = [tuple(output.shape[2:]) for output in training]
    assert shapes == [tuple(x.shape[2:]), tuple(size // 2 for size in x.shape[2:])]
    torch.testing.assert_close(network.eval()(x), training[0])


def monais(network, dimension):
    """MONAI's own DynUNet with the weights of `network`, which is ours."""
    from monai.networks.nets import DynUNet

    strides = [[1] * dimension] + [[2] * dimension] * 2
    more = {"deep_supervision": True, "deep_supr_num": 1}
    theirs = DynUNet(dimension, 2, 3, [[3] * dimension] * 3, strides, strides[1:], filters=[4, 6, 8], **more)
    theirs.load_state_dict(network.state_dict())
    return theirs


@pytest.mark.parametrize("dimension", [2, 3])
def test_dynunet_computes_what_monais_does_in_another_layout(dimension):
    ours = build_network({"architecture": "dynunet", **TINY["dynunet"][1]}, 2, 3, dimension).train()
    theirs = monais(ours, dimension).train()
    x = torch.randn(2, 2, *[16] * dimension) + 5
    last = []
    ours.output_block.register_forward_pre_hook(lambda _layer, inputs: last.append(inputs[0]))
    logits, _half = ours(x)
    assert last[0].is_contiguous(memory_format=torch.channels_last if dimension == 2 else torch.channels_last_3d)
    wanted = theirs(x)[:, 0]
    torch.testing.assert_close(logits, wanted, rtol=1e-4, atol=1e-5, check_stride=False)
    direction = torch.randn(wanted.shape)
    (logits * direction).sum().backward()
    (wanted * direction).sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if mine.grad is not None:
            assert mine.is_contiguous() and (mine.grad - other.grad).norm() <= 1e-4 * other.grad.norm(), name
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ours(x)[0], theirs(x)[:, 0], rtol=0.1, atol=0.2)


@pytest.mark.parametrize("shape", [(2, 3, 4, 2, 3), (2, 3, 4, 6), (1, 3, 5, 7)])
def test_the_gradient_of_the_instance_normalization_is_right(shape):
    layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    kind = torch.nn.InstanceNorm2d if len(shape) == 4 else torch.nn.InstanceNorm3d
    layer = keep_channels_last(kind(3, affine=True).double())
    with torch.no_grad():
        layer.weight.normal_(), layer.bias.normal_()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)

    def normalized(x, *_weights):
        return layer(x.contiguous(memory_format=layout))

    assert torch.autograd.gradcheck(normalized, (x, layer.weight, layer.bias))
    torch.testing.assert_close(normalized(x), layer(x), check_stride=False)


def test_the_instance_normalization_of_many_voxels_far_from_zero_is_exact():
    x = torch.randn(1, 4, 40, 64, 64) * 0.5 + torch.tensor([0.0, 3.0, -20.0, 100.0]).reshape(1, 4, 1, 1, 1)
    layer = keep_channels_last(torch.nn.InstanceNorm3d(4, affine=True))
    wanted = torch.nn.functional.instance_norm(x.double())
    found = layer(x.contiguous(memory_format=torch.channels_last_3d))
    assert (found - wanted).abs().max() < 1e-4


def double_block(before, after, taps):
    """Parameters of two convolutions with so many taps."""
    return before * after * taps + after + after * after * taps + after


@pytest.mark.parametrize("dimension, base, levels", [(2, 64, 5), (3, 16, 6)])
def test_elkhoury_has_the_layers_of_section_2_3(dimension, base, levels):
    network = full_size(f"elkhoury{dimension}d", 1, 3, dimension)
    maps = [base * 2**level for level in range(levels)]
    taps, up_taps = 3**dimension, 2**dimension
    expected = sum(double_block(before, after, taps) for before, after in zip([1, *maps], maps, strict=False))
    for fine, coarse in zip(maps[:-1], maps[1:], strict=True):
        expected += coarse * fine * up_taps + fine + double_block(2 * fine, fine, taps)
    assert parameters(network) == expected + base * 3 + 3
    kind, up = (getattr(torch.nn, f"{name}{dimension}d") for name in ("Conv", "ConvTranspose"))
    *threes, last = layers(network, kind)
    assert {layer.kernel_size + layer.padding for layer in threes} == {(3,) * dimension + (1,) * dimension}
    assert {layer.padding_mode for layer in threes} == {"zeros"} and last.kernel_size == (1,) * dimension
    assert [(layer.out_channels, layer.kernel_size, layer.stride) for layer in layers(network, up)] == [
        (fine, (2,) * dimension, (2,) * dimension) for fine in maps[:-1]
    ]
    assert network.divisor == (2 ** (levels - 1),) * dimension


def test_elkhoury_2d_has_four_times_the_maps_and_3d_one_more_pooling():
    flat, solid = (full_size(f"elkhoury{dimension}d", 1, 3, dimension) for dimension in (2, 3))
    maps_2d, maps_3d = ([block[0].out_channels for block in network.down] for network in (flat, solid))
    assert maps_2d == [4 * maps for maps in maps_3d[:-1]]
    assert all(160 % step == 0 and 128 % step == 0 for step in solid.divisor)


def test_srivastava_and_luu_are_ronnebergers_net_with_the_layers_they_name():
    # 31,030,593 is the well-known size of Ronneberger's net with one input and one output.
    assert parameters(full_size("srivastava2d", 1, 1, 2)) == 31_030_593
    luu = full_size("luu2d", 1, 1, 2)
    assert len(layers(luu, torch.nn.Conv2d)) == 19 and len(luu.down) == 5
    assert parameters(luu) == 31_030_593
    x = torch.randn(1, 2, 8, 8)
    torch.manual_seed(3)
    plain = tiny("srivastava2d")
    torch.manual_seed(3)
    rectified = tiny("luu2d")
    assert not torch.equal(plain(x), rectified(x)), "the rectifiers after the up-convolutions are missing"


def test_dynunet_follows_kernels_strides_and_residual():
    description = {
        "architecture": "dynunet",
        "features": [4, 8, 8],
        "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    }
    plain = build_network(description, 1, 2, 3)
    assert plain.divisor == (2, 4, 4)
    assert [layer.kernel_size for layer in layers(plain.input_block, torch.nn.Conv3d)] == [(1, 3, 3)] * 2
    assert all(layer.affine for layer in layers(plain, torch.nn.InstanceNorm3d))
    residual = build_network({**description, "residual": True}, 1, 2, 3)
    assert parameters(residual) > parameters(plain)


@pytest.mark.parametrize("wavelet, per_level", [("9/7", 1.0), ("5/3", 2.0)])
def test_low_pass_is_what_jpeg_2000_decodes_at_reduced_resolution(wavelet, per_level, tmp_path):
    """OpenJPEG's 5/3 rounds at every lifting step; its 9/7 here is quantized finely."""
    from MedCompressLib.codecs.openjpeg import openjpeg

    openjpeg()
    glymur = pytest.importorskip("glymur")
    rows, columns = np.mgrid[:64, :96]
    image = (8000 + 3000 * np.sin(rows / 5) * np.cos(columns / 3) + 40 * (rows * columns % 7)).astype(np.uint16)
    settings = {"irreversible": True, "cratios": [1.5]} if wavelet == "9/7" else {}
    coded = glymur.Jp2k(str(tmp_path / "slice.jp2"), data=image, numres=4, **settings)
    x = torch.from_numpy(image.astype(np.float32))[None, None]
    for levels in (1, 2, 3):
        low, details = lifting.decompose(x, levels, wavelet)
        assert [tuple(d.shape) for d in details] == [(1, 3, 64 >> n, 96 >> n) for n in range(1, levels + 1)]
        step = 2**levels
        assert np.abs(low[0, 0].numpy() - coded[::step, ::step]).max() < per_level * levels


@pytest.mark.parametrize("wavelet", ["9/7", "5/3"])
def test_subbands_hold_the_whole_slice(wavelet):
    """The decomposition of all unit slices is an invertible matrix: nothing of the slice is lost to the network."""
    unit = torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)
    low, details = lifting.decompose(unit, 2, wavelet)
    matrix = torch.cat([low.flatten(1), *(band.flatten(1) for band in details)], dim=1)
    assert matrix.shape == (64, 64) and torch.linalg.cond(matrix) < 1000


def test_wavelet_net_segments_from_the_reduced_slice_alone():
    network = tiny("wavelet2d", inputs=1).train()
    x = torch.randn(2, 1, 32, 48)
    _, half = network(x)
    reduced, _ = lifting.decompose(x, 1, "9/7")
    torch.testing.assert_close(network.eval().from_reduced(reduced, 1), half)
    low, details = lifting.decompose(x, 3, "9/7")
    whole = network(x)
    torch.testing.assert_close(network.from_subbands(low, details), whole)
    assert not torch.allclose(network.from_subbands(low + 1, details), whole), "the low pass plays no part"
    for level in range(3):
        changed = [band + (number == level) for number, band in enumerate(details)]
        assert not torch.allclose(network.from_subbands(low, changed), whole), f"the subbands {level} play no part"


@pytest.mark.parametrize(
    "description, dimension",
    [
        ({"architecture": "resnet"}, 3),
        ({}, 3),
        ({"architecture": "dynunet", "features": [4, 8]}, 3),
        ({"architecture": "dynunet", "features": [10**9, 8, 8]}, 3),
        ({"architecture": "dynunet", "features": [4, 8, 8], "strides": [[1, 1, 1], [2, 2], [2, 2, 2]]}, 3),
        ({"architecture": "dynunet", "features": [4, 8, 8], "kernels": [[2, 3, 3]] * 3}, 3),
        ({"architecture": "dynunet", "features": [4, 8, 8], "deep_supervision": 2}, 3),
        ({"architecture": "dynunet", "features": [4, 8, 8], "residual": 1}, 3),
        ({"architecture": "elkhoury2d"}, 3),
        ({"architecture": "elkhoury3d", "features": True}, 3),
        ({"architecture": "luu2d", "levels": 40}, 2),
        ({"architecture": "luu2d", "dropout": 0.5}, 2),
        ({"architecture": "wavelet2d", "wavelet": "haar"}, 2),
        ({"architecture": "wavelet2d", "reduced": 4}, 2),
    ],
)
def test_wrong_descriptions_are_refused(description, dimension):
    with pytest.raises(MedCompressError):
        build_network(description, 1, 2, dimension)


def test_plan_of_the_hippocampus_cases_is_nnunets():
    found = plan([(35, 50, 35)], [(1, 1, 1)])
    assert found["patch"] == [40, 56, 40] and found["spacing"] == (1, 1, 1)
    assert found["network"]["features"] == [32, 64, 128, 256]
    assert found["network"]["strides"] == [[1, 1, 1]] + [[2, 2, 2]] * 3


def test_plan_of_thick_slices_pools_within_the_slices_first():
    network = plan([(90, 512, 512), (110, 512, 512)], [(0.8, 0.8, 5), (0.7, 0.7, 5)])["network"]
    assert network["strides"][1] == [1, 2, 2] and network["kernels"][0] == [1, 3, 3]
    assert network["kernels"][-1] == [3, 3, 3] and max(network["features"]) == 320


def test_plan_keeps_slices_where_a_case_has_thin_ones():
    thick_and_thin = [(0.8, 0.8, 5.0)] * 8 + [(0.8, 0.8, 2.0)] * 2
    spacing = plan([(60, 512, 512)] * 10, thick_and_thin)["spacing"]
    assert spacing[:2] == (0.8, 0.8) and spacing[2] == pytest.approx(2.0)
    assert plan([(60, 512, 512)] * 10, [(0.8, 0.8, 2.0)] * 10)["spacing"] == (0.8, 0.8, 2.0)


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.tuples(*[st.integers(1, 700)] * 3), min_size=1, max_size=3),
    spacing=st.tuples(*[st.floats(0.05, 20)] * 3),
    dimension=st.sampled_from([2, 3]),
    features=st.integers(1, 64),
    voxels=st.sampled_from([2**12, 2**16, 2**19]),
)
def test_every_plan_can_be_built_and_keeps_its_bound(shapes, spacing, dimension, features, voxels):
    found = plan(shapes, [spacing] * len(shapes), dimension=dimension, features=features, max_voxels=voxels)
    with torch.device("meta"):
        network = build_network(found["network"], 1, 2, dimension)
    patch = found["patch"]
    assert len(patch) == dimension and math.prod(patch) <= voxels
    assert all(size % step == 0 for size, step in zip(patch, network.divisor, strict=True))
    median = np.median(np.array(shapes, float), axis=0)[3 - dimension :]
    assert all(np.array(patch) < median + 1 + network.divisor), "the patch is larger than the cases"


@pytest.mark.parametrize(
    "shapes, spacings", [([], []), ([(3, 4)], [(1, 1, 1)]), ([(3, 4, 5)], [(1, 0, 1)]), ([(0, 4, 5)], [(1, 1, 1)])]
)
def test_plans_of_nothing_are_refused(shapes, spacings):
    with pytest.raises(MedCompressError):
        plan(shapes, spacings)
