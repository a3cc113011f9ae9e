"""Networks that two chapters or more share."""

from napa_lib.networks.resnet import ResNet, resnet18, resnet50
from napa_lib.networks.torchvision_compat import imagenet_resnet50, imagenet_vgg19, import_torchvision
from napa_lib.networks.vgg import VGG19Features

__all__ = [
    "ResNet",
    "VGG19Features",
    "imagenet_resnet50",
    "imagenet_vgg19",
    "import_torchvision",
    "resnet18",
    "resnet50",
]
