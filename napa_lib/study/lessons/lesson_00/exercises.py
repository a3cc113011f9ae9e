"""Lesson 00: the exercises' words, stubs, solutions and usual mistakes."""

from __future__ import annotations

from napa_lib.study.exercises import Exercise, WrongAnswer
from napa_lib.study.lessons.lesson_00 import checks
from napa_lib.study.lessons.lesson_00.exercises_scoring import SCORING

EXERCISES = (
    Exercise(
        id="00.1",
        title="Where does the wrist go?",
        kind="predict",
        difficulty=1,
        minutes=2,
        task="""
            A picture is 400 pixels wide. A right wrist is at x = 60. You mirror the picture left to right. At which x
            is that wrist now?
        """,
        stub="mirrored_x = ...  # a number of pixels",
        answer="mirrored_x",
        hints=(
            "Where does the very first pixel, x = 0, end up?",
            "x = 0 goes to 399, x = 1 goes to 398. What do both sums have in common?",
        ),
        if_you_see="`340`: that is W - x, one pixel too far, because the centres run from 0 to 399.",
        solution="mirrored_x = 400 - 1 - 60",
        why="""
            A mirror maps the pixel centre x to W - 1 - x. One pixel sounds little, but a pose network that is
            tested on pictures and their mirror images loses accuracy to it.
        """,
        check=checks.check_mirrored_x,
        other_answers=("mirrored_x = [339]", "mirrored_x = 339.0", "mirrored_x = np.int64(400) - 61"),
        wrong_answers=(
            WrongAnswer("W - x", "mirrored_x = 400 - 60", "340 is W - x"),
            WrongAnswer("unmoved", "mirrored_x = 60", "60 is where the wrist was"),
            WrongAnswer("a guess", "mirrored_x = 200", "count from the other side"),
        ),
    ),
    Exercise(
        id="00.2",
        title="Flip a pose",
        kind="code",
        difficulty=2,
        minutes=8,
        task="""
            Mirror a pose left to right. `pose` is a NumPy array (J, 2) of float64, in pixels; `pairs` lists the
            indices (left, right) of joints that exist on both sides; `width` is the picture's. Return the new (J, 2).
            The left hand of a mirrored person is a right hand.
        """,
        stub="""
            def flip_pose(pose, pairs, width):
                flipped = pose.copy()
                ...
                return None  # (J, 2)
        """,
        answer="flip_pose",
        hints=(
            "Two things happen: x changes, and the joints of each pair trade places.",
            "Make `order = np.arange(len(pose))`, swap the two entries of each pair in it, and index the pose with it.",
        ),
        if_you_see="a pose that is right only for joints without a pair: the sides have not traded names.",
        solution="""
            def flip_pose(pose, pairs, width):
                order = np.arange(len(pose))
                for left, right in pairs:
                    order[[left, right]] = right, left
                flipped = pose[order]
                flipped[:, 0] = width - 1 - flipped[:, 0]
                return flipped
        """,
        why="`napa_lib.skeletons.flip` does this for a whole batch, with the pairs of a named joint set.",
        check=checks.check_flip,
        other_answers=(
            """
            def flip_pose(pose, pairs, width):
                flipped = [[width - 1 - x, y] for x, y in pose]
                for a, b in pairs:
                    flipped[a], flipped[b] = flipped[b], flipped[a]
                return flipped
            """,
            """
            def flip_pose(pose, pairs, width):
                flipped = torch.tensor(pose)
                flipped[:, 0] = width - 1 - flipped[:, 0]
                for a, b in pairs:
                    flipped[[a, b]] = flipped[[b, a]]
                return flipped
            """,
            """
            def flip_pose(pose, pairs, width):
                flipped = pose.astype(np.float32) * [-1, 1] + [width - 1, 0]
                left, right = np.array(pairs).T
                flipped[left], flipped[right] = flipped[right], flipped[left].copy()
                return flipped
            """,
        ),
        wrong_answers=(
            WrongAnswer(
                "mirror only",
                """
                def flip_pose(pose, pairs, width):
                    return pose * [-1, 1] + [width - 1, 0]
                """,
                "the joint called left is still the person's old left",
            ),
            WrongAnswer(
                "swap only",
                """
                def flip_pose(pose, pairs, width):
                    order = np.arange(len(pose))
                    for left, right in pairs:
                        order[[left, right]] = right, left
                    return pose[order]
                """,
                "every joint stays where it was",
            ),
            WrongAnswer(
                "W - x",
                """
                def flip_pose(pose, pairs, width):
                    order = np.arange(len(pose))
                    for left, right in pairs:
                        order[[left, right]] = right, left
                    return pose[order] * [-1, 1] + [width, 0]
                """,
                "one pixel too large",
            ),
            WrongAnswer(
                "y mirrored, too",
                """
                def flip_pose(pose, pairs, width):
                    order = np.arange(len(pose))
                    for left, right in pairs:
                        order[[left, right]] = right, left
                    return width - 1 - pose[order]
                """,
                "x is right, y is not",
            ),
            WrongAnswer(
                "x alone is swapped",
                """
                def flip_pose(pose, pairs, width):
                    flipped = pose.copy()
                    flipped[:, 0] = width - 1 - pose[:, 0]
                    for a, b in pairs:
                        flipped[[a, b], 0] = flipped[[b, a], 0]
                    return flipped
                """,
                "have traded places, their y have not",
            ),
            WrongAnswer(
                "a view overwritten",
                """
                def flip_pose(pose, pairs, width):
                    flipped = pose.copy()
                    flipped[:, 0] = width - 1 - pose[:, 0]
                    for a, b in pairs:
                        flipped[a], flipped[b] = flipped[b], flipped[a]
                    return flipped
                """,
                "lie on one spot",
            ),
            WrongAnswer(
                "the pose itself",
                """
                def flip_pose(pose, pairs, width):
                    return pose
                """,
                "a left hand at (4, 3)",
            ),
        ),
    ),
    Exercise(
        id="00.3",
        title="Into a crop",
        kind="code",
        difficulty=3,
        minutes=10,
        task="""
            A figure is cut out of a painting with `box` = (x0, y0, x1, y1), the box's edges in pixels, and resized
            to `size` = (width, height). Move its joints `points` with it, a NumPy array (J, 2) of float64; some may
            lie outside the box. The edge of a picture lies half a pixel before its first pixel centre, at -0.5: in the
            painting and in the crop.
        """,
        stub="""
            def to_crop(points, box, size):
                x0, y0, x1, y1 = box
                ...
                return None  # (J, 2) in the crop's pixels
        """,
        answer="to_crop",
        hints=(
            "Measure from the box's corner, scale each axis, then go back to pixel centres.",
            "The corner (x0, y0) must land on (-0.5, -0.5), the corner (x1, y1) on (width - 0.5, height - 0.5).",
        ),
        if_you_see="""
            Points that are half a pixel off, whatever the factor: the crop's edge is at -0.5, not at 0.
            `unsupported operand … 'tuple' and 'tuple'`: make an array of it first, `np.array(size)`.
        """,
        solution="""
            def to_crop(points, box, size):
                x0, y0, x1, y1 = box
                scale = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
                return (points - [x0, y0]) * scale - 0.5
        """,
        why="""
            Half a pixel of a small crop can be several of the painting: for a figure 560 pixels tall in a map of 56
            pixels, forgetting it costs five.
        """,
        check=checks.check_crop,
        other_answers=(
            """
            def to_crop(points, box, size):
                x0, y0, x1, y1 = box
                return [[(x - x0) / (x1 - x0) * size[0] - 0.5, (y - y0) / (y1 - y0) * size[1] - 0.5] for x, y in points]
            """,
            """
            def to_crop(points, box, size):
                corner, end = torch.tensor(box).split(2)
                return (torch.tensor(points, dtype=torch.float32) - corner) * torch.tensor(size) / (end - corner) - 0.5
            """,
        ),
        wrong_answers=(
            WrongAnswer(
                "no half pixel",
                """
                def to_crop(points, box, size):
                    x0, y0, x1, y1 = box
                    return (points - [x0, y0]) * [size[0] / (x1 - x0), size[1] / (y1 - y0)]
                """,
                "half a pixel is missing",
            ),
            WrongAnswer(
                "not moved",
                """
                def to_crop(points, box, size):
                    x0, y0, x1, y1 = box
                    return points * [size[0] / (x1 - x0), size[1] / (y1 - y0)] - 0.5
                """,
                "scaled but not moved",
            ),
            WrongAnswer(
                "factor upside down",
                """
                def to_crop(points, box, size):
                    x0, y0, x1, y1 = box
                    return (points - [x0, y0]) * [(x1 - x0) / size[0], (y1 - y0) / size[1]] - 0.5
                """,
                "upside down",
            ),
            WrongAnswer(
                "one factor for both axes",
                """
                def to_crop(points, box, size):
                    x0, y0, x1, y1 = box
                    return (points - [x0, y0]) * size[1] / (y1 - y0) - 0.5
                """,
                "their own factor each",
            ),
            WrongAnswer(
                "clipped to the crop",
                """
                def to_crop(points, box, size):
                    x0, y0, x1, y1 = box
                    moved = (points - [x0, y0]) * [size[0] / (x1 - x0), size[1] / (y1 - y0)] - 0.5
                    return np.clip(moved, -0.5, np.array(size) - 0.5)
                """,
                "a joint outside the box",
            ),
            WrongAnswer(
                "the points themselves",
                """
                def to_crop(points, box, size):
                    return points
                """,
                "step by step",
            ),
        ),
    ),
    *SCORING,
)
