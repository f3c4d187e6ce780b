"""A classifier: any network that gives feature maps, and one linear layer behind it.

Between them stands nothing but the mean over the picture. So the linear layer can be laid on
each place of the feature maps too, and what it gives there, the class activation map (Zhou et
al. 2016; Grad-CAM up to a scale), needs no gradients.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ClassifierNetwork(nn.Module):
    """Global average pooling and a linear layer for classes, and one for signs.

    Parameters
    ----------
    backbone
        From ``[batch, channel, row, column]`` to feature maps of ``features`` channels.
    features
        Channels of the feature maps.
    classes
        Number of classes, one of which a picture shows.
    signs
        Number of signs, each of which may be in view or not; none by default.
    dropout
        Part of the pooled features that is left out in training.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        classes: int,
        signs: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(features, classes)
        self.signs = nn.Linear(features, signs) if signs else None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[batch, classes]`` and ``[batch, signs]`` (empty without signs)."""
        return self._heads(self.backbone(image))

    def look(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of classes and of signs, and the activation ``[batch, classes, row, column]``.

        The activation's mean over the picture, and the class's bias, are its logit.
        """
        features = self.backbone(image)
        activation = functional.conv2d(features, self.classes.weight[:, :, None, None])
        return *self._heads(features), activation

    def _heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.dropout(features.mean((2, 3)))
        signs = pooled[:, :0] if self.signs is None else self.signs(pooled)
        return self.classes(pooled), signs
