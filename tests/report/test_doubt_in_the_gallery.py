"""Labels in doubt in the gallery: what is chosen, what the files and the page say, how it looks in a browser."""

import json
import re
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from stored import write_dataset, write_stores

from faceflip.analysis.pages import Column, Sheet
from faceflip.data.label_doubt import in_words
from faceflip.report.gallery import choose, draw_gallery, read_gallery
from faceflip.report.index import index_page
from specimen import specimen

ATTRIBUTES = ("Male", "Smiling", "Young")
KEYS = ["network", "attack", "attribute", "correct"]
RULE = "a <rule>"
EMPTY = Sheet("Time", [Column("rule", align="l")], [])
SCORES = "networks that learned from other images disagree with it"


@pytest.fixture(scope="module")
def plain():
    return specimen(seed=4, attributes=ATTRIBUTES, moon_attributes=ATTRIBUTES, sample=120, test=4)


@pytest.fixture(scope="module")
def doubts(plain):
    """Pairs in doubt: none of Male, all of Smiling, half of Young."""
    pairs = plain.attempts[["image", "file_name", "attribute"]].drop_duplicates(["image", "attribute"])
    random = np.random.default_rng(0).random(len(pairs)) < 1 / 2
    pairs = pairs[(pairs["attribute"] == "Smiling") | (random & (pairs["attribute"] == "Young"))]
    reasons = np.where(np.arange(len(pairs)) % 2, "scores", RULE)
    return pairs.assign(reasons=reasons).astype({"attribute": "category", "reasons": "category"})


@pytest.fixture(scope="module")
def run(plain):
    return replace(plain.run, doubt=("rules", "scores"))


@pytest.fixture(scope="module")
def attempts(plain, doubts):
    known = set(zip(doubts["attribute"], doubts["image"], strict=True))
    pairs = zip(plain.attempts["attribute"], plain.attempts["image"], strict=True)
    return plain.attempts.assign(doubtful=[pair in known for pair in pairs])


@pytest.fixture(scope="module")
def pictures(attempts, run, doubts):
    return choose(attempts, run, doubts)


@pytest.fixture(scope="module")
def html(run, pictures):
    return page(run, pictures)


def page(run, pictures):
    return index_page(run, [], [], [], [], pictures, EMPTY)


def test_natural_ones_come_as_a_firm_one_and_a_doubtful_one(attempts, pictures):
    """Counted again, kind by kind."""
    flipped = attempts[attempts["flipped"] & (attempts["checkpoint"] == "converged")]
    expected = {}
    for key, part in flipped.groupby(KEYS):
        for doubtful in (None,) if key[3] else (False, True):
            chosen = part if doubtful is None else part[part["doubtful"] == doubtful]
            similarities = np.sort(chosen["pass"])
            typical = similarities[similarities >= 0.95]
            if len(typical):
                expected[*key, doubtful] = typical[(len(typical) - 1) // 2]
            elif len(chosen):
                expected[*key, doubtful] = similarities[-1]
    found = {
        (*(getattr(one, key) for key in KEYS), None if one.correct else one.doubtful): one.similarity
        for one in pictures
    }
    assert found == expected
    assert len({one.file for one in pictures}) == len(pictures) == len(found)
    rows = attempts.set_index(["attribute", "image"])["doubtful"].groupby(level=[0, 1]).first()
    assert all(one.doubtful == rows[one.attribute, one.image] for one in pictures)
    of_young = [one for one in pictures if one.attribute == "Young"]
    assert {(one.correct, one.doubtful) for one in of_young} == {(a, b) for a in (True, False) for b in (True, False)}


def test_the_doubtful_one_stands_after_the_firm_one(pictures):
    both = 0
    for first, second in pairwise(pictures):
        if not second.correct and second.doubtful and (first.network, first.attack) == (second.network, second.attack):
            assert first.correct or not first.doubtful
            both += not first.correct
            assert second.file == first.file.replace("corrected", "corrected-doubtful") or first.correct
    assert both > 3, "the specimen should have pairs"
    natural = [(one.network, one.attack, one.attribute) for one in pictures if not one.correct]
    assert len(natural) - len(set(natural)) == both


def test_reasons_are_told_of_those_in_doubt_alone(pictures, doubts):
    known = {(each.attribute, each.image): each.reasons for each in doubts.itertuples()}
    told = {RULE: f"labels contradict each other ({RULE})", "scores": SCORES}
    for one in pictures:
        assert one.reasons == (told[known[one.attribute, one.image]] if one.doubtful else "")
    assert {one.reasons for one in pictures} == {"", *told.values()}


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ("", ""),
        ("scores", SCORES),
        ("audit", "an audit disagrees with it"),
        ("no beard", "labels contradict each other (no beard)"),
        ("scores; no beard; b", f"labels contradict each other (no beard; b); {SCORES}"),
        ("no beard; scores; audit", f"labels contradict each other (no beard); {SCORES}; an audit disagrees with it"),
    ],
)
def test_reasons_in_words(reasons, words):
    assert in_words(reasons) == words


def test_without_the_table_pictures_are_marked_all_the_same(attempts, run, pictures):
    assert choose(attempts, run) == [replace(one, reasons="") for one in pictures]


