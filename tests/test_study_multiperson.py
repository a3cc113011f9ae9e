"""Lesson 06: other right and other wrong answers, pictures and tables that show what they say."""

from __future__ import annotations

import matplotlib
import nbformat
import numpy as np
import pytest
import torch
from pretend_gpu import pretended_gpu

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from napa_lib.course.notebooks import FOLDER, find_notebooks
from napa_lib.multiperson import Found
from napa_lib.study.exercises import judge
from napa_lib.study.lessons.lesson_06 import EXERCISES, live, outside, pictures, tables
from napa_lib.study.lessons.lesson_06.checks import read_cells

BY_ID = {exercise.id[-1]: exercise for exercise in EXERCISES}


# Right in three styles: a loop, NumPy, the library or another formula ----------------------------------------------


def read_loop(maps, pixels):
    angles, places = [], []
    for x, y in pixels.tolist():
        numbers = maps[:, round((y + 0.5) / 8 - 0.5), round((x + 0.5) / 8 - 0.5)]
        depth = 4000 + 1500 * float(numbers[38])
        angles.append(torch.atan2(numbers[32:35], numbers[35:38]).tolist())
        places.append([(x - 55.5) * depth / 150, (y - 55.5) * depth / 150, depth])
    return angles, places


def read_complex(maps, pixels):
    cell = torch.floor((pixels + 0.5) / 8).long()
    values = maps[:, cell[:, 1], cell[:, 0]].T
    depth = torch.lerp(torch.tensor(2500.0), torch.tensor(5500.0), (values[:, 38] + 1) / 2)[:, None]
    rays = torch.cat([(pixels - 55.5) / 150, torch.ones(len(pixels), 1)], 1)
    return torch.angle(torch.complex(values[:, 35:38], values[:, 32:35])), rays * depth


def support_loop(vectors, start, end):
    dx, dy = (end - start).tolist()
    length = (dx * dx + dy * dy) ** 0.5
    return sum((x * dx + y * dy) / length for x, y in vectors.tolist()) / len(vectors)


def distl_nan(student, teacher):
    known = ~torch.isnan(teacher)
    filled = torch.where(known, teacher, student.detach())
    return ((student - filled).abs() * known).sum() / known.sum()


def distl_select(student, teacher):
    rows = teacher.isfinite().all(-1)
    return torch.nn.functional.l1_loss(student[rows], teacher[rows])


def mirror_loop(pose, width, other_side):
    return [[width - 1 - float(pose[j, 0]), float(pose[j, 1])] for j in other_side]


RIGHT = {
    "1": (read_loop, read_complex, lambda m, p: [torch.tensor(a) for a in read_cells(m, p)]),
    "3": (support_loop, lambda v, a, b: torch.einsum("nc,c->n", v, b - a).mean() / torch.dist(a, b),
          lambda v, a, b: np.mean(v.numpy() @ ((b - a) / torch.dist(a, b)).numpy())),
    "4": (distl_nan, distl_select, lambda s, t: (s - t)[~t.isnan()].abs().nanmean()),
    "5": (mirror_loop, lambda p, w, o: torch.stack([w - 1 - p[o, 0], p[o, 1]], 1),
          lambda p, w, o: p.numpy()[o] * [-1, 1] + [w - 1, 0]),
    "7": ("recon", "L_adapt", " SS "),
    "2": ([[10, 10, 2600], [12, 12, 3400]], np.array([[99.0, 50, 5400], [98, 49, 2700]]),
          torch.tensor([[64.0, 64, 3000], [71, 71, 4500.0]])),
}  # fmt: skip

