"""Schema of the recipe of Cho et al. 2022."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from openlumbar.recipes.strict import Positive, Share, Strict, validated

#: The networks that the paper compares.
Backbone = Literal["densenet169", "inception_resnet_v2", "xception"]


class Cho2022NetworkRecipe(Strict):
    """One of the three networks of Cho et al. 2022.

    Attributes
    ----------
    backbone
        Which.
    pretrained
        ImageNet weights to start from: ``hub`` (timm's, where they can be loaded; else from
        scratch), ``none``, or the path of a file of timm's weights.
    reduce
        Rows and columns of the 512 x 512 picture that are averaged to one before the network
        sees it; 1 as in the paper.
    """

    backbone: Backbone
    pretrained: str = "hub"
    reduce: Literal[1, 2, 4] = 1


class Cho2022AugmentationRecipe(Strict):
    """Ranges of the random geometry, each drawn evenly.

    Attributes
    ----------
    zoom
        Smallest and greatest scale.
    rotation_deg
        Either way.
    shift
        Either way along rows and columns, as a part of the picture.
    source
        Where the ranges come from.
    """

    zoom: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    rotation_deg: Annotated[float, Field(ge=0, le=180)]
    shift: Share
    source: str

    @model_validator(mode="after")
    def _zoom_is_a_range(self) -> Cho2022AugmentationRecipe:
        if self.zoom[0] > self.zoom[1]:
            raise ValueError("zoom must be the smallest and then the greatest scale")
        return self


class Cho2022ScheduleRecipe(Strict):
    """Adam with one learning rate; the epoch of the least loss on the tuning part is kept."""

    learning_rate: Annotated[float, Field(gt=0)]
    epochs: Positive
    batch: Annotated[int, Field(ge=2)]
    seed: int


class Cho2022SplitRecipe(Strict):
    """How slices are parted into training, tuning and test.

    Attributes
    ----------
    by
        ``patient``, so that nobody is in two parts, or ``slice``: at random, as in the paper.
    train, tune, test
        Parts, together 1.
    """

    by: Literal["patient", "slice"]
    train: Share
    tune: Share
    test: Share

    @model_validator(mode="after")
    def _parts_are_a_whole(self) -> Cho2022SplitRecipe:
        if min(self.train, self.tune, self.test) <= 0:
            raise ValueError("train, tune and test must each be more than 0")
        if abs(self.train + self.tune + self.test - 1) > 1e-6:
            raise ValueError("train, tune and test must add up to 1")
        return self


class Cho2022DataRecipe(Strict):
    """What is trained on.

    Attributes
    ----------
    sources
        ``own``: the slices that ``levels.csv`` of the data folder names; ``phantom``: slices
        at the discs of phantom people.
    phantoms
        Phantom people.
    """

    sources: Annotated[tuple[Literal["own", "phantom"], ...], Field(min_length=1)]
    phantoms: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _phantoms_are_counted(self) -> Cho2022DataRecipe:
        if ("phantom" in self.sources) != (self.phantoms > 0):
            raise ValueError(
                "phantoms must be more than 0 where sources name phantom, and only there"
            )
        return self


class Cho2022Recipe(Strict):
    """The recipe of Cho et al. 2022: which disc level an axial slice shows."""

    task: Literal["cho2022"]
    name: str
    source: str
    network: Cho2022NetworkRecipe
    augmentation: Cho2022AugmentationRecipe
    schedule: Cho2022ScheduleRecipe
    split: Cho2022SplitRecipe
    data: Cho2022DataRecipe

    def with_network(self, backbone: str | None, pretrained: str | None) -> Cho2022Recipe:
        """The recipe with another network, or other weights to start from.

        Raises
        ------
        OptionError
            There is no such network.
        """
        given = {"backbone": backbone, "pretrained": pretrained}
        changes = {key: value for key, value in given.items() if value is not None}
        content = self.model_dump()
        content["network"] |= changes
        return validated(Cho2022Recipe, content, "--backbone")
