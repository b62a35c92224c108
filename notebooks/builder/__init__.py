"""Makes the course of its sources: one lesson file becomes four notebooks, the glossary becomes a page.

`source` reads a lesson, `prose` looks after its words, `derive` makes notebooks of it, `run` executes them, `pages`
writes the front page and the glossary, `course` builds or checks everything. `../build.py` is the command.
"""
