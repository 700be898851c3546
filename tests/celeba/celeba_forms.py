"""One small CelebA in all the forms in which people have it."""

import zipfile
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, HEIGHT, IMAGES, PARTITION, WIDTH

CSV_ANNOTATIONS, CSV_PARTITION = "list_attr_celeba.csv", "list_eval_partition.csv"


@dataclass
class SmallCelebA:
    """Nine smooth images: five for training, two for validation, two for testing."""

    splits: tuple = (0, 0, 0, 0, 0, 1, 1, 2, 2)
    labels: np.ndarray = field(default_factory=lambda: np.random.default_rng(0).choice([-1, 1], (9, 40)))

    @cached_property
    def names(self):
        return [f"{number:06d}.jpg" for number in range(1, len(self.splits) + 1)]

    @cached_property
    def jpegs(self):
        random = np.random.default_rng(1)
        small = [random.integers(0, 256, (14, 12, 3), dtype=np.uint8) for _ in self.names]
        return {
            name: cv2.imencode(".jpg", cv2.resize(image, (WIDTH, HEIGHT)))[1].tobytes()
            for name, image in zip(self.names, small, strict=True)
        }

    @cached_property
    def pngs(self):
        """The same pixels, lossless."""
        decoded = {name: cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1) for name, jpeg in self.jpegs.items()}
        return {
            name.replace(".jpg", ".png"): cv2.imencode(".png", image)[1].tobytes() for name, image in decoded.items()
        }

    def annotations(self, *, end="\r\n", gap=" ", tail=" ", count=True, last_end=True):
        lines = [str(len(self.names))] * count + [gap.join(ATTRIBUTES) + tail]
        for name, row in zip(self.names, self.labels, strict=True):
            lines.append(gap.join([name, *(f"{value:2d}" for value in row)]) + tail)
        return end.join(lines) + end * last_end

    def partition(self, *, end="\r\n", gap=" ", tail="", last_end=True):
        lines = [f"{name}{gap}{split}{tail}" for name, split in zip(self.names, self.splits, strict=True)]
        return end.join(lines) + end * last_end

    def csv_annotations(self, *, first="image_id", absent=-1, end="\n"):
        lines = [",".join([first, *ATTRIBUTES])]
        for name, row in zip(self.names, self.labels, strict=True):
            lines.append(",".join([name, *(str(value if value == 1 else absent) for value in row)]))
        return end.join(lines) + end

    def csv_partition(self, *, first="image_id", end="\n"):
        lines = [f"{first},partition"]
        lines += [f"{name},{split}" for name, split in zip(self.names, self.splits, strict=True)]
        return end.join(lines) + end

    @property
    def texts(self):
        return {ANNOTATIONS: self.annotations(), PARTITION: self.partition()}

    @property
    def csvs(self):
        return {CSV_ANNOTATIONS: self.csv_annotations(), CSV_PARTITION: self.csv_partition()}


def put(root, files):
    """Write files, given by their paths below a folder, as text or bytes."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def pack(path, files, compression=zipfile.ZIP_DEFLATED):
    """Write files into a zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def below(folder, files):
    return {f"{folder}/{name}": content for name, content in files.items()}


def flat(root, faces):
    return put(root, {**faces.texts, **below(IMAGES, faces.jpegs)})


def torchvision_folder(root, faces):
    return put(root, below("celeba", {**faces.texts, **below(IMAGES, faces.jpegs)}))


def torchvision_archive(root, faces):
    return pack(root / "data.zip", below("celeba", {**faces.texts, **below(IMAGES, faces.jpegs)}))


def official_tree(faces, images):
    texts = {f"Anno/{ANNOTATIONS}": faces.annotations(), f"Eval/{PARTITION}": faces.partition()}
    return {**texts, **below(f"Img/{IMAGES}", images)}


def official_folders(root, faces):
    return put(root, official_tree(faces, faces.jpegs))


def official_folders_below_celeba(root, faces):
    official_folders(root / "celeba", faces)
    return root


def official_archive(root, faces):
    return pack(root / "celeba.zip", official_tree(faces, faces.jpegs))


def official_archive_below_celeba(root, faces):
    return pack(root / "data.zip", below("celeba", official_tree(faces, faces.jpegs)))


def official_download(root, faces):
    """The images as they are downloaded, zipped."""
    put(root, {f"Anno/{ANNOTATIONS}": faces.annotations(), f"Eval/{PARTITION}": faces.partition()})
    pack(root / f"Img/{IMAGES}.zip", below(IMAGES, faces.jpegs))
    return root


def archive_in_flat_folder(root, faces):
    put(root, faces.texts)
    pack(root / f"{IMAGES}.zip", below(IMAGES, faces.jpegs), zipfile.ZIP_STORED)
    return root


def images_archive_itself(root, faces):
    return archive_in_flat_folder(root, faces) / f"{IMAGES}.zip"


def images_archive_in_img(root, faces):
    return official_download(root, faces) / f"Img/{IMAGES}.zip"


def archive_without_folder(root, faces):
    put(root, faces.texts)
    pack(root / f"{IMAGES}.zip", faces.jpegs)
    return root


def archive_beside_empty_folder(root, faces):
    archive_in_flat_folder(root, faces)
    (root / IMAGES).mkdir()
    return root


