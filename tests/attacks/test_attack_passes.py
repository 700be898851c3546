"""`faceflip plan` counts the passes of attacks of libraries: as many as they take, by the catalogue's table."""

import importlib
import inspect
import math

import pytest
from attack_networks import convolutional, noise_images
from known_attacks import CASES

from faceflip.attacks import attack
from faceflip.attacks.conventions import without_charts
from faceflip.attacks.libraries import ASSUMED_STEPS, LINE_PASSES, attack_of_file, is_installed, known_attack
from faceflip.catalogue import ATTACK_LIBRARIES, LIBRARY_ATTACKS

pytestmark = pytest.mark.usefixtures("one_thread")

REGULAR, IRREGULAR = 1.2, 3.0
"""By which factor an estimate may be off: of attacks whose steps are fixed, and of those that end by themselves."""
SLACK = 3
"""Passes that no factor is asked of."""


def require(file):
    if not is_installed(file.partition(":")[0].partition(".")[0]):
        pytest.skip("it is not installed")


@pytest.fixture(scope="module")
def case():
    """Return a network of two attributes, of which the second is attacked, and images."""
    return convolutional(2, seed=3, size=(24, 20), spread=1.5), noise_images(6, seed=4, size=(24, 20))


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.parametrize(("file", "options"), CASES, ids=[file for file, _ in CASES])
def test_an_estimate_is_near_the_count(case, file, options):
    require(file)
    network, images = case
    known, entry = known_attack(file), attack_of_file(file, options, None)
    found = attack(network, images, file, 1, options=options)
    whole = known.most == math.inf and known.gradients == int(known.gradients) > 0
    factor = REGULAR if whole else IRREGULAR
    for counted, expected in (
        (found.gradient_passes.mean(), entry.gradients),
        (found.forward_passes.mean(), entry.forwards),
    ):
        assert counted <= factor * expected + SLACK
        assert expected <= factor * counted + SLACK


@pytest.mark.parametrize("name", LIBRARY_ATTACKS)
def test_defaults_are_those_of_the_library(name):
    module, _, attack_name = name.partition(":")
    if not is_installed(module):
        pytest.skip("it is not installed")
    places = {"adv_lib": ("attacks", "attacks.auto_pgd"), "foolbox": ("attacks",), "art": ("attacks.evasion",)}
    with without_charts():
        modules = [
            importlib.import_module(".".join([module, *rest.split(".")]).rstrip("."))
            for rest in places.get(module, ("",))
        ]
    found = next(getattr(each, attack_name) for each in modules if hasattr(each, attack_name))
    parameters = inspect.signature(found).parameters
    for option, default in LIBRARY_ATTACKS[name].steps.items():
        if (module, option) != ("foolbox", "epsilons"):  # which is given to the call
            assert parameters[option].default in (default, None)


def test_every_attack_of_the_table_has_a_case():
    """But for other norms and names of one that has, and AutoAttack, which the last of its parts makes long or not."""
    tried = {id(known_attack(file)) for file, _ in CASES}
    same = ("foolbox:L1", "foolbox:L2", "foolbox:Linf", "foolbox:FGSM", "foolbox:PGD", "torchattacks:AutoAttack")
    assert [
        name for name, entry in LIBRARY_ATTACKS.items() if id(entry) not in tried and not name.startswith(same)
    ] == []


@pytest.mark.parametrize(
    ("file", "options", "then", "gradients", "forwards"),
    [
        ("mine.py:attack", {}, None, 1 + ASSUMED_STEPS, 1),
        ("mine.py:ddn", {"steps": 7}, None, 8, 1),
        ("torch:unknown", {"max_iter": 7}, "line", 8, 1 + LINE_PASSES),
        ("torchattacks:BIM", {}, None, 10, 1),
        ("torchattacks:BIM", {"steps": 90}, "line", 90, 1 + LINE_PASSES),
        ("torchattacks.attacks.bim:BIM", {"steps": 90}, None, 90, 1),
        ("torchattacks:DeepFool", {"steps": 90}, None, 6, 1),
        ("torchattacks:DeepFool", {"steps": 2}, None, 2, 1),
        ("foolbox.attacks:LinfPGD", {"epsilons": [0.1, 0.2, 0.3], "steps": 5}, None, 16, 2),
        ("foolbox.attacks:LinfPGD", {"epsilons": 0.1, "steps": 5}, None, 6, 2),
        ("foolbox.attacks:BoundaryAttack", {"steps": 100}, None, 1, 143),
        ("art.attacks.evasion:CarliniL2Method", {"max_iter": 5, "binary_search_steps": 2}, None, 18, 41),
    ],
)
def test_what_is_counted(monkeypatch, file, options, then, gradients, forwards):
    monkeypatch.setattr("faceflip.attacks.libraries.is_installed", lambda module: True)
    entry = attack_of_file(file, options, then)
    assert (entry.gradients, entry.forwards) == (gradients, forwards)
    assert isinstance(entry.gradients, int)


@pytest.mark.peers
def test_a_line_search_adds_about_as_many(case):
    require("torchattacks:BIM")
    network, images = case
    options = {"eps": 0.03, "alpha": 0.006, "steps": 10}
    alone, along = (
        attack(network, images, "torchattacks:BIM", 1, options=options, then=then) for then in (None, "line")
    )
    more = (along.forward_passes - alone.forward_passes).mean()
    assert LINE_PASSES / 2 < more < 2 * LINE_PASSES
    assert (along.gradient_passes == alone.gradient_passes).all()


def test_the_table_names_libraries_that_there_are():
    assert {name.partition(":")[0] for name in LIBRARY_ATTACKS} == set(ATTACK_LIBRARIES)
