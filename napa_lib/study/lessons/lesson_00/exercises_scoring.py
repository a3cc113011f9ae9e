"""Tasks of lesson 00 about scores: PCKh by hand, how a score is fooled, which joints to doubt."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_00 import checks

SCORING = (
    Exercise(
        id="00.4",
        title="PCKh by hand",
        kind="code",
        difficulty=2,
        minutes=10,
        task="""
            Write `PCKh@0.5`: the fraction of joints that are closer to the truth than half the head size.
            `prediction` and `target` are NumPy arrays (J, 2) of float64, in pixels. A joint that nobody annotated is
            NaN in `target` and does not count; one that is annotated and NaN in `prediction` was not found, a miss.
        """,
        stub="""
            def my_pckh(prediction, target, head_size):
                ...
                return None  # a fraction from 0 to 1
        """,
        answer="my_pckh",
        hints=(
            "First a distance for each joint, (J,). Then keep the joints whose `target` is a number.",
            "`np.linalg.norm(prediction - target, axis=-1)` and `~np.isnan(target[:, 0])`. NaN < 5 is False.",
        ),
        if_you_see="""
            `nan`: the mean ran over missing joints. A score that is a little too low: they were counted as wrong.
        """,
        solution="""
            def my_pckh(prediction, target, head_size):
                distance = np.linalg.norm(prediction - target, axis=-1)
                annotated = ~np.isnan(target).any(-1)
                return (distance[annotated] < 0.5 * head_size).mean()
        """,
        why="""
            The denominator is the number of joints that were annotated. `napa_lib.metrics.pckh` reports it as
            `.counted`; it leaves out what was not predicted, too, so watch that number when an estimator skips joints.
        """,
        check=checks.check_pckh,
        other_answers=(
            """
            def my_pckh(prediction, target, head_size):
                hits = [np.hypot(*(p - t)) < head_size / 2 for p, t in zip(prediction, target) if not np.isnan(t[0])]
                return sum(hits) / len(hits)
            """,
            """
            def my_pckh(prediction, target, head_size):
                p, t = torch.tensor(prediction), torch.tensor(target)
                annotated = t.isfinite().all(-1)
                return ((p - t).norm(dim=-1)[annotated] < head_size / 2).float().mean()[None]
            """,
        ),
        wrong_answers=(
            WrongAnswer(
                "a missing joint is a miss",
                """
                def my_pckh(prediction, target, head_size):
                    return (np.linalg.norm(prediction - target, axis=-1) < 0.5 * head_size).mean()
                """,
                "you divide by all 14 joints",
            ),
            WrongAnswer(
                "what was not found does not count",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.linalg.norm(prediction - target, axis=-1)
                    return (distance[~np.isnan(distance)] < 0.5 * head_size).mean()
                """,
                "that the estimator did not find",
            ),
            WrongAnswer(
                "a whole head",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.linalg.norm(prediction - target, axis=-1)
                    return (distance[~np.isnan(distance)] < head_size).mean()
                """,
                "within a whole head size",
            ),
            WrongAnswer(
                "city-block distance",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.abs(prediction - target).sum(-1)
                    return (distance[~np.isnan(distance)] < 0.5 * head_size).mean()
                """,
                "|dx| + |dy|",
            ),
            WrongAnswer(
                "not strict",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.linalg.norm(prediction - target, axis=-1)
                    return (distance[~np.isnan(distance)] <= 0.5 * head_size).mean()
                """,
                "The comparison is strict",
            ),
            WrongAnswer(
                "the share of misses",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.linalg.norm(prediction - target, axis=-1)
                    return (distance[~np.isnan(distance)] >= 0.5 * head_size).mean()
                """,
                "share of wrong joints",
            ),
            WrongAnswer(
                "a percentage",
                """
                def my_pckh(prediction, target, head_size):
                    distance = np.linalg.norm(prediction - target, axis=-1)
                    return 100 * (distance[~np.isnan(distance)] < 0.5 * head_size).mean()
                """,
                "that is a percentage",
            ),
            WrongAnswer(
                "the mean error",
                """
                def my_pckh(prediction, target, head_size):
                    return np.linalg.norm(prediction - target, axis=-1).mean()
                """,
                "your score is NaN",
            ),
        ),
    ),
    Exercise(
        id="00.5",
        title="Fool the score",
        kind="break",
        difficulty=3,
        minutes=8,
        task="""
            Find the worst pose that `PCKh@0.5` still calls perfect: given `target`, a NumPy array (14, 2) of float64,
            and `head_size`, return a (14, 2) with a score of 1 and a mean error of at least 0.45 head sizes. What
            should a second number say?
        """,
        stub="""
            def worst_pose(target, head_size):
                ...
                return None  # a (14, 2) that scores 1
        """,
        answer="worst_pose",
        hints=(
            "How far may a joint go before it counts as a miss?",
            "Every joint may move by almost half a head size, in any direction.",
        ),
        if_you_see="a score of 0: exactly half a head size is already a miss.",
        solution="""
            def worst_pose(target, head_size):
                return target + [0.49 * head_size, 0.0]
        """,
        why="""
            All joints moved 0.49 head sizes to the right: a score of 1 for a pose that is visibly beside the
            figure. That is why papers also report a mean error, or PCKh at several thresholds.
        """,
        check=checks.check_worst_pose,
        other_answers=(
            "def worst_pose(target, head_size):\n    return [(x, y - 0.47 * head_size) for x, y in target]",
            "def worst_pose(target, head_size):\n    return torch.tensor(target).float() - 0.33 * head_size",
        ),
        wrong_answers=(
            WrongAnswer(
                "on the edge",
                """
                def worst_pose(target, head_size):
                    return target + [0.5 * head_size, 0.0]
                """,
                "exactly half a head away",
            ),
            WrongAnswer(
                "too far",
                """
                def worst_pose(target, head_size):
                    return target + [0.7 * head_size, 0.0]
                """,
                "further off than half a head",
            ),
            WrongAnswer(
                "too tame",
                """
                def worst_pose(target, head_size):
                    return target + [0.2 * head_size, 0.0]
                """,
                "the mean error is only",
            ),
            WrongAnswer(
                "missing joints",
                """
                def worst_pose(target, head_size):
                    return target * np.nan
                """,
                "a prediction names every joint",
            ),
        ),
    ),
    Exercise(
        id="00.6",
        title="Which joints to doubt",
        kind="code",
        difficulty=2,
        minutes=6,
        task="""
            `result` is what the estimator gives back for one figure: `result.skeleton.joints` (a tuple of J names),
            `result.keypoints` (J, 2) and `result.confidence` (J,), torch tensors of float32. Return the names of the
            joints with a confidence below `threshold`, the least sure first. Leave out what the estimator does not look
            for: in some joint sets (COCO's eyes and ears) such joints are NaN in `keypoints` and 0 in `confidence`.
        """,
        stub="""
            def doubtful(result, threshold):
                ...
                return None  # a list of names
        """,
        answer="doubtful",
        hints=(
            "`result.confidence.argsort()` gives the indices of the joints, the least sure one first.",
            "Go through these indices and keep j if `result.confidence[j] < threshold` and no coordinate is NaN.",
        ),
        if_you_see="`l_eye` and `r_ear` at the front: their confidence is 0 because they were never looked for.",
        solution="""
            def doubtful(result, threshold):
                found = ~result.keypoints.isnan().any(-1)
                order = result.confidence.argsort().tolist()
                return [result.skeleton.joints[j] for j in order if found[j] and result.confidence[j] < threshold]
        """,
        why="""
            Try `doubtful(mine, 0.5)`. A zero that means "not there" looks like a zero that means "not sure"; the NaN
            tells them apart.
        """,
        check=checks.check_doubtful,
        other_answers=(
            """
            def doubtful(result, threshold):
                rows = zip(result.confidence.tolist(), result.skeleton.joints, result.keypoints[:, 0].tolist())
                return tuple(name for c, name, x in sorted(rows) if c < threshold and x == x)
            """,
            """
            def doubtful(result, threshold):
                sure = result.confidence.clone()
                sure[result.keypoints.isnan().any(-1)] = torch.inf
                return np.array(result.skeleton.joints)[sure.argsort().numpy()][: int((sure < threshold).sum())]
            """,
        ),
        wrong_answers=(
            WrongAnswer(
                "joints that are not there",
                """
                def doubtful(result, threshold):
                    order = result.confidence.argsort(stable=True).tolist()
                    return [result.skeleton.joints[j] for j in order if result.confidence[j] < threshold]
                """,
                "cannot be doubted",
            ),
            WrongAnswer(
                "confidence for presence",
                """
                def doubtful(result, threshold):
                    order = result.confidence.argsort().tolist()
                    return [result.skeleton.joints[j] for j in order if 0 < result.confidence[j] < threshold]
                """,
                "it is the most doubtful of all",
            ),
            WrongAnswer(
                "pairs",
                """
                def doubtful(result, threshold):
                    found = ~result.keypoints.isnan().any(-1)
                    names = np.array(result.skeleton.joints)[found.numpy()]
                    return [(name, c) for c, name in sorted(zip(result.confidence[found], names)) if c < threshold]
                """,
                "names alone",
            ),
            WrongAnswer(
                "one string",
                """
                def doubtful(result, threshold):
                    return result.skeleton.joints[int(result.confidence.argmin())]
                """,
                "return a list of names",
            ),
            WrongAnswer(
                "in the joint set's order",
                """
                def doubtful(result, threshold):
                    names, found = result.skeleton.joints, ~result.keypoints.isnan().any(-1)
                    return [name for name, c, f in zip(names, result.confidence, found) if f and c < threshold]
                """,
                "in another order",
            ),
            WrongAnswer(
                "the sure ones",
                """
                def doubtful(result, threshold):
                    order = result.confidence.argsort().tolist()
                    return [result.skeleton.joints[j] for j in order if result.confidence[j] >= threshold]
                """,
                "these are the sure ones",
            ),
            WrongAnswer(
                "indices",
                """
                def doubtful(result, threshold):
                    found = ~result.keypoints.isnan().any(-1)
                    order = result.confidence.argsort().tolist()
                    return [j for j in order if found[j] and result.confidence[j] < threshold]
                """,
                "not their indices",
            ),
            WrongAnswer(
                "not strict",
                """
                def doubtful(result, threshold):
                    found = ~result.keypoints.isnan().any(-1)
                    order = result.confidence.argsort().tolist()
                    return [result.skeleton.joints[j] for j in order if found[j] and result.confidence[j] <= threshold]
                """,
                "exactly at the threshold",
            ),
            WrongAnswer(
                "all of them",
                """
                def doubtful(result, threshold):
                    return list(result.skeleton.joints)
                """,
                "compare with the bars",
            ),
        ),
    ),
)
