"""Losses, and how scores are read: by hand, by automatic differentiation, for networks of one attribute and of many."""

import pytest
import torch
from torch.nn import functional

from faceflip.catalogue import LOSSES
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective, decisions, objective_of

SEVERAL = 3
ATTRIBUTE = torch.tensor([0, 2, 1])


class Hinge(Objective):
    """Your own, with nothing but the loss."""

    def loss(self, scores, labels):
        return torch.relu(1 - labels * scores).sum(dim=1)


class Focal(Objective):
    """Your own with two logits an attribute."""

    two_logits = True

    def loss(self, scores, labels):
        wrong = torch.sigmoid(-labels * self.decision_values(scores))
        return -(wrong.square() * torch.log1p(-wrong)).sum(dim=1)


ALL = [*(objective_of(name) for name in LOSSES), Hinge(), Focal()]


def each_objective(function):
    return pytest.mark.parametrize("objective", ALL, ids=lambda each: type(each).__name__)(function)


def test_losses_and_decisions_by_hand():
    values = torch.tensor([[0.5], [-2.0], [0.0]])
    labels = torch.tensor([[1.0], [1.0], [-1.0]])
    euclidean = objective_of("euclidean")
    torch.testing.assert_close(euclidean.loss(values, labels), torch.tensor([0.25, 9.0, 1.0]))
    assert decisions(euclidean.decision_values(values)).tolist() == [[1], [-1], [-1]]

    logits = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
    softmax = objective_of("softmax")
    probability = torch.exp(torch.tensor(3.0)) / (torch.exp(torch.tensor(1.0)) + torch.exp(torch.tensor(3.0)))
    expected = torch.stack([-probability.log(), torch.tensor(2.0).log()])
    torch.testing.assert_close(softmax.loss(logits, torch.tensor([[1], [-1]])), expected)
    assert decisions(softmax.decision_values(logits)).tolist() == [[1], [-1]], "a tie counts as absent"

    bce = objective_of("bce")
    probability = 1 / (1 + torch.exp(-values[:, 0]))
    expected = -torch.where(labels[:, 0] > 0, probability, 1 - probability).log()
    torch.testing.assert_close(bce.loss(values, labels), expected)
    assert decisions(bce.decision_values(values)).tolist() == [[1], [-1], [-1]]

    moon = euclidean.loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(moon, torch.tensor([5.0]), msg="a sum over the attributes, not a mean")


@pytest.mark.parametrize("attributes", [1, SEVERAL])
@each_objective
def test_shapes(objective, attributes):
    outputs = objective.outputs(attributes)
    assert outputs == attributes * objective.scores_an_attribute == attributes * (2 if objective.two_logits else 1)
    scores, labels = torch.randn(4, outputs), torch.ones(4, attributes)
    assert objective.loss(scores, labels).shape == (4,)
    assert objective.loss_gradient(scores, labels).shape == (4, outputs)
    assert objective.decision_values(scores).shape == (4, attributes)


