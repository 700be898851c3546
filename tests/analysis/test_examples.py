from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.examples import choose_examples

NO_TRANSFERS = pd.DataFrame(
    columns=["network", "checkpoint", "attack", "attribute", "image", "target", "changed", "score_after"]
)


def attempts(network: str, *rows: tuple) -> pd.DataFrame:
    """Attempts with both searches of FFA: attribute, image, correct, PASS of the line search, of the iterative one."""
    return pd.DataFrame(
        [
            {
                "network": network,
                "checkpoint": "converged",
                "attack": f"ffa-{search}",
                "attribute": attribute,
                "image": image,
                "file_name": f"{image}.jpg",
                "correct": correct,
                "flipped": similarity is not None,
                "pass": np.nan if similarity is None else similarity,
                "score_before": 0.5,
            }
            for attribute, image, correct, *passes in rows
            for search, similarity in zip(("line", "iterative"), passes, strict=True)
        ]
    )


def transfers(*rows: tuple) -> pd.DataFrame:
    """Changed decisions of MOON: search, attribute, image, target, score after."""
    return pd.DataFrame(
        [
            {
                "network": "moon",
                "checkpoint": "converged",
                "attack": f"ffa-{search}",
                "attribute": attribute,
                "image": image,
                "target": target,
                "changed": True,
                "score_after": score,
            }
            for search, attribute, image, target, score in rows
        ]
    )


def test_the_natural_adversarial_image_of_median_similarity(made):
    (choice,) = choose_examples(
        attempts(
            "euclidean",
            ("Bald", 1, False, 0.96, 0.99),
            ("Bald", 2, False, 0.97, 0.96),
            ("Male", 3, False, 0.98, 0.99),
            # None of these qualifies: correct, no flip by iterating, below the threshold.
            ("Male", 4, True, 0.97, 0.99),
            ("Male", 5, False, 0.97, None),
            ("Male", 6, False, 0.94, 0.99),
        ),
        NO_TRANSFERS,
        made.run,
    )
    line, iterative = choice.examples
    assert (line.image, line.attribute, line.search, line.similarity) == (2, "Bald", "line", 0.97)
    assert (iterative.image, iterative.search, iterative.similarity) == (2, "iterative", 0.96)
    assert line.present
    assert not line.correct
    assert choice.remark == ""


@pytest.mark.parametrize("doubtful", [True, False, None])
def test_whether_the_label_is_in_doubt_is_told_and_changes_no_choice(made, doubtful):
    frame = attempts("euclidean", ("Bald", 1, False, 0.96, 0.99), ("Male", 2, False, 0.97, 0.96))
    (expected,) = choose_examples(frame, NO_TRANSFERS, made.run)
    if doubtful is not None:
        frame = frame.assign(doubtful=(frame["image"] == 1) == doubtful)
    (choice,) = choose_examples(frame, NO_TRANSFERS, made.run)
    assert [each.doubtful for each in choice.examples] == [bool(doubtful)] * 2
    assert [replace(each, doubtful=False) for each in choice.examples] == list(expected.examples)


@pytest.mark.parametrize(
    ("rows", "image", "shown", "remark"),
    [
        ([("Bald", 1, False, 0.96, None), ("Bald", 2, True, 0.99, 0.99)], 1, [True, False], "by both searches"),
        ([("Bald", 1, False, 0.5, 0.6), ("Bald", 2, True, 0.99, 0.99)], 1, [True, True], "reaches a PASS of 0.95"),
        ([("Bald", 1, False, None, 0.99), ("Bald", 2, True, 0.99, 0.99)], 2, [True, True], "no misclassified image"),
        ([("Bald", 1, False, None, 0.99), ("Bald", 2, True, 0.3, None)], 2, [True, False], "none reaches"),
    ],
)
def test_the_rule_is_relaxed_step_by_step(made, rows, image, shown, remark):
    (choice,) = choose_examples(attempts("euclidean", *rows), NO_TRANSFERS, made.run)
    assert [example is not None for example in choice.examples] == shown
    assert {example.image for example in choice.examples if example} == {image}
    assert remark in choice.remark


@pytest.mark.parametrize("network", ["euclidean", "moon"])
def test_nothing_to_show(made, network):
    (choice,) = choose_examples(attempts(network, ("Bald", 1, False, None, 0.99)), NO_TRANSFERS, made.run)
    assert choice.examples == (None, None)
    assert choice.remark == "FFA with line search flipped no image of this network"


def test_the_first_network_of_a_kind_that_is_attacked_is_shown(made):
    assert choose_examples(made.attempts[:0], NO_TRANSFERS, made.run) == ()
    frame = pd.concat([attempts(name, ("Bald", 1, False, 0.99, 0.99)) for name in ("moon", "softmax")])
    assert [choice.network.name for choice in choose_examples(frame, NO_TRANSFERS, made.run)] == ["softmax", "moon"]


def test_joint_networks_prefer_images_that_change_others(made):
    rows = [("Bald", n, True, 0.96 + 0.01 * n, 0.99) for n in range(3)] + [("Bald", 9, False, 0.99, 0.99)]
    changes = transfers(
        ("line", "Bald", 2, "Young", -0.1),
        ("line", "Bald", 2, "Male", 0.1),
        ("iterative", "Bald", 2, "Male", 0.3),
        # Only its own attribute, only by one search: neither counts.
        ("line", "Bald", 1, "Bald", -0.1),
        ("iterative", "Bald", 1, "Bald", -0.1),
        ("line", "Bald", 0, "Young", -0.1),
    )
    (choice,) = choose_examples(attempts("moon", *rows), changes, made.run)
    line, iterative = choice.examples
    assert line.image == iterative.image == 2
    assert line.others == (("Male", True), ("Young", False))
    assert iterative.others == (("Male", True),)
    assert choice.remark == ""


def test_joint_networks_without_images_that_change_others(made):
    rows = [("Bald", n, True, 0.96 + 0.01 * n, 0.99) for n in range(3)]
    (choice,) = choose_examples(attempts("moon", *rows), transfers(("line", "Bald", 0, "Young", -0.1)), made.run)
    assert choice.examples[0].image == 1
    assert choice.examples[0].others == ()
    assert "no image changes other attributes" in choice.remark


def test_the_order_of_rows_does_not_matter(made):
    shuffled = made.attempts.sample(frac=1, random_state=0), made.transfers.sample(frac=1, random_state=0)
    assert choose_examples(made.attempts, made.transfers, made.run) == choose_examples(*shuffled, made.run)
