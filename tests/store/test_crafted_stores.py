"""Stores written by hand and sealed: refused by one message, whichever command reads them, before they cost much."""

import json
import os
import signal
import tracemalloc
import zlib
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from store_builder import STEM, resealed

from faceflip.errors import UserError
from faceflip.store import open_store, write_joined_view
from faceflip.store.check import check

SECRET = b"what is in another file of the reader"


def attribute(name, value, **options):
    def change(file):
        del file.attrs[name]
        file.attrs.create(name, value, **options)

    return change


def replaced(name, make):
    """Another object under the name of a dataset."""

    def change(file):
        file.move(name, "aside")
        make(file, name)

    return change


def stored(name, **options):
    """The same values, stored in another way."""
    return replaced(name, lambda file, name: file.create_dataset(name, data=file["aside"][:], **options))


def element(name, row, value):
    return lambda file: file[name].__setitem__(row, value)


def outside(file, name):
    """Data in another file: HDF5's external storage."""
    secret = file.filename.replace("a.h5", "secret.txt")
    kind, shape = file["aside"].dtype, file["aside"].shape
    size = kind.itemsize * int(np.prod(shape))
    file.create_dataset(name, shape, kind, external=[(secret, 0, size)])


def of_another_file(file, name):
    layout = h5py.VirtualLayout(file["aside"].shape, file["aside"].dtype)
    layout[:] = h5py.VirtualSource(file.filename.replace("a.h5", "other.h5"), name, file["aside"].shape)
    file.create_virtual_dataset(name, layout)


def circle(file, name):
    file[name] = h5py.SoftLink("/circle")
    file["circle"] = h5py.SoftLink(f"/{name}")


def vast(rows, name="epsilon"):
    """A declared length with nothing behind it."""

    def change(file):
        file.attrs.modify("attempts", np.int64(rows))
        for each in [key for key in file if key != "perturbation"]:
            kind = file[each].dtype
            del file[each]
            file.create_dataset(each, (rows,), kind)
        del file["perturbation"]
        file.create_dataset("perturbation", (rows, 12, 10, 3), "<i2", chunks=(1, 12, 10, 3), fletcher32=True)

    return change


NESTED = '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}"

