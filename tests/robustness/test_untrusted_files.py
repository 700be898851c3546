"""Files from elsewhere: read, or refused by the documented error, whatever they hold; and no code of theirs runs."""

import ast
import contextlib
import io
import json
import os
import re
import resource
import signal

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import ROOT
from store_builder import Builder, resealed

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, PARTITION
from faceflip.data.celeba.labels import read_labels
from faceflip.data.packed import open_dataset
from faceflip.errors import UserError
from faceflip.io.inventory import read_inventory, take_inventory, write_inventory
from faceflip.io.tables import read_table, write_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.store import open_store
from faceflip.store.check import check
from faceflip.store.difference import compare
from faceflip.store.export import export_npz, export_table
from faceflip.store.panels import best_rows, draw_sheet
from faceflip.store.summary import summarise

fuzzed = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def mutations(draw):
    """Return a function that changes bytes: a few places overwritten, removed, doubled, filled in, or all cut short."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["overwrite", "remove", "insert", "double", "truncate", "zero"]),
                st.floats(0, 1, exclude_max=True),
                st.integers(1, 64),
                st.binary(min_size=1, max_size=16),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def mutate(data):
        data = bytearray(data)
        for kind, share, length, filling in steps:
            place = int(share * len(data))
            if kind == "overwrite":
                data[place : place + len(filling)] = filling
            elif kind == "remove":
                del data[place : place + length]
            elif kind == "insert":
                data[place:place] = filling
            elif kind == "double":
                data[place:place] = data[place : place + length]
            elif kind == "truncate":
                del data[place:]
            else:
                data[place : place + length] = bytes(len(data[place : place + length]))
        return bytes(data)

    return mutate


def refused_or_read(path, content, read):
    """Write the content and read it; whether it was refused. Any error but the documented one fails the test."""
    path.write_bytes(content)
    try:
        read(path)
    except UserError as error:
        message = str(error)
    else:
        return False
    assert path.name in message or str(path.parent) in message, "the message names the file"
    return True


@pytest.fixture(scope="module")
def celeba(tmp_path_factory):
    """A folder with the text files of five images."""
    folder = tmp_path_factory.mktemp("celeba")
    names = [f"{number:06d}.jpg" for number in range(1, 6)]
    rows = [
        f"{name} " + " ".join(["-1", " 1"][(place + row) % 2] for place in range(40)) for row, name in enumerate(names)
    ]
    (folder / ANNOTATIONS).write_text("\n".join(["5", " ".join(ATTRIBUTES), *rows]) + "\n")
    (folder / PARTITION).write_text("".join(f"{name} {row % 3}\n" for row, name in enumerate(names)))
    (folder / "img_align_celeba").mkdir()
    return folder


@pytest.mark.parametrize("name", [ANNOTATIONS, PARTITION])
class TestTextFiles:
    @fuzzed
    @given(mutate=mutations())
    def test_mutated(self, celeba, name, mutate):
        sound = (celeba / name).read_bytes()
        try:
            refused_or_read(celeba / name, mutate(sound), lambda path: read_labels(celeba))
        finally:
            (celeba / name).write_bytes(sound)

    @fuzzed
    @given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
    def test_anything(self, celeba, name, content):
        sound = (celeba / name).read_bytes()
        try:
            assert refused_or_read(celeba / name, content, lambda path: read_labels(celeba))
        finally:
            (celeba / name).write_bytes(sound)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "converged.pt"
    spec = NetworkSpec("euclidean", ("Smiling",), (44, 54), ArchitectureOptions(width=0.02))
    info = CheckpointInfo("mine", "Smiling", 1, {"loss": 0.5}, {"seed": 1}, "0" * 64)
    save_checkpoint(path, build(spec, 1), info)
    return path.read_bytes()


class TestCheckpoints:
    @fuzzed
    @given(mutate=mutations())
    def test_mutated(self, checkpoint, tmp_path, mutate):
        refused_or_read(tmp_path / "a.pt", mutate(checkpoint), load_checkpoint)

    @fuzzed
    @given(mutate=mutations())
    def test_mutated_description(self, checkpoint, tmp_path, mutate):
        """Changes within the pickle of an archive whose sums are right."""
        import zipfile

        target = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(checkpoint)) as source, zipfile.ZipFile(target, "w") as changed:
            for item in source.infolist():
                data = source.read(item)
                changed.writestr(item, mutate(data) if item.filename.endswith("data.pkl") else data)
        refused_or_read(tmp_path / "a.pt", target.getvalue(), load_checkpoint)

    @fuzzed
    @given(
        key=st.sampled_from(
            ["format", "version", "spec", "network", "member", "state", "epoch", "metrics", "training"]
        ),
        value=st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3),
                        st.dictionaries(st.text(max_size=5), st.integers(), max_size=3)),
    )  # fmt: skip
    def test_other_values(self, checkpoint, tmp_path, key, value):
        content = torch.load(io.BytesIO(checkpoint), weights_only=True)
        content[key] = value
        target = io.BytesIO()
        torch.save(content, target)
        refused_or_read(tmp_path / "a.pt", target.getvalue(), load_checkpoint)

    @fuzzed
    @given(
        group=st.sampled_from(["spec", "architecture"]),
        key=st.sampled_from(
            ["loss", "attributes", "image_size", "architecture", "name", "width", "input_mean", "options"]
        ),
        value=st.one_of(st.none(), st.integers(-3, 3), st.text(max_size=5), st.lists(st.integers(-2, 2), max_size=3)),
    )
    def test_other_networks(self, checkpoint, tmp_path, group, key, value):
        content = torch.load(io.BytesIO(checkpoint), weights_only=True)
        {**content, **content["spec"]}[group][key] = value
        target = io.BytesIO()
        torch.save(content, target)
        refused_or_read(tmp_path / "a.pt", target.getvalue(), load_checkpoint)


def read_store(path):
    with open_store(path) as store:
        assert len(store.attempts) == len(store)
        for block in store.blocks():
            assert block.perturbations.dtype == "int16"


class TestStores:
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory):
        return Builder(tmp_path_factory.mktemp("store")).shard("a.h5", rows=6).read_bytes()

    @pytest.fixture(scope="class")
    @classmethod
    def view(cls, tmp_path_factory):
        return Builder(tmp_path_factory.mktemp("view")).view(rows=6)

    @fuzzed
    @given(mutate=mutations())
    def test_mutated(self, store, tmp_path, mutate):
        refused_or_read(tmp_path / "a.h5", mutate(store), read_store)
        check(tmp_path / "a.h5")

    @fuzzed
    @given(mutate=mutations())
    def test_mutated_view(self, view, mutate):
        sound = view.read_bytes()
        try:
            refused_or_read(view, mutate(sound), read_store)
            check(view)
        finally:
            view.write_bytes(sound)


VALUES = st.one_of(
    st.none().map(lambda _: h5py.Empty("<i8")),
    st.sampled_from([-(2**63), -7, -2, -1, 0, 1, 2, 5, 23, 24, 25, 10**8, 10**12, 2**63 - 1]).map(np.int64),
    st.integers(-128, 127).map(np.int8),
    st.sampled_from([0.0, -1.0, 24.0, np.nan, np.inf, -np.inf]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.binary(min_size=1, max_size=8).map(lambda value: np.bytes_(value.strip(b"\0") or b"x")),
    st.sampled_from(["{}", "[]", "3", '{"a": NaN}', '{"a": 1e999}', '{"all": [1]}', '{"all": "x"}', "[" * 3000]),
    st.lists(st.integers(-9, 9), max_size=4).map(lambda value: np.array(value, "<i8")),
    st.sampled_from(["view", "shard", "gzip", "blosc", "../x", "\x1b[2J", ".", "/"]),
)
"""What an attribute, or an element of a column, may be."""

LINKS = {
    "nothing": lambda file, name: None,
    "soft": lambda file, name: file.__setitem__(name, h5py.SoftLink("/aside")),
    "circle": lambda file, name: file.__setitem__(name, h5py.SoftLink(f"/{name}")),
    "external": lambda file, name: file.__setitem__(name, h5py.ExternalLink("pipe", name)),
    "itself": lambda file, name: file.__setitem__(name, h5py.ExternalLink(".", name)),
    "root": lambda file, name: file.__setitem__(name, file["/"]),
    "group": lambda file, name: file.create_group(name),
    "type": lambda file, name: file.__setitem__(name, np.dtype("<i8")),
    "scalar": lambda file, name: file.__setitem__(name, 1),
    "vast": lambda file, name: file.create_dataset(name, (10**12,), "<i8"),
    "vast chunks": lambda file, name: file.create_dataset(name, (10**12,), "<i8", chunks=(10**7,)),
    "texts": lambda file, name: file.create_dataset(name, data=["a"] * 24),
    "outside": lambda file, name: file.create_dataset(name, (24,), "<i8", external=[("pipe", 0, 192)]),
    "virtual": lambda file, name: file.create_virtual_dataset(name, of_a_pipe()),
    **{
        f"as {kind}": lambda file, name, kind=kind: file.create_dataset(name, data=np.zeros(24, kind))
        for kind in ("<i8", "<f8", "<u1", "S10", "V3", "<c16", ">i8", "?")
    },
}
"""What may stand where a dataset should be; the former one is aside."""


def of_a_pipe():
    layout = h5py.VirtualLayout((24,), "<i8")
    layout[:] = h5py.VirtualSource("pipe", "image", (24,))
    return layout


@st.composite
def alterations(draw):
    """Return a function that alters an open store: attributes, values, links, an object or two at a time."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["attribute", "attribute", "delete", "element", "link", "link"]),
                st.integers(0, 99),
                st.integers(0, 30),
                VALUES,
                st.sampled_from(sorted(LINKS)),
            ),
            min_size=1,
            max_size=2,
        )
    )

    def alter(file):
        for kind, place, row, value, link in steps:
            attributes, objects = sorted(file.attrs), []
            file.visit(objects.append)
            attribute, target = attributes[place % len(attributes)], objects[place % len(objects)]
            if kind == "delete":
                del file.attrs[attribute]
            elif kind == "attribute":
                del file.attrs[attribute]
                file.attrs.create(attribute, value)
            elif kind == "element":
                with contextlib.suppress(Exception):  # of another type: h5py has rules of its own
                    file[target][row % len(file[target])] = value
            elif "aside" not in file:
                file.move(target, "aside")
                LINKS[link](file, target)

    return alter