@pytest.mark.parametrize("attributes", [1, SEVERAL])
@each_objective
def test_gradients_of_the_losses(objective, attributes):
    torch.manual_seed(1)
    labels = torch.randint(0, 2, (6, attributes), dtype=torch.int8) * 2 - 1
    scores = 3 * torch.randn(6, objective.outputs(attributes), dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(objective.loss(scores, labels.double()).sum(), scores)
    torch.testing.assert_close(objective.loss_gradient(scores.detach(), labels), expected, rtol=1e-12, atol=1e-15)
    with torch.inference_mode():
        again = objective.loss_gradient(scores.detach(), labels)
    torch.testing.assert_close(again, expected, rtol=1e-12, atol=1e-15, msg="whatever mode the caller is in")


@each_objective
def test_a_loss_is_the_sum_of_its_attributes_parts(objective):
    assert objective.separable
    torch.manual_seed(2)
    labels = torch.tensor([[1, -1, 1], [-1, -1, 1]])
    scores = torch.randn(2, objective.outputs(SEVERAL), dtype=torch.float64)
    parts = scores.reshape(2, SEVERAL, -1)
    alone = [objective.loss(parts[:, column], labels[:, [column]].double()) for column in range(SEVERAL)]
    torch.testing.assert_close(objective.loss(scores, labels.double()), sum(alone))
    whole = objective.loss_gradient(scores, labels)
    for column in range(SEVERAL):
        own = objective.of_attribute(torch.full((2,), column), scores.shape[1])
        expected = objective.loss_gradient(parts[:, column], labels[:, [column]])
        torch.testing.assert_close(whole[own].view(2, -1), expected)


@pytest.mark.parametrize(("name", "signs"), [("softmax", [[1, -1], [-1, 1]]), ("bce", [[-1], [1]])])
def test_the_gradient_of_a_sure_decision_is_not_lost(name, signs):
    sure = {"softmax": [[-50.0, 50.0], [300.0, -300.0]], "bce": [[100.0], [-600.0]]}[name]
    scores = torch.tensor(sure, dtype=torch.float64)
    gradient = objective_of(name).loss_gradient(scores, torch.tensor([[1], [-1]]))
    assert (gradient.sign() == torch.tensor(signs)).all()


@each_objective
def test_the_scores_of_an_attribute(objective):
    outputs = objective.outputs(SEVERAL)
    own = objective.of_attribute(ATTRIBUTE, outputs)
    assert own.dtype == torch.bool
    expected = [[0, 1], [4, 5], [2, 3]] if objective.two_logits else [[0], [2], [1]]
    assert [row.nonzero().flatten().tolist() for row in own] == expected


@each_objective
def test_the_carrier_is_the_score_that_decides(objective):
    scores = torch.tensor([[1.0, -2.0, 3.0, 5.0, -7.0, -6.5]])[:, : objective.outputs(SEVERAL)].expand(3, -1)
    values = objective.decision_values(scores).gather(1, ATTRIBUTE[:, None])
    carrier = objective.carrier(ATTRIBUTE, decisions(values[:, 0]))
    assert carrier.dtype == torch.int64
    if objective.two_logits:
        assert values.flatten().tolist() == [-3, 0.5, 2]
        assert carrier.tolist() == [0, 5, 3], "the larger of the two"
    else:
        assert values.flatten().tolist() == [1, 3, -2]
        assert carrier.tolist() == ATTRIBUTE.tolist()


@each_objective
def test_the_gradient_of_the_decision_value(objective):
    scores = torch.randn(3, objective.outputs(SEVERAL), requires_grad=True)
    values = objective.decision_values(scores).gather(1, ATTRIBUTE[:, None])
    (expected,) = torch.autograd.grad(values.sum(), scores)
    found = objective.value_gradient(ATTRIBUTE, scores.shape[1])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_objectives_are_found_by_name_or_reference():
    for name in LOSSES:
        assert objective_of(name).name == name
    with pytest.raises(UserError, match="no loss 'moon'; there are euclidean, softmax, bce"):
        objective_of("moon")
    with pytest.raises(
        UserError, match=r"torch\.nn\.functional:mse_loss: expected a class like .*objectives\.Objective"
    ):
        objective_of("torch.nn.functional:mse_loss")


def test_softmax_and_bce_agree_on_the_difference_of_the_logits():
    logits, labels = torch.randn(5, 2, dtype=torch.float64), torch.tensor([[1], [-1], [1], [1], [-1]]).double()
    difference = objective_of("softmax").decision_values(logits)
    torch.testing.assert_close(
        objective_of("softmax").loss(logits, labels), objective_of("bce").loss(difference, labels)
    )
    expected = functional.binary_cross_entropy_with_logits(difference, (labels + 1) / 2, reduction="none")
    torch.testing.assert_close(objective_of("bce").loss(difference, labels), expected[:, 0])
