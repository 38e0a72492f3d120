"""The commands: each parses, calls one function, prints, exits.

May use every room. Whatever a notebook could want too does not belong here.
"""
