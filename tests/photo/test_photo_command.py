"""`faceflip flip` on photographs: what it finds, writes and says, with small networks whose weights are random."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec, build
from faceflip.photo import FoundFace
from faceflip.photo.alignment import FaceAlignment
from faceflip.similarity import pass_score
from photographs import as_option, drawn, photograph

WIDTH, HEIGHT = 32, 36
NAMES = ("Male", "Smiling", "Young")


def save(path, attributes, seed=1, loss="euclidean", size=(WIDTH, HEIGHT)):
    """Write a checkpoint of a network with random weights that is unsure of the drawn face, so that it flips."""
    spec = NetworkSpec(loss, attributes, size, ArchitectureOptions(width=0.0625, initialisation="msra"))
    path.parent.mkdir(parents=True, exist_ok=True)
    member = attributes[0] if len(attributes) == 1 else "all"
    network = build(spec, seed=seed).eval()
    face = cv2.resize(drawn(6), size, interpolation=cv2.INTER_AREA)
    last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias -= 0.99 * torch.from_numpy(scores(network, face[None])[0])
    save_checkpoint(path, network, CheckpointInfo("small", member, 1, {}, {}, ""))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with networks, and of photographs: one face, its eyes by the way, and two."""
    folder = tmp_path_factory.mktemp("photos")
    torch.set_num_threads(1)
    networks = folder / "results/networks"
    save(networks / "moon/all/converged.pt", NAMES)
    save(networks / "moon/all/epoch2.pt", NAMES, seed=7)
    for seed, name in enumerate(("Male", "Smiling"), 3):
        save(networks / f"each/{name}/converged.pt", (name,), seed)
    save(networks / "pairs/all/converged.pt", ("Male", "Smiling"), loss="softmax")
    save(networks / "young/all/epoch2.pt", NAMES, seed=2)
    save(networks / "young/all/epoch10.pt", NAMES, seed=10)
    save(networks / "brought/all/given.pt", NAMES, seed=4)
    (networks / "under_way/all").mkdir(parents=True)
    one, eyes = photograph((drawn(6), (300.4, 240.7), 1.4, -13), size=(620, 480))
    Image.fromarray(one).save(folder / "one.png")
    (folder / "one.eyes").write_text(as_option(eyes))
    two, _ = photograph((drawn(6), (170, 220), 1.2, -5), (drawn(2), (520, 240), 1.3, 9), size=(720, 480))
    Image.fromarray(two).save(folder / "two.png")
    Image.fromarray(drawn(6)).save(folder / "celeba.png")
    Image.fromarray(drawn(6)[:36, :32]).save(folder / "crop.png")
    Image.fromarray(np.full((300, 400, 3), 127, np.uint8)).save(folder / "wall.png")
    Image.new("RGBA", (300, 400)).save(folder / "glass.png")
    (folder / "damaged.png").write_bytes((folder / "one.png").read_bytes()[:2000])
    return folder


@pytest.fixture
def flip(run, monkeypatch):
    """Call the command in the folder of the run; return its JSON. A user's error is raised."""
    monkeypatch.chdir(run)

    def call(*arguments):
        result = CliRunner().invoke(app, ["flip", *map(str, arguments), "--json"])
        if isinstance(result.exception, UserError):
            raise result.exception
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return call


@pytest.fixture
def faces(monkeypatch):
    """Faces that are found, whatever is seen."""
    found = [
        FoundFace((110, 150, 110, 140), ((145, 220), (195, 218)), 0.9),
        FoundFace((460, 170, 110, 140), ((495, 240), (545, 243)), 0.9),
    ]
    monkeypatch.setattr("faceflip.photo.cropping.find_faces", lambda photo: found)
    return found


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_what_is_written_is_what_is_said(flip, run, tmp_path):
    eyes = (run / "one.eyes").read_text()
    told = flip("one.png", "--network", "moon", "--attribute", "Male", "--eyes", eyes, "-o", tmp_path)
    (record,) = told["images"]
    assert told["attribute"] == "Male"
    assert record["outcome"] == "flipped"
    assert record["crop"] == "by the eyes given"
    photo, whole, crop = pixels("one.png"), pixels(record["photo"]["file"]), pixels(record["file"])
    x1, y1, x2, y2 = map(float, eyes.split(","))
    alignment = FaceAlignment(((x1, y1), (x2, y2)))
    before, again = alignment.crop(photo, (WIDTH, HEIGHT)), alignment.crop(whole, (WIDTH, HEIGHT))
    network, _ = load_checkpoint("results/networks/moon/all/converged.pt")
    values = scores(network, np.stack([before, crop, again]))
    assert (values[0, 0] > 0) != (values[1, 0] > 0)
    assert record["score_before"] == pytest.approx(values[0, 0], rel=1e-3)
    assert record["pass"] == pytest.approx(pass_score(before, crop), abs=1e-9)
    assert record["linf"] == np.abs(crop.astype(int) - before).max()
    others = {NAMES[k]: "present" if values[1, k] > 0 else "absent" for k in (1, 2)}
    assert record["changed"] == {
        name: now for k, (name, now) in enumerate(others.items(), 1) if (values[0, k] > 0) != (values[1, k] > 0)
    }
    assert record["photo"]["strength"] == 1
    assert record["photo"]["score"] == pytest.approx(values[2, 0], abs=1e-3)
    assert record["photo"]["flips"] == ((values[0, 0] > 0) != (values[2, 0] > 0))
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ alignment.matrix.T
    outside = ((places < -0.5) | (places > np.array([178, 218]) - 0.5)).any(axis=-1)
    np.testing.assert_array_equal(whole[outside], photo[outside])
    assert Image.open(record["picture"]).width > 3 * 240


