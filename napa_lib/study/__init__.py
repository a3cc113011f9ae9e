"""What a lesson needs around its mathematics: its frame, pictures with words, exercises, quizzes and widgets."""

from napa_lib.study.ask import check, quiz
from napa_lib.study.estimates import art_table, own_picture
from napa_lib.study.exercises import Exercise, Verdict, WrongAnswer, close, judge, number, numbers, right, wrong
from napa_lib.study.figures import pictures, show
from napa_lib.study.guesses import fold, mark_guess, predict
from napa_lib.study.lesson import Lesson, start
from napa_lib.study.plans import LessonPlan, course_map, find_exercise, load_plan
from napa_lib.study.plots import draw_pose, pose_over
from napa_lib.study.poses import art_comparison, pose_card, pose_figure, pose_words
from napa_lib.study.quizzes import Option, Question
from napa_lib.study.record import progress
from napa_lib.study.turning import show_3d
from napa_lib.study.widgets import choice, explore, slider

__all__ = [
    "Exercise",
    "Lesson",
    "LessonPlan",
    "Option",
    "Question",
    "Verdict",
    "WrongAnswer",
    "art_comparison",
    "art_table",
    "check",
    "choice",
    "close",
    "course_map",
    "draw_pose",
    "explore",
    "find_exercise",
    "fold",
    "judge",
    "load_plan",
    "mark_guess",
    "number",
    "numbers",
    "own_picture",
    "pictures",
    "pose_card",
    "pose_figure",
    "pose_over",
    "pose_words",
    "predict",
    "progress",
    "quiz",
    "right",
    "show",
    "show_3d",
    "slider",
    "start",
    "wrong",
]
