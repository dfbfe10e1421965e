"""DICOM files by the standard's formulas, and the two real ones by their JPEG stream."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.xray.images import read_image

DATA = Path(__file__).resolve().parents[3] / "shared/data/dicom"
RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 4096, (6, 9)).astype(np.uint16)


def dicom(path: Path, values: np.ndarray, **elements: object) -> Path:
    """Write a DICOM file of 16 bits a pixel."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, int(values.dtype.kind == "i")
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return ((values.astype(float) - low) / (high - low) * 255).clip(0, 255)


def near(image: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.abs(image - expected).max() <= 0.5 + 1e-6)


def test_dicom_without_a_window_spans_its_own_values(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x.dcm", VALUES)
    assert near(read_image(path), scaled(VALUES, VALUES.min(), VALUES.max()))
    flat = dicom(tmp_path / "flat.DICOM", np.full((3, 4), 77, np.uint16))
    assert (read_image(flat) == 0).all()


def test_a_dicom_window_is_black_to_white_whatever_the_image_holds(tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.2: linear from center - 0.5 - (width - 1) / 2, as wide as width - 1."""
    dark = VALUES // 8  # never reaches the window's bright end
    window = {"WindowCenter": 400, "WindowWidth": 601}
    path = dicom(tmp_path / "x.dcm", dark, **window)
    assert near(read_image(path), scaled(dark, 99.5, 699.5))
    assert read_image(path).max() < 180
    exact = dicom(tmp_path / "e.dcm", dark, VOILUTFunction="LINEAR_EXACT", **window)
    assert near(read_image(exact), scaled(dark, 99.5, 700.5))
    sigmoid = dicom(tmp_path / "s.dcm", dark, VOILUTFunction="SIGMOID", **window)
    expected = 255 / (1 + np.exp(-4 * (dark.astype(float) - 400) / 601))
    assert near(read_image(sigmoid), expected)


@pytest.mark.parametrize("slope", [2.0, -2.0])
def test_a_dicom_window_holds_after_the_rescale(tmp_path: Path, slope: float) -> None:
    path = dicom(
        tmp_path / "x.dcm", VALUES, RescaleSlope=slope, RescaleIntercept=-1024.0,
        WindowCenter=[500, 0], WindowWidth=[2001, 10],
    )  # fmt: skip
    rescaled = VALUES.astype(float) * slope - 1024
    assert near(read_image(path), scaled(rescaled, -500.5, 1499.5))


def test_signed_dicom_is_read_with_its_sign(tmp_path: Path) -> None:
    signed = VALUES.astype(np.int16) - 2048
    path = dicom(tmp_path / "x.dcm", signed, WindowCenter=0, WindowWidth=1001)
    assert near(read_image(path), scaled(signed, -500.5, 499.5))


@pytest.mark.parametrize("kind", ["US", "OW"])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("falling", [False, True])
def test_a_dicom_lookup_table_is_black_to_white(
    tmp_path: Path, kind: str, bits: int, falling: bool
) -> None:
    pydicom = pytest.importorskip("pydicom")
    table = np.minimum(np.arange(3000) >> (12 - bits), 2500 >> (12 - bits))
    table = table[::-1] if falling else table
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [3000, 500, bits])
    words = table.astype("<u2").tobytes() if kind == "OW" else table.tolist()
    item.add_new("LUTData", kind, words)
    path = dicom(tmp_path / "x.dcm", VALUES, VOILUTSequence=[item])
    shown = table[(VALUES.astype(int) - 500).clip(0, 2999)]
    assert near(read_image(path), scaled(shown, 0, table.max()))


def test_monochrome1_is_turned_so_that_air_is_dark(tmp_path: Path) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 3001}
    plain = read_image(dicom(tmp_path / "2.dcm", VALUES, **window))
    path = dicom(tmp_path / "1.dcm", VALUES, PhotometricInterpretation="MONOCHROME1", **window)
    assert near(read_image(path), 255 - scaled(VALUES, 547.5, 3547.5))
    assert np.abs(255 - plain.astype(int) - read_image(path)).max() <= 1


@pytest.mark.skipif(not DATA.is_dir(), reason="no dicom beside the repository")
def test_real_dicom_files_are_read_as_their_jpeg_stream() -> None:
    pydicom = pytest.importorskip("pydicom")
    for name, turned in (("siim_pneumothorax", False), ("fake_monochrome1", True)):
        path = DATA / f"{name}.dcm"
        frame = next(pydicom.encaps.generate_frames(pydicom.dcmread(path).PixelData))
        values = np.asarray(Image.open(io.BytesIO(frame)))
        expected = scaled(values, values.min(), values.max())
        assert np.abs(read_image(path) - (255 - expected if turned else expected)).max() <= 2
        assert read_image(path, 64).shape == (64, 64)


def test_a_truncated_dicom_file_is_an_error(tmp_path: Path) -> None:
    path = dicom(tmp_path / "x.dcm", VALUES, WindowCenter=5, WindowWidth=9)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"x\.dcm: "):
            read_image(path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"NumberOfFrames": 2, "PixelData": VALUES.tobytes() * 2}, "has 2 frames of 1 values"),
        ({"SamplesPerPixel": 3}, "has 1 frames of 3 values"),
        ({"Rows": 65535, "Columns": 65535}, "has 65535 x 65535 pixels"),
        ({"Rows": 600}, "is damaged or no image"),
        ({"WindowCenter": 5, "WindowWidth": 0}, "is damaged or no image"),
    ],
)
def test_other_dicom_files_are_refused(
    tmp_path: Path, elements: dict[str, object], message: str
) -> None:
    path = dicom(tmp_path / "x.dcm", VALUES, **elements)
    with pytest.raises(InputError, match=message):
        read_image(path)


def test_without_pydicom_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dicom(tmp_path / "x.dcm", VALUES)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"x\.dcm: DICOM files need pydicom 3: pip install"):
        read_image(path)
