"""The runs of chapter 3, in the order in which they start from each other; `make results ONLY=03` repeats them.

What ships of them is put among the assets by `python -m tools.ship_bottleneck runs/kg`.
"""

from __future__ import annotations

from napa_lib.experiments import Experiment

THREE = (0, 1, 2)
STUDIO = "--preset tiny --half --data studio:train --validation studio:validation"
FACES = "--preset tiny --half --data faces:train --validation faces:validation"
LADDER = f"{STUDIO} --test studio:test --stage ladder --adversarial 1"
FACE_LADDER = f"{FACES} --test faces:test --stage ladder --adversarial 1 --encoder runs/kg/face_eta.safetensors"
VIDEO = (
    "--preset tiny --half --data video:train --validation video:test --poses rest:studio:train --stage ladder "
    "--adversarial 1 --encoder runs/kg/eta.safetensors"
)
ETA = "--encoder runs/kg/eta.safetensors"


def pretrained(name: str, options: str, seconds: float) -> Experiment:
    """An eta of its own, of which there is no result but the file."""
    path = f"runs/kg/{name}.safetensors"
    return Experiment(
        f"napa_lib.bottleneck.train {options} --stage pretrain --seed {{seed}} --out {path}", path, seconds
    )


def trained(
    name: str, options: str, seconds: float, seeds: tuple[int, ...] = (0,), after: tuple[str, ...] = ()
) -> Experiment:
    """A model and its result."""
    out = f"runs/kg/{name}_{{seed}}"
    command = f"napa_lib.bottleneck.train {options} --seed {{seed}} --out {out}.safetensors --results {out}.json"
    return Experiment(command, f"{out}.json", seconds, seeds, after)


EXPERIMENTS = {
    "eta": pretrained("eta", f"{STUDIO} --steps 8000", 1500),
    # table 5
    "cyclegan": trained("cyclegan", f"{LADDER} {ETA} --rung cyclegan --steps 750", 560, THREE, ("eta",)),
    "conditional": trained("conditional", f"{LADDER} {ETA} --rung conditional --steps 750", 630, THREE, ("eta",)),
    "bottleneck": trained("bottleneck", f"{LADDER} {ETA} --rung bottleneck --steps 750", 730, THREE, ("eta",)),
    "ours": trained("ours", f"{LADDER} {ETA} --rung ours --steps 1000", 620, THREE, ("eta",)),
    "ours_after": trained(
        "ours_after", f"{LADDER} {ETA} --rung ours --start runs/kg/bottleneck_{{seed}}.safetensors --steps 250",
        120, THREE, ("bottleneck",),
    ),
    # what a message in the skeleton image can carry; it takes the CycleGAN that ships
    "smuggler": Experiment(
        "napa_lib.bottleneck.smuggle --data studio:train --validation studio:validation --steps 450 --half "
        "--seed {seed} --out runs/kg/smuggler_{seed}.safetensors --results runs/kg/smuggler_{seed}.json",
        "runs/kg/smuggler_{seed}.json", 60, (0,),
    ),
    # the leak's controls; it takes the models that ship
    "leak": Experiment(
        "napa_lib.bottleneck.leak --results runs/kg/leak_{seed}.json", "runs/kg/leak_{seed}.json", 20, (0,)
    ),
    # table 1
    "hourglass": trained("hourglass", f"{STUDIO} --test studio:test --stage hourglass --steps 1000", 80, THREE),
    "supervised": trained("supervised", f"{STUDIO} --test studio:test --stage supervised --steps 1000", 130, THREE),
    "eta_mocap": pretrained("eta_mocap", f"{STUDIO} --poses mocap:studio --steps 8000", 1500),
    "ours_mocap": trained(
        "ours_mocap",
        f"{LADDER} --rung ours --encoder runs/kg/eta_mocap.safetensors --poses mocap:studio --steps 1500",
        760, after=("eta_mocap",),
    ),
    # the model that ships
    "ours_recoloured": trained(
        "ours_recoloured", f"{LADDER} {ETA} --rung ours --start runs/kg/ours_0.safetensors --recolour --steps 1000",
        490, after=("ours",),
    ),
    "ours_longer": trained(
        "ours_longer", f"{LADDER} {ETA} --rung ours --start runs/kg/ours_recoloured_0.safetensors --steps 500",
        340, after=("ours_recoloured",),
    ),
    # table 4
    "eta50": pretrained("eta50", f"{STUDIO} --pose-count 50 --steps 4000", 750),
    "eta500": pretrained("eta500", f"{STUDIO} --pose-count 500 --steps 5000", 940),
    "ours_poses50": trained(
        "ours_poses50", f"{LADDER} --rung ours --encoder runs/kg/eta50.safetensors --pose-count 50 --steps 1500",
        750, after=("eta50",),
    ),
    "ours_poses50_stirred": trained(
        "ours_poses50_stirred",
        f"{LADDER} --rung ours --encoder runs/kg/eta50.safetensors --pose-count 50 --stir --steps 1250",
        590, after=("eta50",),
    ),
    "ours_poses500_stirred": trained(
        "ours_poses500_stirred",
        f"{LADDER} --rung ours --encoder runs/kg/eta500.safetensors --pose-count 500 --stir --steps 1250",
        580, after=("eta500",),
    ),
    # faces: tables 3 and 5
    "face_eta": pretrained("face_eta", f"{FACES} --steps 5000", 940),
    "faces_ours": trained("faces_ours", f"{FACE_LADDER} --rung ours --steps 2000", 940, after=("face_eta",)),
    "faces_bottleneck": trained(
        "faces_bottleneck", f"{FACE_LADDER} --rung bottleneck --steps 2000", 2430, after=("face_eta",)
    ),
    "faces_ours_longer": trained(
        "faces_ours_longer",
        f"{FACE_LADDER} --rung ours --perceptual-size 64 --start runs/kg/faces_bottleneck_0.safetensors --steps 1250",
        1070, after=("faces_bottleneck",),
    ),
    # the real video
    "video_studio": Experiment(
        "napa_lib.bottleneck.measure runs/kg/ours_{seed}.safetensors --data video:test --seed {seed} "
        "--results runs/kg/video_studio_{seed}.json",
        "runs/kg/video_studio_{seed}.json", 20, THREE, ("ours",),
    ),
    "video": trained(
        "video", f"{VIDEO} --rung ours --start runs/kg/ours_0.safetensors --steps 1000", 860, after=("ours",)
    ),
    "video_bottleneck": trained(
        "video_bottleneck", f"{VIDEO} --rung bottleneck --start runs/kg/bottleneck_{{seed}}.safetensors --steps 1000",
        910, THREE, ("bottleneck",),
    ),
    "video_ours_longer": trained(
        "video_ours_longer", f"{VIDEO} --rung ours --start runs/kg/video_bottleneck_0.safetensors --steps 750",
        360, after=("video_bottleneck",),
    ),
}  # fmt: skip
