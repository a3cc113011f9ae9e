"""Readers for datasets behind a licence, each in its own format on disk. Nothing is downloaded or unpickled."""

from napa_lib.data.datasets.annotations import Annotations, halves_of_actions, halves_of_clips
from napa_lib.data.datasets.cmu_mocap import read_cmu_mocap
from napa_lib.data.datasets.coco import read_coco, read_human_art
from napa_lib.data.datasets.face300w import read_300w, read_pts
from napa_lib.data.datasets.human36m import read_human36m
from napa_lib.data.datasets.mpi_inf_3dhp import read_mpi_inf_3dhp, read_mpi_inf_3dhp_test
from napa_lib.data.datasets.mpii import read_mpii
from napa_lib.data.datasets.muco import read_muco_3dhp, read_mupots_3d
from napa_lib.data.datasets.multipie import read_multipie
from napa_lib.data.datasets.penn_action import PENN13, read_penn_action
from napa_lib.data.datasets.simplified_human36m import read_simplified_human36m
from napa_lib.data.datasets.threedpw import read_3dpw
from napa_lib.data.datasets.voxceleb import FrameClips, read_frame_clips
from napa_lib.data.datasets.wflw import WFLW_TO_FACE68, read_wflw

__all__ = [
    "PENN13",
    "WFLW_TO_FACE68",
    "Annotations",
    "FrameClips",
    "halves_of_actions",
    "halves_of_clips",
    "read_300w",
    "read_3dpw",
    "read_cmu_mocap",
    "read_coco",
    "read_frame_clips",
    "read_human36m",
    "read_human_art",
    "read_mpi_inf_3dhp",
    "read_mpi_inf_3dhp_test",
    "read_mpii",
    "read_muco_3dhp",
    "read_multipie",
    "read_mupots_3d",
    "read_penn_action",
    "read_pts",
    "read_simplified_human36m",
    "read_wflw",
]
