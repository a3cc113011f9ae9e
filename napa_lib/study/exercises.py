"""Exercises: what a learner is asked, and a check that answers with words rather than with a traceback."""

from __future__ import annotations

import functools
import math
import textwrap
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

SYMBOLS = {"right": "✓", "wrong": "✗", "untouched": "○"}
WORDS = {"right": "right", "wrong": "not yet", "untouched": "not attempted yet"}
KINDS = ("predict", "code", "break")
FLOAT32 = 3e-5  # how far apart two ways to compute the same in float32 may be, of their size
ADVICE = {  # what part of an error message means for somebody who meets it for the first time
    "backward through the graph a second time": "Compute in each step anew what the loss is made of, and `.detach()` "
    "what no gradient should pass through. `retain_graph` is not needed.",
    "Can't call numpy() on Tensor that requires grad": "NumPy cannot follow a gradient. Do not detach: use torch's "
    "own functions here, such as `torch.sqrt` or `.norm()`.",
    "does not require grad and does not have a grad_fn": "Nothing in this loss asks for a gradient: call "
    "`.requires_grad_()` on what is to be trained, before the loss is computed, and stay in torch.",
    "leaf Variable that requires grad is being used in an in-place": "Change it inside `with torch.no_grad():`.",
    "modified by an inplace operation": "Something was overwritten that `backward` still needs: call `backward` "
    "before the step that changes it, or work on a copy.",
    "is not defined": "Check its spelling, or import it in this cell, such as `import numpy as np`.",
    "and 'NoneType'": "One of the two is None. A tensor's `.grad` stays None unless the tensor was created with "
    "`.requires_grad_()` rather than computed from another.",
    "'numpy.ndarray' object has no attribute": "This is a NumPy array, and that is a method of torch tensors.",
    "Boolean value of Tensor with more than one value": "`min`, `max`, `if`, `and` want one truth value; for tensors "
    "take `torch.minimum`, `torch.where` or `&`.",
    "truth value of an array with more than one element": "`min`, `max`, `if`, `and` want one truth value; for arrays "
    "take `np.minimum`, `np.where` or `&`.",
    "must match the size of tensor": "Print the shapes. Is an axis of length 1 missing (`keepdim=True`, `x[:, None]`), "
    "or a mean, before two sets of different size are added?",
    "could not be broadcast together": "Print the shapes. Is an axis of length 1 missing (`keepdims=True`, "
    "`x[:, None]`), or a mean, before two sets of different size are added?",
}


class Wrong(Exception):
    """Raised inside a check to end it with a "not yet" and this message."""


class Untouched(Exception):
    """Raised when the learner's function returns nothing and the stub is still as it was."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `status` is "right", "wrong" or "untouched"; `message` says why in one or two sentences."""

    status: str
    message: str

    def __str__(self) -> str:
        return f"{WORDS[self.status]}: {self.message}"


@dataclass(frozen=True)
class WrongAnswer:
    """A usual mistake. `code` replaces the stub; the verdict must then contain `hint`, which no other mistake gets."""

    name: str
    code: str
    hint: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", tidy(self.code))


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson: the only place where its task, stub, hints, solution and check are written down.

    Args:
        id: lesson and number, as "01.2".
        title: a few words.
        kind: "predict" (say what will happen), "code" (write it) or "break" (an open question: make it fail).
        difficulty: 1 (a line), 2 (a few lines) or 3 (think first).
        minutes: how long a reader who knows the prerequisites needs.
        task: Markdown; says what is given, what is wanted and in which units.
        stub: Python that the learner completes; `...` marks the place.
        answer: the name in the stub that is handed to `study.check`.
        hints: two, the second nearer to the solution.
        if_you_see: Markdown, the usual error messages or numbers and what they mean.
        solution: Python that replaces the stub.
        why: Markdown, a sentence or two about the solution.
        check: takes the answer, returns a `Verdict` (or raises `Wrong`).
        wrong_answers: the usual mistakes, each with its own hint.
        other_answers: Python in the place of the stub, right as well: another style, container or type of number.
    """

    id: str
    title: str
    kind: str
    difficulty: int
    minutes: int
    task: str
    stub: str
    answer: str
    hints: tuple[str, str]
    if_you_see: str
    solution: str
    why: str
    check: Callable[[Any], Verdict]
    wrong_answers: tuple[WrongAnswer, ...]
    other_answers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("task", "stub", "if_you_see", "solution", "why"):
            object.__setattr__(self, name, tidy(getattr(self, name)))
        object.__setattr__(self, "other_answers", tuple(map(tidy, self.other_answers)))
        if self.kind not in KINDS:
            raise ValueError(f"exercise {self.id}: kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"exercise {self.id}: difficulty must be 1, 2 or 3, got {self.difficulty!r}")


def tidy(text: str) -> str:
    r"""Text as it was meant when it was written indented between triple quotes.

    >>> tidy('''
    ...     def f():
    ...         return 1
    ... ''')
    'def f():\n    return 1'
    """
    return textwrap.dedent(text.rstrip()).strip("\n")


def right(message: str) -> Verdict:
    """A verdict "right" with one sentence about what was understood."""
    return Verdict("right", message)


def wrong(message: str) -> Verdict:
    """A verdict "not yet" with a sentence that helps: what this answer is, and where to look."""
    return Verdict("wrong", message)


def numbers(value: Any, shape: tuple[int, ...], what: str = "your answer") -> np.ndarray:
    """`value` (tensors, arrays, lists of such, a number) as float64 of the given shape, for use inside a check.

    Raises:
        Wrong: with a sentence for the learner, if it is not numbers or has another shape.

    >>> numbers([1, 2], (2,))
    array([1., 2.])
    """
    try:
        array = np.asarray(_plain(value), dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be numbers of shape {shape}, but it is {type(value).__name__} {value!r}.") from None
    if array.shape != shape:
        raise Wrong(_misshapen(array.shape, shape, what))
    return array


def _misshapen(got: tuple[int, ...], wanted: tuple[int, ...], what: str) -> str:
    """What is wrong with a shape, and the usual reason where one fits."""
    if not wanted:
        return f"{what} should be one number, but it has shape {got}."
    said = f"{what} should have shape {wanted}, not {got}."
    if got == (1, *wanted):
        return f"{said} There is one axis too many in front."
    if sorted(got) == sorted(wanted):
        return f"{said} The axes are in another order."
    return said


def number(value: Any, what: str = "your answer") -> float:
    """One number, also where it comes in a list, an array or a tensor of its own, for use inside a check.

    Raises:
        Wrong: with a sentence for the learner, if it is something else, or several numbers.

    >>> number([3]), number(np.float32(2.0))
    (3.0, 2.0)
    """
    try:
        shape = np.shape(_plain(value))
    except (TypeError, ValueError):  # None, or lists of several lengths
        shape = ()
    return float(numbers(value, shape if math.prod(shape) == 1 else (), what).item())


def _plain(value: Any) -> Any:
    """Tensors as arrays, also inside lists and tuples."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None:
        raise TypeError("None is no number")
    return value


