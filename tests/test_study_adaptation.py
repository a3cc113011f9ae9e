"""Lesson 07: other right and other wrong answers, pictures and tables that show what they say."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")


from napa_lib import adaptation
from napa_lib.adaptation import GeneratorConfig, KeypointRegressor, Pool, PoseStyleGAN, StyleTransfer, Target
from napa_lib.adaptation.faces import TURNED
from napa_lib.adaptation.measure import SCALES, UNIONS, VARIANTS
from napa_lib.skeletons import FACE68
from napa_lib.study.exercises import judge
from napa_lib.study.lessons.lesson_07 import EXERCISES, faces, live, pictures, protocols, reading, tables

RNG = np.random.default_rng(0)
BY_ID = {exercise.id[-1]: exercise for exercise in EXERCISES}
SMALL = GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(12, 8, 6))


# Right in three styles: a loop, NumPy, the library or another formula ----------------------------------------------


def mixup_numpy(shots, n):
    array = shots.numpy()
    pairs = np.stack([RNG.choice(len(array), 2, replace=False) for _ in range(n)])
    ratio = RNG.uniform(size=(n, 1, 1))
    return array[pairs[:, 1]] + ratio * (array[pairs[:, 0]] - array[pairs[:, 1]])


def mixup_lerp(shots, n):
    order = torch.rand(n, len(shots)).argsort(1)
    return torch.lerp(shots[order[:, 0]], shots[order[:, 1]], torch.rand(n, 1, 1))


def tau_loop(styles, blocks):
    changed = []
    for layer, style in enumerate(styles, 1):
        if layer in blocks:
            changed.append(torch.stack([blocks[layer] @ row for row in style]))
        else:
            changed.append(style.clone())
    return changed


def tau_library(styles, blocks):
    transfer = StyleTransfer([s.shape[1] for s in styles], tuple(blocks))
    with torch.no_grad():
        for layer, block in blocks.items():
            transfer.blocks[str(layer)].copy_(block)
        return transfer(styles)


def tau_numpy(styles, blocks):
    return [s.numpy() @ blocks[i].numpy().T if i in blocks else s.numpy() for i, s in enumerate(styles, 1)]


def fit_closed(draw, styles, wanted, steps, rate):
    """The slope by the chain rule, for whatever `draw` is."""
    U = torch.eye(styles.shape[1])
    for _ in range(steps):
        moved = (styles @ U.T).requires_grad_(True)
        (slope,) = torch.autograd.grad(torch.nn.functional.mse_loss(draw(moved), wanted), moved)
        U = U - rate * slope.T @ styles
    return U


def fit_functional(draw, styles, wanted, steps, rate):
    slope = torch.func.grad(lambda U: (draw(torch.einsum("ij,bj->bi", U, styles)) - wanted).square().mean())
    U = torch.eye(styles.shape[1])
    for _ in range(steps):
        U = U - rate * slope(U)
    return U.tolist()


def fit_list(draw, styles, wanted, steps, rate):
    U = [torch.eye(styles.shape[1])]
    while len(U) <= steps:
        last = U[-1].clone().requires_grad_(True)
        torch.mean((wanted - draw(styles @ last.T)) ** 2).backward()
        U.append(last.detach() - rate * last.grad)
    return U[-1].double()


RIGHT = {
    "1": (mixup_numpy, mixup_lerp, adaptation.pose_mixup),
    "2": ((0, 0.5, 0.707), np.array([0.0, 0.5, 0.71]), torch.tensor([0.0, 0.5, 0.7071])),
    "3": (tau_loop, tau_library, tau_numpy),
    "4": (fit_closed, fit_functional, fit_list),
    "5": ((2.0, -2.0, 0.0), np.array([2, -2, 0]), torch.tensor([2, -2, 0])),
    "6": (
        lambda targets: targets[[5] * 200],
        lambda targets: targets[:1].expand(200, -1, -1).numpy() + 1e-4,
        lambda targets: torch.stack([targets[7]] * 100 + [targets[8]] * 100),
    ),
}

# Wrong in new ways, with a sentence that names what is wrong -------------------------------------------------------
WRONG = {
    "1": ((lambda shots, n: shots[torch.randint(len(shots), (n,))], "copies of a shot"),
          (lambda shots, n: mixup_lerp(shots, n)[:-1], "shape"),
          (lambda shots, n: mixup_lerp(shots, n) * 0.9, "do not add up")),
    "2": (([0, 0.5, 0.25], "How far is that from"), ([0, 0.5], "shape"),
          (["none", "half", "more"], "should be numbers")),
    "3": ((lambda styles, blocks: tau_loop(styles, blocks)[::-1], "shape"),
          (lambda styles, blocks: torch.cat(tau_loop(styles, blocks), 1), "return a list"),
          (lambda styles, blocks: [2 * s for s in tau_loop(styles, blocks)], "all others as they are")),
    "4": ((lambda d, s, w, n, r: fit_closed(d, s, w, n + 1, r), "start there"),
          (lambda d, s, w, n, r: fit_closed(d, s, w, n, r / 10), "U minus rate times it"),
          (lambda d, s, w, n, r: fit_closed(d, s, w, n, r)[0], "shape")),
    "5": (([2, -2, 2.5], "the mean of all wanted numbers"), ([4, -4, 0], "the same multiple"), (2, "shape")),
    "6": ((lambda t: t[:1].repeat(100, 1, 1), "shape"),
          (lambda t: torch.zeros(200, 15, 2), "no crowd of target poses"),
          (lambda t: t[::3].repeat(10, 1, 1), "use far fewer")),
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


# Pictures and tables -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    return PoseStyleGAN(SMALL).eval(), KeypointRegressor(3, 8, 1).eval()


def some_poses(n, seed=0):
    return adaptation.source_poses(n, torch.Generator().manual_seed(seed))


def some_target():
    return Target("some", some_poses(20, 1), some_poses(20, 2))


def test_only_the_chosen_blocks_are_taken():
    transfer = StyleTransfer((4, 4, 4), (1, 3))
    with torch.no_grad():
        for block in transfer.blocks.values():
            block.mul_(2)
    part = live.only(transfer, (3,))
    assert bool((part.blocks["1"] == torch.eye(4)).all()) and bool((part.blocks["3"] == 2 * torch.eye(4)).all())
    assert bool((transfer.blocks["1"] == 2 * torch.eye(4)).all())  # the one that was given stays
    with pytest.raises(ValueError, match="among"):
        live.only(transfer, (2,))


def test_switches_name_their_layers(parts):
    source, regressor = parts
    transfer = StyleTransfer(source.widths, (1, 3))
    draw = pictures.layer_switches(source, regressor, transfer, some_target(), source.noise(9, torch.Generator()))
    assert pictures.switched_on({"layers12": "off", "layers34": "on"}) == (3, 4)
    title = draw(layers1="on", layers3="off")._suptitle.get_text()
    assert title.startswith("Blocks that are on: 1.") and "Energy distance" in title
    assert "this is the source" in pictures.layers_words(layers12="off", layers34="off")


def test_random_pairs_flatten_the_cloud_and_near_ones_do_not():
    clouds = live.paired_clouds()
    area = {name: float(torch.linalg.det(mapped.T.cov())) ** 0.5 for name, mapped in clouds.mapped.items()}
    wanted = float(torch.linalg.det(clouds.wanted.T.cov())) ** 0.5
    assert area["random"] < 0.3 * wanted and 0.6 * wanted < area["nearest"] < 1.7 * wanted


def test_a_short_adaptation_changes_all_layers(parts):
    source, _ = parts
    pool = Pool(source.noise(20, torch.Generator().manual_seed(0)), some_poses(20))
    found = live.adapt_here(source, pool, some_poses(5, 3), 2)
    assert found.generator.transfer.layers == tuple(range(1, 7)) and len(found.mixed) == 10


def test_an_arm_half_way_between_opposite_ones_has_no_length():
    shots = some_poses(2)
    left = [adaptation.STICKS.index(name) for name in pictures.ARM]
    shots[0, left] = torch.tensor([[0.0, 0.0], [0.0, 0.4], [0.0, 0.7]])
    shots[1, left] = -shots[0, left]
    assert pictures.arm_length(shots[0]) == pytest.approx(0.7)
    page = pictures.mixup_page(shots, 1, 2, 0.5)
    assert page.axes[1].get_title() == "mixed: left arm 0.00"
    assert "25%" in pictures.mixup_words(1, 2, 0.25)


def test_pictures_have_a_panel_a_pose(parts):
    source, regressor = parts
    z = source.noise(4, torch.Generator().manual_seed(0))
    assert len(pictures.drawings_figure({"a": source, "b": source}, z).axes) == 8
    assert len(pictures.bottleneck_figure(source, regressor, z).axes) == 12
    assert len(pictures.poses_figure({"a": some_poses(3), "b": some_poses(2)}).axes) == 6
    target = some_target()
    page = pictures.map_figure({"source": some_poses(9), "mixup": some_poses(9, 4)}, target.held_out)
    assert [text.get_text() for text in page.legends[0].get_texts()] == ["target", "source", "mixup"]
    assert len(page.axes) == 2 and not any(axis.get_title() for axis in page.axes)
    title = pictures.crowds_figure({"all": target.held_out}, target).subfigs[0]._suptitle.get_text()
    assert "nearest 0.00" in title and "coverage 100%" in title


def results_of(adapted, mixup=(0.2, 0.2, 0.2)):
    def entry(distance):
        return {"mmd": distance, "energy": distance, "coverage": 0.5}

    def errors(px):
        return {"px": px, "pck10": 0.5, "pck20": 0.75}

    runs = []
    for a, m in zip(adapted, mixup, strict=True):
        kinds = {"source": entry(0.5), "mixup": entry(m), "adapted": entry(a), "pool": entry(0.05)}
        detectors = {"direct": errors(6.0), "mixup": errors(5.0), "ours": errors(4.0), "aligned": errors(2.0)}
        runs.append({"distances": kinds, "detector": detectors})
    return {"Seated": runs, "Squat": runs, "something else": []}


def test_nearer_is_counted_and_sure_only_where_zero_is_left_out():
    assert tables.nearer(results_of((0.1, 0.11, 0.09)), "mixup") == (2, 2)
    assert tables.nearer(results_of((0.0, 0.1, 0.35)), "mixup") == (2, 0)  # nearer on the mean, not surely
    assert tables.nearer(results_of((0.3, 0.31, 0.29)), "mixup") == (0, 0)


def test_tables_hold_means_over_targets():
    runs = results_of((0.1, 0.11, 0.09))
    text = tables.distances_table(runs)
    assert "Seated" in text and "0.500 ± 0.000" in text and "0.100 ± 0.000" in text
    changes = tables.changes_table(runs)
    assert "-0.400 ± 0.000 *" in changes and "2 of 2" in changes
    detectors = tables.detector_table(runs)
    assert "-2.00 ± 0.00 *" in detectors and "12.66" in detectors


def test_the_figure_of_distances_shows_them_and_the_guess():
    axis = pictures.distances_figure(results_of((0.1, 0.11, 0.09)), 0.3).axes[0]
    adapted = axis.containers[2].lines[0].get_xdata()
    np.testing.assert_allclose(adapted, [0.1, 0.1], atol=1e-12)
    assert any(np.allclose(line.get_xdata(), 0.3) for line in axis.lines)


def test_the_table_of_ways_is_paired_with_our_own():
    def run(distance):
        common = {"mmd": distance, "energy": distance, "loss": 1.0}
        return {"variant": {"a": common, "b": {**common, "loss": 3.0}}}

    base, other = [run(d) for d in (0.1, 0.2, 0.3)], [run(d) for d in (0.2, 0.3, 0.4)]
    runs = {name: other for name in tables.WAYS} | {"all": base}
    text = tables.variants_table(runs, "layer 3")
    assert "+0.100 ± 0.000 *" in text and "2.0" in text and "4.50" in text
    assert text.count("◆") == 1 and "layer 3 ◆" in text
    assert set(VARIANTS) - set(tables.WAYS) == {f"layer{number}" for number in range(1, 9)} - {"layer3"}


def test_the_curve_has_a_point_a_layer_and_its_interval_over_seeds():
    def run(loss):
        return {"variant": {"a": {"loss": loss, "energy": loss / 10}, "b": {"loss": loss + 2, "energy": loss / 10}}}

    runs = {f"layer{n}": [run(10 * n + d) for d in (-1, 0, 1)] for n in range(1, 9)} | {"all": [run(5)]}
    assert tables.curve(runs, "loss") == [[10 * n, 10 * n + 1, 10 * n + 2] for n in range(1, 9)]
    page = pictures.layers_figure(runs, 6.0)
    left, right = page.axes
    page.canvas.draw()
    for axis in page.axes:  # all words are whole
        place = axis.get_tightbbox()
        assert 0 <= place.x0 < place.x1 <= page.bbox.width and 0 <= place.y0 < place.y1 <= page.bbox.height
    assert any(np.allclose(line.get_xdata(), 6.0) for line in left.lines)
    np.testing.assert_allclose(left.containers[0].lines[0].get_ydata(orig=False), [10 * n + 1 for n in range(1, 9)])
    np.testing.assert_allclose(right.containers[0].lines[0].get_ydata(orig=False), range(1, 9))
    bars = left.containers[0].lines[2][0].get_segments()[0]
    assert bars[1, 1] - bars[0, 1] == pytest.approx(2 * 4.302653 / np.sqrt(3))  # Student's t of two degrees


def test_faces_are_paired_target_by_target():
    def run(kinds, shift):
        return [{
            "distances": {poses: {"mmd": mmd + shift} for poses, _, mmd, _ in kinds},
            "detector": {notes: {"px": px + shift, "pck10": 0.5, "pck20": 0.75} for _, notes, _, px in kinds},
        }]  # fmt: skip

    plain = (("source", "direct", 0.9, 8.0), ("mixup", "mixup", 0.4, 5.0), ("adapted", "ours", 0.3, 6.0),
             ("pool", "aligned", 0.1, 4.0))  # fmt: skip
    runs = {name: run(plain, 0.1 * i) for i, name in enumerate(TURNED)}
    taught = (("mixup", "direct", 0.5, 8.5), ("wide", "wide", 0.2, 5.5))  # paired with those of its own runs
    runs |= {f"reading_{name}": run(taught, 0.1 * i) for i, name in enumerate(TURNED)}
    rows = {line.split("  ")[0]: line for line in faces.faces_table(runs).splitlines()}
    assert "+0.500 ± 0.000 *" in rows["Direct: the source, with mixed"]
    found = rows["Ours: taught and widened"]
    assert "-0.300 ± 0.000 *" in found and "-3.00 ± 0.00 *" in found
    assert "+0.50 ± 0.00 *" in found  # 5.5 px, where a detector has 5.0 that learned from mixed faces alone
    assert "11.64, 0.482" in rows["Ours: adapted, with mixed"] and len(rows) == 1 + len(faces.ROWS)
    assert "75 ± 0" in found and "PCK@20 (%)" in rows["faces"]  # the paper's table 3 is at 20 %


def test_faces_that_ship_turn_and_are_drawn_in_two_rows():
    network, regressor = adaptation.load_pretrained_faces()
    noises = network.source.noise(6, torch.Generator().manual_seed(1))
    page = pictures.faces_figure(network, regressor, noises)
    assert len(page.axes) == 2 * 6
    poses = {name: adaptation.read_poses(model, regressor, noises) for name, model in
             (("ahead", network.source), ("left", network))}  # fmt: skip
    tip, chin = FACE68.index("nose_tip"), FACE68.index("chin")
    cheeks = [FACE68.index(f"{side}_jaw_0") for side in ("l", "r")]
    for name, low, high in (("ahead", 0.4, 0.6), ("left", 0.0, 0.35)):  # how near the nose is to the left cheek
        left, right = ((poses[name][:, tip, 0] - poses[name][:, cheek, 0]).abs() for cheek in cheeks)
        assert low < float((left / (left + right)).mean()) < high
        assert bool((poses[name][:, chin, 1] > poses[name][:, tip, 1]).all())


def test_more_adapted_poses_are_compared_with_the_fewest():
    def run(*errors):
        return {"scale": {"a": {f"{n}": {"px": e} for n, e in zip(SCALES, errors, strict=True)}}}

    text = reading.scale_table({"scale": [run(6.0, 5.0, 4.0), run(7.0, 6.0, 5.5)]})
    rows = text.splitlines()
    assert "-1.00 ± 0.00 *" in rows[2] and "121 thousand" in rows[3] and len(rows) == 4


def test_steps_from_mixed_poses_to_adapted_ones_are_counted_against_the_mixed():
    def run(adapted):
        kinds = {kind: {"mmd": 0.5, "energy": 0.25, "coverage": 0.5} for kind in reading.STEPS}
        kinds["adapted"] = {**kinds["adapted"], "mmd": adapted}
        detectors = {kind: {"px": px, "pck10": 0.5} for kind, px in (("direct", 6.0), ("wide", 4.5))}
        later = {kind: {"px": px + 9, "pck10": 0.5} for kind, px in (("direct", 6.0), ("wide", 4.5))}
        moved = {"read": 0.01, "fitted": 0.05, "taught": 0.02}
        first = {"distances": kinds, "moved": moved, "detector": detectors}
        return [first, {**first, "detector": later}]

    def smear(mmd):
        kinds = {kind: {"mmd": 0.5, "energy": 0.25, "coverage": 0.5} for kind in reading.SMEARED}
        kinds |= {"source": {**kinds["source"], "mmd": 0.9}, "smeared": {**kinds["smeared"], "mmd": mmd}}
        return [{"distances": kinds, "detector": {"smeared": {"px": 4.0, "pck10": 0.5}}}]

    runs = {f"reading_{name}": run(0.4 if name < "S" else 0.6) for name in tables.MEASURED_ON}
    runs |= {f"smeared_{name}": smear(0.4 if name < "T" else 0.6) for name in tables.MEASURED_ON}
    rows = {line.split("  ")[0]: line for line in reading.reading_table(runs).splitlines()}
    assert f"{sum(name < 'S' for name in tables.MEASURED_ON)} of 10" in rows["any noise, adapted"]
    assert "5.0 ± 0.0" in rows["their noises, adapted"] and " of 10" not in rows["mixed"]
    assert "(◆ 7)" not in "".join(rows.values()) and "0 of 10 (◆ 7)" in reading.reading_table(runs, 7.0)
    assert "-1.50 ± 0.00 *" in reading.taught_table(runs) and "-2.00 ± 0.00 *" in reading.taught_table(runs)
    coarse = {line.split("  ")[0]: line for line in reading.smeared_table(runs).splitlines()}
    words = coarse["all of these, smeared"].split("  ")
    assert [word.strip() for word in words if " of 10" in word] == ["10 of 10", "4 of 10"]  # of source, of mixed
    assert "-0.400 ± 0.000 *" in coarse["mixed, smeared"] and coarse["mixed"].count(" of 10") == 1


def test_two_protocols_stand_beside_each_other():
    def run(mixed, smeared):
        kinds = {kind: {"mmd": 0.5, "energy": 0.25, "coverage": 0.5} for kind in reading.SMEARED}
        kinds |= {"mixup": {**kinds["mixup"], "mmd": mixed}, "smeared": {**kinds["smeared"], "mmd": smeared}}
        return {"distances": kinds}

    runs = {f"smeared_{name}": [run(0.3, 0.1), run(0.3, 0.3)] for name in tables.MEASURED_ON}
    runs |= {f"smeared_{name}": [run(0.04, 0.01), run(0.05, 0.022)] for name in UNIONS}
    one, six = (line.split("  ") for line in protocols.protocols_table(runs).splitlines()[1:])
    assert "0.300 ± 0.000" in [cell.strip() for cell in one] and "0.045 ± 0.000" in [cell.strip() for cell in six]
    page = protocols.protocols_figure(runs, 7.0)
    counts = [[text.get_text() for text in axis.texts] for axis in page.axes]
    assert counts[0] == ["0 of 10"] * 3 + ["10 of 10", "0 of 10"]
    assert counts[1] == ["0 of 10"] * 2 + ["0 of 10 (◆ 7)", "10 of 10", "0 of 10"]
    rows = [label.get_text() for label in page.axes[0].get_yticklabels()]
    for axis, times in zip(page.axes, (2 / 3, 16 / 45), strict=True):
        drawn = [line.get_xydata() for line in axis.lines]
        ours = drawn[rows.index("adapted, smeared")]
        assert ours[:, 0] == pytest.approx(np.full(10, times)) and len(set(ours[:, 1])) == 10  # none hides another
        assert ours[:, 1].mean() == pytest.approx(rows.index("adapted, smeared"))
    lines = protocols.unions_table(runs).splitlines()
    assert len(lines) == 1 + len(UNIONS) and all(line.count("*") == 2 for line in lines[1:])
    assert "-0.029 ± 0.013 *" in lines[1] and lines[-1].startswith("fifteen")
    assert "10 of 10" in reading.smeared_table(runs, protocols.PROTOCOLS["six activities"]).splitlines()[7]


def test_spread_is_a_root_mean_square_in_per_cent_of_the_side():
    poses = np.random.default_rng(0).normal(size=(50, 15, 2))
    apart = poses - poses.mean(0)
    expected = 100 * np.sqrt((apart**2).sum(2).mean()) / 2  # the side is 2 long
    assert protocols.spread(torch.from_numpy(poses)) == pytest.approx(expected)


def test_neighbours_are_judged_over_targets_and_paired_with_the_adapted():
    def run(shift):
        told = {"source": 1.0, "mixup": 0.9, "adapted": 0.8 + shift, "pool": 0.6}
        return {"neighbours": {name: {"told_apart": told} for name in tables.MEASURED_ON}}

    text = tables.neighbours_table({"neighbours": [run(-0.05), run(0.05)]})
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "100.0 ± 0.0" in rows["source"] and "+20.0 ± 0.0 *" in rows["source"] and "10 of 10" in rows["source"]
    assert "80.0 ± 0.0" in rows["adapted"] and "-20.0 ± 0.0 *" in rows["first half itself"]


def test_the_studios_table_has_chapter_3s_rows_and_its_own():
    def run(error, steps=1250):
        return {"errors": {"all": {"percent": error + 1, "percent_flips": error}}, "steps": steps}

    theirs = {name: [run(9.0)] for name in ("ours_poses50", "ours_poses50_stirred")} | {"ours": [run(4.0, 1000)] * 3}
    ours = {"studio_mixup": [run(6.0), run(6.5)], "studio_flexpose": [run(7.0), run(7.5)]}
    ours |= {"studio_direct": [run(8.0)], "studio_ours": [run(5.0)]}
    text = tables.studio_table(ours, theirs, "mixed")
    assert "mixed ◆" in text and text.count("◆") == 1
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "8.00 (one run)" in rows["Direct"] and "5.00 (one run)" in rows["Ours"]
    assert "9.00 (one run)" in text and "10.00 (one run)" in text and "1,000" in text
    assert "7.00 and 7.50" in text and "4.00 ± 0.00" in text  # two runs are shown both, three have an interval
    kinds = {kind: {"energy": 0.25, "coverage": 0.5} for kind in tables.MADE}
    made = tables.made_table({"distances": {**kinds, "source": {"energy": 0.5, "coverage": 0.125}}})
    assert made.count("0.250") == len(tables.MADE) - 1 and made.splitlines()[-1].split() == ["source", "0.500", "12"]


def test_a_person_is_drawn_in_each_pose():
    poses = adaptation.source_poses(3, torch.Generator().manual_seed(0))
    one, other = live.person_in(poses), live.person_in(poses, person=4)
    assert tuple(one.pictures.shape) == (3, 3, 64, 64) and tuple(one.drawn.shape) == (3, 1, 64, 64)
    torch.testing.assert_close(one.drawn, other.drawn)  # the pose is the same, the person is not
    assert float((one.pictures - other.pictures).abs().mean()) > 0.01 and not torch.equal(one.person, other.person)
    lit = one.drawn[:, 0] > 0.5  # the picture changes where the figure is, not where the wall is
    change = (one.pictures[0] - one.pictures[1]).abs().mean(0)
    assert float(change[lit[0] ^ lit[1]].mean()) > 3 * float(change[~lit[0] & ~lit[1]].mean())
    page = pictures.posed_figure({"a": one, "b": other})
    assert len(page.axes) == 2 * 2 * 4


def test_anybody_is_drawn_where_no_person_is_asked_for():
    poses = adaptation.source_poses(3, torch.Generator().manual_seed(0))
    posed = live.anybody_in(poses)
    torch.testing.assert_close(posed.drawn, live.person_in(poses).drawn)
    assert posed.person is None and tuple(posed.pictures.shape) == (3, 3, 64, 64)
    lit = posed.drawn[:, 0] > 0.5
    change = (posed.pictures[0] - posed.pictures[1]).abs().mean(0)
    assert float(change[lit[0] ^ lit[1]].mean()) > 3 * float(change[~lit[0] & ~lit[1]].mean())
    assert len(pictures.posed_figure({"a": posed}).axes) == 2 * 3  # no column for a person
