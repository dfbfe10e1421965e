"""A network of the interface that maps need, small enough for a test."""

import torch
from torch import Tensor, nn


class TinyGap(nn.Module):
    """Two convolutions with normalisation, the mean over space, dropout, a linear layer."""

    def __init__(
        self, num_classes: int = 2, *, num_features: int = 5, stride: int = 4, seed: int = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.backbone = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1, stride=stride),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Conv2d(4, num_features, 3, padding=1),
                nn.ReLU(),
            )
            self.dropout, self.head = nn.Dropout(0.5), nn.Linear(num_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        return self.backbone(images.to(self.head.weight.dtype) / 255)

    def forward_head(self, maps: Tensor) -> Tensor:
        return self.head(self.dropout(maps.mean((-2, -1))))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def random_images(count: int, height: int, width: int | None = None, *, seed: int = 0) -> Tensor:
    """(N, 1, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 1, height, width or height)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