CRAFTED = {
    "seed as an array": (attribute("seed", np.arange(3)), "'seed' is not one number of type int64"),
    "seed as a float": (attribute("seed", 1.0), "'seed' is not one number of type int64"),
    "attempts infinite": (attribute("attempts", np.inf), "'attempts' is not one number of type int64"),
    "seed as text": (attribute("seed", "1"), "'seed' is not one number of type int64"),
    "seed empty": (attribute("seed", h5py.Empty("<i8")), "'seed' is not one number of type int64"),
    "seed of few bits": (attribute("seed", np.int8(1)), "'seed' is not one number of type int64"),
    "no attempts": (attribute("attempts", np.int64(0)), "'attempts' is 0, expected a number from 1"),
    "too many attempts": (attribute("attempts", np.int64(25)), r"/image is not of shape \(25,\)"),
    "negative attempts": (attribute("attempts", np.int64(-24)), "'attempts' is -24"),
    "height negative": (attribute("height", np.int64(-12)), "'height' is -12, expected a number from 1 to 4096"),
    "height large": (attribute("height", np.int64(10**6)), "'height' is 1000000"),
    "first attempt negative": (attribute("first_attempt", np.int64(-7)), "'first_attempt' is -7"),
    "shard negative": (attribute("shard", np.int64(-1)), "'shard' is -1"),
    "kind as a number": (attribute("kind", 1), "'kind' is not one text"),
    "kind as bytes": (attribute("kind", np.bytes_(b"shard")), "'kind' is not one text of variable length"),
    "network as texts": (attribute("network", ["a", "b"]), "'network' is not one text"),
    "network as a path": (attribute("network", "../../x"), "'network' is no name, but '../../x'"),
    "network steers a terminal": (attribute("network", "\x1b]0;mine\x07"), r"'network' is no name, but '\\x1b"),
    "network empty": (attribute("network", ""), "'network' is no name, but ''"),
    "network long": (attribute("network", "x" * 300), "'network' is no name"),
    "JSON nested": (attribute("parameters", NESTED), "'parameters' is no JSON object"),
    "JSON nested a little": (attribute("parameters", '{"a": ' + "[" * 50 + "]" * 50 + "}"), "no JSON object"),
    "JSON list": (attribute("parameters", "[]"), "'parameters' is no JSON object"),
    "JSON NaN": (attribute("parameters", '{"a": NaN}'), "'parameters' is no JSON object"),
    "JSON infinity": (attribute("parameters", '{"a": 1e999}'), "'parameters' is no JSON object"),
    "JSON half a character": (attribute("parameters", '{"a": "\\ud800"}'), "'parameters' is no JSON object"),
    "JSON of numbers": (attribute("checkpoint_sha256", '{"all": 1}'), "'checkpoint_sha256' is no JSON object"),
    "JSON software": (attribute("software", "3"), "'software' is no JSON object"),
    "margins of texts": (lambda file: file.attrs.create("margins", '{"all": "x"}'), "'margins' is no JSON object"),
    "margins vast": (
        lambda file: file.attrs.create("margins", '{"all": 1' + "0" * 400 + "}"),
        "'margins' is no JSON object",
    ),
    "warnings of texts": (lambda file: file.attrs.create("warnings", '{"all": "x"}'), "'warnings' is no JSON object"),
    "complete as a float": (attribute("complete", 1.0), "'complete' is not one number of type uint8"),
    "compression another": (attribute("compression", "lzf"), "'compression' is 'lzf', expected one of gzip, blosc"),
    "outside": (replaced("file_name", outside), "/file_name does not lie in the file itself"),
    "perturbation outside": (replaced("perturbation", outside), "/perturbation must have one image a chunk"),
    "external link": (
        replaced("linf", lambda file, name: file.__setitem__(name, h5py.ExternalLink("other.h5", name))),
        "/linf is a link, expected a dataset",
    ),
    "circle of links": (replaced("linf", circle), "/linf is a link, expected a dataset"),
    "group": (replaced("linf", lambda file, name: file.create_group(name)), "/linf is no dataset"),
    "type": (replaced("linf", lambda file, name: file.__setitem__(name, np.dtype("<i2"))), "/linf is no dataset"),
    "missing": (lambda file: file.__delitem__("linf"), "/linf is missing"),
    "virtual": (replaced("linf", of_another_file), "/linf does not lie in the file itself"),
    "chunked": (stored("linf", chunks=(4,), compression="gzip"), "/linf does not lie in the file itself"),
    "scalar": (replaced("linf", lambda file, name: file.__setitem__(name, np.int16(1))), "/linf is not of shape"),
    "empty": (replaced("linf", lambda file, name: file.__setitem__(name, h5py.Empty("<i2"))), "/linf is not of shape"),
    "other type": (stored("linf", dtype="<i4"), "/linf is not of type int16"),
    "big-endian": (stored("epsilon", dtype=">f8"), "/epsilon is not of type float64"),
    "names as numbers": (
        replaced("file_name", lambda file, name: file.__setitem__(name, np.arange(24))),
        "/file_name is not text of fixed length",
    ),
    "names of any length": (
        replaced("file_name", lambda f, n: f.create_dataset(n, data=["a"] * 24, dtype=h5py.string_dtype())),
        "/file_name is not text of fixed length",
    ),
    "names in ASCII": (
        replaced("file_name", lambda file, name: file.create_dataset(name, (24,), h5py.string_dtype("ascii", 10))),
        "/file_name is not UTF-8",
    ),
    "long names": (stored("file_name", dtype=h5py.string_dtype("utf-8", 5000)), "at most 255 bytes"),
    "names of no encoding": (element("file_name", 3, b"\xff\xfe"), r"/file_name must be printable text, but row 3"),
    "names steer a terminal": (element("file_name", 3, b"\x1b[2J"), r"/file_name .* but row 3 is b'\\x1b\[2J'"),
    "attribute steers a terminal": (element("attribute", 3, b"\x1b[2J"), "/attribute must be printable text"),
    "image negative": (element("image", 3, -2), "/image must be at least 0, but row 3"),
    "steps negative": (element("steps", 3, -1), "/steps must be at least 0, but row 3"),
    "epsilon infinite": (element("epsilon", 0, np.inf), "/epsilon must be NaN where not flipped, else a number"),
    "l2 infinite": (element("l2", 0, np.inf), "/l2 a number from 0 on"),
    "flipped unknown": (element("flipped", 3, 7), "/flipped must be 0 or 1, but row 3"),
    "other filters": (
        stored("perturbation", chunks=(1, 12, 10, 3), compression="gzip", shuffle=True, fletcher32=True),
        "/perturbation must be compressed by gzip",
    ),
    "other chunks": (
        stored("perturbation", chunks=(2, 12, 10, 3), compression="gzip", fletcher32=True),
        "/perturbation must have one image a chunk",
    ),
    "vast": (vast(10**8), "/image does not lie in the file itself"),
    "vaster": (vast(10**12), "/image does not lie in the file itself"),
}  # fmt: skip