@contextlib.contextmanager
def in_seconds(seconds):
    """Fail where something takes longer; a pipe without a writer would do so for ever."""

    def stop(*_):
        pytest.fail(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read_in_every_way(path, out):
    """What the commands do, each on its own; any error but the documented one passes through."""
    images = np.zeros((72, 12, 10, 3), np.uint8) + 128

    with contextlib.suppress(UserError), open_store(path) as store:
        rows = np.arange(len(store))
        for way in (
            lambda: read_store(path),
            lambda: summarise(store),
            lambda: export_table(store, rows, out / "a.csv"),
            lambda: export_npz(store, rows, out / "a.npz", images),
            lambda: draw_sheet(store, best_rows(store, 2), images),
            lambda: compare(store, store),
        ):
            with contextlib.suppress(UserError):
                way()
    check(path, deep=True)


class TestAlteredStores:
    """Sealed again after attributes, values and links were altered: refused or read, at a small price."""

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory):
        build = Builder(tmp_path_factory.mktemp("altered"))
        os.mkfifo(build.folder / "pipe")
        build.view("v")
        build.shard("a.h5")
        return build

    @pytest.mark.parametrize("name", ["a.h5", "v.h5", "v/001.h5"])
    @settings(fuzzed, max_examples=70)
    @given(alter=alterations())
    def test_altered(self, build, name, alter):
        path = build.folder / name
        sound = path.read_bytes()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            resealed(path, alter)
            with in_seconds(30):
                read_in_every_way(path, build.folder)
                if name.startswith("v/"):
                    check(build.folder / "v.h5")
        finally:
            path.unlink()
            path.write_bytes(sound)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