def close(value: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Whether two sets of numbers have the same shape and agree to `tolerance` and float32's precision.

    NaN agrees with NaN.

    >>> close([1.0, 2.00001], [1, 2]), close([1.0], [1, 2])
    (True, False)
    """
    expected = np.asarray(expected, dtype=np.float64)
    array = numbers(value, np.shape(_plain(value)))
    same = array.shape == expected.shape
    return same and bool(np.allclose(array, expected, atol=tolerance, rtol=FLOAT32, equal_nan=True))


def is_blank(answer: Any) -> bool:
    """Whether an answer is still the stub's: `None`, `...`, or a collection of nothing else.

    >>> is_blank(...), is_blank({"a": ...}), is_blank(0)
    (True, True, False)
    """
    if isinstance(answer, Mapping):
        answer = tuple(answer.values())
    if isinstance(answer, (list, tuple)) and answer:
        return all(is_blank(item) for item in answer)
    return answer is None or answer is Ellipsis


def guarded(function: Callable[..., Any], stub: str = "") -> Callable[..., Any]:
    """The learner's function, with its errors turned into a sentence.

    An empty result is "untouched" where the function is still the stub's, else a forgotten `return`.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            raise Wrong(f"your function stopped with {_told(function, error)}") from None
        if not is_blank(result):
            return result
        if is_stub(function, stub):
            raise Untouched
        raise Wrong(f"your function returned {result!r}, so nothing: end it with `return` and your result.")

    return call


def is_stub(function: Callable[..., Any], stub: str) -> bool:
    """Whether a function does what the one of its name in the stub does: whether nobody has worked on it.

    >>> stub = "def f(x):\\n    ...\\n    return None  # a number"
    >>> exec("def f(x):\\n    ...\\n    return None"); exec("def g(x):\\n    x + 1")
    >>> is_stub(f, stub), is_stub(g, stub.replace("f(", "g("))
    (True, False)
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    written = [c for c in compile(stub, "stub", "exec").co_consts if getattr(c, "co_name", None) == code.co_name]
    return any(_same_code(code, other) for other in written)


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two functions have the same instructions, whatever their comments and lines."""
    if (one.co_code, one.co_names, one.co_varnames) != (other.co_code, other.co_names, other.co_varnames):
        return False
    pairs = zip(one.co_consts, other.co_consts, strict=False)
    return len(one.co_consts) == len(other.co_consts) and all(
        _same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else a == b for a, b in pairs
    )


def _told(function: Callable[..., Any], error: Exception) -> str:
    """An error, its line and our advice. Where we have some, only the error's first sentence: torch's further ones
    advise what a learner should mostly not do."""
    said, where = f"{type(error).__name__}: {error}", _where(function, error)
    advice = next((advice for part, advice in ADVICE.items() if part in said), "")
    return f"{said.split('. ')[0].rstrip('.')}{where}. {advice}" if advice else f"{said}{where}"


def _where(function: Callable[..., Any], error: Exception) -> str:
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    return f" (in the line `{mine[-1].line}`)" if mine and mine[-1].line else ""


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Check an answer and never raise: whatever a learner may hand over ends in a `Verdict`."""
    blank = Verdict("untouched", "replace the `...` above, then run this cell again.")
    if is_blank(answer):
        return blank
    try:
        return exercise.check(_guard_all(answer, exercise.stub))
    except Untouched:
        return blank
    except Wrong as error:
        return wrong(str(error))
    except Exception as error:  # the answer is of a kind that the check did not foresee
        return wrong(f"this answer, {_brief(answer)}, could not be checked ({type(error).__name__}: {error}).")


def _guard_all(answer: Any, stub: str) -> Any:
    """The answer with every function in it guarded, whether it is one or a list of some."""
    if isinstance(answer, (list, tuple)) and answer and all(map(callable, answer)):
        return [guarded(function, stub) for function in answer]
    return guarded(answer, stub) if callable(answer) else answer


def _brief(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
