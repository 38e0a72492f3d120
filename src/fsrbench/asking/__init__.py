"""Kinds of question, one file each: what is asked (a `Task`), and the strict reading of what comes back.

May use the rooms below. Who is asked, over which wire and at what price does not belong here: that is the auditor's.
"""
