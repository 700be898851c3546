"""Rules by which labels contradict each other: what they find, what a file of them may say, and the package's own."""

import csv
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.contradictions import COLUMNS, OF_PACKAGE, Contradiction, read_contradictions
from faceflip.data.synthetic.folder import annotation_numbers
from faceflip.data.synthetic.label_model import annotations
from faceflip.errors import UserError

NAMES = ("a", "b", "c", "d; e", 'f "g"')
HEADER = ",".join(COLUMNS) + "\n"


@st.composite
def rules(draw):
    names = draw(st.permutations(NAMES))
    first, second = sorted(draw(st.tuples(st.integers(0, 5), st.integers(0, 5))))
    some = tuple(names[first:second])
    at_least = draw(st.integers(1, len(some))) if some else 0
    return Contradiction("r", tuple(names[:first]), some, at_least, tuple(names[second:]), False)


@given(rules(), st.lists(st.tuples(*[st.sampled_from((-1, 0, 1))] * len(NAMES)), min_size=1, max_size=20))
def test_what_a_rule_finds(rule, rows):
    """As said in words, image by image."""
    labels = np.array(rows, np.int8)
    held, parts = rule.holds(labels, NAMES), rule.doubts(labels, NAMES)
    assert held.shape == (len(rows),)
    assert parts.shape == labels.shape
    for row, holds, part in zip(rows, held, parts, strict=True):
        image = dict(zip(NAMES, row, strict=True))
        having = [name for name in rule.some if image[name] == 1]
        expected = (
            all(image[name] == 1 for name in rule.present)
            and len(having) >= rule.at_least
            and all(image[name] == -1 for name in rule.absent)
        )
        assert holds == expected
        taking = {*rule.present, *having, *rule.absent} if expected else set()
        assert {name for name, each in zip(NAMES, part, strict=True) if each} == taking


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.csv"
    path.write_text(text, encoding="utf-8")
    return path


def quoted(names):
    return ";".join('"' + name.replace('"', '""') + '"' for name in names)


