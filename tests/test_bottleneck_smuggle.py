"""The message in a skeleton image: how loud it may be, what wipes it, and that a training of it goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napa_lib.bottleneck import Clips, KeypointGAN, model_config, smuggle
from napa_lib.bottleneck.probes import compare_colors
from napa_lib.data.assets import asset_path
from napa_lib.loop import Setup


@pytest.fixture(scope="module")
def cyclegan():
    torch.manual_seed(0)
    return KeypointGAN(model_config("tiny", "cyclegan")).eval()


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 2, 3, 64, 64), dtype=torch.uint8, generator=generator)
    return Clips(images, 63 * torch.rand(4, 2, 18, 2, generator=generator))


def test_a_message_is_never_louder_than_it_may_be(cyclegan, clips):
    smuggler = smuggle.Smuggler(cyclegan).eval()
    with torch.no_grad():
        for weight in smuggler.messenger.parameters():
            weight.mul_(100)  # as loud as it can
        bare, drawn = smuggler.draw(clips.images[:, 0] / 255, clips.images[:, 1] / 255)
        torch.testing.assert_close(bare, cyclegan.image_encoder(clips.images[:, 0] / 255))
    loudest = float((drawn - bare).abs().max())
    assert loudest == pytest.approx(1 / 30, abs=1e-5)


def test_only_a_cyclegan_can_be_helped_to_cheat():
    with pytest.raises(ValueError, match="CycleGAN"):
        smuggle.Smuggler(KeypointGAN(model_config("tiny", "ours")))


def test_wiping_does_what_its_name_says():
    picture = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    greys = smuggle.coarse(picture) * (smuggle.GREYS - 1)
    np.testing.assert_allclose(greys, greys.round(), atol=1e-9)
    assert float((smuggle.coarse(picture) - picture).abs().max()) <= 0.5 / (smuggle.GREYS - 1) + 1e-9
    assert 1 / (smuggle.GREYS - 1) > 3 * smuggle.LOUDEST
    half = smuggle.BLUR // 2
    array = picture[0, 0].numpy()
    expected = array[8 - half : 9 + half, 5 - half : 6 + half].mean()
    assert float(smuggle.blurred(picture)[0, 0, 8, 5]) == pytest.approx(expected)
    assert smuggle.blurred(picture).shape == picture.shape


def test_through_the_keypoints_nothing_is_left_of_the_message_but_its_effect_on_the_pose(cyclegan, clips):
    smuggler = smuggle.Smuggler(cyclegan).eval()
    found = smuggle.wiped(smuggler, clips.images[:, 0] / 255, clips.images[:, 1] / 255)
    assert list(found)[0] == smuggle.UNTOUCHED and list(found)[-1] == smuggle.KEYPOINTS
    pose = cyclegan.skeleton_encoder(found[smuggle.UNTOUCHED])
    torch.testing.assert_close(found[smuggle.KEYPOINTS], cyclegan.draw(pose))


def test_colours_are_compared_in_brightness_and_hue():
    generator = torch.Generator().manual_seed(2)
    looks, pose = torch.rand(40, 3, 1, 1, generator=generator).expand(-1, -1, 32, 32), torch.zeros(40, 18, 2)
    same = compare_colors(0.5 * looks + 0.1, pose, looks, pose, "NAPA18")
    assert min(same.person_light, same.person_hue, same.wall_light, same.wall_hue) == pytest.approx(1.0, abs=1e-5)
    grey = compare_colors(looks.mean(1, keepdim=True).expand(-1, 3, -1, -1), pose, looks, pose, "NAPA18")
    assert grey.wall_light == pytest.approx(1.0, abs=1e-5) and grey.wall_hue == 0.0


def test_a_message_is_learned_and_its_training_goes_on(cyclegan, clips, tmp_path):
    config = smuggle.SmuggleConfig(steps=4, batch=2, every=2)
    path = tmp_path / "state.safetensors"
    half = smuggle.SmuggleConfig(steps=2, batch=2, every=2)
    whole, record = smuggle.train_smuggler(cyclegan, clips, config, Setup(checkpoint=path))
    again, same = smuggle.train_smuggler(cyclegan, clips, config)
    assert [entry["step"] for entry in record] == [2, 4] and record[1]["picture"] == same[1]["picture"]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    before = [p.clone() for p in cyclegan.parameters()]
    smuggle.train_smuggler(cyclegan, clips, half)
    assert all(torch.equal(a, b) for a, b in zip(before, cyclegan.parameters(), strict=True))  # it stays honest


def test_a_message_begins_loud_and_its_colours_count_eight_times(cyclegan, clips, monkeypatch):
    loud, weights = [], []
    draw, descend = smuggle.Smuggler.draw, smuggle.descend

    def noted(self, plain, shown, loudest=smuggle.LOUDEST):
        loud.append(loudest)
        return draw(self, plain, shown, loudest)

    def weighed(total, optimizer, clip, losses):
        weights.append(float(((total - losses["picture"]) / losses["colour"]).detach()))
        descend(total, optimizer, clip, losses)

    monkeypatch.setattr(smuggle.Smuggler, "draw", noted)
    monkeypatch.setattr(smuggle, "descend", weighed)
    monkeypatch.setattr(smuggle, "settle_normalization", lambda *arguments: None)
    smuggle.train_smuggler(cyclegan, clips, smuggle.SmuggleConfig(steps=10, batch=2))
    assert loud[0] == 0.3 and loud[3] == pytest.approx((0.3 / 30) ** 0.5) and loud[6:] == [1 / 30] * 4
    assert weights == pytest.approx([8.0] * 10, rel=1e-3)


def test_saved_it_reads_the_same(cyclegan, clips, tmp_path):
    smuggler = smuggle.Smuggler(cyclegan).eval()
    smuggle.save_smuggler(tmp_path / "s.safetensors", smuggler)
    read = smuggle.load_smuggler(tmp_path / "s.safetensors", cyclegan)
    frames = clips.images[:, 0] / 255
    with torch.no_grad():
        difference = (read(frames, frames) - smuggler(frames, frames)).abs().max()
    assert float(difference) < 0.05  # eight bits
    with pytest.raises(ValueError, match="no smuggler"):
        smuggle.load_smuggler(asset_path("weights/keypointgan_cyclegan.safetensors"), cyclegan)


def test_the_message_that_ships_carries_hue_and_wiped_none():
    """What the lesson says of the stored result, and the result is that of the file that ships."""
    from napa_lib.bottleneck import open_clips

    stored = json.loads(asset_path("results/bottleneck/smuggler_0.json").read_text("utf-8"))["errors"]
    found = smuggle.measure_wiping(smuggle.load_smuggler(), open_clips("studio:test", 64))
    for name, numbers in stored.items():
        assert found[name] == pytest.approx(numbers, abs=0.01), name
    assert stored[smuggle.UNTOUCHED]["wall_hue"] > 0.5 and stored[smuggle.KEYPOINTS]["wall_hue"] < 0.01
