"""The seal in a store's first 512 bytes: what the rest of the file must be, checked before HDF5 gets to see it.

HDF5 lets a file begin with a user block of its owner. Ours is one line of JSON, padded with NUL: the size of the file,
the SHA-256 of everything but the perturbations (checked on every opening, in a fraction of a millisecond), and that of
everything (the file's identity in a joined view, and what ``faceflip check`` verifies). HDF5 itself keeps a checksum of
each perturbation.
"""

import hashlib
import json
import os
import zlib
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import BinaryIO

from faceflip.errors import UserError
from faceflip.io.files import require_regular
from faceflip.store.remedies import make, remake
from faceflip.store.schema import FORMAT, READABLE, USER_BLOCK, VERSION

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Seal:
    """What a store is: its format version, its size, and the SHA-256 of all its bytes from 512 on.

    From `structure_bytes` on there are only the perturbations' data; `structure_sha256` is that of 512 to there.
    """

    version: int
    bytes: int
    structure_bytes: int
    structure_sha256: str
    sha256: str


def write_seal(path: Path, structure_bytes: int) -> None:
    """Seal a closed HDF5 file that has an empty user block; the last thing that a writer does to it."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        structure, whole = _digests(file, structure_bytes, size)
        fields = {"format": FORMAT, **asdict(Seal(VERSION, size, structure_bytes, structure, whole))}
        file.seek(0)
        file.write(_closed(json.dumps(fields).encode("ascii").removesuffix(b"}")))


def read_seal(path: Path, verify: bool = False) -> Seal:
    """Read the seal, compare the file's size, and with `verify` everything but the perturbations.

    Raises UserError for no such file, an unreadable, incomplete, truncated or damaged one, another format or version.
    """
    try:
        require_regular(path)
        with path.open("rb", buffering=0) as file:
            seal = _parse(path, file.read(USER_BLOCK))
            size = os.fstat(file.fileno()).st_size
            if size != seal.bytes:
                change = "truncated" if size < seal.bytes else "something was appended"
                raise UserError(f"{path}: has {size:,} bytes, not {seal.bytes:,} ({change}); {remake(path)}")
            if verify and _digests(file, seal.structure_bytes) != [seal.structure_sha256]:
                where = "damaged outside /perturbation (attributes, columns or indexes)"
                raise UserError(f"{path}: {where}; {remake(path)}")
            return seal
    except FileNotFoundError:
        if path.is_symlink():
            fault = f"is a link to {path.readlink()}, which is not there; {remake(path)}"
            raise UserError(f"{path}: {fault}") from None
        raise UserError(f"{path}: no such file; {make(path)}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; expected a perturbation store (.h5)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it readable or try again") from error


def is_intact(path: Path, seal: Seal) -> bool:
    """Compare every byte after the seal with it."""
    with path.open("rb") as file:
        return _digests(file, seal.bytes) == [seal.sha256]


def _digests(file: BinaryIO, *ends: int) -> list[str]:
    """Return the SHA-256 of the bytes from the user block's end to each of these, ascending."""
    digest, found = hashlib.sha256(), []
    place = file.seek(USER_BLOCK)
    for end in ends:
        while place < end and (data := file.read(min(READ_BYTES, end - place))):
            digest.update(data)
            place += len(data)
        found.append(digest.hexdigest())
    return found


def _closed(body: bytes) -> bytes:
    """Return the seal's line from its text without the closing brace."""
    return b'%b, "crc32": "%08x"}\n' % (body, zlib.crc32(body))


def _parse(path: Path, block: bytes) -> Seal:
    if block.startswith(HDF5_SIGNATURE):
        raise UserError(f"{path}: is an HDF5 file, but not a perturbation store (no {FORMAT} seal in its first bytes)")
    if block.strip(b"\0") == b"":
        raise UserError(f"{path}: is empty or was never completed; {remake(path)}")
    if len(block) < USER_BLOCK:
        raise UserError(f"{path}: has only {len(block)} bytes, a store has more (truncated); {remake(path)}")
    if FORMAT.encode() not in block:
        raise UserError(f"{path}: is not a perturbation store (its first bytes hold no {FORMAT} seal)")
    line = block.rstrip(b"\0")
    try:
        fields = json.loads(line)
        version = fields["version"]
        if type(version) is int and version > VERSION:
            raise UserError(
                f"{path}: has format version {version}, this faceflip reads up to {VERSION}; install a newer faceflip"
            )
        if version in READABLE and line == _closed(line.rpartition(b', "crc32"')[0]):
            named = fields.pop("format") == FORMAT
            del fields["crc32"]
            seal = Seal(**fields)
            typed = all(type(getattr(seal, each.name)) is each.type for each in fields_of(Seal))
            if named and typed and USER_BLOCK <= seal.structure_bytes <= seal.bytes:
                return seal
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise UserError(f"{path}: the seal in its first {USER_BLOCK} bytes is damaged; {remake(path)}")
