"""Who keeps the address of the rack's interface, in that program's own words.

Each module is one network manager: the files of our own it reads (nothing of the person's is touched), why it could not
use them, and the commands that make it look.
"""
