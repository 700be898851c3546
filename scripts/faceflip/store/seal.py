"""The seal in a store's first 512 bytes: what the rest of the file must be, checked before HDF5 gets to see it.

HDF5 lets a file begin with a user block of its owner. Ours is one line of JSON, padded with NUL. It holds the size of
the file (a truncated one is told by one look), the SHA-256 of everything but the perturbations (checked on every
opening: some 300 bytes an attempt, so a fraction of a millisecond), and the SHA-256 of everything (the file's identity
in a joined view, and what ``faceflip check`` verifies). A damaged perturbation is noticed by HDF5 itself, which keeps a
checksum for each.
"""

import hashlib
import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from faceflip.errors import UserError
from faceflip.store.remedies import make, remake
from faceflip.store.schema import FORMAT, READABLE, USER_BLOCK, VERSION

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Seal:
    """Format version, size and digests of a store.

    Attributes:
        version: of the format.
        bytes: size of the whole file.
        structure_bytes: where the perturbations' data begin; to the end of the file there is nothing else.
        structure_sha256: SHA-256 of the bytes from 512 to `structure_bytes`.
        sha256: SHA-256 of the bytes from 512 to the end.
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

    Raises:
        UserError: no such file or an unreadable one, another format, a newer version, a file that was never completed,
            was truncated or is damaged.
    """
    try:
        with path.open("rb", buffering=0) as file:
            seal = _parse(path, file.read(USER_BLOCK))
            size = os.fstat(file.fileno()).st_size
            if size != seal.bytes:
                change = "truncated" if size < seal.bytes else "something was appended"
                raise UserError(f"{path}: has {size:,} bytes, not {seal.bytes:,} ({change}); {remake(path)}")
            if verify and _digests(file, seal.structure_bytes)[0] != seal.structure_sha256:
                raise UserError(
                    f"{path}: damaged outside /perturbation (attributes, columns or indexes); {remake(path)}"
                )
            return seal
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {make(path)}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; expected a perturbation store (.h5)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it readable or try again") from error


def is_intact(path: Path, seal: Seal) -> bool:
    """Compare every byte after the seal with it."""
    with path.open("rb") as file:
        return _digests(file, seal.structure_bytes, seal.bytes)[1] == seal.sha256


def _digests(file: BinaryIO, structure_bytes: int, size: int | None = None) -> tuple[str, str]:
    """Return the SHA-256 of the structure and of everything; without `size` the former twice."""
    digest = hashlib.sha256()
    file.seek(USER_BLOCK)
    _hash(file, digest, structure_bytes - USER_BLOCK)
    structure = digest.hexdigest()
    _hash(file, digest, (size or structure_bytes) - structure_bytes)
    return structure, digest.hexdigest()


def _hash(file: BinaryIO, digest: "hashlib._Hash", length: int) -> None:
    while length > 0 and (data := file.read(min(READ_BYTES, length))):
        digest.update(data)
        length -= len(data)


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
        version = int(fields["version"])
        if version > VERSION:
            raise UserError(
                f"{path}: has format version {version}, this faceflip reads up to {VERSION}; install a newer faceflip"
            )
        if version in READABLE and line == _closed(line.rpartition(b', "crc32"')[0]):
            del fields["format"], fields["crc32"]
            return Seal(**fields)
    except (ValueError, TypeError, KeyError):
        pass
    raise UserError(f"{path}: the seal in its first {USER_BLOCK} bytes is damaged; {remake(path)}")