def kaggle_folder(root, faces):
    return put(root, {**faces.csvs, **below(f"{IMAGES}/{IMAGES}", faces.jpegs)})


def kaggle_archive(root, faces):
    files = {**faces.csvs, **below(f"{IMAGES}/{IMAGES}", faces.jpegs)}
    return pack(root / "archive.zip", {**files, f"__MACOSX/{IMAGES}/._000001.jpg": b"\0"})


def lossless(root, faces):
    return put(root, {**faces.texts, **below(f"{IMAGES}_png", faces.pngs)})


def lossless_archive(root, faces):
    return pack(root / "celeba.zip", {**faces.texts, **below(f"{IMAGES}_png", faces.pngs)})


def lossless_in_img(root, faces):
    return put(root, official_tree(faces, faces.pngs))


def other_top_folder(root, faces):
    return pack(root / "faces.zip", below("My_Faces", {**faces.texts, **below(IMAGES, faces.jpegs)}))


def other_folder(root, faces):
    put(root, {"notes/read.me": "nothing"})
    return put(root, below("CelebA", official_tree(faces, faces.jpegs)))


def images_in_the_root(root, faces):
    return put(root, {**faces.texts, **faces.jpegs})


def images_in_a_folder_of_another_name(root, faces):
    return put(root, {**faces.texts, **below("images", faces.jpegs), "notes/read.me": "nothing"})


def images_in_a_folder_of_another_name_in_img(root, faces):
    put(root, {f"Anno/{ANNOTATIONS}": faces.annotations(), f"Eval/{PARTITION}": faces.partition()})
    return put(root, below("Img/aligned", faces.jpegs))


def archive_with_images_of_another_name(root, faces):
    files = {**faces.texts, **below("celebA", faces.jpegs), "__MACOSX/celebA/._000001.jpg": b"\0"}
    return pack(root / "all.zip", files)


LAYOUTS = (
    other_top_folder,
    other_folder,
    images_in_the_root,
    images_in_a_folder_of_another_name,
    images_in_a_folder_of_another_name_in_img,
    archive_with_images_of_another_name,
    flat,
    torchvision_folder,
    torchvision_archive,
    official_folders,
    official_folders_below_celeba,
    official_archive,
    official_archive_below_celeba,
    official_download,
    archive_in_flat_folder,
    images_archive_itself,
    images_archive_in_img,
    archive_without_folder,
    archive_beside_empty_folder,
    kaggle_folder,
    kaggle_archive,
    lossless,
    lossless_archive,
    lossless_in_img,
)


def indexed(text, name=""):
    """Put pandas' index before the columns of a CSV file."""
    header, *rows = text.splitlines()
    return "\n".join([f"{name},{header}", *(f"{number},{row}" for number, row in enumerate(rows))]) + "\n"


TEXTS = {
    "official": lambda faces: faces.texts,
    "Unix line ends": lambda faces: {
        ANNOTATIONS: faces.annotations(end="\n", tail=""),
        PARTITION: faces.partition(end="\n"),
    },
    "runs of spaces and tabs": lambda faces: {
        ANNOTATIONS: faces.annotations(gap="   "),
        PARTITION: faces.partition(gap="\t ", tail="  "),
    },
    "no count": lambda faces: {ANNOTATIONS: faces.annotations(count=False), PARTITION: faces.partition()},
    "no newline at the end": lambda faces: {
        ANNOTATIONS: faces.annotations(last_end=False),
        PARTITION: faces.partition(last_end=False),
    },
    "an empty line at the end": lambda faces: {
        ANNOTATIONS: faces.annotations() + "\r\n",
        PARTITION: faces.partition() + "\n\n",
    },
    "byte order mark": lambda faces: {name: "\ufeff" + text for name, text in faces.texts.items()},
    "0 and 1 in text": lambda faces: {**faces.texts, ANNOTATIONS: faces.annotations().replace("-1", " 0")},
    "CSV": lambda faces: faces.csvs,
    "CSV of Windows": lambda faces: {
        CSV_ANNOTATIONS: faces.csv_annotations(end="\r\n"),
        CSV_PARTITION: faces.csv_partition(end="\r\n"),
    },
    "CSV with an empty first cell": lambda faces: {
        CSV_ANNOTATIONS: faces.csv_annotations(first=""),
        CSV_PARTITION: faces.csv_partition(first=""),
    },
    "CSV of 0 and 1": lambda faces: {**faces.csvs, CSV_ANNOTATIONS: faces.csv_annotations(absent=0)},
    "CSV with pandas' index": lambda faces: {
        CSV_ANNOTATIONS: indexed(faces.csv_annotations()),
        CSV_PARTITION: indexed(faces.csv_partition()),
    },
    "CSV that pandas read and wrote twice": lambda faces: {
        CSV_ANNOTATIONS: indexed(indexed(faces.csv_annotations(), "Unnamed: 0")),
        CSV_PARTITION: indexed(faces.csv_partition(), "index"),
    },
    "CSV under the names of text files": lambda faces: {
        ANNOTATIONS: faces.csv_annotations(),
        PARTITION: faces.csv_partition(),
    },
    "one of each kind": lambda faces: {ANNOTATIONS: faces.annotations(), CSV_PARTITION: faces.csv_partition()},
}
