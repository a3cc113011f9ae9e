"""Lessons 00 to 03: three more wrong answers to each exercise, without a hint of their own. None passes, each is told.

The usual mistakes and their hints stand beside the exercises; these are to see that a check refuses what it was not
made for: an edge value, an opposite, a lucky constant, an answer that is right for one picture only.
"""

from __future__ import annotations

import pytest

from napa_lib.study.exercises import judge
from napa_lib.study.plans import find_exercise, load_plan

TRIED = {
    "00.1": ["mirrored_x = -60", "mirrored_x = [339, 340]", "mirrored_x = 399"],
    "00.2": [
        "def flip_pose(pose, pairs, width):\n    return np.flip(pose, 0)",
        "def flip_pose(pose, pairs, width):\n    return np.abs(width - 1 - pose)",
        "def flip_pose(pose, pairs, width):\n    new = pose.copy()\n    for a, b in pairs:\n"
        "        new[a] = pose[b]\n"
        "    new[:, 0] = width - 1 - new[:, 0]\n    return new",
    ],
    "00.3": [
        "def to_crop(points, box, size):\n    return (points - box[:2]) * size / box[2:] - 0.5",
        "def to_crop(points, box, size):\n    x0, y0, x1, y1 = box\n"
        "    s = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])\n"
        "    return np.round((points + 0.5 - [x0, y0]) * s - 0.5)",
        "def to_crop(points, box, size):\n    x0, y0, x1, y1 = box\n"
        "    s = np.array([size[1] / (y1 - y0), size[0] / (x1 - x0)])\n"
        "    return (points + 0.5 - [x0, y0]) * s - 0.5",
    ],
    "00.4": [
        "def my_pckh(prediction, target, head_size):\n    return 1.0",
        "def my_pckh(prediction, target, head_size):\n    d = np.linalg.norm(prediction - target, axis=0)\n"
        "    return (d < 0.5 * head_size).mean()",
        "def my_pckh(prediction, target, head_size):\n"
        "    d = np.nan_to_num(np.linalg.norm(prediction - target, axis=1))\n"
        "    return (d < 0.5 * head_size).mean()",
    ],
    "00.5": [
        "def worst_pose(target, head_size):\n    return target",
        "def worst_pose(target, head_size):\n    return target * 1.01",
        "def worst_pose(target, head_size):\n    return target + [0.49 * head_size, 0.49 * head_size]",
    ],
    "00.6": [
        "def doubtful(result, threshold):\n    return []",
        "def doubtful(result, threshold):\n    r = result\n"
        "    order = r.confidence.argsort(descending=True).tolist()\n"
        "    return [r.skeleton.joints[j] for j in order if r.confidence[j] < threshold "
        "and not r.keypoints[j].isnan().any()]",
        "def doubtful(result, threshold):\n"
        "    return {n for n, c in zip(result.skeleton.joints, result.confidence) "
        "if c < threshold}",
    ],
    "01.1": ["gram_factors = [1, 4]", "gram_factors = [1, 8, 1]", 'gram_factors = ["same", 4, 1]'],
    "01.2": [
        "def my_gram(features):\n    rows = features.flatten(1)\n    return (rows @ rows.T).sqrt() / rows.numel()",
        "def my_gram(features):\n    rows = features.flatten(1)\n    return (rows @ rows.T / rows.numel()).triu()",
        "def my_gram(features):\n    return torch.cov(features.flatten(1))",
    ],
    "01.3": [
        "def my_gatys(content, style, features, steps):\n    return (content + style) / 2",
        "def my_gatys(content, style, features, steps):\n    picture = torch.rand_like(content)\n    return picture",
        "def my_gatys(content, style, features, steps):\n    picture = style.clone().requires_grad_()\n"
        "    adam = torch.optim.Adam([picture], lr=0.05)\n    for _ in range(steps):\n"
        "        maps = features(picture)\n"
        "        loss = nst.style_loss(maps, features(style)) + nst.content_loss(maps[-1], features(content)[-1])\n"
        "        adam.zero_grad()\n        loss.sum().backward()\n        adam.step()\n"
        "        picture.data.clamp_(0, 1)\n    return picture",
    ],
    "01.4": [
        "def my_instance_norm(x, scale, shift):\n"
        "    return torch.nn.functional.batch_norm(x, None, None, training=True)",
        "def my_instance_norm(x, scale, shift):\n    n = torch.nn.functional.instance_norm(x)\n"
        "    return n / scale[..., None, None] + shift[..., None, None]",
        "def my_instance_norm(x, scale, shift):\n    n = torch.nn.functional.instance_norm(x, eps=0.1)\n"
        "    return n * scale[..., None, None] + shift[..., None, None]",
    ],
    "01.5": [
        "def my_cosine_loss(a, b):\n    return (1 - torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)) / 2",
        "def my_cosine_loss(a, b):\n    c = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)\n"
        "    return 1 - c * c",
        "def my_cosine_loss(a, b):\n    return (a / a.norm() - b / b.norm()).norm()",
    ],
    "01.6": [
        "def hue_difference(a, b):\n    return (a - b).abs().clamp(max=0.5)",
        "def hue_difference(a, b):\n    return torch.minimum(a - b, 1 - (a - b)).abs()",
        "def hue_difference(a, b):\n    d = (a - b).abs()\n    return torch.minimum(d, 1 - d).mean()",
    ],
    "01.7": [
        "def at_scale(ratios, activation):\n    return ratios",
        "def at_scale(ratios, activation):\n    g = activation\n"
        "    return replace(ratios, style=ratios.style * g**4, feature=ratios.feature * g**2, "
        "content=ratios.content * g)",
        "def at_scale(ratios, activation):\n    g = activation / 3.0\n"
        "    return replace(ratios, style=ratios.style * g**4, "
        "feature=ratios.feature * g**2, content=ratios.content * g, style_entropy=ratios.style_entropy * g)",
    ],
    "01.8": [
        "def fool(style):\n    return torch.rand_like(style)",
        "def fool(style):\n    return style.flip(0) * 0.3",
        "def fool(style):\n    return -style",
    ],
    "02.1": ["disc = [10, 314, float('inf')]", "disc = [20, 314, 360]", "disc = [20, 628, float('inf')]"],
    "02.2": [
        "def my_inside(points, start, end, width):\n    return np.zeros(len(points), bool)",
        "def my_inside(points, start, end, width):\n    m = (start + end) / 2\n    r = np.hypot(*(end - start)) / 2\n"
        "    return np.linalg.norm(points - m, axis=1) < r",
        "def my_inside(points, start, end, width):\n    o, b = points - (start + end) / 2, np.abs(end - start)\n"
        "    return (2 * o[:, 0] / b[0]) ** 2 + (2 * o[:, 1] / width) ** 2 < 1",
    ],
    "02.3": [
        "def my_coverage(points, start, end, width, softness):\n    d = (points - (start + end) / 2).norm(dim=1)\n"
        "    return torch.sigmoid((width / 2 - d) / softness)",
        "def my_coverage(points, start, end, width, softness):\n    d = (points - (start + end) / 2).norm(dim=1)\n"
        "    return torch.exp(-d / softness)",
        "def my_coverage(points, start, end, width, softness):\n    start = start.detach()\n"
        "    o, u = points - (start + end) / 2, (end - start) / (end - start).norm()\n"
        "    along, across = o @ u, o @ torch.stack([-u[1], u[0]])\n"
        "    r = torch.hypot(2 * along / (end - start).norm(), 2 * across / width)\n"
        "    return torch.sigmoid((1 - r) * width / 2 / softness)",
    ],
    "02.4": [
        "def my_descent(draw, target, pose, steps, rate):\n    return pose",
        "def my_descent(draw, target, pose, steps, rate):\n    return pose - steps * rate",
        "def my_descent(draw, target, pose, steps, rate):\n    pose = pose.clone().requires_grad_()\n"
        "    adam = torch.optim.Adam([pose], lr=rate)\n    for _ in range(steps):\n        adam.zero_grad()\n"
        "        (draw(pose) - target).square().sum().backward()\n        adam.step()\n    return pose.detach()",
    ],
    "02.5": [
        "twins = (figure, figure + 40)",
        "a, b = figure.clone(), figure.clone()\nb[:, 0] = 223 - b[:, 0]\ntwins = (a, b)",
        "a, b = figure.clone(), figure.clone()\nb[17] += 40\ntwins = (a, b)",
    ],
    "02.6": [
        "def my_bone_vectors(pose, pairs):\n    return torch.stack([pose[c] + pose[p] for c, p in pairs])",
        "def my_bone_vectors(pose, pairs):\n    return torch.stack([(pose[c] - pose[p]).abs() for c, p in pairs])",
        "def my_bone_vectors(pose, pairs):\n    return torch.stack([pose[c] - pose[0] for c, p in pairs])",
    ],
    "02.7": [
        "def my_standardize(bones):\n    return bones / bones.abs().amax(0)",
        "def my_standardize(bones):\n    return (bones - bones.median(0).values) / bones.std(0)",
        "def my_standardize(bones):\n    return (bones - bones.mean((0, 1))) / bones.std((0, 1))",
    ],
    "03.1": [
        "def my_distance(points, a, b):\n    return (points - a).norm(dim=1)",
        "def my_distance(points, a, b):\n    bone = b - a\n    r = ((points - a) @ bone / bone.norm()).clamp(0, 1)\n"
        "    return (points - a - r[:, None] * bone).norm(dim=1)",
        "def my_distance(points, a, b):\n    bone = b - a\n"
        "    r = ((points - a) @ bone / (bone @ bone)).clamp(0, 1)\n"
        "    return (points - a - r[:, None] * bone).abs().sum(1)",
    ],
    "03.2": [
        "def my_skeleton(distances, gamma, size):\n    return torch.zeros(size, size)",
        "def my_skeleton(distances, gamma, size):\n    d = distances.amin(0) * 2 / (size - 1)\n"
        "    return (torch.exp(-gamma * d**2) > 0.5).float()",
        "def my_skeleton(distances, gamma, size):\n    d = distances.amin(0) * 2 / (size - 1)\n"
        "    return 1 / (1 + gamma * d**2)",
    ],
    "03.3": [
        "def my_expectation(heatmaps):\n    return torch.rand(len(heatmaps), 2)",
        "def my_expectation(heatmaps):\n    k, h, w = heatmaps.shape\n    p = heatmaps.softmax(-1)\n"
        "    x = (p * torch.linspace(-1, 1, w)).sum((1, 2)) / h\n    q = heatmaps.softmax(1)\n"
        "    y = (q * torch.linspace(-1, 1, h)[:, None]).sum((1, 2)) / w\n    return torch.stack([x, y], 1)",
        "def my_expectation(heatmaps):\n    k, h, w = heatmaps.shape\n"
        "    p = heatmaps.flatten(1).softmax(1).view(k, h, w)\n"
        "    x, y = (torch.arange(n) * 2 / n - 1 for n in (w, h))\n"
        "    return torch.stack([p.sum(1) @ x, p.sum(2) @ y], 1)",
    ],
    "03.4": [
        "def my_losses(real, fake):\n    return 0.0, 0.0",
        "def my_losses(real, fake):\n    return -(real.log().mean() + (1 - fake).log().mean()), -fake.log().mean()",
        "def my_losses(real, fake):\n    c = (1 - real.mean()) ** 2 + fake.mean() ** 2\n"
        "    return c, (1 - fake.mean()) ** 2",
    ],
    "03.5": ["hole = [4096, 36]", "hole = [4096, 36, 64 * 64 * 4]", "hole = [64 * 64 * 2, 36, 12288]"],
    "03.6": [
        "def my_hide(skeleton, color):\n    return skeleton.round(decimals=1)\n\ndef my_read(picture):\n"
        "    return picture[:3, 0]\n\n"
        "cheat = [my_hide, my_read]",
        "def my_hide(skeleton, color):\n    return color\n\ndef my_read(picture):\n    return picture\n\n"
        "cheat = [my_hide, my_read]",
        "def my_hide(skeleton, color):\n    s = skeleton.clone()\n    s[0, 0] += 0.02 * color.mean()\n"
        "    return s\n\n"
        "def my_read(picture):\n    return 50 * picture[0, 0].expand(3)\n\ncheat = [my_hide, my_read]",
    ],
    "03.7": [
        "def my_forward(phi, eta, beta, psi, x, x_prime):\n    return x[:, :1], x",
        "def my_forward(phi, eta, beta, psi, x, x_prime):\n    y = phi(x)\n"
        "    return y, psi(torch.zeros_like(y), x_prime)",
        "def my_forward(phi, eta, beta, psi, x, x_prime):\n    y = phi(x).clamp(0, 1)\n"
        "    return y, psi(beta(eta(y)), x_prime)",
    ],
    "03.8": [
        "def my_training(phi, eta, psi, critic, forward, batches):\n    return [0.0] * len(batches)",
        "def my_training(phi, eta, psi, critic, forward, batches):\n"
        "    adam = torch.optim.Adam([p for n in (phi, psi, critic) for p in n.parameters()], lr=0.01)\n"
        "    losses = []\n"
        "    for x, o, real in batches:\n        y, z = forward(x, o)\n        drawn = (z - x).square().mean()\n"
        "        total = drawn + (1 - critic(real)).square().mean() + critic(y.detach()).square().mean()\n"
        "        adam.zero_grad()\n        total.backward()\n        adam.step()\n"
        "        losses.append(drawn.item())\n    return losses",
        "def my_training(phi, eta, psi, critic, forward, batches):\n"
        "    a, b = (torch.optim.SGD(p, lr=0.01) for p in "
        "([*phi.parameters(), *psi.parameters()], critic.parameters()))\n"
        "    losses = []\n    for x, o, real in batches:\n        y, z = forward(x, o)\n"
        "        drawn = (z - x).square().mean()\n"
        "        a.zero_grad()\n        (drawn + (1 - critic(y)).square().mean()).backward()\n        a.step()\n"
        "        b.zero_grad()\n"
        "        ((1 - critic(real)).square().mean() + critic(y.detach()).square().mean()).backward()\n"
        "        b.step()\n"
        "        losses.append(drawn.item())\n    return losses",
    ],
    "03.9": ['second = [2, 2]', 'second = ["falls", 2, 2]', 'second = [1, 1, "falls"]'],
}  # fmt: skip


def test_every_exercise_of_the_first_lessons_was_tried():
    exercises = [exercise for number in ("00", "01", "02", "03") for exercise in load_plan(number).exercises]
    assert list(TRIED) == [exercise.id for exercise in exercises]
    assert all(len(set(codes)) == 3 for codes in TRIED.values())
    for exercise in exercises:  # the solution and two others: three styles
        assert len(exercise.other_answers) >= 2, exercise.id
        assert not {mistake.code for mistake in exercise.wrong_answers} & set(TRIED[exercise.id])


@pytest.mark.parametrize("identifier", list(TRIED))
def test_a_new_mistake_is_not_taken_for_right(identifier):
    exercise, plan = find_exercise(identifier), load_plan(identifier[:2])
    for code in TRIED[identifier]:
        names: dict = {}
        exec(plan.prelude, names)
        exec(code, names)
        verdict = judge(exercise, names[exercise.answer])
        assert verdict.status == "wrong" and len(verdict.message) > 20, f"{code}\n{verdict}"