STEPS = {  # of exercise 06.6
    "frozen one by one": """
        for p in F.parameters():
            p.requires_grad = False
        loss = 3 * torch.nn.functional.mse_loss(F(G(maps)), maps)
        loss.backward(); optimizer.step(); optimizer.zero_grad()
        return [float(loss)]""",
    "closure": """
        def closure():
            optimizer.zero_grad()
            loss = ((F(G(maps)) - maps) ** 2).sum(1).mean()
            loss.backward(inputs=list(G.parameters()))
            return loss
        return optimizer.step(closure)""",
    "F cleared": """
        loss = ((F(G(maps)) - maps) ** 2).sum(1).mean()
        G.zero_grad(); loss.backward(); optimizer.step(); F.zero_grad()
        return loss.detach().numpy()""",
    "cleared too late": """
        F.requires_grad_(False)
        loss = ((F(G(maps)) - maps) ** 2).sum(1).mean()
        loss.backward(); optimizer.zero_grad(); optimizer.step()
        return loss""",
    "absolute": """
        F.requires_grad_(False)
        loss = (F(G(maps)) - maps).abs().sum(1).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        return loss""",
    "compares V": """
        F.requires_grad_(False)
        loss = (G(maps) - G(F(G(maps)).detach())).abs().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        return loss""",
}


def step_of(name: str):
    names: dict = {"torch": torch}
    exec("def my_step(G, F, optimizer, maps):" + STEPS[name], names)
    return names["my_step"]


RIGHT["6"] = (step_of("frozen one by one"), step_of("closure"), step_of("F cleared"))

# Wrong in new ways, with a sentence that names what is wrong -------------------------------------------------------
WRONG = {
    "1": ((lambda m, p: read_cells(m, p)[::-1], "have changed places"),
          (lambda m, p: read_cells(m, p + 8), "angles are others"),
          (lambda m, p: (read_cells(m, p)[0], read_cells(m, p)[1] / 1000), "depth is another")),
    "3": ((lambda v, a, b: (v @ (b - a)) / (b - a).norm(), "one number, but it has shape (12,)"),
          (lambda v, a, b: 2 * support_loop(v, a, b), "unit = "),
          (lambda v, a, b: support_loop(v.flip(1), a, b), "unit = ")),
    "4": ((lambda s, t: 2 * distl_nan(s, t), "mean of"),
          (lambda s, t: distl_nan(s, t).item(), "no gradient"),
          (lambda s, t: torch.where(t.isnan(), 0.0, (s - t).square().sqrt()).sum() / (~t.isnan()).sum(), "NaN")),
    "5": ((lambda p, w, o: p, "x -> 111 - x"), (lambda p, w, o: mirror_loop(p, w, o)[::-1], "x -> 111 - x"),
          (lambda p, w, o: mirror_loop(p, 2 * w, o), "x -> 111 - x")),
    "6": ((step_of("cleared too late"), "G has not moved"), (step_of("absolute"), "nothing is said"),
          (step_of("compares V"), "the squares of F(G(maps))")),
    "7": ((3, "one of three"), ("all", "one of three"), (["recon"], "one of three")),
    "2": (([[58, 60, 2800], [61, 58, 2801]], "in one another"), ([[58, 60], [61, 58]], "shape"),
          ([[63, 60, 2800], [64, 60, 5200]], "both come back")),
}  # fmt: skip


@pytest.mark.parametrize(("number", "place"), [(n, i) for n in RIGHT for i in range(3)])
def test_right_in_other_styles(number, place):
    verdict = judge(BY_ID[number], RIGHT[number][place])
    assert verdict.status == "right", verdict


@pytest.mark.parametrize(("number", "place"), [(n, i) for n in WRONG for i in range(3)])
def test_wrong_in_new_ways(number, place):
    answer, words = WRONG[number][place]
    verdict = judge(BY_ID[number], answer)
    assert verdict.status == "wrong" and words in verdict.message, verdict


# Pictures and tables ------------------------------------------------------------------------------------------------