@given(st.lists(rules(), min_size=1, max_size=4))
def test_rules_come_back_from_a_file(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("rules") / "rules.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        expected = []
        for number, rule in enumerate(made):
            soft = number % 2 == 1
            if len(rule.present) + rule.at_least + len(rule.absent) < 2:
                continue
            cells = (f"rule {number}", quoted(rule.present), quoted(rule.some), rule.at_least, quoted(rule.absent))
            rows.writerow([*cells, "Yes" if soft else "no"])
            expected.append(Contradiction(f"rule {number}", rule.present, rule.some, rule.at_least, rule.absent, soft))
    if expected:
        assert read_contradictions(path, NAMES) == tuple(expected)


def test_what_may_be_left_out_and_how_spreadsheets_write(tmp_path):
    """Any order of columns, a byte order mark, spaces, empty rows and cells; attributes with spaces and semicolons."""
    rows = (
        "\ufeffsoft,rule,present, some ,absent,at_least",
        ",one, wears a tie ; a,,b,",
        ",,,,,",
        'YES,two,,a;"d; e",,2',
        'no,three,"""d; e"";a",,,',
        "",
        "No,four,c,a;b,,",
    )
    assert read_contradictions(written(tmp_path, "\r\n".join(rows)), ("wears a tie", *NAMES)) == (
        Contradiction("one", ("wears a tie", "a"), (), 0, ("b",), False),
        Contradiction("two", (), ("a", "d; e"), 2, (), True),
        Contradiction("three", ("d; e", "a"), (), 0, (), False),
        Contradiction("four", ("c",), ("a", "b"), 1, (), False),
    )


BAD = {
    "no such file": (None, "rules.csv: no such file; paths are seen from"),
    "empty": ("", "has no column 'rule'"),
    "no rules": (HEADER, "has no rules; expected a row for each"),
    "no text": (b"\x89PNG\xff\xfe", "cannot be read as a table"),
    "an open quote": (HEADER + '"one,a;b,,,,\n', "cannot be read as a table (unexpected end of data)"),
    "a column missing": (HEADER.replace("soft", "weak"), "has no column 'soft'; expected rule,present,some"),
    "a column unknown": (HEADER.replace("\n", ",why\n"), "has a column 'why'; expected rule, present, some"),
    "a typo in a column": (HEADER.replace("absent", "abcent"), "has a column 'abcent'; did you mean absent"),
    "a column twice": (HEADER.replace("\n", ",soft\n"), "has 2 columns 'soft'"),
    "other separators": (HEADER.replace(",", ";"), "has a column 'rule;present;some;at_least;absent;soft'"),
    "a ragged row": (HEADER + "one,a;b,,\n", "row 1 below the header: 4 cells instead of 6"),
    "no name": (HEADER + ",a;b,,,,\n", "rule is ''; expected its name"),
    "a name between names": (HEADER + "one; two,a;b,,,,\n", "rule is 'one; two'; expected its name, printable text"),
    "a name of another source": (HEADER + "audit,a;b,,,,\n", "that is none of rules, scores, audit"),
    "a long name": (HEADER + f"{'x' * 101},a;b,,,,\n", "at most 100 characters"),
    "a name that steers": (HEADER + "\x1b[2J,a;b,,,,\n", "rule is '\\x1b[2J'"),
    "a name twice": (HEADER + "one,a;b,,,,\none,a;c,,,,\n", "has several rules 'one'; give each a name of its own"),
    "no attribute": (HEADER + "one,a;B_lack,,,,\n", "row 1 below the header: 'B_lack' is no attribute of the dataset"),
    "nearly an attribute": (HEADER + "one,a,blackhair,,,\n", "did you mean black hair?"),
    "present and absent": (HEADER + "one,a,,,a,\n", "'a' stands there more than once; leave it in one place"),
    "present and of some": (HEADER + "one,a,a;b,,,\n", "'a' stands there more than once"),
    "an empty row counts": (HEADER + "\n,,,,,\none,a;x,,,,\n", "row 3 below the header: 'x' is no attribute"),
    "one label": (HEADER + "one,a,,,,\n", "it needs one label or none, and a contradiction takes two or more"),
    "one of some": (HEADER + "one,,a;b,,,\n", "it needs one label or none"),
    "no label": (HEADER + "one,,,,,\n", "it needs one label or none"),
    "more than there are": (
        HEADER + "one,,a;b,3,,\n",
        "at_least is '3'; expected a whole number from 1 to 2, as in some",
    ),
    "none of some": (HEADER + "one,c,a;b,0,,\n", "at_least is '0'; expected a whole number from 1 to 2"),
    "no number": (HEADER + "one,,a;b,two,,\n", "at_least is 'two'; expected a whole number from 1 to 2"),
    "a number of nothing": (HEADER + "one,a;b,,1,,\n", "at_least is '1'; expected nothing, as some is empty"),
    "perhaps soft": (HEADER + "one,a;b,,,,perhaps\n", "soft is 'perhaps'; expected yes or no"),
    "quotes in a cell": (HEADER + 'one,"a;""b"" c",,,,\n', "present is 'a;\"b\" c'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    text, message = BAD[case]
    path = tmp_path / "rules.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as error:
        read_contradictions(path, (*NAMES, "black hair"))
    assert message in str(error.value)
    assert all(line.startswith(str(path)) for line in str(error.value).splitlines())
    assert len(str(error.value)) < 3 * len(str(path)) * 8


def test_a_folder_is_no_file_of_rules(tmp_path):
    with pytest.raises(UserError, match="cannot be read as a table"):
        read_contradictions(tmp_path, NAMES)


def test_all_faults_are_told_at_once(tmp_path):
    text = HEADER + "one,a,,,a;x,maybe\none,,b,7,,\n,a;b,,,,\n"
    with pytest.raises(UserError) as error:
        read_contradictions(written(tmp_path, text), NAMES)
    parts = ("'x' is no attribute", "'a' stands", "'maybe'", "'7'", "rule is ''", "several rules 'one'")
    assert [part for part in parts if part not in str(error.value)] == []
    assert len(str(error.value).splitlines()) == len(parts)


def test_rules_of_the_package():
    """They are right as a file of your own is, and each can be broken."""
    known = read_contradictions(None, ATTRIBUTES)
    assert known == read_contradictions(OF_PACKAGE, ATTRIBUTES)
    assert len(known) == 9
    assert {rule.name for rule in known if rule.soft} == {"no beard but 5 o'clock shadow", "bald with a hair colour"}
    for rule in known:
        labels = np.zeros((1, 40), np.int8)
        assert not rule.holds(labels, ATTRIBUTES)
        for names, label in ((rule.present, 1), (rule.some, 1), (rule.absent, -1)):
            labels[0, [ATTRIBUTES.index(name) for name in names]] = label
        assert rule.holds(labels, ATTRIBUTES)


def test_rules_of_the_package_on_fewer_attributes():
    """Those go that lack what they need; of some, those that are there stay while they are enough."""
    kept = {rule.name: rule for rule in read_contradictions(None, ["Gray_Hair", "Bald", "Goatee", "x", "Black_Hair"])}
    assert [*kept] == ["several hair colours", "bald with a hair colour", "bald with black, blond or brown hair"]
    assert kept["several hair colours"].some == ("Black_Hair", "Gray_Hair")
    assert kept["bald with black, blond or brown hair"].some == ("Black_Hair",)
    assert read_contradictions(None, ["Gray_Hair", "Male"]) == ()
    assert read_contradictions(None, ["Tie"]) == ()


def test_drawn_faces_break_soft_rules_alone():
    """So do the labels that are falsified: what is drawn shows the opposite of a label that contradicts none."""
    drawn = annotations(*annotation_numbers(3, range(1, 3001)), "train", 0.04)
    assert drawn.mislabelled.any()
    broken = {rule.name: rule.holds(drawn.labels, ATTRIBUTES).sum() for rule in read_contradictions(None, ATTRIBUTES)}
    assert {name for name, count in broken.items() if count} == {
        "no beard but 5 o'clock shadow",
        "bald with a hair colour",
    }


def test_rules_of_the_package_by_sets():
    """On labels that contradict each other often, by sets of what an image has."""
    random = np.random.default_rng(7)
    labels = np.where(random.random((500, 40)) < 0.3, 1, -1).astype(np.int8)
    labels[random.random(labels.shape) < 0.2] = 0
    has = [{name for name, label in zip(ATTRIBUTES, row, strict=True) if label > 0} for row in labels]
    lacks = [{name for name, label in zip(ATTRIBUTES, row, strict=True) if label < 0} for row in labels]
    colours = {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}
    hairs = {"Goatee", "Mustache", "Sideburns"}
    expected = {
        "several hair colours": [any({*two} <= each for two in combinations(colours, 2)) for each in has],
        "no beard but facial hair": ["No_Beard" in each and bool(each & hairs) for each in has],
        "no beard but 5 o'clock shadow": [{"No_Beard", "5_o_Clock_Shadow"} <= each for each in has],
        "straight and wavy hair": [{"Straight_Hair", "Wavy_Hair"} <= each for each in has],
        "bald with a hair colour": ["Bald" in each and bool(each & colours) for each in has],
        "bald with black, blond or brown hair": [
            "Bald" in each and bool(each & (colours - {"Gray_Hair"})) for each in has
        ],
        "bald with straight or wavy hair": [
            "Bald" in each and bool(each & {"Straight_Hair", "Wavy_Hair"}) for each in has
        ],
        "bald with bangs": [{"Bald", "Bangs"} <= each for each in has],
        "facial hair but not male": [
            "Male" in lacking and bool(each & (hairs | {"5_o_Clock_Shadow"}))
            for each, lacking in zip(has, lacks, strict=True)
        ],
    }
    found = {rule.name: rule.holds(labels, ATTRIBUTES).tolist() for rule in read_contradictions(None, ATTRIBUTES)}
    assert found == expected
    assert all(any(each) for each in expected.values())


def test_rules_and_counts_of_the_documentation(tmp_path):
    """The page's file of rules can be used, and its table of counts has the package's rules."""
    page = (Path(__file__).parents[2] / "docs/guides/celeba.md").read_text(encoding="utf-8")
    shown = re.search(r"```csv\n(rule,.*?)```", page, re.DOTALL)[1]
    package = {rule.name: rule for rule in read_contradictions(None, ATTRIBUTES)}
    *copied, own = read_contradictions(written(tmp_path, shown), ATTRIBUTES)
    assert copied == [package[rule.name] for rule in copied]
    assert own.soft
    counted = page.partition("| rule | images of CelebA's 202,599 | |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in counted.splitlines()]
    assert [(name, remark.startswith("soft")) for name, _, remark in rows] == [
        (name, rule.soft) for name, rule in package.items()
    ]
