"""What a radiograph of ChestX-ray14 is: its labels, its patient, and where something was marked.

Source: Wang et al., ChestX-ray8, CVPR 2017.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# In the order of the published networks' outputs and of ChestMNIST's label columns.
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
PNEUMOTHORAX = "Pneumothorax"
NO_FINDING = "No Finding"


@dataclass(frozen=True)
class Box:
    """A marked rectangle, in fractions of the image's width and height from its top left corner."""

    finding: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Study:
    """One radiograph.

    Attributes:
        file: Its path below the data folder, with forward slashes.
        path: Where it lies; None when pixels come from elsewhere.
        patient: Who must not stand in two splits.
        findings: Those of its label; empty for "No Finding".
        age: In years; None where unknown.
        sex: "M", "F" or "".
        view: "PA" (standing, from behind), "AP" (often lying, portable) or "".
        follow_up: 0 for the patient's first image.
        boxes: Marked by radiologists, or by the phantom's maker.
        mask: An image of the same shape that is not 0 where the pneumothorax is; None without one.
        adjudicated: What a panel of radiologists said of a finding, where it was asked.
        notes: What else is known of it ("drain": "yes"), for subgroups.
        reason: Why it takes no part; empty for one that does.
        split: One of `splits.SPLITS`, once it is known.
        sha1: Of the image file, once it is read; of ChestMNIST the name of all images' content.
    """

    file: str
    path: Path | None
    patient: str
    findings: frozenset[str] = frozenset()
    age: int | None = None
    sex: str = ""
    view: str = ""
    follow_up: int | None = None
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None
    adjudicated: Mapping[str, bool] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    split: str = ""
    sha1: str = ""

    def has(self, finding: str) -> bool:
        """Whether its label names the finding."""
        return finding in self.findings