def scores():
    numbers = np.random.default_rng(1).random(50)
    table = pd.DataFrame({"row": range(50), "pass": numbers, "alignment": "converged"})
    table.attrs = {"similarity": {"color": "rgb"}}
    return table


def same_table(found, expected):
    return found.equals(expected) and found.attrs == expected.attrs


class TestTables:
    @fuzzed
    @given(mutate=mutations())
    def test_mutated(self, tmp_path, mutate):
        """No number, no name and nothing that is said of them reads back as another."""
        path, table = tmp_path / "a.parquet", scores()
        write_table(path, table)
        if not refused_or_read(path, mutate(path.read_bytes()), read_table):
            assert same_table(read_table(path), table)

    def test_one_bit(self, tmp_path):
        """At every place of the file."""
        path, table = tmp_path / "a.parquet", scores()
        write_table(path, table)
        sound = path.read_bytes()
        for place in range(len(sound)):
            content = bytearray(sound)
            content[place] ^= 1 << place % 8
            assert refused_or_read(path, content, read_table) or same_table(read_table(path), table), place

    def test_tables_of_other_origin(self, tmp_path):
        scores().to_parquet(tmp_path / "a.parquet")
        assert same_table(read_table(tmp_path / "a.parquet"), scores())


class TestInventories:
    @fuzzed
    @given(mutate=mutations())
    def test_mutated(self, tmp_path, mutate):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results/a").write_text("a")
        path = tmp_path / "inventory.json"
        write_inventory(path, take_inventory({"make": ["results/a"]}, tmp_path), ["one"])
        sound = path.read_bytes()
        content = mutate(sound)
        assert refused_or_read(path, content, read_inventory) or json.loads(content) == json.loads(sound)