def test_a_run_without_doubts_has_what_it_had(plain, attempts, tmp_path):
    pictures = choose(plain.attempts, plain.run)
    assert pictures == choose(attempts, plain.run), "whatever the attempts have"
    assert all(one.doubtful is None and one.reasons is None for one in pictures)
    html = page(plain.run, pictures)
    assert "doubt" not in html
    assert "data-label" not in html
    assert re.findall(r'<select name="(\w+)"', html) == ["attribute", "attack", "network", "kind"]


@pytest.mark.parametrize("doubting", [True, False])
def test_the_file_has_what_is_known_and_is_read_back(plain, attempts, run, doubts, tmp_path, doubting):
    made, frame = (run, attempts) if doubting else (plain.run, plain.attempts)
    frame = frame[(frame["network"] == "euclidean") & (frame["attack"] == "ffa-line")]
    frame = frame[frame["checkpoint"] == "converged"].reset_index(drop=True)
    dataset = write_dataset(tmp_path / "faces.h5", sum(made.images.values()))
    experiment = ("paper", "euclidean", "converged", "ffa-line")
    store = write_stores(tmp_path / "ffa-line.h5", frame, experiment, lambda attribute, image: [1, 2, image % 50])
    pictures = choose(frame, made, doubts)
    draw_gallery(pictures, made, dataset, [store], tmp_path / "gallery")
    told = json.loads((tmp_path / "gallery/gallery.json").read_text())
    new = {"doubtful", "reasons"}
    assert {frozenset(each) for each in told} == {frozenset(asdict(pictures[0])) - (set() if doubting else new)}
    assert read_gallery(tmp_path / "gallery") == pictures
    files = {path.name for path in (tmp_path / "gallery").glob("*.png")}
    assert files == {one.file for one in pictures}
    assert any("doubtful" in name for name in files) == doubting


def test_a_gallery_of_before_is_still_shown(run, pictures, tmp_path):
    old = [{key: value for key, value in asdict(one).items() if key not in ("doubtful", "reasons")} for one in pictures]
    (tmp_path / "gallery.json").write_text(json.dumps(old))
    read = read_gallery(tmp_path)
    assert read == [replace(one, doubtful=None, reasons=None) for one in pictures]
    assert 'data-label="doubtful"' not in page(run, read)


def test_the_page_marks_them_in_words(html, pictures):
    doubtful = [one for one in pictures if one.doubtful]
    assert html.count('<figure class="picture doubtful"') == html.count('data-label="doubtful"') == len(doubtful) > 5
    assert html.count('<strong class="doubt">Label in doubt</strong>') == len(doubtful)
    assert html.count('data-label="firm"') == len(pictures) - len(doubtful) > 5
    cards = re.findall(r"<figure .*?</figure>", html, re.DOTALL)
    for one, card in zip(pictures, cards, strict=True):
        label = "present" if one.present == one.correct else "absent"
        assert (f"(labelled {label})" in card) == one.doubtful
    assert "(a &lt;rule&gt;)" in html
    assert "<rule>" not in html
    assert '<option value="doubtful">in doubt</option>' in html
    assert f"in doubt where labels contradict each other, or {SCORES};" in " ".join(html.split())


def test_drawn_faces_are_said_to_be_drawn(run, pictures):
    for dataset, said in (("synthetic", True), ("celeba", False), ("table", False)):
        words = page(replace(run, dataset=dataset), pictures).split('id="gallery"')[1]
        assert ("it was falsified on purpose" in words) == said


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], ids=str)
def test_the_filter_in_a_browser(opened, screenshot, html, pictures, tmp_path, options):
    (tmp_path / "gallery").mkdir()
    for one in pictures:
        Image.new("RGB", (540, 218), "grey").save(tmp_path / "gallery" / one.file)
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    shown = opened(tmp_path / "index.html", **options)
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    counts = {}
    for value in ("firm", "doubtful"):
        shown.locator("select[name=label]").select_option(value)
        visible = shown.locator(".picture:visible")
        counts[value] = visible.count()
        assert set(visible.evaluate_all("all => all.map((one) => one.dataset.label)")) == {value}
        assert shown.locator(".doubt:visible").count() == (counts[value] if value == "doubtful" else 0)
        assert shown.locator("#shown").inner_text() == f"{counts[value]} of {len(pictures)} shown"
    assert sum(counts.values()) == len(pictures)
    # It stays as it is while others are chosen.
    shown.locator("select[name=kind]").select_option("corrected")
    natural = sum(one.doubtful and not one.correct for one in pictures)
    assert shown.locator("#shown").inner_text() == f"{natural} of {len(pictures)} shown"
    assert shown.locator("select[name=label]").input_value() == "doubtful"
    styles = "one => [getComputedStyle(one).borderTopStyle, getComputedStyle(one, '::before').content.slice(0, 3)]"
    assert shown.locator(".picture.doubtful:visible").first.evaluate(styles)[0] == "dashed", "not by colour alone"
    assert shown.locator(".doubt:visible").first.evaluate(styles)[1] == '"? '
    shown.locator(".picture:visible").first.scroll_into_view_if_needed()
    screenshot(shown, "doubt-narrow" if "viewport" in options else "doubt-dark")
    shown.emulate_media(media="print")
    names = ("attribute", "attack", "network", "kind", "label")
    assert [name for name in names if shown.locator(f"[name={name}]").is_visible()] == ["kind", "label"]