def test_both_forms_of_the_command_are_one(flip, run):
    eyes = ("--attribute", "Smiling", "--eyes", (run / "one.eyes").read_text())
    path = "results/networks/moon/all/converged.pt"
    old = flip(path, "one.png", *eyes)
    assert flip("one.png", "--network", path, *eyes) == old == flip("one.png", "--network", "moon", *eyes)


@pytest.mark.parametrize(
    ("name", "path"),
    [("moon", "moon/all/converged"), ("young", "young/all/epoch10"), ("brought", "brought/all/given")],
)
def test_the_last_checkpoint_of_a_name_is_taken(flip, name, path):
    named = flip("celeba.png", "--network", name, "--attribute", "Male")
    assert named == flip(f"results/networks/{path}.pt", "celeba.png", "--attribute", "Male")


@pytest.mark.slow
def test_a_photograph_is_seen_upright(flip, run, tmp_path):
    """Turned and mirrored as the tag says, the same picture comes to the same."""
    eyes, upright = (run / "one.eyes").read_text(), pixels(run / "one.png")
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    results = []
    for tag, stored in turned.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        path = tmp_path / f"{tag}.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        (record,) = flip(path, "--network", "moon", "--attribute", "Male", "--eyes", eyes, "-o", tmp_path)["images"]
        results.append((record["score_before"], record["epsilon"], pixels(record["photo"]["file"])))
    for score, epsilon, whole in results[1:]:
        assert (score, epsilon) == results[0][:2]
        np.testing.assert_array_equal(whole, results[0][2])


def test_all_attributes_are_flipped_as_each_alone_is(flip):
    told = flip("celeba.png", "--network", "moon", "--attribute", "all")
    assert told["attributes"] == list(NAMES)
    assert told["attribute"] is None
    alone = [flip("celeba.png", "--network", "moon", "--attribute", name)["images"][0] for name in NAMES]
    for together, single in zip(told["images"], alone, strict=True):
        assert together.keys() == single.keys()
        for key, value in single.items():
            assert together[key] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value)


def test_attributes_and_photographs_are_in_the_order_in_which_they_are_given(flip):
    wanted = ("--attribute", "Young", "--attribute", "Male", "--attribute", "Young")
    told = flip("celeba.png", "crop.png", "--network", "moon", *wanted)["images"]
    order = [(record["image"], record["attribute"]) for record in told]
    assert order == [(image, name) for image in ("celeba.png", "crop.png") for name in ("Young", "Male")]


def test_networks_of_an_attribute_each_are_one_by_their_name(flip):
    told = flip("celeba.png", "--network", "each", "--attribute", "all")["images"]
    assert [record["attribute"] for record in told] == ["Male", "Smiling"]
    alone = flip("celeba.png", "--network", "each", "--attribute", "Smiling")["images"][0]
    assert alone["epsilon"] == told[1]["epsilon"]
    assert alone["changed"] is None, "no other network was asked"
    assert told[1]["outcome"] == "flipped"
    assert set(told[1]["changed"]) <= {"Male"}


