"""What finished pictures come to: scores, paired statistics, the summary, and whether a run became worse.

May use `study` and the rooms below. Sentences, tables and pictures for people do not belong here.
"""
