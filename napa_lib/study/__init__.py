"""What a lesson needs around its mathematics: its frame, pictures with words, exercises, quizzes and widgets."""

from napa_lib.study.ask import check, quiz
from napa_lib.study.exercises import Exercise, Verdict, WrongAnswer, close, judge, numbers, right, wrong
from napa_lib.study.figures import pictures, show
from napa_lib.study.lesson import Lesson, start
from napa_lib.study.plans import LessonPlan, course_map, find_exercise, load_plan
from napa_lib.study.plots import draw_pose
from napa_lib.study.quizzes import Option, Question
from napa_lib.study.record import progress
from napa_lib.study.widgets import choice, explore, slider

__all__ = [
    "Exercise",
    "Lesson",
    "LessonPlan",
    "Option",
    "Question",
    "Verdict",
    "WrongAnswer",
    "check",
    "choice",
    "close",
    "course_map",
    "draw_pose",
    "explore",
    "find_exercise",
    "judge",
    "load_plan",
    "numbers",
    "pictures",
    "progress",
    "quiz",
    "right",
    "show",
    "slider",
    "start",
    "wrong",
]
