"""What is written is what is read."""

import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builder import HEIGHT, WIDTH

from faceflip.attempt import Experiment
from faceflip.errors import UserError
from faceflip.outcomes import Outcome
from faceflip.store import StoreWriter, find_store, open_store, write_joined_view


@pytest.fixture(params=["shard", "view", "blosc"])
def store(request, build_once):
    build = build_once
    if request.param == "view":
        path = build.view(count=3, rows=24)
    else:
        if request.param == "blosc":
            pytest.importorskip("hdf5plugin")
        path = build.shard(f"{request.param}.h5", rows=72, compression="blosc" if request.param == "blosc" else "gzip")
    with open_store(path) as store:
        yield store


def test_perturbations_come_back(store, build):
    content = build.content(0, 72)
    assert len(store) == 72
    for row in range(72):
        found = store.perturbation(row)
        if content.flipped[row]:
            assert found.dtype == np.int16
            np.testing.assert_array_equal(found, content.perturbation[row])
        else:
            assert found is None


def test_attempts_come_back(store, build):
    content, attempts = build.content(0, 72), store.attempts
    flipped = content.flipped
    assert attempts["row"].tolist() == list(range(72))
    for name in ("image", "file_name", "attribute", "label", "score_before", "flipped", "steps", "forward_passes"):
        assert attempts[name].tolist() == np.asarray(getattr(content, name)).tolist(), name
    assert attempts["outcome"].tolist() == [Outcome(code).label for code in content.outcome]
    for name in ("epsilon", "score_after"):
        np.testing.assert_array_equal(attempts[name], np.where(flipped, getattr(content, name), np.nan))
    magnitude = np.abs(content.perturbation.astype(float)).reshape(72, -1) * flipped[:, None]
    np.testing.assert_array_equal(attempts["linf"], magnitude.max(axis=1))
    np.testing.assert_allclose(attempts["l2"], np.linalg.norm(magnitude, axis=1), rtol=1e-15)
    assert {name: str(attempts[name].dtype) for name in ("image", "label", "steps", "epsilon", "flipped", "linf")} == {
        "image": "int64", "label": "int8", "steps": "int32", "epsilon": "float64", "flipped": "bool", "linf": "int16",
    }  # fmt: skip


def test_margins_and_warnings_that_an_attack_tells_in_the_end_are_kept(build):
    content = build.content(0, 2)
    with StoreWriter(build.folder / "a.h5", build.header(), 2, (HEIGHT, WIDTH)) as writer:
        writer.write([0, 1], **vars(content))
        writer.record_network("Smiling", 1.25e-5, ("scores look like probabilities",))
        writer.record_network("Young", 0.0)
    suspicious = {"Smiling": ["scores look like probabilities"]}
    with open_store(build.folder / "a.h5") as store:
        assert store.header == build.header(margins={"Smiling": 1.25e-5, "Young": 0.0}, warnings=suspicious)
    write_joined_view(build.folder / "view.h5", [build.folder / "a.h5"])
    with open_store(build.folder / "view.h5") as view:
        assert (view.header.margins, view.header.warnings) == ({}, suspicious)


def test_blosc_says_what_compressed(build):
    pytest.importorskip("hdf5plugin")
    with open_store(build.shard("a.h5", compression="blosc")) as store:
        assert "hdf5plugin" in store.software


def test_header_comes_back(build):
    path = build.shard("a/é %b.h5", shard=3, first=72, parameters={"π": [1, 2.5, None], "a": {"b": True}})
    with open_store(path) as store:
        assert store.header == build.header(3, 72, parameters={"π": [1, 2.5, None], "a": {"b": True}})
        assert store.image_shape == (12, 10)
        assert "hdf5plugin" not in store.software
        assert {"faceflip", "numpy", "h5py", "hdf5", "python", "torch"} >= store.software.keys() >= {"faceflip", "h5py"}
    with open_store(build.view()) as view:
        assert view.header == build.header(None, 0)


def test_stores_are_found_by_what_they_hold(build):
    """Whatever they are called."""
    paths = [build.shard("a.h5", sample="harden"), build.shard("b.h5"), build.shard("c.h5", attack="fgs-line")]
    with find_store(paths, Experiment("paper", "euclidean", "converged", "ffa-line")) as store:
        assert store.path == paths[1]
    with find_store(map(str, paths), Experiment("harden", "euclidean", "converged", "ffa-line")) as store:
        assert store.path == paths[0]
    with pytest.raises(UserError, match="none of the stores given holds paper/softmax/converged/ffa-line"):
        find_store(paths, Experiment("paper", "softmax", "converged", "ffa-line"))