def test_failures_are_of_the_kind_they_say():
    drawn = live.test_pictures(6)
    whole = [
        Found(p[t], k[t][:, list(pictures.SHARED)])
        for p, k, t in zip(drawn.poses, drawn.keypoints, drawn.present, strict=True)
    ]
    assert pictures.failures(drawn, whole) == {}
    missed = [*whole[:3], Found(whole[3].poses[1:], whole[3].keypoints[1:]), *whole[4:]]
    assert pictures.failures(drawn, missed) == {"a person is missed": 3}
    away = Found(torch.cat([whole[2].poses, whole[2].poses[:1]]),
                 torch.cat([whole[2].keypoints, whole[2].keypoints[:1] + 500]))  # fmt: skip
    assert pictures.failures(drawn, [*whole[:2], away, *whole[3:]])["a person is invented"] == 2
    mirrored = whole[5].poses.clone()
    mirrored[..., 2] = 2 * mirrored[:, :1, 2] - mirrored[..., 2]
    wrong = pictures.failures(drawn, [*whole[:5], Found(mirrored, whole[5].keypoints)])
    assert wrong == {"right in 2D, wrong in 3D": 5}


def test_the_room_from_above_joins_found_and_true():
    _, axis = plt.subplots()
    truth = torch.zeros(2, 17, 3)
    truth[:, :, 2] = torch.tensor([3000.0, 5000])[:, None]
    pictures.from_above(axis, truth, truth[:1] + 100)
    joining = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_color() == "#D55E00"]
    assert len(joining) == 1 and joining[0].get_ydata()[1] == pytest.approx(3.0)


def test_a_short_training_goes_on(tmp_path):
    file = tmp_path / "student.safetensors"
    first = live.train_on(file, 2, pictures=2)
    again = live.train_on(file, 2, pictures=2)
    assert first[-1]["step"] == 2 and again[-1]["step"] == 4 and {"distl", "recon", "adapt"} <= set(again[-1])
    with pytest.raises(ValueError, match="at least 1"):
        live.train_on(file, 0)


def test_a_short_training_leaves_the_lessons_networks_on_their_device(tmp_path, monkeypatch):
    """On a GPU the cells below would else meet a teacher that is no longer where their pictures are."""
    teacher = live.networks().teacher
    with pretended_gpu(monkeypatch) as device:
        live.train_on(tmp_path / "student.safetensors", 1, pictures=2, device=device)
        assert all(p.device.type == "cpu" for p in teacher.parameters())


def test_the_heat_that_f_sees_is_that_of_the_pictures_own_joints():
    drawn = live.test_pictures(2)
    encoders = {"G": torch.nn.Conv2d(43, 128, 1)}
    heat = live.heat_of(drawn, encoders)
    assert list(heat) == ["true maps", "F of G", "F of E"] and all(h.shape == (2, 28, 28) for h in heat.values())
    joints = heat["true maps"] > 0.8
    assert heat["F of E"][joints].mean() > 3 * heat["F of E"][~joints].mean()
    axes = pictures.heat_figure({name: seen[0] for name, seen in heat.items()}).axes
    assert [axis.get_title() for axis in axes[:3]] == list(heat) and axes[0].images[0].get_clim() == (0, 1)


def test_l_adapt_is_drawn_beside_that_of_empty_maps():
    record = [{"step": n, "distl": 2.0, "recon": 0.2, "adapt": 0.1, "empty": 0.3} for n in (1, 2)]
    axis = pictures.losses_figure(record).axes[-1]
    assert [float(line.get_ydata()[0]) for line in axis.lines] == [0.1, 0.3] and axis.get_ylim()[1] > 0.3


def fake(score):
    return {"3d": {"pck": score}, "record": [{"step": 1, "validation": score}]}


