"""The lessons' plans: one module a lesson, `lesson_NN.py`, each with a `PLAN`."""
