"""The stage of fine-tuning: what it writes, what it refuses, what it never learns from, and that it can be killed."""

import csv
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from tunings import (
    CODE,
    HELD_OUT,
    LAYERS,
    NAMES,
    OPTIONS,
    SIZE,
    TRAIN,
    dataset,
    made,
    member_of,
    source_of,
    spec_of,
    stopped,
    tune,
)

from faceflip.catalogue import DIETS, LOSSES
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.io.paths import UNFINISHED
from faceflip.io.tables import read_table, write_table
from faceflip.networks.bringing import bring
from faceflip.networks.brought import BroughtOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.seeds import derive
from faceflip.stages.flips import doubted_labels
from faceflip.training import loop
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training
from faceflip.training.optimiser import RMSProp

pytestmark = pytest.mark.usefixtures("one_thread")
EXTRA = [name for name in DIETS if name != "control"]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Faces, a source network of three attributes, and a store of attempts on it."""
    folder, data = tmp_path_factory.mktemp("source"), dataset()
    source = source_of(folder)
    return source, data, [made(folder, source, data, images=range(30))]


def state_of(files):
    network, _ = load_checkpoint(files.checkpoint, own_code=None)
    return network.state_dict()


def same(one, other):
    return all(torch.equal(values, other[name]) for name, values in one.items())


def read_by(monkeypatch):
    """Return a list that will have the positions of clean training images as they are read."""
    read, gather = [], LabelledImages.gather

    def spied(self, positions):
        if len(self.rows) > 20:  # not the validation's
            read.append(self.rows[positions].tolist())
        return gather(self, positions)

    monkeypatch.setattr(LabelledImages, "gather", spied)
    return read


# What it writes


def test_checkpoint_and_history_say_what_was_done(attacked, tmp_path):
    source, data, stores = attacked
    files = tune(tmp_path, source, data, stores, diet="hard", share=0.25, epochs=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diet.parquet", "tuned.pt", "tuning.csv"]
    network, info = load_checkpoint(files.checkpoint, own_code=CODE, attributes=NAMES)
    assert network.spec == spec_of()
    assert (info.network, info.member, info.epoch, info.dataset_fingerprint) == ("firmer", "all", 3, data.fingerprint)
    own_seed = derive(7, "fine-tune", "mine", "3", *NAMES)
    expected = OPTIONS.model_dump() | {
        **{"learning_rate": 0.002, "gamma": 0.0, "checkpoints": [3], "min_epochs": 3, "max_epochs": 3},
        **{"seed": own_seed, "device": "cpu", "threads": 1},
        "from": {"network": "mine", "epoch": 3, "sha256": sha256(source)},
        "diet": {"diet": "hard", "share": 0.25, "epochs": 3},
    }
    assert info.training == expected
    with files.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = ["epoch", "loss", "training_error", "validation_error", "learning_rate"]
    assert list(rows[0]) == ["network", "member", *measured, "extra_images", "seconds"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {key: float(rows[-1][key]) for key in measured} == info.metrics
    attempts = stores[0].attempts
    right = (attempts["score_before"] > 0) == (attempts["label"] > 0)
    assert {int(row["extra_images"]) for row in rows} == {4 * int((right & (attempts["pass"] >= 0.95)).sum())}
    assert all(0 < float(row["seconds"]) < 60 for row in rows)
    assert {(row["network"], row["member"], row["learning_rate"]) for row in rows} == {("firmer", "all", "0.002")}


@pytest.mark.parametrize("diet", EXTRA)
def test_a_share_of_nothing_has_the_bytes_of_the_control(attacked, tmp_path, diet):
    source, data, stores = attacked
    control = tune(tmp_path / "control", source, data, diet="control", epochs=2)
    nothing = tune(tmp_path / diet, source, data, stores, diet=diet, share=0.0, epochs=2)
    assert nothing.checkpoint.read_bytes() == control.checkpoint.read_bytes()
    assert nothing.images.read_bytes() == control.images.read_bytes()
    other = tune(tmp_path / "other", source, data, stores, diet=diet, share=0.5, epochs=2)
    assert not same(state_of(other), state_of(control))


@pytest.mark.parametrize("diet", [*DIETS])
def test_clean_images_come_in_one_order_whatever_the_diet(attacked, tmp_path, monkeypatch, diet):
    """It is that of the seed's generator; and the table of images has those that were read, and as often."""
    source, data, stores = attacked
    read = read_by(monkeypatch)
    files = tune(tmp_path, source, data, stores, diet=diet, share=0.5, epochs=2, name=f"of-{diet}")
    rows = np.setdiff1d(np.arange(TRAIN), HELD_OUT)
    shuffle = np.random.default_rng(derive(7, "fine-tune", "mine", "3", *NAMES))
    orders = [rows[shuffle.permutation(len(rows))[:48]].reshape(6, 8) for _ in range(2)]
    looked, met = read[:6], read[6:]
    assert looked == orders[0].tolist(), "the look ahead is on clean images"
    whole = diet in ("control", "fgsm-rs", "pgd")
    assert met == [batch[: 8 if whole else 4].tolist() for order in orders for batch in order]
    table = read_table(files.images)
    assert list(table.columns) == ["image", "file_name", "use", "attribute", "factor", "times"]
    assert table["file_name"].tolist() == data.file_names[table["image"]].tolist()
    clean, extra = (table[table["use"] == use] for use in ("clean", "extra"))
    times = np.bincount(np.concatenate(orders)[:, : 8 if diet == "control" else 4].ravel(), minlength=75)
    assert clean["image"].tolist() == np.flatnonzero(times).tolist()
    assert clean["times"].tolist() == times[times > 0].tolist()
    assert clean["factor"].isna().all()
    assert set(clean["attribute"]) == {""}
    assert extra["times"].sum() == (0 if diet == "control" else 2 * 6 * 4)
    if DIETS[diet].steps:
        assert np.repeat(extra["image"], extra["times"]).tolist() == sorted(np.concatenate(orders)[:, 4:].ravel())
        assert extra["factor"].isna().all()
    elif diet != "control":
        factors = {factor for part in DIETS[diet].parts or [diet] for factor in DIETS[part].factors}
        assert set(extra["factor"]) <= factors
        assert set(extra["attribute"]) <= set(NAMES)
        assert not extra.duplicated(["image", "attribute", "factor"]).any()