def test_adversarial_is_original_plus_perturbation(store, build):
    images, content = build.images(), build.content(0, 72)
    for row in (0, 1, 2, 30, 70):
        adversarial = store.adversarial(row, images)
        assert type(adversarial) is np.ndarray
        assert adversarial.dtype == np.uint8
        np.testing.assert_array_equal(adversarial, images[row].astype(int) + content.perturbation[row])
    assert store.adversarial(3, images) is None


def test_adversarial_of_other_images_is_refused(store, build):
    with pytest.raises(UserError, match=r"/perturbation\[2\] does not fit image 2"):
        store.adversarial(2, np.full_like(build.images(), 255))
    with pytest.raises(UserError, match=r"/image\[2\] is image 2 of 10 x 12 pixels"):
        store.adversarial(2, build.images(2))
    with pytest.raises(UserError, match=r"/image\[2\]"):
        store.adversarial(2, build.images(height=13))


@pytest.mark.parametrize("size", [1, 7, 256])
@pytest.mark.parametrize("rows", [None, [], [3], [70, 5, 6, 7, 7, 24, 23, 25, 47, 48]])
def test_blocks(store, build, rows, size):
    content = build.content(0, 72)
    wanted = np.unique(range(72) if rows is None else rows).astype(int)
    wanted = wanted[content.flipped[wanted]]
    blocks = list(store.blocks(rows, size))
    assert [len(block.rows) for block in blocks] == [
        min(size, len(wanted) - begin) for begin in range(0, len(wanted), size)
    ]
    assert [row for block in blocks for row in block.rows] == wanted.tolist()
    for block in blocks:
        np.testing.assert_array_equal(block.perturbations, content.perturbation[block.rows])


def test_select(store, build):
    content = build.content(0, 72)
    attributes, outcomes = np.array(content.attribute), np.array(content.outcome)
    assert store.select().tolist() == list(range(72))
    assert store.select(attribute="Smiling").tolist() == np.flatnonzero(attributes == "Smiling").tolist()
    assert store.select(attribute=["Smiling", "Young"], outcome=Outcome.FLIPPED).tolist() == (
        np.flatnonzero((attributes != "Eyeglasses") & (outcomes == Outcome.FLIPPED)).tolist()
    )
    assert store.select(outcome=["saturated", "max_epsilon"]).tolist() == (
        np.flatnonzero(np.isin(outcomes, [Outcome.SATURATED, Outcome.MAX_EPSILON])).tolist()
    )
    assert store.select(file_name="000006.jpg").tolist() == [5]
    assert store.select(file_name="nobody.jpg").tolist() == []
    with pytest.raises(UserError, match="no attribute 'Smilng' here; did you mean Smiling"):
        store.select(attribute="Smilng")
    with pytest.raises(UserError, match="no outcome 'gone' here; there are flipped, zero_gradient"):
        store.select(outcome="gone")


def test_rows_beyond_the_store_are_refused(store):
    for row in (-1, 72):
        with pytest.raises(IndexError, match="of 72"):
            store.perturbation(row)
        with pytest.raises(IndexError, match="of 72"):
            list(store.blocks([0, row]))


@pytest.mark.parametrize("compression", ["gzip", "blosc"])
def test_same_content_same_bytes_in_any_order(build, compression):
    if compression == "blosc":
        pytest.importorskip("hdf5plugin")
    paths = [
        build.shard(f"{name}.h5", compression=compression, order=order)
        for name, order in {
            "a": None,
            "b": None,
            "c": range(23, -1, -1),
            "d": np.random.default_rng(3).permutation(24),
        }.items()
    ]
    assert len({path.read_bytes() for path in paths}) == 1
    other = build.shard("other.h5", compression=compression, variant=1)
    assert other.read_bytes() != paths[0].read_bytes()


def test_same_view_same_bytes(build):
    path = build.view()
    first = path.read_bytes()
    time.sleep(1.1)  # HDF5 counts time in seconds
    write_joined_view(path, sorted(path.with_suffix("").iterdir(), reverse=True))
    assert path.read_bytes() == first


