"""CelebA: its attributes, splits and files; the modules below read it in whatever form people have it.

Nothing here imports more than the standard library, because the Snakefile reads these names while it is parsed.
"""

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
"""The 40 attributes in the official (alphabetical) order."""

SPLITS = ("train", "validation", "test")
"""The splits in the order of the partition file's numbers 0, 1, 2."""

SPLIT_SIZES = {"train": 162_770, "validation": 19_867, "test": 19_962}
"""Images in each split of the whole CelebA: those of the training split have the lowest numbers."""

WIDTH, HEIGHT = 178, 218
"""Size in pixels of the aligned and cropped images."""

IMAGES = "img_align_celeba"
ANNOTATIONS = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
IDENTITIES = "identity_CelebA.txt"
"""Says who is on an image; needed only where the splits are made anew."""
PROVENANCE = "synthetic.json"
"""Lies in a folder whose faces were drawn, and says how."""
MISLABELLED_LABELS = "mislabelled.csv"
"""Lies there, too: which labels were falsified, a row each."""
MISLABELLED_HEADER = "file_name,attribute"


def official_split(file_name: str) -> str | None:
    """Return the split in which CelebA has the image of a name such as ``000001.jpg``; None for other names."""
    stem = file_name.partition(".")[0]
    number, last = int(stem) if len(stem) == 6 and stem.isascii() and stem.isdigit() else 0, 0
    for split, size in SPLIT_SIZES.items():
        last += size
        if 0 < number <= last:
            return split
    return None