def test_the_network_s_name_changes_no_weight(attacked, tmp_path):
    source, data, stores = attacked
    one, other = (tune(tmp_path / name, source, data, stores, diet="pgd", name=name) for name in ("one", "other"))
    assert same(state_of(one), state_of(other))
    again = tune(tmp_path / "again", source, data, stores, diet="pgd", name="one", seed=8)
    assert not same(state_of(one), state_of(again))


def test_a_pool_of_nothing_is_told_and_trained_as_the_control(attacked, tmp_path, capsys):
    source, data, _ = attacked
    control = tune(tmp_path / "control", source, data)
    low = made(tmp_path, source, data, images=range(4), seed=2)
    table = read_table(low.scores)
    attrs, table = table.attrs, table.assign(**{"pass": table["pass"] - 0.2})
    table.attrs = attrs
    write_table(low.scores, table)
    for stores in ([], [low]):
        capsys.readouterr()
        files = tune(tmp_path / f"hard{len(stores)}", source, data, stores, diet="hard")
        assert "share 0.5: clean images alone, as no attempt makes an extra image" in capsys.readouterr().out
        assert same(state_of(files), state_of(control))
        assert set(pd.read_csv(files.history)["extra_images"]) == {0}


@pytest.mark.parametrize("diet", ["natural", "augmented", "corrected"])
def test_no_extra_image_is_made_of_labels_in_doubt(attacked, tmp_path, diet):
    source, data, stores = attacked
    whole, firm = tune(tmp_path / "whole", source, data, stores, diet=diet), tmp_path / "firm"
    pairs = [pd.read_parquet(whole.images).query("use == 'extra'")[name] for name in ("file_name", "attribute")]
    doubted = list(dict.fromkeys(zip(*pairs, strict=True)))[::2]
    lines = ["file_name,attribute", *(f"{name},{attribute}" for name, attribute in doubted), "9999.png,nobody"]
    (tmp_path / "doubts.csv").write_text("\n".join(lines) + "\n")
    firm = tune(firm, source, data, stores, diet=diet, doubts=tmp_path / "doubts.csv")
    left = pd.read_parquet(firm.images).query("use == 'extra'")
    assert set(zip(left["file_name"], left["attribute"], strict=True)).isdisjoint(doubted)
    before, after = (pd.read_csv(files.history)["extra_images"].item() for files in (whole, firm))
    assert before - after == len(doubted) * len(DIETS[diet].factors)
    assert after
    _, info = load_checkpoint(firm.checkpoint, own_code=None)
    assert info.training["doubts"] == sha256(tmp_path / "doubts.csv")


