"""The maps of several people beside a loop over persons, and a picture's whole way: student against teacher.

The loop is the usual one of bottom-up trainings (Cao et al.'s, in NumPy): person by person, joint by joint a Gaussian
that is merged into the map, limb by limb the cells within a rectangle. Targets: the maps ten times faster than the
loop; the student's whole way (E, F for the pelvises, H, M) faster than the teacher's (E, F, grouping). The last table
is CrossModal's table 8, with `napa pose` beside them.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.limits import best_time, print_table
from napa_lib.engine import keep_freed_memory
from napa_lib.evaluate import speed
from napa_lib.evaluate.student import load_chapter
from napa_lib.multiperson.composed import compose, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.evaluate import read_pictures
from napa_lib.multiperson.grouping import group_people
from napa_lib.multiperson.networks import Lifter, Teacher, parameters_in_use
from napa_lib.multiperson.store import load_lifter, load_teacher
from napa_lib.multiperson.targets import JOINTS, LIMB, SHARED, SIGMA, render_targets
from napa_lib.pose import PoseEstimator
from napa_lib.sampling import load_pretrained

PICTURES = 32  # of a large batch
BATCH = 8  # the paper's


def loop_targets(keypoints: np.ndarray, size: int, cells: int) -> np.ndarray:
    """The same maps person by person: (B, P, 15, 2) px to (B, 43, cells, cells)."""
    maps = np.zeros((len(keypoints), 43, cells, cells), np.float32)
    ys, xs = np.mgrid[:cells, :cells].astype(np.float32)
    for picture, people in zip(maps, (keypoints + 0.5) * cells / size - 0.5, strict=True):
        count = np.zeros((len(JOINTS.bones), cells, cells), np.float32)
        for person in people:
            for j, (x, y) in enumerate(person):
                if np.isnan(x):
                    continue
                bump = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * SIGMA**2))
                np.maximum(picture[j], bump, out=picture[j])
            for k, (start, end) in enumerate(JOINTS.bones):
                bone = person[end] - person[start]
                length = np.linalg.norm(bone)
                if not length > 0:
                    continue
                ux, uy = bone / length
                mx, my = (person[start] + person[end]) / 2
                along, across = (xs - mx) * ux + (ys - my) * uy, (ys - my) * ux - (xs - mx) * uy
                inside = (np.abs(along) <= length / 2) & (np.abs(across) <= LIMB / 2)
                picture[15 + 2 * k][inside] += ux
                picture[16 + 2 * k][inside] += uy
                count[k][inside] += 1
        picture[15:] /= np.repeat(np.maximum(count, 1), 2, 0)
    return maps


def bench_maps() -> None:
    """Heat maps and fields of batches of 8 pictures with up to four people."""
    camera = CAMERAS["tiny"]
    people = compose(load_cutouts("validation", "drawn"), BATCH, camera, torch.Generator().manual_seed(0))
    keypoints = people.keypoints[:, :, SHARED]
    ours, loop = render_targets(keypoints, camera), loop_targets(keypoints.numpy(), camera.size, 28)
    assert np.abs(ours.numpy() - loop).max() < 1e-4, "the two do not draw the same"
    times = {
        "render_targets": best_time(lambda: render_targets(keypoints, camera), 100) / BATCH,
        "person by person": best_time(lambda: loop_targets(keypoints.numpy(), camera.size, 28), 30) / BATCH,
    }
    rows = [{"what": n, "ms a picture": t * 1e3, "x ours": t / times["render_targets"]} for n, t in times.items()]
    print_table("Maps of several people, 43 of 28 x 28 cells (target: x 10)", rows)


@torch.no_grad()
def time_parts(images: torch.Tensor) -> dict[str, float]:
    """Seconds a picture of each part, and of the two whole ways, for one batch."""
    camera, model = CAMERAS["tiny"], load_pretrained("limits")
    teacher, lifter = load_teacher(), load_lifter()
    latent = teacher.encoder(images)
    maps = teacher.decoder(latent)

    def student() -> None:
        read_pictures(teacher.encoder(images), teacher.decoder, lifter, model, camera)

    calls = {
        "E": lambda: teacher.encoder(images),
        "F": lambda: teacher.decoder(latent),
        "F, heat alone": lambda: teacher.decoder.heat(latent),
        "grouping": lambda: group_people(maps, camera),
        "H": lambda: lifter(latent),
        "teacher: E, F, grouping": lambda: group_people(teacher(images), camera),
        "student: E, F's heat, H, M": student,
    }
    return {name: best_time(call, 20) / len(images) for name, call in calls.items()}


def bench_inference() -> None:
    """One picture at a time, and 32, from pixels to people; and how many numbers the networks are."""
    camera = CAMERAS["tiny"]
    people = compose(load_cutouts("test", "drawn"), PICTURES, camera, torch.Generator().manual_seed(0))
    rows = [
        {"pictures": batch, "what": name, "ms a picture": 1e3 * seconds}
        for batch in (1, PICTURES)
        for name, seconds in time_parts(people.images[:batch].float() / 255).items()
    ]
    print_table("From a picture to people, tiny networks", rows)
    sizes = []
    for name, config in PRESETS.items():
        ours = parameters_in_use(Teacher(config))
        whole = ours + sum(p.numel() for p in Lifter(config).parameters())
        sizes.append({"preset": name, "E + F (millions)": ours / 1e6, "with H": whole / 1e6})
    print_table("Parameters (the paper's model: 17.1 millions)", sizes)


def bench_ways() -> None:
    """Table 8: a picture at a time, all in turns."""
    found = speed.measure(load_chapter(), PoseEstimator.from_pretrained(device="cpu"))
    rows: list[dict[str, object]] = [
        {"way": name, "pictures a second": way["fps"], "millions of parameters": way["parameters"] / 1e6}
        for name, way in found["ways"].items()
    ]
    pairs = [{"pictures": name, **found["student to teacher"][name]} for name in found["student to teacher"]]
    print_table("The student's time as a share of its teacher's (target: below 100)", pairs)
    print_table(f"Table 8 (there: 21.2 a second, 17.1 millions), {found['people a picture']} people a picture", rows)


def main() -> None:
    """All tables."""
    keep_freed_memory()  # as every training does
    bench_maps()
    bench_inference()
    bench_ways()


if __name__ == "__main__":
    main()