def test_gains_are_paired_by_seed():
    rows = {"distl": [10, 20, 30], "recon": [14, 24, 34], "adapt": [14, 25, 33], "unsupervised": [10, 20, 30]}
    found = {name: [fake(v) for v in values] for name, values in rows.items()}
    change = tables.gains(found)
    assert change["recon"].mean == pytest.approx(4) and change["recon"].excludes_zero
    assert not change["adapt"].excludes_zero
    (axis,) = tables.gains_figure(found, "adapt").axes
    assert [text.get_text() for text in axis.texts][0] == "+4.0 ± 0.0"
    (marked,) = [line for line in axis.lines if line.get_label() == "your prediction"]
    assert marked.get_xdata()[0] == 1
    assert not [line for line in tables.gains_figure(found).axes[0].lines if line.get_label() == "your prediction"]


def test_the_gap_is_drawn_with_the_prediction():
    rows = {"recon": 0.9, "adapt": 0.7}
    found = {name: [{"gap": {"told_apart": told, "distance": 1.0}}] * 3 for name, told in rows.items()}
    (axis,) = tables.gap_figure(found, 80.0).axes
    heights = [line.get_ydata()[0] for line in axis.lines]
    assert (
        heights[:2] == [pytest.approx(90), pytest.approx(70)]
        and heights[-1] == 80
        and "1.00" in axis.texts[0].get_text()
    )


def test_scenes_are_set_beside_the_mean_pose_and_empty_maps():
    scenes = {"adapt": 0.2, "empty": 0.3, "heat": 0.25, "pck": 30.0, "mean_pose": 34.0}
    found = {row: [{"scenes": {**scenes, "pck": 30.0 + i}} for i in range(3)] for row in tables.ON_SCENES}
    lines = tables.scenes_table(found).splitlines()
    assert len(lines) == 1 + len(tables.ON_SCENES) and "0.200" in lines[1] and "0.300" in lines[1]
    assert lines[1].endswith("-3.0 ± 2.5 *")  # 1 2 3 less 4: 4.303 / sqrt(3)