PAIRS = {("0001.png", "glad"), ("0002.png", "a / b"), ("NA", "old")}


def test_doubts_are_read_from_what_a_run_makes_of_them(tmp_path):
    rows = [(name, attribute, True) for name, attribute in sorted(PAIRS)]
    rows += [("0001.png", "old", False), ("0003.png", "glad", False)]
    table = pd.DataFrame(rows, columns=["file_name", "attribute", "doubtful"])
    table = table.astype({"file_name": "category", "attribute": "category"})
    table = table.assign(image=range(len(table)), reasons=pd.Categorical(["scores; No_Beard"] * len(table)), label=1)
    write_table(tmp_path / "label_doubt.parquet", table)
    assert doubted_labels(tmp_path / "label_doubt.parquet") == PAIRS
    write_table(tmp_path / "none.parquet", table[~table["doubtful"]])
    assert doubted_labels(tmp_path / "none.parquet") == frozenset()


def test_doubts_are_read_from_a_list_of_contradictions(tmp_path):
    lines = [f'{name},{attribute},"rule, with a comma",1' for name, attribute in sorted(PAIRS)]
    (tmp_path / "found.csv").write_text("\n".join(["file_name,attribute,rule,label", *lines, *lines[:1]]) + "\n")
    assert doubted_labels(tmp_path / "found.csv") == PAIRS


@pytest.mark.parametrize("damage", ["missing", "text", "columns"])
def test_tables_of_doubts_that_cannot_be_read(tmp_path, damage):
    path = tmp_path / "label_doubt.parquet"
    if damage == "text":
        path.write_text("file_name,attribute\n")
    if damage == "columns":
        write_table(path, pd.DataFrame({"file_name": ["a"], "attribute": ["b"]}))
    with pytest.raises(UserError, match=r"label_doubt\.parquet: not a readable table"):
        doubted_labels(path)


@pytest.mark.parametrize("text", ["", "image,attribute\n1,glad\n", None])
def test_doubts_that_cannot_be_read(attacked, tmp_path, text):
    source, data, stores = attacked
    if text is not None:
        (tmp_path / "doubts.csv").write_text(text)
    with pytest.raises(UserError, match=r"doubts\.csv: expected a CSV file with the columns file_name and attribute"):
        tune(tmp_path, source, data, stores, diet="natural", doubts=tmp_path / "doubts.csv")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attributes", [NAMES, NAMES[1:2]], ids=["all", "one"])
@pytest.mark.parametrize("diet", ["hard", "all", "pgd"])
def test_losses_and_members(tmp_path, loss, attributes, diet):
    data = dataset()
    source = source_of(tmp_path, spec_of(attributes, loss, "normalised"))
    stores = [made(tmp_path, source, data, attributes, range(40))]
    files = tune(tmp_path / "out", source, data, stores, attributes, diet=diet)
    network, info = load_checkpoint(files.checkpoint, own_code=CODE)
    assert (network.spec.attributes, network.spec.loss, info.member) == (attributes, loss, member_of(attributes))
    before, _ = load_checkpoint(source, own_code=CODE)
    moved = [not torch.equal(*each) for each in zip(network.parameters(), before.parameters(), strict=True)]
    assert all(moved)
    extra = read_table(files.images).query("use == 'extra'")
    assert set(extra["attribute"]) <= ({""} if diet == "pgd" else set(attributes))
    assert len(extra) > 2


