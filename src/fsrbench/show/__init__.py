"""Everything that a person looks at: wording, tables, findings, panels, plots, the report.

May use `experiments` and the rooms below. Nothing is measured or decided here.
"""
