"""The rating page: a person chooses between two restorations of one input, without being told who made which.

What is shown is drawn in `sheets.py`; under which names pictures go out, and what is in them, is `shots.py`'s. The page
is served (`session.py`, `server.py`) or written into a folder (`export.py`), whose answers `taking.py` reads back.
`page/` holds what the browser runs. What choices come to is worked out in `measure/preferences.py`.
"""
