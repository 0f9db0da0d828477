"""What `edgectl doctor` looks at: checks are pure functions of facts, and two modules gather the facts.

A check is one function in one tuple, `CHECKS` of its module: the `here` modules look at the board they run on, the
`rack` modules at a rack through its API. The function's name is the check's, its docstring says what it looks at.
"""
