"""What each attack means, on linear networks where the answer is plain.

Images here have one pixel value that matters or few; scores are whole numbers and exact, so the margin is zero.
"""

import numpy as np
import pytest
from attack_networks import Linear

from faceflip.attacks import attack
from faceflip.outcomes import Outcome


def image(*values: int) -> np.ndarray:
    """Return one image of a row of pixels, their values given one after the other and padded with 100."""
    width = -(-len(values) // 3)
    return np.array([*values, *[100] * (3 * width - len(values))], np.uint8).reshape(1, 1, width, 3)


def single(*weights: float, bias: float = 0.0) -> Linear:
    """Return a network of one score with these weights, padded with zeros."""
    width = -(-len(weights) // 3)
    return Linear([[*weights, *[0.0] * (3 * width - len(weights))]], bias)


def run(network, images, name, **options):
    """Attack and return the result, with `outcome` spelt out for its first image."""
    result = attack(network, images, name, **options)
    assert result.margin == 0
    return result, Outcome(result.outcome[0]).label


# FGS


@pytest.mark.parametrize("name", ["fgs-line", "fgs-iterative"])
@pytest.mark.parametrize(("score", "sign"), [(0.5, 1), (-0.5, -1)])
def test_fgs_raises_the_loss_of_the_current_decision(name, score, sign):
    result, outcome = run(single(1 / 8, -1 / 8, bias=score), image(100, 100), name)
    assert outcome == "flipped"
    step = int(result.epsilon[0])
    assert result.perturbation.ravel().tolist() == [-sign * step, sign * step, 0]
    # Leaving +1 takes a value of 0 or less, leaving -1 a value above 0.
    assert step == (2 if sign > 0 else 3)
    assert result.score_after[0] == score - sign * step / 4


@pytest.mark.parametrize(("score", "sign"), [(2.0, 1), (-2.0, -1)])
def test_fgs_past_its_label_points_away_from_the_boundary(score, sign):
    # |f| > 1 on the decided side: 2 (f - y) grad f raises |f|; that is the paper's method.
    network = single(1.0, bias=score - 100)
    result, outcome = run(network, image(100), "fgs-line", max_epsilon=50)
    assert (outcome, result.flipped[0]) == ("max_epsilon", False)
    assert not result.perturbation.any()
    _, outcome = run(network, image(100), "fgs-iterative", max_steps=5)
    assert outcome == "max_steps"
    for name in ("fgs-line", "fgs-iterative"):
        result, outcome = run(network, image(100), name, fgs_label="opposite")
        assert outcome == "flipped"
        assert result.perturbation[0, 0, 0, 0] == (-2 if sign > 0 else 3)


def test_fgs_of_a_score_at_its_label_has_no_gradient():
    for name in ("fgs-line", "fgs-iterative"):
        result, outcome = run(single(1.0, bias=-99), image(100), name)
        assert outcome == "zero_gradient"
        assert result.score_before[0] == 1
        assert result.gradient_passes[0] == 1
        assert result.forward_passes[0] == 0
        assert np.isnan([result.epsilon[0], result.score_after[0]]).all()


def test_fgs_corrects_misclassified_images_unless_it_raises_the_annotated_loss():
    network, images = single(1 / 8, bias=-12), image(100)  # f = 0.5, annotated -1
    result, outcome = run(network, images, "fgs-line", labels=[-1])
    assert (outcome, result.epsilon[0]) == ("flipped", 4)
    _, outcome = run(network, images, "fgs-line", labels=[-1], fgs_label="annotated")
    assert outcome == "max_epsilon"
    result, outcome = run(network, images, "fgs-line", labels=[1], fgs_label="annotated")
    assert (outcome, result.epsilon[0]) == ("flipped", 4)


@pytest.mark.parametrize("shift", [-500.0, 0.0, 500.0])
@pytest.mark.parametrize("name", ["fgs-line", "fgs-iterative"])
def test_fgs_on_softmax_lowers_the_larger_logit_against_the_other(name, shift):
    # Logits absent -x/2 and present x/2 - 45, so 55 apart at 100: a float32 cross-entropy is flat here.
    network = Linear([[-0.5, 0, 0], [0.5, 0, 0]], [shift, shift - 45])
    result, outcome = run(network, image(100), name, objective="softmax")
    assert outcome == "flipped"
    assert result.score_before[0] == 55
    assert result.perturbation[0, 0, 0, 0] == -55


# FFA


@pytest.mark.parametrize("name", ["ffa-line", "ffa-iterative"])
@pytest.mark.parametrize("score", [20.0, 0.5, -1.0, -20.25])
def test_ffa_moves_the_score_to_zero_from_either_side(name, score):
    result, outcome = run(single(0.5, -0.25, bias=score - 25), image(100, 100), name)
    assert outcome == "flipped"
    first, second, _ = result.perturbation.ravel()
    assert np.sign([first, second]).tolist() in ([-np.sign(score), np.sign(score)], [-np.sign(score), 0])
    assert (result.score_after[0] > 0) == (score < 0)


def test_ffa_direction_has_a_largest_change_of_one():
    # d = (1, -0.3, 0.02): at epsilon e the changes are round(e d).
    result, _ = run(single(50.0, -15.0, 1.0, bias=-4200), image(100, 100, 100), "ffa-line")
    epsilon = result.epsilon[0]
    changes = np.rint(100 + epsilon * np.float32([1, -0.3, 0.02]).astype(float)) - 100
    assert result.perturbation.ravel().tolist() == changes.tolist()
    assert result.score_before[0] == -600
    assert result.score_after[0] == -600 + changes @ [50, -15, 1]


@pytest.mark.parametrize("common", [-30.0, -70.0, -150.0])
def test_ffa_on_softmax_with_a_negative_larger_logit_moves_it_up(common):
    # Present 100 + common and absent 60 + common: with the larger negative, going to zero is going up, and never flips.
    network = Linear([[0, 1, 0], [1, 0, 0]], [common, common])
    images = image(100, 60)
    result, outcome = run(network, images, "ffa-line", objective="softmax")
    if common == -30:  # 70 against 30: down by 40 changes the decision
        assert (outcome, result.perturbation.ravel().tolist()) == ("flipped", [-40, 0, 0])
    elif common == -70:  # 30 against -10: the target 0 itself is above -10, the flip comes from going further
        assert (outcome, result.perturbation.ravel().tolist()) == ("flipped", [-40, 0, 0])
        assert result.score_after[0] == 0
    else:
        assert outcome == "max_epsilon"
    result, outcome = run(network, images, "ffa-line", objective="softmax", ffa_objective="margin")
    assert (outcome, result.perturbation.ravel().tolist()) == ("flipped", [-20, 20, 0])


def test_ffa_iterative_on_softmax_with_a_negative_larger_logit_never_flips():
    network = Linear([[0, 1, 0], [1, 0, 0]], -150.0)
    _, outcome = run(network, image(100, 60), "ffa-iterative", objective="softmax", max_steps=30)
    assert outcome == "max_steps"
    result, outcome = run(network, image(100, 60), "ffa-iterative", objective="softmax", ffa_objective="margin")
    assert (outcome, result.steps[0]) == ("flipped", 20)


def test_ffa_on_softmax_leaves_the_other_logit_out():
    # Absent x + 100, present x + 2 y: down the present logit's gradient (1, 2), although x cannot change the decision.
    network = Linear([[1, 0, 0], [1, 2, 0]], [100, 0])
    result, outcome = run(network, image(100, 100), "ffa-line", objective="softmax")
    assert (outcome, result.perturbation.ravel().tolist()) == ("flipped", [-25, -50, 0])
    result, outcome = run(network, image(100, 100), "ffa-line", objective="softmax", ffa_objective="margin")
    assert (outcome, result.perturbation.ravel().tolist()) == ("flipped", [0, -50, 0])


def test_ffa_target_original_on_softmax_goes_no_further_than_the_target():
    # Present 30, absent -10: t = (-10, 0). Along a line nothing stops at the target; step by step it does.
    network = Linear([[0, 1, 0], [1, 0, 0]], -70.0)
    options = {"objective": "softmax", "max_steps": 90}
    _, outcome = run(network, image(100, 60), "ffa-iterative", ffa_target="original", **options)
    assert outcome == "zero_gradient"
    result, outcome = run(network, image(100, 60), "ffa-line", objective="softmax", ffa_target="original")
    assert (outcome, result.score_after[0]) == ("flipped", 0)


@pytest.mark.parametrize("name", ["ffa-line", "ffa-iterative"])
def test_ffa_on_several_attributes_touches_one_only(name):
    weights = np.array([[8, 0, 0, 0, 0, 0], [0, 8, 0, 0, 0, 0], [0, 0, 0, 0, 8, 8]])
    network = Linear(weights, [-780, -850, -1500])  # values 20, -50, 100
    images = np.repeat(image(100, 100, 100, 100, 100, 100), 3, axis=0)
    result = attack(network, images, name, np.arange(3))
    assert result.score_before.tolist() == [20, -50, 100]
    assert result.perturbation.reshape(3, -1).tolist() == [
        [-3, 0, 0, 0, 0, 0],
        [0, 7, 0, 0, 0, 0],
        [0, 0, 0, 0, -7, -7],
    ]
    assert result.flipped.all()


def test_ffa_target_original_on_several_attributes_holds_the_other_scores():
    # Moving attribute 0 moves attribute 1 as well; the original target takes part of that back in later steps.
    network = Linear([[8, 0, 0], [8, 8, 0]], [-780, -1500])
    anew, _ = run(network, image(100, 100), "ffa-iterative")
    kept, _ = run(network, image(100, 100), "ffa-iterative", ffa_target="original")
    assert anew.perturbation.ravel().tolist() == [-3, 0, 0]
    assert kept.perturbation.ravel()[1] > 0


# Zero


@pytest.mark.parametrize("name", ["ffa-line", "ffa-iterative"])
def test_a_score_of_exactly_zero_is_at_the_target_of_ffa(name):
    result, outcome = run(single(1.0, bias=-100), image(100), name)
    assert (outcome, result.score_before[0], result.steps[0] == 0) == ("zero_gradient", 0, name == "ffa-iterative")


@pytest.mark.parametrize("name", ["fgs-line", "fgs-iterative"])
def test_a_score_of_exactly_zero_counts_as_absent(name):
    result, outcome = run(single(1.0, bias=-100), image(100), name)
    assert (outcome, result.score_after[0]) == ("flipped", 1)
    assert result.perturbation.ravel().tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", ["fgs-line", "ffa-line", "fgs-iterative", "ffa-iterative"])
def test_a_present_attribute_is_gone_at_exactly_zero_and_an_absent_one_is_not_there(name):
    present, _ = run(single(1 / 4, bias=-24), image(100), name, fgs_label="opposite")  # f = 1
    assert (present.perturbation[0, 0, 0, 0], present.score_after[0]) == (-4, 0)
    absent, _ = run(single(1 / 4, bias=-26), image(100), name, fgs_label="opposite")  # f = -1
    if name == "ffa-iterative":  # four steps lead to the target itself, where the score is zero and not flipped
        assert Outcome(absent.outcome[0]).label == "zero_gradient"
    else:
        assert (absent.perturbation[0, 0, 0, 0], absent.score_after[0]) == (5, 0.25)


@pytest.mark.parametrize("max_steps", [1, 2, 100])
def test_the_rounded_image_is_judged_where_no_step_leads_on(max_steps):
    """One step leads to a score of exactly zero, where FFA has no gradient; the rounded image has flipped."""
    network = single(1.0, 0.75, bias=-100 * 1.75 - 1.5625)
    result, outcome = run(network, image(100, 100), "ffa-iterative", max_steps=max_steps)
    assert (outcome, result.score_after[0]) == ("flipped", 0.1875)
    assert (result.perturbation.ravel().tolist(), result.steps[0]) == ([1, 1, 0], 1)


def test_a_named_margin_is_kept():
    network = single(1 / 4, bias=-24)  # f = 1
    result = attack(network, image(100), "fgs-line", fgs_label="opposite", margin=0.5)
    assert (result.perturbation[0, 0, 0, 0], result.score_after[0], result.margin) == (-6, -0.5, 0.5)
    result = attack(single(1 / 4, bias=-26), image(100), "fgs-line", fgs_label="opposite", margin=0.5)
    assert (result.perturbation[0, 0, 0, 0], result.score_after[0]) == (7, 0.75)
    # Within the margin FGS still leaves the old decision, and FFA does not turn back if it goes onward.
    for name in ("fgs-iterative", "ffa-iterative"):
        result = attack(network, image(100), name, fgs_label="opposite", ffa_crossed="onward", margin=0.75)
        assert (result.steps[0], result.score_after[0]) == (7, -0.75)


# Rounding and state


def test_ffa_iterative_keeps_fractions_between_steps_and_judges_the_rounded_image():
    # d = (-1, -0.4): after k steps the state is (100 - k, 100 - 0.4 k), rounded to (100 - k, round(100 - 0.4 k)).
    network = single(10.0, 4.0, bias=-1400 + 52)
    result, outcome = run(network, image(100, 100), "ffa-iterative")
    assert outcome == "flipped"
    # Unrounded scores are 52 - 11.6 k, below zero after 5 steps; rounded 52 - 10 * 5 - 4 * 2 = -6.
    assert (result.steps[0], result.score_after[0]) == (5, -6)
    assert result.perturbation.ravel().tolist() == [-5, -2, 0]


def test_ffa_iterative_turns_back_or_goes_on_where_only_the_unrounded_image_is_flipped():
    # Many values change by 0.3 a step and count for nothing until they add up to a half.
    network, images = Linear([[10.0, *[3.0] * 20]], 25.0 - 10 * 100 * 7), image(*[100] * 21)
    # Equations (8) and (9): 25 - 28 k, so a step to -3, one back to 25, and so on; rounded 15 and 25.
    result, outcome = run(network, images, "ffa-iterative", max_steps=9)
    assert (outcome, result.steps[0], result.forward_passes[0]) == ("max_steps", 9, 5)
    result, outcome = run(network, images, "ffa-iterative", ffa_crossed="onward")
    assert outcome == "flipped"
    # Unrounded: 25 - 28 k, crossed after one step; rounded: 15 after one, 5 - 20 * 3 = -55 after two.
    assert (result.steps[0], result.score_after[0]) == (2, -55)
    assert result.forward_passes[0] == 2
    assert result.perturbation.ravel()[:21].tolist() == [-2, *[-1] * 20]


def test_fgs_iterative_stays_on_whole_numbers_and_inside_the_range():
    result, outcome = run(single(1 / 64, 1 / 64, 1 / 64, bias=-3.75), image(2, 100, 200), "fgs-iterative")
    assert outcome == "flipped"  # f = 302 / 64 - 3.75 = 0.96875, 62 units of 1/64
    assert result.perturbation.ravel().tolist() == [-2, -30, -30]
    assert result.score_after[0] == 0


@pytest.mark.parametrize("name", ["fgs-iterative", "ffa-iterative"])
def test_passes_of_an_iterative_attack_are_counted(name):
    result, _ = run(single(1 / 8, bias=-12), image(100), name)  # f = 0.5, four steps
    assert (result.steps[0], result.epsilon[0], result.forward_passes[0]) == (4, 4.0, 1)
    # The slope tells FGS to expect a flip of the fourth step; FFA learns of it by the unrounded image's gradient pass.
    assert result.gradient_passes[0] == (4 if name == "fgs-iterative" else 5)
    result, outcome = run(single(1 / 8, bias=-12), image(100), name, max_steps=4)
    assert (outcome, result.gradient_passes[0], result.forward_passes[0]) == ("flipped", 4, 1)
    result, outcome = run(single(1 / 8, bias=-12), image(100), name, max_steps=3)
    assert (outcome, result.steps[0], result.gradient_passes[0]) == ("max_steps", 3, 3)
    assert np.isnan(result.epsilon[0])


# Giving up


@pytest.mark.parametrize("name", ["fgs-line", "ffa-line", "fgs-iterative", "ffa-iterative"])
def test_no_gradient_is_an_outcome(name):
    result, outcome = run(single(0.0, bias=0.5), image(100), name)
    assert outcome == "zero_gradient"
    assert not result.flipped[0]
    assert (result.gradient_passes[0], result.forward_passes[0]) == (1, 0)


@pytest.mark.parametrize(("limit", "passes"), [(255, 8), (100, 7), (63, 6), (1, 1)])
def test_a_line_ends_at_max_epsilon(limit, passes):
    network = single(1 / 512, bias=0.625)
    for name in ("fgs-line", "ffa-line"):
        result, outcome = run(network, image(128), name, max_epsilon=limit)
        assert (outcome, result.forward_passes[0]) == ("max_epsilon", passes)


@pytest.mark.parametrize("name", ["fgs-line", "ffa-line"])
def test_max_epsilon_is_tried_itself(name):
    network = single(1 / 64, bias=-1)  # f = 0.5625 at 100: flips at 36
    assert run(network, image(100), name, max_epsilon=36)[1] == "flipped"
    result, outcome = run(network, image(100), name, max_epsilon=35)
    assert (outcome, result.forward_passes[0]) == ("max_epsilon", 6)
    # FGS takes the whole part of it; FFA's changes are rounded, 35.5 is 36 from an even value.
    assert run(network, image(100), "fgs-line", max_epsilon=35.9)[1] == "max_epsilon"
    assert run(network, image(100), "ffa-line", max_epsilon=35.6)[1] == "flipped"


@pytest.mark.parametrize("name", ["fgs-line", "ffa-line", "fgs-iterative", "ffa-iterative"])
def test_an_image_that_cannot_move_is_saturated(name):
    stuck, outcome = run(single(1.0, -1.0, bias=255.5), image(0, 255), name, fgs_label="opposite")
    assert outcome == "saturated"
    assert stuck.forward_passes[0] == 0
    assert stuck.gradient_passes[0] == 1


@pytest.mark.parametrize("name", ["fgs-line", "ffa-line"])
def test_a_line_ends_where_growing_changes_nothing(name):
    # One value can go down by 5 and then no further; 7 is tried, 15 would be the same image.
    result, outcome = run(single(1 / 16, bias=0.5), image(5), name)
    assert (outcome, result.forward_passes[0]) == ("saturated", 3)
    result, outcome = run(single(1 / 16, bias=0.5), image(5), name, search="scan")
    assert (outcome, result.forward_passes[0]) == ("saturated", 5)


@pytest.mark.parametrize("name", ["fgs-iterative", "ffa-iterative"])
def test_an_iteration_ends_where_a_step_changes_nothing(name):
    result, outcome = run(single(1 / 16, bias=0.5), image(5), name)
    assert (outcome, result.steps[0], result.gradient_passes[0]) == ("saturated", 5, 6)
