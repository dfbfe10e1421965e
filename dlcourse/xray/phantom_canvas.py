"""What phantoms are drawn on: outlines and lines as images of 0 to 1, in fractions of the image."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OVERSAMPLING = 2  # lines are drawn at twice the size: they end up with smooth edges
Points = np.ndarray  # (P, 2): x, y in fractions of the image from its top left corner


class Canvas:
    """Shapes as images (S, S) of 0 to 1, turned and moved as the patient stood."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.angle, self.scale = rng.normal(0, 0.03), rng.uniform(0.92, 1.03)
        self.shift = rng.normal(0, 0.015, 2)

    def _pixels(self, points: Points) -> list[float]:
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = (points - 0.5) @ np.array([[cos, sin], [-sin, cos]]) * self.scale
        return ((turned + 0.5 + self.shift) * self.size * OVERSAMPLING).ravel().tolist()

    def _blank(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        image = Image.new("L", (self.size * OVERSAMPLING,) * 2)
        return image, ImageDraw.Draw(image)

    def _finished(self, image: Image.Image, blur: float = 0.0) -> np.ndarray:
        image = image.reduce(OVERSAMPLING)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.size))
        return np.asarray(image, dtype=np.float32) / 255

    def filled(self, outline: Points, *, blur: float = 0.0) -> np.ndarray:
        """The inside of an outline; `blur` in fractions of the image."""
        image, draw = self._blank()
        draw.polygon(self._pixels(outline), fill=255)
        return self._finished(image, blur)

    def stroked(
        self,
        lines: list[Points],
        width: float | list[float],
        *,
        levels: list[int] | None = None,
        blur: float = 0.0,
    ) -> np.ndarray:
        """Lines of a width in fractions of the image, each with its own level 0..255."""
        image, draw = self._blank()
        widths = [width] * len(lines) if isinstance(width, float) else width
        for line, wide, level in zip(lines, widths, levels or [255] * len(lines), strict=True):
            pixels = max(1, round(wide * self.size * OVERSAMPLING))
            draw.line(self._pixels(line), fill=level, width=pixels, joint="curve")
        return self._finished(image, blur)
