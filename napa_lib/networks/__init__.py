"""Networks that two chapters or more share."""

from napa_lib.networks.blazepose import BlazePose
from napa_lib.networks.drawn_pose_net import DrawnPoseNet, load_drawn_pose_net, save_drawn_pose_net
from napa_lib.networks.heatmaps import local_soft_argmax, soft_argmax
from napa_lib.networks.hourglass import StackedHourglass, StackOutput
from napa_lib.networks.movenet import MoveNet, load_movenet
from napa_lib.networks.pose_ensemble import PoseEnsemble, load_pose_ensemble
from napa_lib.networks.pose_net import PoseNet2D, PosePrediction, load_pose_net, save_pose_net
from napa_lib.networks.resnet import ResNet, resnet18, resnet50
from napa_lib.networks.torchvision_compat import imagenet_resnet50, imagenet_vgg19, import_torchvision
from napa_lib.networks.vgg import VGG19Features
from napa_lib.networks.warm_pose_net import WarmPoseNet, load_warm_pose_net, save_warm_pose_net

__all__ = [
    "BlazePose",
    "DrawnPoseNet",
    "PoseNet2D",
    "MoveNet",
    "PoseEnsemble",
    "PosePrediction",
    "ResNet",
    "StackOutput",
    "StackedHourglass",
    "VGG19Features",
    "WarmPoseNet",
    "imagenet_resnet50",
    "imagenet_vgg19",
    "import_torchvision",
    "load_drawn_pose_net",
    "load_movenet",
    "load_pose_net",
    "load_pose_ensemble",
    "load_warm_pose_net",
    "local_soft_argmax",
    "resnet18",
    "resnet50",
    "save_drawn_pose_net",
    "save_pose_net",
    "save_warm_pose_net",
    "soft_argmax",
]
