"""A convolutional network whose decision is a mean over places: what class activation maps need.

Shape legend: N batch, K feature channels, C classes, H W image pixels, h w feature-map cells.
"""

from torch import Tensor, nn


class GapCNN(nn.Module):
    """Convolutions, the mean over space (global average pooling, GAP), one linear layer.

    Both steps after the convolutions are linear, so that every cell's contribution to a logit can
    be told: logit_c = mean over cells of (sum_k w_ck maps_k) + b_c.

    Source: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016; 2018
    lab 2, part 2.

    Args:
        backbone: From normalised images to maps (N, K, h, w) that nothing later writes into.
        num_features: K.
        num_classes: C.
        normalise: From grey values 0..255 to the backbone's input; see `normalise`.
        dropout: Chance of a zero among the K means while training.
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_features: int,
        num_classes: int,
        *,
        normalise: nn.Module,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise, self.backbone = normalise, backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(num_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) grey values 0..255, uint8 or floating point -> maps (N, K, h, w)."""
        return self.backbone(self.normalise(images))

    def forward_head(self, maps: Tensor) -> Tensor:
        """(N, K, h, w) -> logits (N, C)."""
        return self.head(self.dropout(maps.mean((-2, -1))))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) grey values 0..255 -> logits (N, C)."""
        return self.forward_head(self.forward_features(images))
