"""The smallest flips that are known: over all attacks of the run, and what FFA alone would have missed.

Read a row as: of so many images any attack flips so many; the paper's FFA, by either search, misses so many; no attack
flips the rest. Medians are over the flipped images, of the smallest L2, L∞ (both in pixel values) and 1 − PASS that any
attack found, each measure on its own. Beside them stands the attack that found most of the smallest, and how many; of
attacks that tie on an image each has found it.

The paper finds attributes that hardly any image flips. But an attack gives an upper bound: an image that it does not
flip may have a small flip that it overlooks. Where FFA flips next to nothing and others do by small perturbations, the
attack failed, and not the network is robust; the notes say how similar their images are. That no attack of the run
flips an image is no proof that nothing does; it weighs more the more different the attacks are. (The CSV has a row a
size, for correctly classified images, for misclassified ones, and for `all`, both together.)
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, signs_of, with_split
from faceflip.analysis.names import ALL, SIGN_NAMES, SIGNS, SPLIT_SIGNS, display_name, method_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, number
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import PAIR, SIZES, arranged_by_attack, best_known, read_sizes
from faceflip.wording import first_of

TITLE = "The smallest flips that are known"
FFA = "ffa"
HARDLY, MOST_NAMED = 0.01, 20
"""A share of images below which an attack flips next to nothing; how many attributes a note names at most."""
KEYS = ["network", "attribute", "sign"]
WHOLES = ({}, {"sign": ALL}, {"attribute": ALL}, {"attribute": ALL, "sign": ALL})
"""What rows are counted as besides themselves."""
COUNTS = ["images", "flipped", "by_ffa", "missed_by_ffa", "unflipped"]
SHOWN = ("images", "flipped", f"missed by {method_name(FFA)}", "not flipped")
"""Headings of the counts on a page."""
COLUMNS = [*KEYS, *COUNTS, "size", "median", "found_by", "found"]


def smallest_flips(sizes: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Summarise the best known flips (over the attacks of `read_sizes`) of each attribute.

    Returns:
        Columns network, attribute (``all``: together), sign (of `signs_of`, and ``all``: both), images, flipped (by
        any attack), by_ffa (with any search), missed_by_ffa (flipped by others alone), unflipped, size (of `SIZES`),
        median (of the best known, over the flipped), found_by (attack that found most of the smallest; of several that
        found as many the first), found (how many). by_ffa is missing on a network that FFA did not attack, and so is
        missed_by_ffa, also where nothing else did. Attributes have rows for all signs even where one has no images.
    """
    if sizes.empty:
        return pd.DataFrame(columns=COLUMNS)
    methods = {name: run.attack(name).method for name in sizes["attack"].unique()}
    is_ffa = sizes["attack"].isin([name for name, method in methods.items() if method == FFA])
    sizes = sizes.assign(sign=np.where(sizes["correct"], *SIGNS), by_ffa=sizes["flipped"] & is_ffa)
    known = sizes.groupby(PAIR, observed=True)[list(SIZES)].transform("min")
    best = best_known(sizes)
    by_ffa = sizes.groupby(PAIR, observed=True)["by_ffa"].any().to_numpy()
    best = best.assign(images=1, sign=np.where(best["correct"], *SIGNS), by_ffa=by_ffa)
    best = best.assign(missed_by_ffa=best["flipped"] & ~best["by_ffa"], unflipped=~best["flipped"])
    counted = pd.concat([_count(part) for part in _with_wholes(best)], ignore_index=True)
    every = counted[KEYS[:2]].drop_duplicates().merge(pd.DataFrame({"sign": [*signs_of(sizes), ALL]}), how="cross")
    counted = every.merge(counted, how="left", on=KEYS).fillna(dict.fromkeys(COUNTS, 0))
    parts = []
    for size in SIZES:
        finds = sizes[sizes["flipped"] & (sizes[size] == known[size])]
        finders = pd.concat([_find(part, run) for part in _with_wholes(finds)], ignore_index=True)
        part = counted[[*KEYS, *COUNTS, size]].rename(columns={size: "median"}).assign(size=size)
        parts.append(part.merge(finders, how="left", on=KEYS).fillna({"found": 0}))
    frame = pd.concat(parts, ignore_index=True).astype(dict.fromkeys([*COUNTS, "found"], "Int64"))
    by_others = set(sizes.loc[~is_ffa, "network"])
    without = {"by_ffa": ~frame["network"].isin(set(sizes.loc[is_ffa, "network"]))}
    without["missed_by_ffa"] = without["by_ffa"] | ~frame["network"].isin(by_others)
    frame = frame.assign(**{name: frame[name].mask(missing) for name, missing in without.items()})
    return arranged_by_attack(frame[COLUMNS], run, [*KEYS, "size"])