@settings(max_examples=40)
@given(data=st.data(), rows=st.integers(1, 150), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_mixture_of_sizes(build_once, tmp_path_factory, data, rows, height, width):
    """Chunks from a few bytes to several thousand: HDF5 places small and large ones differently."""
    path = tmp_path_factory.mktemp("any") / "a.h5"
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    flipped = rng.random(rows) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    amplitude = rng.choice([0, 1, 255], (rows, 1, 1, 1))
    perturbation = np.rint(rng.uniform(-1, 1, (rows, height, width, 3)) * amplitude).astype(np.int16)
    columns = dict.fromkeys(("image", "label", "steps", "gradient_passes", "forward_passes", "epsilon"), 1)
    with StoreWriter(path, build_once.header(), rows, (height, width)) as writer:
        writer.write(
            np.arange(rows),
            perturbation=perturbation,
            flipped=flipped,
            outcome=np.where(flipped, 0, 2),
            file_name="ü" * data.draw(st.integers(0, 9)),
            attribute="Smiling",
            score_before=1.0,
            score_after=-1.0,
            **columns,
        )
    with open_store(path) as store:
        blocks = list(store.blocks())
        assert [row for block in blocks for row in block.rows] == np.flatnonzero(flipped).tolist()
        for block in blocks:
            np.testing.assert_array_equal(block.perturbations, perturbation[block.rows])
        assert b"TREE" not in path.read_bytes()[store.seal.structure_bytes :]


@pytest.mark.parametrize("rows", [1, 32, 33, 64, 65, 2_000, 40_000])
def test_no_index_among_the_perturbations(build, monkeypatch, rows):
    """The seal's first digest covers every index: HDF5 marks their nodes by TREE, and none lies behind it."""
    content = {
        name: np.resize(values, rows) for name, values in vars(build.content(0, 1)).items() if name != "perturbation"
    }
    monkeypatch.setattr("faceflip.store.writer._Compressor.__call__", lambda self, image: b"0123456789")
    with StoreWriter(build.folder / "a.h5", build.header(), rows, (1, 1)) as writer:
        writer.write(np.arange(rows), perturbation=np.ones((rows, 1, 1, 3), np.int16), **content)
    with open_store(build.folder / "a.h5") as store:
        data = store.path.read_bytes()
        assert data.count(b"TREE", 0, store.seal.structure_bytes) >= rows / 64 + 1
        assert b"TREE" not in data[store.seal.structure_bytes :]
        assert len(data) - store.seal.structure_bytes < 10 * rows + 4096


def test_replaces_an_existing_store_only_at_the_end(build):
    path = build.shard("a.h5")
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"), StoreWriter(path, build.header(), 24, (12, 10)):
        raise RuntimeError("stop")
    assert path.read_bytes() == before
    build.shard("a.h5", variant=5)
    assert path.read_bytes() != before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_array_given_may_be_changed_and_of_any_layout(build, order):
    """Images wait for compression after `write` has returned; they are copies."""
    content = vars(build.content(0, 4)) | {"flipped": np.ones(4, np.uint8), "outcome": np.zeros(4, np.uint8)}
    expected = content.pop("perturbation")
    given = np.array(expected, order=order)
    with StoreWriter(build.folder / "a.h5", build.header(), 4, expected.shape[1:3]) as writer:
        writer.write(np.arange(4), perturbation=given, **content)
        given[:] = 7
    with open_store(build.folder / "a.h5") as store:
        np.testing.assert_array_equal(np.stack([store.perturbation(row) for row in range(4)]), expected)


def test_works_without_file_locks(build, monkeypatch):
    """Where locks are broken every attempt to take one fails; a store takes none, whatever the environment says."""
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "TRUE")
    path = build.shard("a.h5")
    import fcntl

    with path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r", locking=True)
        with open_store(path) as store:
            assert store.perturbation(0) is not None


def test_one_store_open_many_times(build):
    view = build.view(count=20, rows=4)
    with open_store(view) as a, open_store(view) as b:
        for row in np.random.default_rng(0).permutation(80):
            left, right = a.perturbation(row), b.perturbation(79 - row)
            assert (left is None) == (row % 4 == 3)
            assert (right is None) == ((79 - row) % 4 == 3)
        assert len(a._open) == 16