def test_it_learns(tmp_path):
    """A network of one layer that is trained on to tell bright faces ends with fewer errors than it began."""
    data = dataset()
    bright = np.where(data.labels[:, :1] > 0, 60, 0).astype(np.uint8)
    data = replace(data, images=(data.images // 2 + bright[:, None, None, :]).astype(np.uint8))
    source = source_of(tmp_path, spec_of(NAMES[:1], layers="normalised"))
    stores = [made(tmp_path, source, data, NAMES[:1], range(40))]
    files = tune(tmp_path / "out", source, data, stores, NAMES[:1], learning_rate=0.02, diet="adversarial", epochs=12)
    errors = pd.read_csv(files.history)["training_error"]
    assert errors.iloc[-1] < errors.iloc[0] - 0.1


# What it never learns from


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("diet", ["control", "all", "pgd"])
def test_images_that_networks_are_judged_on_take_no_part(tmp_path, diet, seed):
    """Whatever they are: of the table's rows none is held out, none is of another split, and so is what was read."""
    data, random = dataset(seed), np.random.default_rng(seed)
    source = source_of(tmp_path, seed=seed)
    drawn = random.permutation(TRAIN)
    held_out = np.concatenate([drawn[:25], [TRAIN + 12, TRAIN + 14]])
    stores = [made(tmp_path, source, data, images=drawn[25:45], seed=seed)]
    files = tune(tmp_path / "out", source, data, stores, diet=diet, epochs=3, share=0.75, seed=seed, held_out=held_out)
    learned = set(read_table(files.images)["image"])
    assert len(learned) > 20
    assert learned.isdisjoint(held_out)
    assert learned <= set(range(TRAIN))


def test_unknown_labels_have_no_say(tmp_path):
    """An image of which nothing is known is no training image, and others teach what is known of them."""
    data = dataset(gaps=0.3)
    unknown = np.flatnonzero(~(data.labels[:TRAIN] != 0).any(axis=1))
    assert len(unknown) >= 3
    source = source_of(tmp_path)
    stores = [made(tmp_path, source, data, images=range(40))]
    for diet in ("hard", "pgd"):
        files = tune(tmp_path / diet, source, data, stores, diet=diet, epochs=4)
        table = read_table(files.images)
        assert set(table["image"]).isdisjoint(unknown)
        for row in table[table["attribute"] != ""].itertuples():
            assert data.labels[row.image, NAMES.index(row.attribute)] != 0
        assert all(values.isfinite().all() for values in state_of(files).values())


# Networks that were trained elsewhere


def given_by(folder, file, attributes=("glad",)):
    spec = NetworkSpec("bce", attributes, SIZE, brought=BroughtOptions(file=file))
    network, _ = bring(spec)
    path = folder / "given.pt"
    save_checkpoint(path, network, CheckpointInfo("mine", "all", 0, {}, {}, "0" * 64))
    return path


def test_a_network_that_was_brought_is_trained_on(tmp_path):
    """All of it, its frozen layers too; what it makes no use of stays. Its rate must be said."""
    data, source = dataset(), given_by(tmp_path, f"{LAYERS}:brought")
    with pytest.raises(UserError, match=r"does not say at which rate .*; set learning_rate of"):
        tune(tmp_path / "out", source, data, attributes=("glad",))
    with pytest.raises(UserError, match="names code of your own"):
        tune(tmp_path / "out", source, data, attributes=("glad",), learning_rate=0.01, own_code=[])
    files = tune(tmp_path / "out", source, data, attributes=("glad",), learning_rate=0.01, diet="fgsm-rs", epochs=2)
    after, info = load_checkpoint(files.checkpoint, own_code=CODE)
    before, _ = load_checkpoint(source, own_code=CODE)
    assert info.training["learning_rate"] == info.metrics["learning_rate"] == 0.01
    for (name, values), old in zip(after.named_parameters(), before.parameters(), strict=True):
        assert torch.equal(values, old) is ("idle" in name), name


def test_a_program_is_refused(tmp_path):
    layers = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
    torch.jit.script(layers).save(str(tmp_path / "net.ts"))
    source = given_by(tmp_path, str(tmp_path / "net.ts"))
    message = r"its network is a program, .*net\.ts, whose weights cannot be trained; bring it by the code"
    with pytest.raises(UserError, match=message):
        tune(
            tmp_path / "out",
            source,
            dataset(),
            attributes=("glad",),
            learning_rate=0.1,
            own_code=[str(tmp_path / "net.ts")],
        )
    assert not (tmp_path / "out").exists()


# What it refuses


def fault_of(tmp_path, source, data, stores, **options):
    with pytest.raises(UserError) as error:
        tune(tmp_path / "out", source, data, stores, **{"diet": "hard", **options})
    assert not (tmp_path / "out").exists(), "nothing is spent before"
    first, *lines = str(error.value).splitlines()
    assert first == f"networks.firmer cannot be fine-tuned from {source}"
    return lines


def test_stores_of_another_checkpoint(attacked, tmp_path):
    source, data, stores = attacked
    other = source_of(tmp_path, seed=2)
    (line,) = fault_of(tmp_path, other, data, stores)
    expected = f"are on a checkpoint of mine for all of SHA-256 {sha256(source)[:12]}..., that of this network's source"
    assert line.startswith(f"{stores[0].store}: its attempts {expected} is {sha256(other)[:12]}...")


def test_stores_of_another_member(attacked, tmp_path):
    """They are passed over where there are others, as shards of a network of many members are."""
    _, data, stores = attacked
    alone = source_of(tmp_path, spec_of(NAMES[:1]))
    (line,) = fault_of(tmp_path, alone, data, stores, attributes=NAMES[:1])
    assert line == f"{stores[0].store}: holds no attempts on a member glad of a network"
    own = made(tmp_path, alone, data, NAMES[:1], range(20), seed=3)
    one, other = (
        tune(tmp_path / str(len(each)), alone, data, each, NAMES[:1], diet="hard") for each in ([own], [*stores, own])
    )
    assert same(state_of(one), state_of(other))


def test_attempts_on_other_members_in_the_same_shard_are_none_of_its(attacked, tmp_path):
    """Neither are they learned from, nor do their images matter."""
    _, data, _ = attacked
    alone = source_of(tmp_path, spec_of(NAMES[:1]))
    joint = source_of(tmp_path)
    members = {"glad": sha256(alone), "old": "0" * 64}
    others = made(tmp_path, joint, data, ("old",), [51, 52, 53], "001", checkpoint_sha256=members)
    both = made(tmp_path, joint, data, ("glad", "old"), range(30), "000", checkpoint_sha256=members)
    files = tune(tmp_path / "out", alone, data, [both, others], NAMES[:1], diet="all")
    assert set(read_table(files.images)["attribute"]) == {"", "glad"}


def test_stores_of_another_dataset(attacked, tmp_path):
    source, data, stores = attacked
    other = replace(data, manifest={**data.manifest, "fingerprint": "f" * 64})
    (line,) = fault_of(tmp_path, source, other, stores)
    assert "attribute 'dataset_fingerprint' is 000000000000..., that of the dataset is ffffffffffff..." in line


def test_scores_of_another_store(attacked, tmp_path):
    source, data, stores = attacked
    other = made(tmp_path, source, data, images=range(30), seed=9)
    (line,) = fault_of(tmp_path, source, data, [replace(stores[0], scores=other.scores)])
    assert line.startswith(f"{other.scores}: holds the scores of a store of SHA-256")


@pytest.mark.parametrize(
    ("images", "told"), [([3, 51, 53], "2 images .*0051.png, 0053.png"), ([3, TRAIN + 2, TRAIN + 12], "0062.png, 0072")]
)
def test_stores_of_images_that_networks_are_judged_on(attacked, tmp_path, images, told):
    """Also where none of their attempts flipped."""
    source, data, _ = attacked
    store = made(tmp_path, source, data, images=images)
    (line,) = fault_of(tmp_path, source, data, [store])
    assert line.startswith(f"{store.store}: 2 images of sample harden must not be learned from")
    assert re.search(told, line)


def test_all_faults_are_told_at_once(attacked, tmp_path):
    _, data, stores = attacked
    wrong = source_of(tmp_path, metrics={}, seed=2)
    more = made(tmp_path, wrong, data, images=[51])
    lines = fault_of(tmp_path, wrong, data, [*stores, more], options=OPTIONS.model_copy(update={"batch_size": 64}))
    assert [line.partition(":")[0] for line in lines] == [
        str(wrong),
        "54 training images beside those that networks are judged on are fewer than one batch of 64; lower "
        "training.batch_size",
        str(stores[0].store),
        str(more.store),
    ]


def test_faces_of_another_size(attacked, tmp_path):
    source, data, _ = attacked
    small = replace(data, images=data.images[:, :9])
    (line,) = fault_of(tmp_path, source, small, [])
    assert line == f"{source}: is of images of 8 x 10 pixels, those of the dataset have 8 x 9"


def test_a_store_that_is_not_needed_is_not_looked_at(attacked, tmp_path):
    source, data, stores = attacked
    gone = [replace(stores[0], store=tmp_path / "gone.h5")]
    for options in ({"diet": "control"}, {"diet": "pgd"}, {"diet": "hard", "share": 0.0}):
        tune(tmp_path / str(options), source, data, gone, **options)
    (line,) = fault_of(tmp_path, source, data, gone)
    assert line.startswith(str(tmp_path / "gone.h5"))


# How it begins


def look(network, options=OPTIONS, count=30):
    """Return a training of a network that was trained before, after its look ahead."""
    data = dataset()
    images = LabelledImages(data.images, np.arange(count), data.labels[:count])
    training = Training(network, images, images, options, 5, trained=True)
    return training, images


@pytest.mark.parametrize(("decay", "batches"), [(0.5, 2), (0.0, 1), (0.9, 3), (0.98, 3)])
def test_mean_squares_begin_as_means_of_the_first_batches(decay, batches):
    """Weighted as RMSProp weighs them, in float64; with no more batches than it remembers, or an epoch has."""
    options = OPTIONS.model_copy(update={"rms_decay": decay})
    training, images = look(build(spec_of(layers="linear"), 3), options)
    training._look_ahead()
    network, squares, total = build(spec_of(layers="linear"), 3), 0, 0
    order = np.random.default_rng(5).permutation(30)
    for number in range(batches):
        own = order[8 * number : 8 * number + 8]
        batch = torch.from_numpy(images.images[own]).permute(0, 3, 1, 2).float()
        loss = (network(batch) - torch.from_numpy(images.labels[own]).float()).square().sum(1).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        weight = (1 - decay) * decay ** (batches - 1 - number)
        squares = [weight * each.double() ** 2 + old for each, old in zip(gradients, squares or [0] * 2, strict=True)]
        total += weight
    for found, expected in zip(training._optimiser.mean_squares, squares, strict=True):
        torch.testing.assert_close(found.double(), expected / total, rtol=1e-3, atol=0)


def test_the_look_ahead_changes_nothing_else():
    """Neither weights nor statistics of BatchNorm, nor what dropout and shuffle will draw."""
    training, _ = look(build(spec_of(layers="normalised"), 3))
    before = {name: values.clone() for name, values in training.network.state_dict().items()}
    generator, shuffle = torch.get_rng_state(), training._shuffle.bit_generator.state
    training._look_ahead()
    assert same(before, training.network.state_dict())
    assert torch.equal(generator, torch.get_rng_state())
    assert shuffle == training._shuffle.bit_generator.state
    assert training.step == 0
    assert float(training._loss_sum) == 0
    assert all((squares > 0).any() for squares in training._optimiser.mean_squares)


def test_first_steps_are_of_the_length_of_later_ones():
    """A step's length in a weight is the rate times g / sqrt(h); with h from zero it would be 7 of them for 0.98."""
    lengths = {}
    for trained in (False, True):
        data = dataset()
        images = LabelledImages(data.images, np.arange(56), data.labels[:56])
        options = TrainingOptions(batch_size=8, learning_rate=1e-6, gamma=0.0)
        network = build(spec_of(layers="linear"), 3)
        training = Training(network, images, images, options, 5, trained=trained)
        if trained:
            training._look_ahead()
        before = network.layers[1].weight.detach().clone()
        batch = next(training._feed.batches(training._order, 8))
        training.learn(*batch)
        step = (network.layers[1].weight.detach() - before) / 1e-6
        lengths[trained] = float(step.square().mean().sqrt())
    assert lengths[False] == pytest.approx(50**0.5, rel=0.05)
    assert lengths[True] < 2


def test_a_parameter_without_a_gradient_stays():
    used, idle = (nn.Parameter(torch.ones(2)) for _ in range(2))
    optimiser = RMSProp([used, idle], 0.9, 1e-8)
    used.square().sum().backward()
    optimiser.step(0.1)
    assert used[0].item() < 1
    assert idle[0].item() == 1


# Killed, and continued


@pytest.mark.slow
@pytest.mark.parametrize("diet", ["hard", "pgd"])
def test_stopped_after_any_step_it_ends_with_the_same_bytes(tmp_path, capsys, device, diet):
    """With dropout, BatchNorm's statistics, random starts and extra images all in the middle of their way."""
    data = dataset()
    source = source_of(tmp_path, spec_of(layers="normalised"))
    stores = [made(tmp_path, source, data, images=range(30))]
    options = {"diet": diet, "epochs": 2, "device": torch.device(device)}
    whole = tune(tmp_path / "whole", source, data, stores, **options)
    for after in range(12):
        folder = tmp_path / str(after)
        stopped(after, folder, source, data, stores, **options)
        assert (folder / UNFINISHED).is_dir() is (after > 0)
        capsys.readouterr()
        files = tune(folder, source, data, stores, **options)
        said = f"continuing after epoch {after // 6} and {after % 6} steps of the next"
        assert (said in capsys.readouterr().out) is (after > 0)
        assert files.checkpoint.read_bytes() == whole.checkpoint.read_bytes(), after
        assert files.images.read_bytes() == whole.images.read_bytes(), after
        assert not (folder / UNFINISHED).exists()


def test_seconds_before_an_interruption_count(attacked, tmp_path):
    source, data, stores = attacked
    stopped(8, tmp_path, source, data, stores, diet="hard", epochs=2)
    state = tmp_path / UNFINISHED / "training_state.pt"
    content = torch.load(state, weights_only=True)
    assert len(content["state"]["seconds"]) == 2
    content["state"]["seconds"] = [100.0, 50.0]
    torch.save(content, state)
    files = tune(tmp_path, source, data, stores, diet="hard", epochs=2)
    first, second = pd.read_csv(files.history)["seconds"]
    assert first == 100
    assert 50 < second < 99


@pytest.mark.parametrize(
    "other",
    [
        {"diet": "adversarial"},
        {"share": 0.25},
        {"held_out": HELD_OUT[:4]},
        {"learning_rate": 0.1},
        {"seed": 8},
        {"factors": [9.0]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_fine_tuning_is_not_continued(attacked, tmp_path, capsys, other):
    source, data, stores = attacked
    stopped(2, tmp_path / "stopped", source, data, stores, diet="hard")
    capsys.readouterr()
    options = {"diet": "hard", **other}
    files = tune(tmp_path / "stopped", source, data, stores, **options)
    assert "not continued, because it is of another configuration" in capsys.readouterr().out
    new = tune(tmp_path / "new", source, data, stores, **options)
    assert files.checkpoint.read_bytes() == new.checkpoint.read_bytes()


def test_attacks_are_computed_in_the_precision_of_training(attacked, tmp_path, monkeypatch):
    source, data, _ = attacked
    seen, forward = [], nn.Linear.forward

    def spied(self, values):
        result = forward(self, values)
        if self.out_features == len(NAMES) and torch.is_grad_enabled():  # not in validation
            seen.append((self.training, result.dtype))
        return result

    monkeypatch.setattr(nn.Linear, "forward", spied)
    options = OPTIONS.model_copy(update={"precision": "bfloat16"})
    tune(tmp_path, source, data, options=options, diet="pgd")
    attack, lesson = (False, torch.bfloat16), (True, torch.bfloat16)
    assert seen == [lesson] * 6 + ([attack] * 7 + [lesson]) * 6


def test_a_gpu_too_small_is_told(attacked, tmp_path, monkeypatch):
    source, data, _ = attacked

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop.Training, "learn", full)
    with pytest.raises(UserError, match=r"batches of 8 images of 8 x 10 .* of network firmer"):
        tune(tmp_path, source, data)