def _with_wholes(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield rows as what they are counted as; the parts of the misclassified are in no whole of both signs."""
    for whole in WHOLES:
        yield (rows if "sign" in whole else with_split(rows)).assign(**whole)


def _count(best: pd.DataFrame) -> pd.DataFrame:
    """Return counts and medians of each group."""
    counts = best.groupby(KEYS, observed=True)[COUNTS].sum()
    medians = best[best["flipped"]].groupby(KEYS, observed=True)[list(SIZES)].median()
    return counts.join(medians).reset_index().astype(dict.fromkeys(KEYS, "str"))


def _find(finds: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return which attack found most of each group, and how many."""
    keys = [*KEYS, "attack"]
    counts = finds.groupby(keys, observed=True).size().rename("found").reset_index().astype(dict.fromkeys(keys, "str"))
    most = arranged_by_attack(counts, run, ["attack"]).sort_values("found", ascending=False, kind="stable")
    return most.drop_duplicates(KEYS).rename(columns={"attack": "found_by"})


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `smallest_flips` of the run's attempts."""
    return smallest_flips(read_sizes(inputs["attempts"], run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out a sheet for each network, with a row an attribute."""
    if frame.empty:
        return [nothing(TITLE, "This run has no attacks on converged networks.")]
    made = [_sheet(network, part, run) for network, part in frame.groupby("network", sort=False)]
    if run.doubt:
        made += [_split_sheet(network, part, run) for network, part in frame.groupby("network", sort=False)]
    return made


def _by_attribute(part: pd.DataFrame, run: RunDescription) -> Iterator[tuple[str, dict[tuple[str, str], dict]]]:
    """Yield what pages call each attribute, all together last, and its rows of the table by sign and size."""
    of = {name: rows.to_dict("records") for name, rows in part.groupby("attribute")}
    for attribute in ordered(of, [*run.attributes, ALL]):
        name = "all together" if attribute == ALL else display_name(attribute)
        yield name, {(row["sign"], row["size"]): row for row in of[attribute]}


def _sheet(network: str, part: pd.DataFrame, run: RunDescription) -> Sheet:
    rows: list[list[Cell]] = []
    for name, cells in _by_attribute(part, run):
        row: list[Cell] = [name]
        for sign in SIGNS:
            row += _counts(cells[sign, next(iter(SIZES))])
        both = [cells[ALL, size] for size in SIZES]
        row += [number(each["median"]) for each in both]
        row += [f"{each['found_by']} ({each['found']:,})" if each["found"] else MISSING for each in both]
        rows.append(row)
    columns = [Column("attribute", align="l"), *(Column(name, SIGN_NAMES[sign]) for sign in SIGNS for name in SHOWN)]
    columns += [Column(name, "median of the smallest") for name in SIZES.values()]
    columns += [Column(name, "found most of the smallest", align="l") for name in SIZES.values()]
    title = f"{TITLE}, {run.network(network).title}"
    return Sheet(title, columns, rows, _notes(part, run), frozenset({len(rows) - 1}))


def _split_sheet(network: str, part: pd.DataFrame, run: RunDescription) -> Sheet:
    """Lay out the misclassified by whether their label is in doubt."""
    rows: list[list[Cell]] = []
    for name, cells in _by_attribute(part, run):
        row: list[Cell] = [name]
        for sign in SPLIT_SIGNS:
            each = [cells[sign, size] for size in SIZES]
            row += [*_counts(each[0]), *(number(size["median"]) for size in each)]
        rows.append(row)
    columns = [Column("attribute", align="l")]
    medians = [f"median {name}" for name in SIZES.values()]
    columns += [Column(name, SIGN_NAMES[sign]) for sign in SPLIT_SIGNS for name in (*SHOWN, *medians)]
    title = f"{TITLE}, {run.network(network).title}, misclassified pairs by whether their label is in doubt"
    return Sheet(title, columns, rows, run.doubt_notes, frozenset({len(rows) - 1}))


def _counts(row: dict) -> list[Cell]:
    """Return the cells of the columns `SHOWN`."""
    found = (row[name] for name in ("images", "flipped", "missed_by_ffa", "unflipped"))
    return [MISSING if pd.isna(count) else f"{count:,}" for count in found]


def _notes(part: pd.DataFrame, run: RunDescription) -> list[str]:
    """Say what the numbers of a network mean for attributes that hardly any image flips."""
    whole = part[(part["sign"] == ALL) & (part["size"] == next(iter(SIZES))) & (part["attribute"] != ALL)]
    never = whole[whole["flipped"] == 0]
    medians = part[(part["sign"] == ALL) & (part["size"] == "dissimilarity")].set_index("attribute")["median"]
    return [
        *_notes_on_ffa(whole.assign(similarity=1 - whole["attribute"].map(medians).astype(float)), run),
        f"No attack flips an image of {_named(never)}." if len(never) else "Each attribute flips on some image.",
        "Attacks give upper bounds: that none of them flips an image is no proof that nothing does.",
    ]


def _notes_on_ffa(whole: pd.DataFrame, run: RunDescription) -> list[str]:
    """Say which attributes FFA hardly flips, and whether that is its own failure, by the median `similarity`."""
    name = method_name(FFA)
    if whole["by_ffa"].isna().all():
        return [f"{name} did not attack this network."]
    hardly = whole[whole["by_ffa"] < HARDLY * whole["images"]]
    fewer = f"{name} flips fewer than {100 * HARDLY:g} % of the images"
    alone = whole["missed_by_ffa"].isna().all()
    notes = [f"Only {name} attacked this network; what it misses is not known."] if alone else []
    if hardly.empty:
        return [*notes, f"There is no attribute of which {fewer}."]
    overlooked = hardly["missed_by_ffa"].fillna(0) > 0
    near = hardly["similarity"] >= run.threshold
    counts = "{by_ffa:,} of {images:,}, any attack {flipped:,} at a median PASS of {similarity:.2f}"
    if (overlooked & near).any():
        notes.append(f"{fewer} of {_named(hardly[overlooked & near], counts)}. There the attack failed.")
    if (overlooked & ~near).any():
        listed = _named(hardly[overlooked & ~near], counts)
        notes.append(f"{fewer} of {listed}. Others flip more, but mostly by what can be seen.")
    if not overlooked.all():
        listed = _named(hardly[~overlooked], "{by_ffa:,} of {images:,}")
        notes.append(f"{fewer} of {listed}" + ("." if alone else ", and no other attack flips more."))
    return notes


def _named(rows: pd.DataFrame, counts: str = "") -> str:
    """Return the attributes of rows, each with its counts."""
    about = f" ({counts})" if counts else ""
    names = [display_name(row["attribute"]) + about.format(**row) for row in rows.to_dict("records")]
    return first_of(names, MOST_NAMED)
