"""The papers' losses against arithmetic in numpy and by hand; schedules against their formulas."""

import math

import numpy as np
import pytest
from MedCompressLib.errors import MedCompressError

torch = pytest.importorskip("torch", reason="torch is not installed")

from MedCompressLib.unet.training.losses import KINDS, deep, make_loss  # noqa: E402
from MedCompressLib.unet.training.options import OptimizerOptions  # noqa: E402
from MedCompressLib.unet.training.schedules import learning_rate, make_optimizer  # noqa: E402

RANDOM = np.random.default_rng(5)
LOGITS = RANDOM.normal(size=(2, 3, 4, 5, 6))
TARGET = RANDOM.integers(0, 3, (2, 4, 5, 6))


def tensors():
    return torch.from_numpy(LOGITS).float(), torch.from_numpy(TARGET)


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def numpy_dice(p, t):
    return 2 * (p * t).sum() / (p.sum() + t.sum())


def test_weighted_dice_is_equation_6():
    p = softmax(LOGITS)
    wanted = -np.mean([numpy_dice(p[n, 1], TARGET[n] == 1) + 3 * numpy_dice(p[n, 2], TARGET[n] == 2) for n in range(2)])
    assert float(make_loss("dice", (1, 3))(*tensors())) == pytest.approx(wanted, abs=1e-5)


def test_weighted_dice_of_a_perfect_answer_is_minus_the_sum_of_the_weights():
    target = torch.from_numpy(TARGET)
    certain = torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float() * 60
    assert float(make_loss("dice", (1, 3))(certain, target)) == pytest.approx(-4, abs=1e-5)
    assert float(make_loss("dice+cross-entropy")(certain, target)) == pytest.approx(-1, abs=1e-5)


def test_cross_entropy_is_equation_7_per_pixel():
    # Two pixels of a slice with probabilities of the right class 0.5 and 0.8.
    logits = torch.tensor([[[[math.log(0.5), math.log(0.1)]], [[math.log(0.3), math.log(0.8)]],
                            [[math.log(0.2), math.log(0.1)]]]])  # fmt: skip
    loss = make_loss("cross-entropy")(logits, torch.tensor([[[0, 1]]]))
    assert float(loss) == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2, abs=1e-6)


def test_binary_cross_entropy_takes_logits_of_each_label():
    logits, target = torch.tensor([[[[0.0, 2.0]], [[-1.0, 3.0]]]]), torch.tensor([[[0, 2]]])

    def of(logit, truth):
        p = 1 / (1 + math.exp(-logit))
        return -math.log(p if truth else 1 - p)

    wanted = (of(0, False) + of(2, False) + of(-1, False) + of(3, True)) / 4
    assert float(make_loss("binary cross-entropy")(logits, target)) == pytest.approx(wanted, abs=1e-6)


def test_dice_and_cross_entropy_takes_dice_over_the_whole_batch():
    p = softmax(LOGITS)
    entropy = -np.log(np.take_along_axis(p, TARGET[:, None], 1)).mean()
    dice = np.mean([numpy_dice(p[:, label], TARGET == label) for label in (1, 2)])
    assert float(make_loss("dice+cross-entropy")(*tensors())) == pytest.approx(entropy - dice, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_lead_to_the_target(kind):
    logits, target = tensors()
    logits = (logits[:, 1:] if kind == "binary cross-entropy" else logits).clone().requires_grad_()
    loss = make_loss(kind)
    before = loss(logits, target)
    before.backward()
    assert torch.isfinite(logits.grad).all()
    with torch.no_grad():
        assert loss(logits - 10 * logits.grad, target) < before


def test_labels_that_are_absent_make_no_nan():
    logits = torch.zeros(1, 3, 4, 4, 4, requires_grad=True)
    for kind in ("dice", "dice+cross-entropy"):
        make_loss(kind)(logits, torch.zeros(1, 4, 4, 4, dtype=torch.int64)).backward()
    assert torch.isfinite(logits.grad).all()


def test_deep_supervision_weighs_resolutions_by_halves():
    target = torch.from_numpy(RANDOM.integers(0, 3, (1, 8, 8)))
    outputs = [torch.from_numpy(RANDOM.normal(size=(1, 3, size, size))).float() for size in (8, 4, 2)]
    loss = make_loss("cross-entropy")
    thinned = [target, target[:, ::2, ::2], target[:, ::4, ::4]]
    parts = [float(loss(output, truth)) for output, truth in zip(outputs, thinned, strict=True)]
    wanted = (4 * parts[0] + 2 * parts[1] + parts[2]) / 7
    assert float(deep(loss, outputs, target)) == pytest.approx(wanted, abs=1e-6)


def test_losses_refuse_what_they_do_not_know():
    with pytest.raises(MedCompressError, match="dice\\+cross-entropy"):
        make_loss("hinge")
    with pytest.raises(MedCompressError, match="takes no weights"):
        make_loss("cross-entropy", (1, 3))


def test_polynomial_schedule_of_kurmukov():
    options = OptimizerOptions(learning_rate=1e-2, final_learning_rate=1e-4)
    rates = [learning_rate(options, 1e-2, epoch, 300) for epoch in range(301)]
    assert rates[0] == 1e-2 and rates[300] == pytest.approx(1e-4)
    assert rates[150] == pytest.approx(1e-4 + (1e-2 - 1e-4) * 0.5**0.9)
    assert all(after < before for before, after in zip(rates, rates[1:], strict=False))


def test_cosine_constant_and_warmup():
    cosine = OptimizerOptions(schedule="cosine", warmup=2)
    assert learning_rate(cosine, 1.0, 1, 10) == 0.5 and learning_rate(cosine, 1.0, 5, 10) == pytest.approx(0.5)
    assert learning_rate(cosine, 1.0, 10, 10) == pytest.approx(0)
    assert learning_rate(OptimizerOptions(schedule="constant"), 0.3, 9, 10) == 0.3


def test_optimizers_take_the_papers_steps():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    sgd = make_optimizer([weight], OptimizerOptions(weight_decay=0), 0.1)
    for _ in range(2):
        weight.grad = torch.tensor([1.0])
        sgd.step()
    # Nesterov: v = 1, step 1 + 0.99; then v = 1.99, step 1 + 0.99 * 1.99.
    assert weight.item() == pytest.approx(1 - 0.1 * (1.99 + 1 + 0.99 * 1.99), abs=1e-6)
    other = torch.nn.Parameter(torch.tensor([1.0]))
    adam = make_optimizer([other], OptimizerOptions(kind="adam", weight_decay=0), 1e-3)
    other.grad = torch.tensor([123.0])
    adam.step()
    assert other.item() == pytest.approx(1 - 1e-3, abs=1e-6)