class TestDatasets:
    """HDF5 itself reads the packed dataset; its errors are told."""

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls, tmp_path_factory):
        from faceflip.data.packing import pack_dataset
        from faceflip.data.synthetic import write_celeba

        folder = tmp_path_factory.mktemp("dataset")
        write_celeba(folder / "celeba", train=3, validation=1, test=1, seed=1, mislabelled=0)
        pack_dataset(folder / "celeba", folder / "a.h5", image_size=(10, 12))
        return folder / "a.h5"

    @settings(fuzzed, max_examples=60)
    @given(mutate=mutations())
    def test_mutated(self, dataset, tmp_path, mutate):
        refused_or_read(tmp_path / "a.h5", mutate(dataset.read_bytes()), open_dataset)

    @pytest.mark.parametrize("name", ["images", "labels", "split", "file_name"])
    @pytest.mark.parametrize("kind", ["soft", "circle", "external", "root", "vast", "outside", "virtual"])
    def test_arrays_lie_in_the_file(self, dataset, tmp_path, name, kind):
        """No other file is read, and nothing is made that is only declared."""
        path = tmp_path / "a.h5"
        path.write_bytes(dataset.read_bytes())
        os.mkfifo(tmp_path / "pipe")
        with h5py.File(path, "r+") as file:
            file.move(name, "aside")
            LINKS[kind](file, name)
        with in_seconds(20), pytest.raises(UserError, match=rf"a\.h5: cannot be opened \(/{name} (is|does)"):
            open_dataset(path)

    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "a.h5")
        with in_seconds(20), pytest.raises(UserError, match=r"a\.h5: cannot be opened \(.*no regular file"):
            open_dataset(tmp_path / "a.h5")

    @pytest.mark.parametrize("name", ["images", "labels", "split", "file_name"])
    def test_an_array_is_missing(self, dataset, tmp_path, name):
        content = dataset.read_bytes()
        path = tmp_path / "a.h5"
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            del file[name]
        with pytest.raises(UserError, match=r"a\.h5"):
            open_dataset(path)


def sources():
    return sorted((ROOT / "scripts").rglob("*.py"))


def calls(path):
    """Yield the dotted names of all that a file calls, with the call."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


FORBIDDEN = {"eval", "exec", "compile", "pickle.load", "pickle.loads", "yaml.load", "os.system", "joblib.load"}
"""Calls that run, or may run, what a file says."""


class TestSources:
    """What the code does not do, whatever the file."""

    def test_nothing_is_evaluated(self):
        found = [(path.name, name) for path in sources() for name, _ in calls(path) if name in FORBIDDEN]
        assert found == []

    def test_checkpoints_are_loaded_as_weights_only(self):
        for path in sources():
            for name, call in calls(path):
                if name == "torch.load":
                    arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                    assert arguments["weights_only"] == "True", path
                if name in ("np.load", "numpy.load"):
                    assert "allow_pickle" not in {keyword.arg for keyword in call.keywords}, path

    def test_archives_are_not_unpacked_by_their_own_names(self):
        found = [
            (path.name, name) for path in sources() for name, _ in calls(path) if re.search(r"\.extract(all)?$", name)
        ]
        assert found == []

    def test_no_network(self):
        """Nothing is fetched: not even the modules for it are imported."""
        modules = {"urllib", "http", "requests", "socket", "ftplib", "gdown", "aiohttp", "httpx"}
        for path in sources():
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {name.split(".")[0] for name in names} & modules, path
