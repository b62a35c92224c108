"""Makes the course of its sources: one lesson file becomes six notebooks, the glossary becomes a page.

`source` reads a lesson, `prose` looks after its words, `trainer` knows what only trainers see, `derive` makes notebooks
of it, `run` executes them, `pages` writes the front page and the glossary, `listing` a list for the
trainer's kit, `course` builds or checks everything. `../build.py` is the command.
"""
