"""Network blocks that two chapters or more share."""

from napa_lib.networks.vgg import VGG19Features

__all__ = ["VGG19Features"]