def test_views_move_with_their_shards(build, monkeypatch):
    view = build.view("run/attacks/100%d %b")
    (build.folder / "run").rename(build.folder / "moved")
    moved = build.folder / "moved/attacks" / view.name
    monkeypatch.chdir(build.folder)
    content = build.content(0, 72)
    with open_store(moved) as store:
        np.testing.assert_array_equal(store.perturbation(50), content.perturbation[50])
    with h5py.File(moved) as file:
        np.testing.assert_array_equal(file["image"][:], content.image)
        np.testing.assert_array_equal(file["perturbation"][50], content.perturbation[50])
        np.testing.assert_array_equal(file["perturbation"][51], 0)


class TestWriterRefuses:
    """Mistakes of the caller; nothing of a faulty call is kept, so nothing is written."""

    @pytest.fixture
    def columns(self, build):
        return vars(build.content(0, 4))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rows": [0, 1, 2, 4]}, "rows must be from 0 to 3"),
            ({"rows": [0, 1, 2, -1]}, "rows must be from 0 to 3"),
            ({"rows": [0, 1, 1, 2]}, "rows written twice"),
            ({"label": 0}, "label must be"),
            ({"outcome": Outcome.FLIPPED}, "/flipped and /outcome must agree, but row 3"),
            ({"image": -1}, "/image must be at least 0, but row 0"),
            ({"attribute": "\x1b]0;x"}, "/attribute must be printable text, but row 0"),
            ({"file_name": "\x1b]0;x"}, "/file_name must be printable text"),
            ({"epsilon": np.inf}, "/epsilon must be"),
            ({"perturbation": np.zeros((4, 10, 12, 3), np.int16)}, r"integers of shape \(4, 12, 10, 3\)"),
            ({"perturbation": np.zeros((4, 12, 10, 3))}, "not float64"),
            ({"perturbation": np.full((4, 12, 10, 3), 256)}, "exceeds the range"),
            ({"perturbation": np.full((4, 12, 10, 3), -(2**15), np.int16)}, "exceeds the range"),
            ({"colour": 1}, r"unknown: \['colour'\]"),
            ({"linf": 1}, r"unknown: \['linf'\]"),
            ({"image": [1, 2]}, "broadcast"),
        ],
    )
    def test_faulty_columns(self, build, columns, change, message):
        path = build.folder / "a.h5"
        call = {"rows": [0, 1, 2, 3], **columns, **change}
        with pytest.raises(ValueError, match=message), StoreWriter(path, build.header(), 4, (12, 10)) as writer:
            writer.write(call.pop("rows"), **call)
        assert list(build.folder.iterdir()) == []

    def test_missing_column(self, build, columns):
        del columns["steps"]
        with (
            pytest.raises(ValueError, match=r"missing: \['steps'\]"),
            StoreWriter(build.folder / "a.h5", build.header(), 4, (12, 10)) as writer,
        ):
            writer.write(range(4), **columns)

    def test_rows_never_written(self, build, columns):
        def write():
            with StoreWriter(build.folder / "a.h5", build.header(), 10, (12, 10)) as writer:
                writer.write([0, 1, 2, 3], **columns)
                writer.write([7], **{name: np.asarray(values)[:1] for name, values in columns.items()})

        with pytest.raises(ValueError, match=r"rows 4-6, 8-9 were never"):
            write()
        assert list(build.folder.iterdir()) == []

    def test_rows_written_twice(self, build, columns):
        def write():
            with StoreWriter(build.folder / "a.h5", build.header(), 4, (12, 10)) as writer:
                writer.write(range(4), **columns)
                writer.write(range(4), **columns)

        with pytest.raises(ValueError, match="written twice"):
            write()

    def test_empty_shards_and_headers_of_views(self, build):
        with pytest.raises(ValueError, match="at least 1"):
            StoreWriter(build.folder / "a.h5", build.header(), 0, (12, 10))
        with pytest.raises(ValueError, match="number"):
            StoreWriter(build.folder / "a.h5", build.header(None), 4, (12, 10))

    def test_unknown_compression(self, build):
        with pytest.raises(UserError, match=r"'lzf'; expected one of gzip, blosc"):
            StoreWriter(build.folder / "a.h5", build.header(), 4, (12, 10), "lzf")
