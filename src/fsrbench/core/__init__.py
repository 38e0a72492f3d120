"""The words and contracts of fsrbench: values, plugin contracts, errors, running things side by side.

May use nothing else of the package. Whatever reads a file, opens a network or knows a setting does not belong here.
"""