def test_joints_are_those_of_table_4():
    found = tables.runs()
    lines = tables.joints_table(found).splitlines()
    assert lines[0].split()[2:] == ["head", "neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    assert len(lines) == 1 + len(tables.BY_JOINT) + len(tables.PAPERS_JOINTS)
    assert f"{found['mean_pose'][0]['3d']['joints']['wrist']:.0f}" in lines[1].split()


def test_known_and_other_figures_are_paired_by_seed():
    entry = {"known": {"pck": 40.0}, "others": {"pck": 30.0}}
    found = {f"known_{row}": [entry, {"known": {"pck": 50.0}, "others": {"pck": 41.0}}] * 2 for row in tables.KNOWN}
    line = tables.known_table(found).splitlines()[1]
    assert line.startswith("1,000 pictures") and "+9.5 ± 0.9 *" in line and "45.0" in line and "35.5" in line


def test_second_stages_are_paired_by_seed():
    seeds = [
        {"one stage": {"pck": 30.0 + i}, "H twice": {"pck": 29.0}, "two stages": {"pck": 31.0 + i}} for i in range(3)
    ]
    whole, teacherless = tables.second_table({"second_full": seeds, "second_adapt": seeds[::-1]}).splitlines()[1:]
    assert whole.startswith(tables.LABELS["full"]) and teacherless.startswith(tables.LABELS["adapt"])
    assert "+1.0 ± 0.0 *" in whole and "+3.0 ± 2.5 *" in whole  # 3 +- 4.303 / sqrt(3)
    shipped = tables.runs()
    assert [report["seed"] for row in ("full", "adapt") for report in shipped[f"second_{row}"]] == [0, 1, 2] * 2


def test_stored_results_hold_the_rows_of_the_lesson():
    found = tables.runs()
    assert {"distl", "recon", "adapt", "unsupervised"} <= set(found)
    assert all(len(found[row]) >= 3 for row in ("distl", "recon", "adapt", "unsupervised"))
    for table in (
        tables.ladder_table,
        tables.teacher_table,
        tables.known_table,
        tables.second_table,
        tables.scenes_table,
    ):
        assert "nan" not in table(found)
    short = tables.ladder_table(found, tables.ARGUMENT).splitlines()
    assert [line.split("  ")[0] for line in short[1:]] == [tables.LABELS[row] for row in tables.ARGUMENT]


# Outside its own pictures -------------------------------------------------------------------------------------------


def test_the_table_of_paintings_says_what_was_counted():
    found = outside.paintings()
    table = outside.paintings_table(found)
    for name, label in outside.METHODS.items():
        (line,) = [line for line in table.splitlines() if line.startswith(f"{label}  ")]
        assert f"{found['totals'][name]['found']} of {found['totals'][name]['there']}" in line
    assert table.splitlines()[-1].endswith(f"{found['totals']['size']['right']} of {found['totals']['size']['pairs']}")


def test_the_words_on_paintings_are_what_was_counted():
    totals = outside.paintings()["totals"]
    found = {name: total["found"] for name, total in totals.items()}
    notebook = nbformat.read(find_notebooks(FOLDER, "06")[0], as_version=4)
    text = next(cell.source for cell in notebook.cells if cell.id == "paintings-after")
    assert f"by itself, it puts {found['student, shown']} pelvises right" in text
    assert f"finds {found['estimator']}; given the boxes, {found['estimator, shown']}." in text


def test_the_figure_of_paintings_shows_marks_and_what_was_found():
    found = outside.paintings()
    entry = next(entry for entry in found["pictures"] if entry["painting"] == outside.SHOWN[0])
    axis = outside.paintings_figure(found).axes[0]
    drawn = {line.get_label(): np.column_stack(line.get_data()) for line in axis.lines}
    np.testing.assert_allclose(drawn["napa pose"], np.array(entry["estimator"]["roots"]).reshape(-1, 2))
    assert len(drawn["marked"]) == entry["estimator"]["there"]


def test_tables_of_video_and_speed_say_what_was_measured():
    found, fast = outside.video(), outside.speed()
    seed = {"pck": 12.0, "pck_matched": 20.0, "pck_2d": 30.0, "pck_2d_matched": 60.0, "matched": 70, "people": 160}
    rows = {"distl": [seed, {**seed, "pck": 13.0, "matched": 72}, seed], "recon": [{**seed, "pck": 14.0}] * 3}
    lines = outside.video_table(found, rows, {"distl": [fake(29.0)] * 3}).splitlines()
    assert lines[3].split()[2:8] == ["71", "of", "160", "12.3", "±", "1.4"] and lines[3].endswith(" 29.0")
    first = next(line for line in lines if line.startswith("napa pose"))
    assert (
        f"{found['estimator']['matched']} of {found['estimator']['people']}  {found['estimator']['pck']:.1f}" in first
    )
    table = outside.speed_table(fast)
    assert f"{fast['ways']['student']['parameters'] / 1e6:.1f}" in table.splitlines()[2] and "21.2" in table


def test_each_view_of_the_video_has_a_panel_with_both_people_from_the_others():
    axes = outside.video_figure().axes
    assert len(axes) == 4 and all(len(axis.lines) >= 20 for axis in axes)


def test_a_change_has_a_star_where_its_interval_leaves_zero_out():
    found = {"ways": {name: {"matched": 3, "people": 4, "false": 1, "pck": 30.0, "pck_matched": 40.0,
                             "pck_absolute": 20.0, "gain": {"mean": gain, "half_width_95": 2.0}}
                      for name, gain in (("student", 0.0), ("second stage", 2.1), ("estimator", -1.9))}}  # fmt: skip
    lines = outside.composed_table(found).splitlines()
    assert "+2.1 ± 2.0 *" in lines[2] and "-1.9 ± 2.0" in lines[3] and "*" not in lines[3] and "±" not in lines[1]
    shipped = outside.composed_table(outside.composed())
    assert f"{outside.composed()['ways']['second stage']['pck']:.1f}" in shipped