def test_what_else_changed_is_found_on_other_networks(flip, run, tmp_path):
    told = flip("celeba.png", "--network", "each", "--attribute", "all", "-o", tmp_path)["images"]
    male, _ = load_checkpoint(run / "results/networks/each/Male/converged.pt")
    before = cv2.resize(pixels(run / "celeba.png"), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    values = scores(male, np.stack([before, pixels(told[1]["file"])]))[:, 0]
    assert ("Male" in told[1]["changed"]) == ((values[0] > 0) != (values[1] > 0))


def test_faces_are_taken_by_number(flip, faces):
    first, second = (
        flip("two.png", "--network", "moon", "--attribute", "Male", "--face", number)["images"][0] for number in (1, 2)
    )
    assert (first["crop"], second["crop"]) == ("face 1 of 2 found", "face 2 of 2 found")
    assert first["score_before"] != second["score_before"]
    both = flip("two.png", "two.png", "--network", "moon", "--attribute", "Male", "--face", 1, "--face", 2)["images"]
    assert [record["score_before"] for record in both] == [first["score_before"], second["score_before"]]


def test_a_perturbation_is_put_back_stronger_if_that_is_wanted(flip, run):
    arguments = ("one.png", "--network", "moon", "--attribute", "all", "--eyes", (run / "one.eyes").read_text())
    plain = [record["photo"] for record in flip(*arguments)["images"] if record["photo"]]
    firm = [record["photo"] for record in flip(*arguments, "--strengthen")["images"] if record["photo"]]
    assert any(photo["strength"] > 1 for photo in firm)
    for before, after in zip(plain, firm, strict=True):
        assert before["strength"] == 1
        assert after["flips"] or after == before, "where nothing helps, it is put back as it is"
        assert (after["strength"] > 1) == (after["flips"] and not before["flips"])


def test_the_table_has_all_that_is_asked_for(run, monkeypatch, tmp_path):
    monkeypatch.chdir(run)
    arguments = ["one.png", "--network", "moon", "--attribute", "all", "--eyes", (run / "one.eyes").read_text()]
    result = CliRunner().invoke(app, ["flip", *arguments, "-o", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert words.startswith("3 attributes by ffa-line")
    for word in (*NAMES, "PASS", "L2", "what else", "cropped again", "one-Male-ffa-line.png"):
        assert word in words
    assert "flips" in words or "does not flip" in words


def test_notes_on_a_crop_go_to_stderr(run, monkeypatch):
    monkeypatch.chdir(run)
    arguments = ["flip", "one.png", "--network", "moon", "--attribute", "Male", "--eyes", "300,240,312,240"]
    result = CliRunner().invoke(app, arguments)
    assert result.stderr == (
        "Note: one.png: the eyes are 12 pixels apart, in CelebA's images 40: the crop is blurred\n"
    )


def test_crops_too_small_for_pass_have_none(flip, tmp_path):
    save(tmp_path / "tiny.pt", ("Male",), size=(10, 12))
    (record,) = flip("celeba.png", "--network", tmp_path / "tiny.pt", "-o", tmp_path)["images"]
    assert record["outcome"] == "flipped"
    assert record["pass"] is None


MOON = ("--network", "moon", "--attribute", "Male")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.png"], "one.png: no network is given; name a checkpoint, or a network of the run, by --network"),
        (["one.png", "two.png", "--attribute", "Male"], "one.png: no network is given"),
        ([*MOON, "one.png", "--eyes", "1,2,3"], "--eyes 1,2,3: expected four numbers, x1,y1,x2,y2, such as"),
        ([*MOON, "one.png", "--eyes", "a,b,c,d"], "--eyes a,b,c,d: expected four numbers"),
        ([*MOON, "one.png", "--eyes", "1,2,3,nan"], "--eyes 1,2,3,nan: expected four numbers"),
        ([*MOON, "one.png", "--eyes", "340,240,260,240"], "one.png: --eyes 340,240,260,240: the first eye must be the"),
        ([*MOON, "one.png", "--eyes", "300,200,300,260"], "the first eye must be the one on the left.*or turn a photo"),
        ([*MOON, "one.png", "--eyes", "300,240,300,240"], "one.png: --eyes .*: both eyes are at one place"),
        ([*MOON, "one.png", "--eyes", "300,240,3400,240"], r"\(3400, 240\) outside the photograph of 620 x 480 pixels"),
        ([*MOON, "one.png", "--eyes=-1,240,300,481"], r"\(-1, 240\) and \(300, 481\) outside the photograph"),
        (
            [*MOON, "one.png", "--eyes", "10,240,90,240"],
            "one.png: the face is cut by the border: .*% of it",
        ),
        ([*MOON, "one.png", "--eyes", "300,240,305,240"], "one.png: the eyes are 5.0 pixels apart, at least 8 are"),
        ([*MOON, "one.png", "two.png", "--eyes", "1,2,3,4"], "--eyes is given once for 2 images: expected 2 times"),
        ([*MOON, "one.png", *["--face", "1"] * 3], "--face is given 3 times for 1 image: expected once for all, or 1"),
        ([*MOON, "one.png", "--eyes", "1,2,3,4", "--face", "1"], "--eyes and --face: each says another way to come to"),
        ([*MOON, "one.png", "--face", "1", "--resize"], "--face and --as-is or --resize: each says another way"),
        ([*MOON, "one.png", "--as-is"], "one.png: 620 x 480 pixels, the network sees 32 x 36; crop it"),
        ([*MOON, "two.png"], r"two.png: 2 faces are found; pick one by --face:\n  face 1: x 110 to 220, y 150 to 290"),
        ([*MOON, "two.png", "--face", "3"], "two.png: --face 3: there are 2 faces, counted from 1 on the left"),
        ([*MOON, "two.png", "--face", "0"], "two.png: --face 0: there are 2 faces"),
        ([*MOON, "glass.png"], "glass.png: expected an 8-bit RGB or grey image without transparency"),
        (
            [*MOON, "damaged.png", "gone.png", "two.png"],
            "damaged.png: .*\ngone.png: no such file\ntwo.png: 2 faces",
        ),
        (["one.png", "--network", "mooon", "--attribute", "Male"], "--network mooon: neither a file nor .*mean moon"),
        (["one.png", "--network", "under_way"], "results/networks/under_way: no member has a checkpoint yet"),
        (["one.png", "--network", "gone.pt"], "gone.pt does not exist"),
        (["--network", "moon"], "Missing argument"),
        (["celeba.png", "--network", "moon"], "moon: no attribute is given; name one with --attribute, or all: Male"),
        (
            ["celeba.png", "--network", "moon", "--attribute", "Bald", "--attribute", "Male"],
            "moon: 'Bald' is not one of",
        ),
        (
            ["celeba.png", "--network", "each", "--attribute", "Young"],
            "each: 'Young' is not one of its.*Male",
        ),
        (["celeba.png", *MOON, "--attribute", "all"], "'all' is not one of its attributes"),
        (
            ["celeba.png", "--network", "moon", "--attribute", "all", "--label", "present"],
            "--label says what one attribute is, and 3 are to be flipped: flip them one by one",
        ),
    ],
)
def test_mistakes_are_told(flip, faces, run, monkeypatch, arguments, message):
    monkeypatch.setattr("faceflip.attacks.attack", lambda *arguments, **options: pytest.fail("attacked"))
    if message == "Missing argument":
        result = CliRunner().invoke(app, ["flip", *arguments])
        assert result.exit_code == 2
        assert message in result.output
        return
    with pytest.raises(UserError, match=f"(?s){message}"):
        flip(*arguments)


def test_a_wall_has_no_face(flip, monkeypatch):
    monkeypatch.setattr("faceflip.photo.cropping.find_faces", lambda photo: [])
    with pytest.raises(UserError, match=r"wall.png: no face is found in 400 x 300 pixels; give the eyes by --eyes"):
        flip("wall.png", *MOON)


def test_without_a_run_a_name_is_no_network(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["flip", str(run / "one.png"), *MOON])
    assert "--network moon: neither a file nor, because results/networks/ is missing here" in str(result.exception)


def test_no_photograph_given_is_overwritten(flip, run, tmp_path):
    given = tmp_path / "a-Male-ffa-line-photo.png"
    for path in (tmp_path / "a.png", given):
        path.write_bytes((run / "one.png").read_bytes())
    eyes = (run / "one.eyes").read_text()
    before = given.read_bytes()
    with pytest.raises(UserError, match=r"a-Male-ffa-line-photo\.png: would be written to, but is given as an image"):
        flip(tmp_path / "a.png", given, *MOON, "--eyes", eyes, "--eyes", eyes, "-o", tmp_path)
    assert given.read_bytes() == before


def test_no_two_attempts_are_written_to_one_file(flip, run, tmp_path):
    """The attribute of one image may read like the end of another's name."""
    save(tmp_path / "odd.pt", ("b-c", "c", "B-C"))
    for name in ("a.png", "a-b.png"):
        (tmp_path / name).write_bytes((run / "celeba.png").read_bytes())
    arguments = ("--network", tmp_path / "odd.pt", "--attribute", "all", "-o", tmp_path / "out")
    told = flip(tmp_path / "a.png", tmp_path / "a-b.png", *arguments)["images"]
    files = [record["file"].casefold() for record in told if record["file"]]
    assert len(set(files)) == len(files) > 4
