"""Lesson 03's pictures and tables: what they show is what the models and the result files say."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")


from napa_lib.bottleneck import Clips, KeypointGAN, TrainingConfig, model_config
from napa_lib.bottleneck.smuggle import Smuggler
from napa_lib.skeletons import NAPA18
from napa_lib.study.lessons.lesson_03 import checks, checks_training, messages
from napa_lib.study.lessons.lesson_03 import pictures as drawn
from napa_lib.study.lessons.lesson_03 import tables as tables
from napa_lib.study.lessons.lesson_03.diagram import ARROWS, STAGES, diagram
from napa_lib.study.lessons.lesson_03.live import losses_figure, train_on


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return {rung: KeypointGAN(model_config("tiny", rung)).eval() for rung in ("cyclegan", "ours")}


@pytest.fixture
def frames():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def shown(axis):
    """The array that an axis shows."""
    (image,) = axis.images
    return np.asarray(image.get_array())


def as_shown(picture):
    return picture.clamp(0, 1).permute(1, 2, 0).numpy()


def at(figure, rows, columns):
    return np.array(figure.axes, dtype=object).reshape(rows, columns)


# Pictures


def test_first_frames_are_the_clips_own():
    images = torch.randint(0, 256, (4, 2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clips = Clips(images, torch.zeros(4, 2, 18, 2))
    torch.testing.assert_close(drawn.first_frames(clips, 3, frame=1) * 255, images[:3, 1].float())
    for count, frame in ((5, 0), (0, 0), (1, 2), (1, -1)):
        with pytest.raises(ValueError, match="count and frame"):
            drawn.first_frames(clips, count, frame)


def test_opening_shows_frames_poses_and_what_the_model_finds(models, frames):
    model = models["ours"]
    poses = torch.rand(3, 18, 2) - 0.5
    axes = at(drawn.opening_figure(model, frames, poses, frames.flip(0)), 3, 3)
    with torch.no_grad():
        found = (model.predict(frames.flip(0)) + 1) * 63 / 2
    for column in range(3):
        np.testing.assert_allclose(shown(axes[0, column]), as_shown(frames[column]), atol=1e-6)
        np.testing.assert_allclose(shown(axes[1, column]), model.draw(poses[[column]])[0, 0].numpy(), atol=1e-6)
        np.testing.assert_allclose(shown(axes[2, column]), as_shown(frames[2 - column]), atol=1e-6)
        dots = [line.get_xydata()[0] for line in axes[2, column].lines if len(line.get_xdata()) == 1]
        np.testing.assert_allclose(dots, found[column], atol=1e-4)


def test_leak_figure_shows_what_each_generator_is_given(models, frames):
    page = drawn.leak_figure(models, frames[:1], frames[1:2])
    axes = at(page, 3, 3)
    with torch.no_grad():
        for column, model in enumerate(models.values(), 1):
            one = model(frames[:1], frames[1:2])
            np.testing.assert_allclose(shown(axes[0, column]), one.seen[0, 0].numpy(), atol=1e-5)
            np.testing.assert_allclose(shown(axes[2, column]), as_shown(one.image[0]), atol=1e-5)
    np.testing.assert_allclose(shown(axes[0, 0]), as_shown(frames[0]), atol=1e-6)
    np.testing.assert_allclose(shown(axes[1, 0]), as_shown(frames[1]), atol=1e-6)
    bright = shown(axes[1, 1])  # the untrained CycleGAN's picture is nearly flat, its contrast is not
    assert bright.std() > 10 * shown(axes[0, 1]).std()
    page.canvas.draw()
    sides = [axis.get_window_extent().width for axis in axes[:, 1:].flat]
    assert min(sides) >= 240  # pixels: faint traces are to be seen


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("h.mean(1).softmax(1)", "h.mean(2).softmax(1)"),
        ("h.softmax(2).mean(1)", "h.softmax(1).mean(2)"),
        ("h.softmax(2).sum(1)", "h.softmax(1).sum(2)"),
        ("h.softmax(1).softmax(2).sum(1)", "h.softmax(1).softmax(2).sum(2)"),
    ],
)
def test_a_softmax_for_each_axis_is_told(x, y):
    def my_expectation(h):
        over_x, over_y = eval(x), eval(y)
        columns, rows = (torch.linspace(-1, 1, h.shape[axis]) for axis in (2, 1))
        return torch.stack([over_x @ columns, over_y @ rows], 1)

    assert "one softmax an axis" in checks.check_expectation(my_expectation).message


def test_swap_takes_poses_from_the_top_and_looks_from_the_left(models, frames):
    model = models["ours"]
    axes = at(drawn.swap_figure(model, frames, frames[:2]), 3, 4)
    with torch.no_grad():
        expected = model(frames[[2]], frames[[1]]).image[0]
    np.testing.assert_allclose(shown(axes[2, 3]), as_shown(expected), atol=1e-5)
    np.testing.assert_allclose(shown(axes[0, 3]), as_shown(frames[2]), atol=1e-6)
    np.testing.assert_allclose(shown(axes[2, 0]), as_shown(frames[1]), atol=1e-6)


def test_edit_moves_one_keypoint_by_whole_pixels(models, frames):
    axes = at(drawn.edit_figure(models["ours"], frames[:1], "l_wrist", 5.0, -3.0), 1, 4)
    before, after = (
        np.array([line.get_xydata()[0] for line in axes[0, i].lines if len(line.get_xdata()) == 1]) for i in (0, 1)
    )
    expected = np.zeros((18, 2))
    expected[NAPA18.index("l_wrist")] = 5, -3
    np.testing.assert_allclose(after - before, expected, atol=1e-4)
    assert np.abs(shown(axes[0, 3]) - shown(axes[0, 2])).max() > 0
    with pytest.raises(ValueError, match="tail"):
        drawn.edit_figure(models["ours"], frames[:1], "tail", 0.0, 0.0)


def test_film_shows_its_snapshots_in_order(frames):
    keypoints = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 18, 2) + 10
    film = drawn.Film(frames, keypoints, (0, 10, 20, 40, 80))
    single = drawn.film_frame(film, 3)
    assert single.axes[0].lines[-1].get_xdata()[0] == 13 and "40" in single._suptitle.get_text()


@pytest.mark.parametrize("shape", [(4, 3, 18, 2), (5, 2, 18, 2), (5, 3, 17, 2)])
def test_film_refuses_keypoints_that_do_not_fit(frames, shape):
    with pytest.raises(ValueError, match="keypoints"):
        drawn.Film(frames, torch.zeros(shape), (0, 1, 2, 3, 4))


def test_film_of_a_result_shows_its_keypoints_on_the_validation_clips():
    images = torch.randint(0, 256, (4, 2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = torch.rand(2, 3, 18, 2).tolist()
    record = [{"step": 5, "examples": found[0]}, {"step": 6}, {"step": 9, "examples": found[1]}]
    film = drawn.film_of({"command": "train", "record": record}, Clips(images, torch.zeros(4, 2, 18, 2)))
    assert film.steps == (5, 9)
    torch.testing.assert_close(film.frames * 255, images[:3, 0].float())
    torch.testing.assert_close(film.keypoints, torch.tensor(found))
    with pytest.raises(ValueError, match="examples"):
        drawn.film_of({"command": "train", "record": [{"step": 6}]}, Clips(images, torch.zeros(4, 2, 18, 2)))


# The diagram


def test_the_diagram_grows_and_ends_with_every_part():
    parts = [set(stage.parts.split()) for stage in STAGES.values()]
    new = [set(stage.new.split()) for stage in STAGES.values()]
    assert all(now <= shown for now, shown in zip(new, parts, strict=True))
    assert parts[0] <= parts[1] and set.union(*parts) == parts[-1]
    ends = {end for arrow in ARROWS for end in arrow}
    assert parts[-1] == ends  # no part without an arrow, no arrow to nowhere


def test_the_diagram_shows_what_the_model_makes_of_one_frame(models, frames):
    pose = torch.rand(1, 18, 2) - 0.5
    axis = diagram(models["ours"], "whole", frames[:1], frames[1:2], pose).axes[0]
    with torch.no_grad():
        one = models["ours"](frames[:1], frames[1:2])
        expected = [frames[0], one.skeleton[0], one.seen[0], one.image[0], models["ours"].draw(pose)[0], frames[1]]
    assert len(axis.images) == len(expected)
    for image, wanted in zip(axis.images, expected, strict=True):
        np.testing.assert_allclose(np.asarray(image.get_array()), as_shown(wanted).squeeze(), atol=1e-5)
    bypass = diagram(models["cyclegan"], "translate", frames[:1], frames[1:2], pose).axes[0]
    assert [text.get_text() for text in bypass.texts].count("every pixel of y passes") == 1
    with pytest.raises(ValueError, match="stage"):
        diagram(models["ours"], "last", frames[:1], frames[1:2], pose)


# The message

ERRORS = {
    "as drawn": {"person_hue": 0.2, "wall_hue": 0.6},
    "blurred": {"person_hue": 0.1, "wall_hue": 0.1},
    "through the keypoints": {"person_hue": 0.0, "wall_hue": 0.02},
}


def test_message_is_shown_thirty_times_as_strong(models):
    smuggler = Smuggler(models["cyclegan"]).eval()
    images = torch.randint(0, 256, (2, 1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    axes = at(messages.message_figure(smuggler, Clips(images, torch.zeros(2, 1, 18, 2))), 2, 6)
    y, message = shown(axes[1, 1])[..., 0], shown(axes[1, 2])[..., 0]
    with torch.no_grad():
        bare = models["cyclegan"].image_encoder(images[1:, 0] / 255)[0, 0].numpy()
    inside = (y > 0) & (y < 1)  # what is shown is cut off at black and white
    np.testing.assert_allclose(message[inside], 0.5 + 15 * (y - bare)[inside], atol=1e-3)
    assert np.ptp(message) > 0.1


def test_bars_say_how_much_hue_is_left_and_where_the_prediction_lies():
    assert messages.hue_left(ERRORS) == pytest.approx({"as drawn": 100, "blurred": 25, "through the keypoints": 2.5})
    axis = messages.wiping_figure(ERRORS, 40.0).axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([100, 25, 2.5])
    assert axis.lines[-1].get_xydata().tolist() == [[40.0, 2.0]]
    assert not messages.wiping_figure(ERRORS, None).axes[0].lines
    assert "walls 0.60, clothes 0.20; through the keypoints: walls 0.02" in messages.wiping_words(ERRORS)


# Tables


def report(seed, flips, plain=None, r2=None, record=None):
    record = record or ((1000, 2 * flips), (2000, flips))
    errors = {"all": {"percent": plain or flips + 1, "percent_flips": flips}, "mean pose": {"percent": 20.0}}
    errors |= {"walk": {"percent_flips": flips / 2}, "dance": {"percent_flips": 2 * flips}}
    if r2 is not None:
        errors["leak"] = {"r2": r2}
    return {
        "command": f"train --seed {seed}", "seed": seed, "errors": errors,
        "record": [{"step": step, "percent_flips": percent} for step, percent in record],
    }  # fmt: skip


@pytest.fixture
def results():
    return {
        "cyclegan": [report(seed, 8.0 + seed, r2=0.5) for seed in range(3)],
        "conditional": [report(seed, 8.5 + 1.01 * seed) for seed in range(3)],
        "ours": [report(seed, 4.0 + 0.9 * seed, plain=5.0, r2=0.0) for seed in range(3)],
        "ours_poses500": [report(0, 6.0)],
        "ours_poses50": [report(0, 7.0)],
    }


def test_ladder_table_has_mean_interval_seeds_steps_and_the_papers_number(results):
    lines = tables.ladder_table(results).splitlines()
    half = 4.303 / np.sqrt(3)  # of 8, 9, 10, whose deviation is 1; Student's t with 2 degrees of freedom
    assert lines[1].split() == f"CycleGAN 10.00 +- {half:.2f} 9.00 +- {half:.2f} 0.50 +- 0.00 3 2,000 4.39".split()
    assert lines[2].split()[-4:] == ["-", "3", "2,000", "4.07"]  # no leak in these files
    assert "not measured yet" in lines[3] and lines[3].split()[-2:] == ["0", "3.01"]
    assert {line.index(cell) for line, cell in zip(lines[1:4], ("10.00", "10.51", "not"), strict=True)} == {25}


def test_steps_of_the_ladder_are_paired_by_seed_at_equal_steps(results):
    first, second, third = tables.ladder_steps(results).splitlines()[1:]
    # 0.50, 0.51, 0.52: sure, although the three runs of each rung lie one point apart
    assert "+0.51 +- 0.02" in first and first.endswith("rises") and "-0.32" in first and "2,000" in first
    assert "not measured yet" in second and "-1.06" in second
    assert "not measured yet" in third and "-0.10" in third
    two = {"cyclegan": results["cyclegan"][:2], "conditional": results["conditional"][1:]}
    assert "(one run)" in tables.ladder_steps(two).splitlines()[1]  # they share seed 1 alone
    short = [report(seed, 9.0, record=((1000, 30.0), (1500, 9.0))) for seed in range(3)]
    line = tables.ladder_steps({**results, "conditional": short}).splitlines()[1]
    assert "1,000" in line and "+12.00" in line  # 30 against 16, 18 and 20, not the ends


def test_the_second_cycle_is_judged_at_every_step(results):
    with_it = [report(seed, 9.0, record=((250, 9.0), (500, 5.0 + seed))) for seed in range(3)]
    without = [report(seed, 9.0, record=((250, 8.0 + 9 * seed), (500, 7.0 + 1.1 * seed))) for seed in range(3)]
    lines = tables.second_cycle_steps({"bottleneck": with_it, "ours": without}).splitlines()[1:]
    assert lines[0].startswith("at step 250") and lines[0].endswith("is the same within the seeds")
    assert "+2.10 +- 0.25" in lines[1] and lines[1].endswith("rises")  # 2.0, 2.1, 2.2
    assert tables.second_cycle_steps({}).count("\n") == 0


def test_changes_at_the_end_are_paired_by_seed(results):
    assert tables.paired_change(results, "cyclegan", "conditional", ("all", "percent_flips")) == "+0.51 +- 0.02"
    own = tables.paired_change(results, "ours", "ours", ("all", "percent_flips"), ("all", "percent"))
    assert own.startswith("+0.10 +- ")  # 5 without flips, and 4.0, 4.9, 5.8 with them


def test_the_leak_has_a_control_that_no_network_has_a_say_in(results):
    probe = {"leak": {"r2": -0.01}}
    control = {"true poses": probe, "true keypoints": {"leak": {"r2": 0.02}}, "found keypoints": {"leak": {"r2": 0.07}}}
    results["leak"] = [{"errors": control, "record": []}]
    lines = tables.leak_table(results).splitlines()
    assert lines[-1].startswith("no network") and "-0.01" in lines[-1] and "not measured yet" in lines[-3]
    assert lines[1].split()[:4] == ["CycleGAN", "0.50", "+-", "0.00"]
    assert tables.keypoints_leak(results) == (0.07, 0.02)


def test_mean_pose_is_compared_with_in_words(results):
    words = tables.mean_pose_words(results)
    assert "off by 20.00 % of the picture's side, 'ours' by 5.00: 4.0 +- 0.0 times better" in words
    assert tables.mean_pose_words({}) == "'ours': not measured yet"
    words = tables.mean_pose_words({"video": [report(0, 24.0)]}, tables.VIDEO[1])
    assert words.endswith("'ours, trained on in the video' by 25.00: worse than not looking at the picture.")
    eyes = {"all": {"interocular": 10.0, "percent": 3.0}, "mean pose": {"interocular": 50.0, "percent": 15.0}}
    words = tables.mean_pose_words({"faces_ours": [{"errors": eyes}]}, tables.FACE_ROWS[2], "interocular")
    assert "50.00 % of the distance between the eyes, 'ours from the start' by 10.00: 5.0" in words


def test_baselines_say_what_is_missing(results):
    lines = tables.baseline_table(results).splitlines()
    assert len(lines) == 6 and "not measured yet" in lines[1] and lines[4].endswith("23.32 / 17.61")


def test_pose_counts_come_in_order(results):
    lines = tables.pose_count_table({**results, "ours_poses50_stirred": [report(0, 6.0)]}).splitlines()[1:]
    assert lines.pop(1).split("  ")[0] == "50 poses, stirred"
    assert [line.split("poses")[0].strip() for line in lines] == ["50", "500", "all"]
    assert "7.00 (one run)" in lines[0]


def test_faces_and_video_come_from_their_own_files(results):
    face = {"errors": {"all": {"interocular": 9.0}, "regressor on top": {"interocular": 6.5}}, "record": [{"step": 7}]}
    assert tables.faces_table({"faces_bottleneck": [face]}).splitlines()[1].split()[4:6] == ["9.00", "(one"]
    assert "6.50 (one run)" in tables.faces_table({"faces_bottleneck": [face]})
    paper = [line.split()[-3:] for line in tables.faces_table({}).splitlines()[1:]]
    assert paper == [["10.10", "/", "-"], ["9.85", "/", "5.56"], ["9.85", "/", "5.56"]]
    assert "not measured yet" in tables.faces_table(results) and "not measured yet" in tables.video_table(results)
    lines = tables.video_table({**results, "video_studio": [report(0, 3.0)], "video": [report(0, 2.0)]}).splitlines()
    assert lines[0].split("  ")[-3:] == ["mean pose, with flips (%)", "seeds", "steps"]
    assert "4.00 (one run)" in lines[1] and "3.00 (one run)" in lines[2] and lines[2].count("20.00 (one run)") == 1


def test_colours_carried_over_by_model(results):
    carried = {"person_light": 0.5, "person_hue": 0.1, "wall_light": 0.75, "wall_hue": 0.25}
    one = {"errors": {"carried": carried}, "record": [{"step": 500}]}
    lines = tables.carried_table({**results, "ours_recoloured": [one]}).splitlines()
    assert len(lines) == 6 and "not measured yet" in lines[5]  # the run that ships
    assert lines[4].split("frames")[1].replace("(one run)", "").split() == ["0.50", "0.10", "0.75", "0.25", "1", "500"]


def test_motions_come_worst_first(results):
    lines = tables.motion_table(results["cyclegan"]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["dance", "walk"]
    assert lines[2].split()[1] == "4.50"


def test_curves_show_every_seed_and_their_mean(results):
    results["cyclegan"][0] = report(0, 8.0, record=((1000, 12.0), (1500, 8.0), (2000, 5.0)))
    axis = tables.curves_figure({"cyclegan": results["cyclegan"]}).axes[0]
    assert len(axis.lines) == 4  # three seeds, then their mean at the steps that all have
    # the means of 12, 18, 20 and of 5, 9, 10
    np.testing.assert_allclose(axis.lines[3].get_xydata(), [[1000, 50 / 3], [2000, 8]])
    assert axis.get_yscale() == "log"  # one seed that begins far off leaves the others apart
    with pytest.raises(ValueError, match="record"):
        tables.curves_figure({"faces": results["ours"]})


def test_ladder_figure_has_means_and_the_papers_points(results):
    left, right = tables.ladder_figure(results).axes
    np.testing.assert_allclose(right.lines[0].get_xdata(), [4.39, 4.07, 3.01, 2.91])
    assert [text.get_text() for text in left.texts] == ["not measured yet"]
    assert left.yaxis_inverted() and not [line for line in left.lines if line.get_marker() == "D"]
    left = tables.ladder_figure(results, 30.0).axes[0]
    assert left.lines[-1].get_xydata().tolist() == [[30.0, 3.0]] and left.get_xlim()[1] > 30


def test_commands_are_the_files_own(results):
    assert tables.commands(results, ["ours", "hourglass"]) == "train --seed 0"


# The learner's own forward pass and training


def test_toys_train_as_the_papers_losses_say():
    """One step of the toys against the same in plain calls, with gradients taken by hand."""
    one, other, (batch,) = checks_training.toys(), checks_training.toys(), checks_training.batches(1)
    x, x_prime, real = batch
    y, again = one.forward(x, x_prime)
    total = (again - x).square().mean() + (1 - one.critic(y)).square().mean()
    first = torch.autograd.grad(total, list(one.phi.parameters()), retain_graph=True)
    judged = (1 - one.critic(real)).square().mean() + one.critic(y.detach()).square().mean()
    second = torch.autograd.grad(judged, list(one.critic.parameters()))
    losses = checks_training.train_toys(other, [batch])
    assert losses == pytest.approx([(again - x).square().mean().item()])
    # Adam's first step is its rate along the sign of the gradient
    for name, gradients in (("phi", first), ("critic", second)):
        step = other.weights(name) - one.weights(name)
        flat = torch.cat([g.flatten() for g in gradients])
        clear = flat.abs() > 1e-5
        torch.testing.assert_close(step[clear], -checks_training.RATE * flat[clear].sign(), atol=2e-5, rtol=0)
    assert torch.equal(other.weights("eta"), one.weights("eta"))


# A training that goes on


def test_training_goes_on_where_it_stopped(models, tmp_path):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 2, 3, 64, 64), dtype=torch.uint8, generator=generator)
    clips, poses = Clips(images, torch.full((4, 2, 18, 2), torch.nan)), torch.rand(5, 18, 2, generator=generator) - 0.5
    config = TrainingConfig(model_config("tiny"), batch=2, every=1, perceptual_size=16)
    encoder = models["ours"].skeleton_encoder
    parts = [train_on(tmp_path / "parts", 1, config, clips, poses, encoder) for _ in range(2)]
    whole, record = train_on(tmp_path / "whole", 2, config, clips, poses, encoder)
    assert [[entry["step"] for entry in found] for _, found in parts] == [[1], [1, 2]]
    assert all(torch.equal(a, b) for a, b in zip(parts[1][0].parameters(), whole.parameters(), strict=True))
    axis = losses_figure(record).axes[0]
    np.testing.assert_allclose(axis.lines[1].get_xydata(), [[e["step"], e["fooling"]] for e in parts[1][1]])
    with pytest.raises(ValueError, match="more"):
        train_on(tmp_path / "none", 0, config, clips, poses, encoder)
