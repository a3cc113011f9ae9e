"""Chapter 7's measurements: what a detector sees, what is compared, and what a result holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napa_lib import results
from napa_lib.adaptation import (
    GeneratorConfig,
    KeypointRegressor,
    Pool,
    PoseStyleGAN,
    experiments,
    measure,
    source_poses,
)
from napa_lib.adaptation.adapt import Adapted
from napa_lib.adaptation.detector import DetectorConfig, detector_errors, hide, train_detector
from napa_lib.adaptation.networks import halvings_for
from napa_lib.adaptation.store import load_transfer, save_regressor, save_source

SMALL = GeneratorConfig(size=16, latent=8, mapping_layers=2, channels=(12, 8, 6))


@pytest.fixture(scope="module")
def poses():
    return source_poses(64, torch.Generator().manual_seed(0))


def test_a_box_of_a_quarter_of_the_picture_is_hidden():
    images = torch.ones(40, 1, 12, 12)
    hidden = hide(images, torch.Generator().manual_seed(0))
    gone = (hidden == 0)[:, 0].numpy()
    assert bool((images == 1).all())
    for mask in gone:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert len(rows) == len(columns) == 6 and mask.sum() == 36  # so the hidden pixels are one box
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == 5
    assert len({(int(m.any(1).argmax()), int(m.any(0).argmax())) for m in gone}) > 10


def test_detector_learns_and_is_measured_in_pixels_of_128(poses):
    config = DetectorConfig(size=16, width=8, steps=150, batch=8)
    fresh, _ = train_detector(replace(config, steps=1), poses)
    network, _ = train_detector(config, poses)
    before, after = (detector_errors(net, config, poses) for net in (fresh, network))
    assert after["px"] < 0.8 * before["px"] and after["pck20"] > before["pck20"]

    class Shifted(torch.nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def forward(self, image):
            return poses[: len(image)] + torch.tensor([self.by, 0.0])

    found = detector_errors(Shifted(0.2), config, poses)
    assert found["px"] == pytest.approx(0.1 * 127, rel=1e-4)  # a tenth of the picture's side
    assert found["pck10"] == 0.0 and found["pck20"] == 1.0  # 0.2 of 1.6, an eighth of the figure's box
    assert detector_errors(Shifted(0.15), config, poses)["pck10"] == 1.0
    assert detector_errors(Shifted(0.33), config, poses)["pck20"] == 0.0


def test_a_halving_a_power_of_two():
    assert [halvings_for(size) for size in (8, 16, 32, 64, 128)] == [1, 1, 2, 3, 3]


def test_each_detector_learns_from_the_poses_that_its_name_says(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    sources, mixed, sampled = (source_poses(count, generator) for count in (30, 25, 40))
    target, seen = measure.recorded_target("T"), []
    monkeypatch.setattr(measure, "ANNOTATIONS", 20)
    monkeypatch.setattr(measure, "adapt_to", lambda *_: (Adapted(None, mixed, [{"perceptual": 1.0}]), sampled))
    monkeypatch.setattr(measure, "train_detector", lambda config, poses: (seen.append(poses), None))
    monkeypatch.setattr(measure, "detector_errors", lambda *_: len(seen))
    parts = measure.Parts(None, None, Pool(None, sources), None, None)
    found = measure.measure_target("T", parts, 0)["detector"]
    learned = {kind: seen[number - 1] for kind, number in found.items()}
    torch.testing.assert_close(learned["direct"], torch.cat([sources[:20], mixed]))
    torch.testing.assert_close(learned["mixup"], mixed)
    torch.testing.assert_close(learned["ours"], torch.cat([sampled[:20], mixed]))
    torch.testing.assert_close(learned["aligned"], target.pool)


def test_results_hold_what_was_asked_for(tmp_path, monkeypatch):
    torch.manual_seed(0)
    for name in ("warm", "source", "warm_artificial", "warm_union", "warm_faces"):
        save_source(tmp_path / f"{name}.safetensors", PoseStyleGAN(SMALL))
    save_regressor(tmp_path / "beta.safetensors", KeypointRegressor(3, 8, 1))
    save_regressor(tmp_path / "beta_faces.safetensors", KeypointRegressor(3, 8, 1, 68))
    for name, value in (
        ("CHOSEN_ON", ("Stand",)), ("POOL", 30), ("SAMPLES", 20), ("ANNOTATIONS", 20),
        ("ADAPTATION", replace(measure.ADAPTATION, mixed=25, steps=2, batch=4)),
        ("SCALES", (5, 10)), ("DETECTOR", DetectorConfig(size=16, width=8, steps=2, batch=4)),
    ):  # fmt: skip
        monkeypatch.setattr(measure, name, value)
    monkeypatch.setattr(experiments, "SHIPPED", {"bodies": ("Stand",), "faces": ("face_up",)})

    def run(*what):
        out = tmp_path / "found_0.json"
        experiments.main([*what, "--models", str(tmp_path), "--out", str(out)])
        return results.read(out)

    target = run("--target", "Yoga_Warrior2_left")
    assert set(target["distances"]) == {"source", "mixup", "adapted", "pool"}
    assert set(target["detector"]) == {"direct", "mixup", "ours", "aligned"}
    assert all(np.isfinite(entry["mmd"]) and 0 <= entry["coverage"] <= 1 for entry in target["distances"].values())
    one = run("--variant", "layer3", "--seed", "1")
    assert set(one["variant"]) == {"Stand"} and one["config"]["layers"] == [3] and one["config"]["seed"] == 1
    assert set(run("--variant", "artificial")["variant"]) == set(run("--variant", "union")["variant"]) == {"Stand"}
    face = run("--target", "face_left")
    assert set(face["distances"]) == set(target["distances"]) and set(face["detector"]) == set(target["detector"])
    assert face["config"]["layers"] == [1, 2, 3, 4, 5, 6]  # all that the source has
    with pytest.raises(SystemExit, match="warm_white"):
        run("--variant", "white")
    assert set(run("--scale")["scale"]["Yoga_UpwardSalute"]) == {"5", "10"}
    assert set(run("--ship")["sources"]) == {"warm", "critic"}
    assert load_transfer(tmp_path / "tau_Stand.safetensors").layers == (1, 2, 3, 4, 5, 6)
    assert set(run("--ship", "faces")) >= {"shipped"} and (tmp_path / "tau_face_up.safetensors").exists()
    with pytest.raises(SystemExit, match="nowhere"):
        experiments.main(["--ship", "--models", "nowhere", "--out", str(tmp_path / "x.json")])


def test_a_variant_is_adapted_as_its_name_says_and_with_its_seed(monkeypatch):
    torch.manual_seed(0)
    source, seen = PoseStyleGAN(GeneratorConfig(size=32, latent=8, mapping_layers=1, channels=(8, 8, 6, 6))), []

    def adapt(config, source, pool, shots, *rest):
        seen.append((config.layers, config.pairing, config.seed, len(shots)))
        return Adapted(source, shots, [{"perceptual": 1.0}])

    monkeypatch.setattr(measure, "adapt", adapt)
    monkeypatch.setattr(measure, "sample_poses", lambda *_: source_poses(20, torch.Generator()))
    parts = measure.Parts(source, None, None, None, None)
    for name in measure.VARIANTS:
        measure.measure_variant(name, parts, 3)
    found = dict(zip(measure.VARIANTS, seen[::2], strict=True))
    assert seen[::2] == seen[1::2]  # of both classes
    assert found["all"] == found["white"] == ((1, 2, 3, 4, 5, 6, 7, 8), "nearest", 3, 12)
    assert found["layer3"] == ((3,), "nearest", 3, 12) and found["layers35"] == ((3, 5), "nearest", 3, 12)
    assert found["random"][1] == "random" and [found[f"shots{n}"][3] for n in (24, 48)] == [24, 48]
    assert [found[f"layer{n}"][0] for n in range(1, 9)] == [(n,) for n in range(1, 9)]


def test_more_adapted_poses_stand_beside_as_many_mixed_ones(monkeypatch):
    seen = []
    monkeypatch.setattr(measure, "SCALES", (5, 10))
    monkeypatch.setattr(measure, "sample_poses", lambda *_: source_poses(10, torch.Generator().manual_seed(1)))
    monkeypatch.setattr(measure, "train_detector", lambda config, poses: (seen.append(poses), None))
    monkeypatch.setattr(measure, "detector_errors", lambda *_: {})
    measure.measure_scale(0)
    assert [len(poses) for poses in seen] == [1005, 1010] * len(measure.TARGETS)
    torch.testing.assert_close(seen[0][-1000:], seen[1][-1000:])
    torch.testing.assert_close(seen[0][:5], seen[1][:5])


def test_each_stored_adaptation_has_the_configuration_that_it_was_made_with():
    found = results.shipped_runs("adaptation")
    made = [(name, run) for name, runs in found.items() for run in runs if "pairing" in (run["config"] or {})]
    assert len(made) > 70
    for name, run in made:
        asked = {key: value for key, value in measure.VARIANTS.get(name, {}).items() if key != "shots"}
        expected = {"pairing": "nearest", **asked, "seed": run["seed"]}
        assert {key: run["config"][key] for key in expected} == {
            key: list(value) if isinstance(value, tuple) else value for key, value in expected.items()
        }