@contextmanager
def cheap(seconds=20, megabytes=60):
    """Neither time nor memory goes beyond what a small file may cost."""

    def stop(*_):
        pytest.fail(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def commands(call, path, folder):
    """Run everything that reads a store; return what each says."""
    out = folder / "out"
    for arguments in (
        ("inspect", path),
        ("inspect", "--json", path),
        ("show", path, "-o", f"{out}.png"),
        *(("export", path, "--to", kind, "-o", f"{out}.{kind}") for kind in ("csv", "parquet", "npz")),
        ("export", path, "--to", "png", "-o", out),
        ("diff", path, path),
    ):
        with pytest.raises(UserError) as refusal:
            call(*arguments)
        yield str(refusal.value)
    status, said = call("check", path)
    assert status == 1
    yield said


@pytest.mark.slow
@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_shard(build, name):
    change, message = CRAFTED[name]
    path = build.shard("a.h5")
    (build.folder / "secret.txt").write_bytes(SECRET * 1000)
    build.shard("other.h5")
    resealed(path, change)
    with cheap(), pytest.raises(UserError, match=message) as refusal:
        open_store(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert SECRET.decode() not in str(refusal.value)
    assert "\x1b" not in str(refusal.value)
    with cheap():
        (fault,) = check(path, deep=True).faults
    assert fault.message == str(refusal.value)


@pytest.mark.parametrize("name", ["outside", "vast", "JSON nested", "circle of links"])
def test_every_command_refuses(call, build, name):
    path = resealed(build.shard("a.h5"), CRAFTED[name][0])
    (build.folder / "secret.txt").write_bytes(SECRET * 1000)
    with cheap():
        for said in commands(call, path, build.folder):
            assert CRAFTED[name][1] in said
            assert SECRET.decode() not in said
    assert not list(build.folder.glob("out*"))


def source(name, number, value):
    return element(f"sources/{name}", number, value)


def hidden(name):
    """The same dataset behind a link."""

    def change(file):
        file.move(name, "aside")
        file[name] = h5py.SoftLink("/aside")

    return change


CRAFTED_VIEWS = {
    "no sources": (lambda file: file.__delitem__("sources"), "/sources is missing"),
    "sources as a link": (hidden("sources"), "/sources is missing, or a link"),
    "sources as data": (replaced("sources", lambda file, name: file.__setitem__(name, 1)), "/sources is no group"),
    **{
        f"no {name}": (lambda file, name=name: file.__delitem__(f"sources/{name}"), f"/sources/{name} is missing")
        for name in ("file", "first_attempt", "attempts", "bytes", "sha256")
    },
    "first attempt": (source("first_attempt", 0, -7), r"/sources\[0\] has 24 attempts from -7"),
    "overlapping": (source("first_attempt", 1, 23), r"/sources\[1\] has 24 attempts from 23 in \d+ bytes, expected"),
    "no attempts": (source("attempts", 1, 0), r"/sources\[1\] has 0 attempts"),
    "many attempts": (source("attempts", 1, 2**62), r"/sources\[1\] has \d+ attempts"),
    "too few": (attribute("attempts", np.int64(73)), "/sources has 72 attempts, attribute 'attempts' is 73"),
    "negative bytes": (source("bytes", 1, -1), r"/sources\[1\] has 24 attempts from 24 in -1 bytes"),
    "no digest": (source("sha256", 1, b'"'), r"/sources\[1\] has no SHA-256"),
    "absolute": (source("file", 1, b"/etc/passwd"), "names '/etc/passwd', expected a path below the view's folder"),
    "above": (source("file", 1, b"../../x.h5"), "names '../../x.h5', expected a path below"),
    "nothing": (source("file", 1, b""), "names '', expected a path below"),
    "itself": (source("file", 1, b"."), r"names '\.', expected a path below"),
    "steering": (source("file", 1, b"\x1b[2J"), r"names '\\x1b\[2J', expected"),
    "no encoding": (source("file", 1, b"\xff"), r"/sources\[1\] is not UTF-8"),
    "begins later": (attribute("first_attempt", np.int64(24)), "'first_attempt' is 24, expected 0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CRAFTED_VIEWS)
def test_crafted_view(build, name):
    change, message = CRAFTED_VIEWS[name]
    view = resealed(build.view(), change)
    with cheap(), pytest.raises(UserError, match=message):
        open_store(view)
    with cheap():
        (fault,) = check(view, deep=True).faults
    assert "\x1b" not in fault.message


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_sources_are_regular_files(build, what):
    """A pipe would wait for its writer for ever."""
    view = build.view()
    place = build.folder / STEM / "001.h5"
    place.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/zero")}[what](place)
    with cheap(), pytest.raises(UserError, match=r"001\.h5: (is a folder|cannot be read \(no regular file)"):
        open_store(view)
    with cheap():
        assert not check(view).sound
        assert not check(build.folder).sound


def test_a_view_that_names_itself(build):
    """Its seal would have to lie, since nothing holds its own digest."""
    view, digest = build.view("v", count=1), "ab" * 32

    def change(file):
        file["sources/file"][0], file["sources/sha256"][0] = b"v.h5", digest.encode()
        file["sources/bytes"][0] = view.stat().st_size

    resealed(view, change)
    content = view.read_bytes()
    seal = {**json.loads(content[:512].rstrip(b"\0")), "sha256": digest}
    del seal["crc32"]
    body = json.dumps(seal).encode().removesuffix(b"}")
    line = b'%b, "crc32": "%08x"}\n' % (body, zlib.crc32(body))
    view.write_bytes(line.ljust(512, b"\0") + content[512:])
    with cheap(), pytest.raises(UserError, match="the seal is none of a view"):
        open_store(view)


@pytest.mark.parametrize("other", ["a view", "another run", "another shard", "another size"])
def test_what_a_view_joins_must_be_its_shards(build, other):
    """Though each is sealed, and the view has their digests."""
    view = build.view("v", count=2)
    options = {
        "another run": {"shard": 1, "first": 24, "seed": 1},
        "another shard": {"shard": 2, "first": 48},
        "another size": {"shard": 1, "first": 24, "size": (9, 9)},
    }
    if other == "a view":
        write_joined_view(build.folder / "v/w.h5", [build.shard("v/x.h5")])
    else:
        build.shard("v/w.h5", **options[other])
    with open_store(build.folder / "v/w.h5") as store:
        seal = store.seal

    def change(file):
        for name, value in {"file": b"v/w.h5", "bytes": seal.bytes, "sha256": seal.sha256.encode()}.items():
            file["sources"][name][1] = value

    resealed(view, change)
    with cheap(), open_store(view) as store, pytest.raises(UserError, match=r"w\.h5: is not shard 1 of .*v\.h5"):
        store.perturbation(24)
    assert any("is not shard 1 of" in fault.message for fault in check(view).faults)


class TestWhatAViewShows:
    """Other programs read the view's own datasets, and so does `check`: never through HDF5 to another file."""

    @staticmethod
    def showing(file, name, place):
        layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
        layout[:] = h5py.VirtualSource(place, name, file[name].shape)
        file.move(name, "aside")
        file.create_virtual_dataset(name, layout)

    @pytest.mark.parametrize("place", ["/dev/zero", "pipe", "../other.h5", "."])
    def test_another_file(self, build, place):
        view = build.view("v")
        os.mkfifo(build.folder / "pipe")
        resealed(view, lambda file: self.showing(file, "linf", place))
        with cheap():
            (fault,) = check(view).faults
        assert "/linf is no virtual dataset of 3 shards" in fault.message

    @pytest.mark.parametrize("change", [
        lambda file: file.__delitem__("linf"),
        hidden("linf"),
        replaced("linf", lambda file, name: file.create_group(name)),
        stored("linf"),
        lambda file: file.__delitem__("perturbation"),
    ])  # fmt: skip
    def test_no_virtual_dataset(self, build, change):
        with cheap():
            (fault,) = check(resealed(build.view("v"), change)).faults
        assert "/linf" in fault.message or "/perturbation is missing" in fault.message

    def test_of_one_file_for_another(self, build):
        view = build.view("v")

        def change(file):
            layout = h5py.VirtualLayout(file["linf"].shape, file["linf"].dtype)
            for number, name in enumerate(("v/000.h5", "v/002.h5", "v/001.h5")):
                layout[24 * number : 24 * number + 24] = h5py.VirtualSource(name, "linf", (24,))
            file.move("linf", "aside")
            file.create_virtual_dataset("linf", layout)

        (fault,) = check(resealed(view, change)).faults
        assert "/linf does not show what /sources[1] says" in fault.message


def test_shards_must_lie_below_their_view(build):
    (build.folder / "v").mkdir()
    shards = build.shards("w")
    with pytest.raises(UserError, match=r"000\.h5: does not lie below .*/v, where the view is to be"):
        write_joined_view(build.folder / "v/view.h5", shards)


class TestLinks:
    """Sources lie in the folder of the view itself, as HDF5 resolves them, not of a link to it."""

    def test_link_to_a_view(self, call, build):
        view = build.view()
        (build.folder / "elsewhere").mkdir()
        link = build.folder / "elsewhere/link.h5"
        link.symlink_to(view)
        with open_store(link) as store, h5py.File(link, locking=False) as file:
            np.testing.assert_array_equal(store.column("image"), file["image"][:])
            assert store.perturbation(70) is not None
        assert call("check", link) == (0, "4 stores checked, no faults\n")
        assert call("diff", link, view)[0] == 0

    def test_linked_folder_of_shards(self, call, build, tmp_path_factory):
        """Joined through the link or through its own name; and `check` goes through it, too, in circles or not."""
        other = tmp_path_factory.mktemp("disk")
        (build.folder / "run").mkdir()
        (build.folder / "run/v").symlink_to(other)
        view = build.view("run/v", count=2)
        assert call("check", build.folder / "run") == (0, "3 stores checked, no faults\n")
        (build.folder / "run/round").symlink_to(build.folder / "run")
        (build.folder / "run/v/above").symlink_to(build.folder)
        build.shard("aside/a.h5")
        assert call("check", build.folder / "run") == (0, "3 stores checked, no faults\n")
        (build.folder / "link").symlink_to(build.folder / "run")
        shards = [build.folder / f"run/v/00{number}.h5" for number in range(2)]
        write_joined_view(build.folder / "link/v.h5", shards)
        assert check(view).sound


def test_seals_of_other_types(build):
    """A seal whose own sum is right, and whose values are none."""
    path = build.shard("a.h5")
    content = path.read_bytes()
    for key, value in [
        ("bytes", "1"), ("bytes", 1e3), ("bytes", None), ("structure_bytes", -1), ("structure_bytes", 10**9),
        ("structure_bytes", [1]), ("sha256", 3), ("structure_sha256", None), ("version", "2"), ("version", 2.0),
        ("version", True), ("version", float("inf")), ("version", [2]), ("format", "no faceflip-perturbations"),
    ]:  # fmt: skip
        seal = {**json.loads(content[:512].rstrip(b"\0")), key: value}
        del seal["crc32"]
        body = json.dumps(seal).encode().removesuffix(b"}")
        line = b'%b, "crc32": "%08x"}\n' % (body, zlib.crc32(body))
        path.write_bytes(line.ljust(512, b"\0") + content[512:])
        with pytest.raises(UserError, match=r"a\.h5: (the seal in its first 512 bytes is damaged|has .* bytes, not)"):
            open_store(path)


def test_whole_numbers_are_margins_too(build):
    path = resealed(build.shard("a.h5"), lambda file: file.attrs.create("margins", '{"all": 0}'))
    with open_store(path) as store:
        assert store.header.margins == {"all": 0.0}


def test_attempts_on_one_image_are_not_compared(call, build):
    """Else two small stores would give a table of their lengths' product."""
    path = resealed(build.shard("a.h5"), element("image", slice(0, 3), [5, 5, 5]))
    with pytest.raises(UserError, match=r"a\.h5: attempt 1 is on Eyeglasses of image 5, as one before it"):
        call("diff", path, path)


def test_large_images_come_a_few_at_a_time(build, monkeypatch):
    """Whatever size of block is asked for, its memory is bounded."""
    path = build.shard("a.h5")
    monkeypatch.setattr("faceflip.store.reader.BLOCK_BYTES", 5 * 12 * 10 * 3 * 2)
    with open_store(path) as store:
        blocks = list(store.blocks(size=256))
        assert [len(block.rows) for block in blocks] == [5, 5, 5, 3]
        assert np.concatenate([block.rows for block in blocks]).tolist() == np.flatnonzero(store._flipped).tolist()
