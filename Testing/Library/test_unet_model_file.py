"""A model file gives back exactly the model that was saved, or an error: never another model, never code."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedCompressLib.errors import MedCompressError
from MedCompressLib.unet.card import Label, ModelCard
from pickle_trap import Trap

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {"architecture": "elkhoury2d", "features": 2, "levels": 2}


def card(**changes) -> ModelCard:
    fields = {
        "name": "Liver and lesion",
        "dimension": 2,
        "network": NETWORK,
        "channels": ["CT"],
        "spacing": (0.8, 0.8, 3.0),
        "patch": (16, 16),
        "normalization": {"kind": "window", "low": -150, "high": 250},
        "labels": (Label(1, "liver", (0.9, 0.5, 0.4), "Segmentation category~Liver"), Label(7, "lésion")),
        "training": {"cases": 12, "seed": 3, "config": "epochs: 5"},
        "metrics": {"dice": {"liver": 0.94}},
    }
    return ModelCard(**{**fields, **changes})


def test_card_survives_json_and_counts_outputs():
    assert ModelCard.from_json(card().to_json()) == card()
    assert card().outputs == 3 and card(activation="sigmoid").outputs == 2


def test_a_card_may_have_a_size_and_older_cards_keep_their_bytes():
    solid = {"dimension": 3, "patch": (16, 16, 16)}
    for sized in (card(spacing=None, size=[160, 128]), card(spacing=None, size=(128, 160, 144), **solid)):
        assert ModelCard.from_json(sized.to_json()) == sized
    for wrong in ({"size": (160, 128)}, {"spacing": None, "size": (8, 8, 8)}, {"spacing": None, "size": (0, 8)}):
        with pytest.raises(MedCompressError, match="size"):
            card(**wrong)
    for path in Path(model_file.__file__).parent.glob("models/*.mcmodel"):
        with zipfile.ZipFile(path) as archive:
            content = archive.read("card.json")
        assert ModelCard.from_json(content).to_json() == content


def test_card_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['monai'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from MedCompressLib.unet import card, model_file, planning\n"
        "print(model_file.sample_models() is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code, ROOT / "MedCompress"], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


WRONG = [
    {"name": ""}, {"name": 3}, {"dimension": 4}, {"dimension": True}, {"patch": [16]}, {"patch": [16, 10**9]},
    {"patch": [16, 16.0]}, {"spacing": [1, 1]}, {"spacing": [1, 1, 0]}, {"spacing": [1, 1, "1"]}, {"channels": []},
    {"channels": "CT"}, {"network": {}}, {"network": {"architecture": 3}}, {"network": []}, {"activation": "relu"},
    {"normalization": {"kind": "minmax"}}, {"normalization": {"kind": "window", "low": 1, "high": 1}},
    {"normalization": {"kind": "fixed", "mean": 0, "std": 0}}, {"normalization": {"kind": "zscore", "mean": 0}},
    {"normalization": {"kind": "window", "low": 0}}, {"labels": []}, {"labels": [{"value": 1}]},
    {"labels": [{"value": 0, "name": "a"}]}, {"labels": [{"value": 70000, "name": "a"}]},
    {"labels": [{"value": 1, "name": "a"}, {"value": 1, "name": "b"}]},
    {"labels": [{"value": 1, "name": "a"}, {"value": 2, "name": "a"}]},
    {"labels": [{"value": 1, "name": "a", "color": [0, 0, 2]}]}, {"labels": [{"value": 1, "name": "a", "colour": 1}]},
    {"training": []}, {"metrics": {"a": 2**70}}, {"colour": "red"}, {"format_version": 2}, {"format": "other"},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG, ids=lambda change: json.dumps(change)[:60])
def test_wrong_cards_are_refused(change):
    document = json.loads(card().to_json()) | change
    with pytest.raises(MedCompressError, match="model card"):
        ModelCard.from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b"[" * 9**5, b'{"format": NaN}', card().to_json().replace(b'"name"', b'"patch"', 1)],
)
def test_what_is_no_card_is_refused(content):
    with pytest.raises(MedCompressError):
        ModelCard.from_json(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(field=st.sampled_from(sorted(json.loads(card().to_json()))), value=JSON)
def test_any_value_in_any_field_is_an_error_or_a_card_that_survives(field, value):
    document = json.loads(card().to_json()) | {field: value}
    try:
        found = ModelCard.from_json(json.dumps(document).encode())
    except MedCompressError:
        return
    assert ModelCard.from_json(found.to_json()) == found


def test_unserializable_training_is_refused_at_once():
    with pytest.raises(MedCompressError, match="training"):
        card(training={"loss": float("nan")})
    with pytest.raises(MedCompressError, match="metrics"):
        card(metrics={"model": object()})


torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from MedCompressLib.unet import model_file  # noqa: E402
from MedCompressLib.unet.model_file import load_model, save_model  # noqa: E402
from MedCompressLib.unet.networks import build_network  # noqa: E402

torch.set_num_threads(1)


def network_of(description: ModelCard):
    torch.manual_seed(5)
    return build_network(description.network, len(description.channels), description.outputs, description.dimension)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, torch.nn.Module]:
    path = tmp_path_factory.mktemp("model") / "liver.mcmodel"
    network = network_of(card())
    save_model(path, network, card())
    return path, network.eval()


DESCRIPTIONS = [
    (2, NETWORK),
    (3, {"architecture": "elkhoury3d", "features": 2, "levels": 2}),
    (2, {"architecture": "wavelet2d", "features": 2, "levels": 2, "reduced": 1}),
    (3, {"architecture": "dynunet", "features": [2, 4, 4], "deep_supervision": 1, "residual": True}),
]


@pytest.mark.parametrize("dimension, description", DESCRIPTIONS, ids=lambda value: str(value)[:30])
def test_loaded_model_gives_identical_logits(dimension, description, tmp_path):
    pytest.importorskip("monai")
    described = card(dimension=dimension, network=description, patch=(16,) * dimension)
    network = network_of(described)
    save_model(tmp_path / "a.mcmodel", network, described)
    state = torch.get_rng_state()
    model = load_model(tmp_path / "a.mcmodel")
    assert torch.equal(torch.get_rng_state(), state), "loading a model disturbs a seeded training"
    assert model.card == described and not model.network.training and model.network.divisor == network.divisor
    x = torch.randn(1, 1, *[16] * dimension)
    assert torch.equal(model.network(x), network.eval()(x))
    save_model(tmp_path / "b.mcmodel", model.network, model.card)
    assert (tmp_path / "a.mcmodel").read_bytes() == (tmp_path / "b.mcmodel").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mcmodel", "b.mcmodel"]


def same_model(path: Path, saved) -> bool:
    """Whether the file gives exactly the model that was saved; False where it is refused."""
    try:
        model = load_model(path)
    except MedCompressError:
        return False
    mine, theirs = model.network.state_dict(), saved[1].state_dict()
    assert model.card == card() and all(torch.equal(mine[name], theirs[name]) for name in theirs | mine)
    return True


def test_a_flipped_byte_is_an_error_or_changes_nothing(saved, tmp_path):
    content = saved[0].read_bytes()
    path = tmp_path / "flipped.mcmodel"
    places = {*range(0, len(content), 41), *range(80), *range(len(content) - 240, len(content))}
    accepted = 0
    for place in sorted(places):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        accepted += same_model(path, saved)
    # Dates and attributes in the ZIP directory mean nothing.
    assert accepted < len(places) / 4


def test_a_cut_file_is_an_error(saved, tmp_path):
    content = saved[0].read_bytes()
    path = tmp_path / "cut.mcmodel"
    for length in [*range(0, len(content), 97), *range(len(content) - 30, len(content))]:
        path.write_bytes(content[:length])
        assert not same_model(path, saved), length


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, contents: dict[str, bytes], method=zipfile.ZIP_STORED, renew=True) -> Path:
    """A model file of these members, with fresh checksums."""
    import hashlib

    contents = dict(contents)
    if renew:
        digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in ("card.json", "weights.safetensors")}
        contents["checksums.json"] = json.dumps(digests).encode()
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_foreign_members_compression_and_wrong_checksums_are_refused(saved, tmp_path):
    good = members(saved[0])
    assert same_model(write(tmp_path / "good.mcmodel", good), saved), "the crafted file must be good but for the change"
    crafted = {
        "extra": write(tmp_path / "1.mcmodel", good | {"code.py": b"1"}),
        "traversal": write(tmp_path / "2.mcmodel", good | {"../evil": b"1"}),
        "deflated": write(tmp_path / "3.mcmodel", good, zipfile.ZIP_DEFLATED),
        "checksum": write(tmp_path / "4.mcmodel", good | {"card.json": good["card.json"] + b" "}, renew=False),
    }
    for case, path in crafted.items():
        assert not same_model(path, saved), case


def test_pickles_are_refused_unread(saved, tmp_path):
    mark = tmp_path / "executed"
    good, bomb = members(saved[0]), pickle.dumps(Trap(mark))
    buffer = io.BytesIO()
    torch.save(Trap(mark), buffer)
    for number, path in enumerate(
        (
            write(tmp_path / "1.mcmodel", good | {"weights.safetensors": bomb}),
            write(tmp_path / "2.mcmodel", good | {"weights.safetensors": buffer.getvalue()}),
            write(tmp_path / "3.mcmodel", good | {"data.pkl": bomb}),
        )
    ):
        assert not same_model(path, saved), number
    (tmp_path / "4.mcmodel").write_bytes(buffer.getvalue())
    with pytest.raises(MedCompressError, match="pickle"):
        load_model(tmp_path / "4.mcmodel")
    assert not mark.exists()


def test_weights_must_fit_the_card(saved, tmp_path):
    from safetensors.torch import load, save

    good = members(saved[0])
    weights = load(good["weights.safetensors"])
    name = min(weights)
    changes = {
        "missing": {key: value for key, value in weights.items() if key != name},
        "additional": weights | {"more": torch.zeros(1)},
        "shape": weights | {name: torch.zeros(3)},
        "type": weights | {name: weights[name].double()},
        "not finite": weights | {name: torch.full_like(weights[name], float("nan"))},
    }
    for case, changed in changes.items():
        path = write(tmp_path / f"{case}.mcmodel", good | {"weights.safetensors": save(changed)})
        with pytest.raises(MedCompressError, match="fit"):
            load_model(path)
    huge = json.loads(good["card.json"]) | {"network": NETWORK | {"features": 1024, "levels": 4}}
    with pytest.raises(MedCompressError, match="fit"):
        load_model(write(tmp_path / "huge.mcmodel", good | {"card.json": json.dumps(huge).encode()}))


def test_saving_what_does_not_belong_together_leaves_the_old_file(saved, tmp_path):
    path = tmp_path / "model.mcmodel"
    path.write_bytes(saved[0].read_bytes())
    with pytest.raises(MedCompressError, match="fit"):
        save_model(path, saved[1], card(channels=["CT", "PET"]))
    with pytest.raises(MedCompressError, match="ends in"):
        save_model(tmp_path / "model.pt", saved[1], card())
    with pytest.raises(MedCompressError, match="folder"):
        save_model(tmp_path / "nowhere" / "model.mcmodel", saved[1], card())
    assert [file.name for file in tmp_path.iterdir()] == ["model.mcmodel"] and same_model(path, saved)


def test_sample_models_are_found_by_name(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "_SAMPLES", tmp_path)
    assert model_file.sample_models() == []
    (tmp_path / "liver.mcmodel").write_bytes(saved[0].read_bytes())
    assert model_file.sample_models() == ["liver"]
    assert load_model("liver").card == model_file.read_card("liver") == card()
    with pytest.raises(MedCompressError, match="liver"):
        load_model("spleen")


def test_models_that_come_with_medcompress_load():
    monai = pytest.importorskip("monai")
    assert monai and all(load_model(name).card.description for name in model_file.sample_models())


def test_an_unusable_device_is_said(saved):
    with pytest.raises(MedCompressError, match="choose cpu"):
        load_model(saved[0], "nonsense" if torch.cuda.is_available() else "cuda")
